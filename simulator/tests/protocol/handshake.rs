//! What is decided before the upgrade.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Simulator, within};

const UPGRADE: &str = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The head of the answer to a handshake with this request target and further headers.
async fn head(simulator: &Simulator, target: &str, headers: &str) -> String {
    let mut socket = TcpStream::connect(&simulator.addr).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\n{UPGRADE}{headers}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = within(socket.read_u8()).await;
        head.push(byte.expect("the head is not complete"));
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn parameters_come_in_any_order_and_unescaped() {
    let simulator = Simulator::start(&[]).await;
    for target in [
        "/?api_key=a&access_token=t",
        "/?access_token=t&api_key=b&uid=1795496400000",
        "/?api_key=c&access_token=AT+/=",
    ] {
        let head = head(&simulator, target, "").await;
        assert!(head.starts_with("http/1.1 101 "), "{target}: {head}");
        // The accept value of RFC 6455, section 1.3.
        assert!(
            head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn extensions_and_protocols_are_declined() {
    let simulator = Simulator::start(&[]).await;
    let offers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
                  Sec-WebSocket-Protocol: chat\r\n";
    let head = head(&simulator, "/?api_key=a&access_token=t", offers).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(!head.contains("sec-websocket-extensions") && !head.contains("sec-websocket-protocol"));
}

#[tokio::test]
async fn a_malformed_handshake_is_400() {
    let simulator = Simulator::start(&[]).await;
    for target in [
        "?api_key=a&access_token=t",
        "/?api_key=a",
        "/?access_token=t",
        "/?api_key=&access_token=t",
        "/",
    ] {
        let head = head(&simulator, target, "").await;
        assert!(head.starts_with("http/1.1 400 "), "{target}: {head}");
    }
}

#[tokio::test]
async fn the_fourth_connection_of_a_key_is_429_until_one_ends() {
    let simulator = Simulator::start(&[]).await;
    let query = "api_key=a&access_token=t";
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(simulator.connect(query).await);
    }
    assert_eq!(simulator.refusal(query).await, 429);
    drop(simulator.connect("api_key=b&access_token=t").await);

    let mut gone = clients.pop().unwrap();
    gone.0.close(None).await.unwrap();
    while !matches!(
        gone.next().await,
        Err(_) | Ok(tokio_tungstenite::tungstenite::Message::Close(_))
    ) {}
    drop(gone);
    // The place is free once the simulator has noticed.
    within(async { while simulator.try_connect(query).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_revoked_token_is_403_and_open_sockets_live_on() {
    let simulator = Simulator::start(&[]).await;
    let query = "api_key=a&access_token=secret";
    let mut open = simulator.connect(query).await;
    let profile = async || {
        let request = simulator
            .get("/user/profile")
            .header("Authorization", "token a:secret");
        request.send().await.unwrap()
    };
    assert_eq!(profile().await.status(), 200);

    simulator
        .control("/sim/tokens/revoke", json!({"access_token": "secret"}))
        .await;
    assert_eq!(simulator.refusal(query).await, 403);
    let answer = profile().await;
    assert_eq!(answer.status(), 403);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(
        (&body["status"], &body["error_type"]),
        (&json!("error"), &json!("TokenException"))
    );
    simulator
        .control("/sim/text", json!({"text": "{\"type\":\"message\"}"}))
        .await;
    assert_eq!(open.text().await["type"], "message");

    simulator
        .control("/sim/tokens/restore", json!({"access_token": "secret"}))
        .await;
    assert_eq!(profile().await.status(), 200);
    simulator.connect(query).await;
}

#[tokio::test]
async fn refusals_on_demand_end_after_their_count() {
    let simulator = Simulator::start(&[]).await;
    let query = "api_key=a&access_token=t";
    simulator
        .control(
            "/sim/faults",
            json!({"refuse": 429, "count": 2, "api_key": "a"}),
        )
        .await;
    assert_eq!(simulator.refusal(query).await, 429);
    simulator.connect("api_key=b&access_token=t").await;
    assert_eq!(simulator.refusal(query).await, 429);
    simulator.connect(query).await;
    simulator
        .control("/sim/faults", json!({"refuse": 403}))
        .await;
    assert_eq!(simulator.refusal(query).await, 403);
    simulator
        .control("/sim/faults", json!({"refuse": null}))
        .await;
    simulator.connect(query).await;
}
