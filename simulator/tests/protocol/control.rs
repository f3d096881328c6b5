//! Faults and frames on demand.

use futures::SinkExt;
use kite::{Command, Mode, Token};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};

use crate::harness::{Simulator, within};

const INFY: Token = Token(408_065);

#[tokio::test]
async fn a_dropped_connection_ends_without_a_close_frame() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut dropped = simulator.connect("api_key=a&access_token=t").await;
    let mut other = simulator.connect("api_key=b&access_token=t").await;
    let answer = simulator
        .control("/sim/connections/drop", json!({"api_key": "a"}))
        .await;
    assert_eq!(answer, json!({"dropped": 1}));
    let end = loop {
        match dropped.next().await {
            Ok(Message::Binary(_)) => {}
            end => break end,
        }
    };
    assert!(
        matches!(
            end,
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_))
        ),
        "{end:?}"
    );
    simulator
        .control(
            "/sim/text",
            json!({"text": "{\"type\":\"x\"}", "api_key": "b"}),
        )
        .await;
    assert_eq!(other.text().await["type"], "x");
}

#[tokio::test]
async fn a_mute_connection_beats_and_does_not_tick() {
    let simulator = Simulator::start(&["--rate", "100"]).await;
    let mut client = simulator.connect("api_key=a&access_token=t").await;
    client.command(&Command::Subscribe(vec![INFY])).await;
    client.packets(2).await;
    simulator
        .control("/sim/faults", json!({"mute": true, "api_key": "a"}))
        .await;
    client.drain(&simulator).await;
    let mut beats = 0;
    while beats < 2 {
        match client.next().await.unwrap() {
            Message::Binary(frame) => assert_eq!(&frame[..], [0]),
            other => panic!("{other:?}"),
        }
        beats += 1;
    }
    simulator
        .control("/sim/faults", json!({"mute": false, "api_key": "a"}))
        .await;
    client.packets(1).await;
}

#[tokio::test]
async fn a_frozen_connection_is_silent_until_it_thaws() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect("api_key=a&access_token=t").await;
    simulator
        .control("/sim/faults", json!({"freeze": true}))
        .await;
    client.0.send(Message::Ping("here?".into())).await.unwrap();
    // Longer than a heartbeat's interval.
    let silence = std::time::Duration::from_millis(2_500);
    let next = async { while let Message::Binary(_) = client.next().await.unwrap() {} };
    assert!(
        tokio::time::timeout(silence, next).await.is_err(),
        "a frozen socket answered"
    );
    simulator
        .control("/sim/faults", json!({"freeze": false}))
        .await;
    within(async { while !matches!(client.next().await.unwrap(), Message::Pong(_)) {} }).await;
}

/// Kite counts sockets that died without its notice: whoever leaves them and dials again gets 429.
#[tokio::test]
async fn a_frozen_connection_keeps_its_place_when_its_client_leaves() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let (frozen, other) = ("api_key=a&access_token=t", "api_key=b&access_token=t");
    let mut clients = Vec::new();
    for query in [frozen, frozen, frozen, other, other, other] {
        clients.push(simulator.connect(query).await);
    }
    simulator
        .control("/sim/faults", json!({"freeze": true, "api_key": "a"}))
        .await;
    drop(clients);
    // The others' places are free once the simulator has noticed that all are gone.
    within(async { while simulator.try_connect(other).await.is_err() {} }).await;
    assert_eq!(simulator.refusal(frozen).await, 429);
    simulator
        .control("/sim/faults", json!({"freeze": false, "api_key": "a"}))
        .await;
    within(async { while simulator.try_connect(frozen).await.is_err() {} }).await;
}

#[tokio::test]
async fn frames_made_by_hand_arrive_as_they_are() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect("api_key=a&access_token=t").await;
    let answer = simulator
        .control("/sim/packets/raw", json!({"hex": "0002000800FFff"}))
        .await;
    assert_eq!(answer, json!({"queued": 1}));
    assert_eq!(client.binary().await, [0, 2, 0, 8, 0, 0xff, 0xff]);
    let text = r#"{"type":"order","data":{"order_id":"1"}}"#;
    simulator
        .control("/sim/text", json!({"text": text, "conn": 1}))
        .await;
    assert_eq!(client.text().await["data"]["order_id"], "1");
    let bad = simulator
        .post("/sim/packets/raw")
        .json(&json!({"hex": "0"}))
        .send()
        .await
        .unwrap();
    assert_eq!(bad.status(), 400);
    let body: Value = bad.json().await.unwrap();
    assert_eq!(
        body["error"],
        "hex must be an even number of hexadecimal digits"
    );
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_cut_off_and_others_are_not() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let _slow = simulator.connect("api_key=slow&access_token=t").await;
    let mut other = simulator.connect("api_key=b&access_token=t").await;
    let frame = json!({"hex": "00".repeat(256 * 1024), "api_key": "slow"});
    // Socket buffers of both ends fill first, then the queue.
    within(async {
        while simulator.control("/sim/packets/raw", frame.clone()).await["queued"] == 1 {}
    })
    .await;
    let open: Value = simulator
        .get("/sim/connections")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let keys: Vec<&Value> = open["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["api_key"])
        .collect();
    assert_eq!(keys, ["b"]);
    other.command(&Command::Subscribe(vec![INFY])).await;
    other.packets(1).await;
}

#[tokio::test]
async fn connections_are_listed_with_what_they_subscribed_to() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect("api_key=a&access_token=t").await;
    client
        .command(&Command::Subscribe(vec![INFY, Token(1)]))
        .await;
    client
        .command(&Command::SetMode(Mode::Full, vec![INFY]))
        .await;
    client.packets(2).await;
    let open: Value = simulator
        .get("/sim/connections")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let row = &open["connections"][0];
    assert_eq!(row["subscribed"], json!({"full": 1, "quote": 1}));
    assert_eq!((&row["id"], &row["muted"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn a_set_price_is_sent_at_once_in_every_mode() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect("api_key=a&access_token=t").await;
    client.command(&Command::Subscribe(vec![INFY])).await;
    client.packets(1).await;
    for (mode, price) in [(Mode::Ltp, 1_234.5), (Mode::Full, 1_500.0)] {
        client.command(&Command::SetMode(mode, vec![INFY])).await;
        client.packets(1).await;
        let body = json!({"prices": [{"token": INFY, "price": price}], "hold": true});
        let answer = simulator.control("/sim/prices", body).await;
        assert_eq!(answer, json!({"set": 1}));
        let packets = client.packets(1).await;
        let sent = f64::from(packets[0].last_price) / 100.0;
        assert_eq!(sent, price, "{mode}");
    }
}

#[tokio::test]
async fn a_frozen_market_says_the_same_truth_while_its_books_tick() {
    let simulator = Simulator::start(&["--rate", "100"]).await;
    let truth = async || {
        let answer = simulator
            .get("/sim/truth?tokens=408065,256265")
            .send()
            .await;
        answer.unwrap().json::<Value>().await.unwrap()
    };
    let answer = simulator
        .control("/sim/market", json!({"frozen": true}))
        .await;
    assert_eq!(answer, json!({"frozen": true}));
    let before = truth().await;
    let share = &before["truth"][0];
    assert_eq!(
        (&share["token"], &share["iv"]),
        (&json!(INFY), &Value::Null)
    );
    assert!(share["fair"].as_f64() > Some(0.0));
    assert_eq!(before["truth"][1]["token"], 256_265);
    let mut client = simulator.connect("api_key=a&access_token=t").await;
    client.command(&Command::Subscribe(vec![INFY])).await;
    client.packets(3).await;
    assert_eq!(truth().await, before);
    simulator
        .control("/sim/market", json!({"frozen": false}))
        .await;
    within(async { while truth().await == before {} }).await;
    for path in [
        "/sim/truth",
        "/sim/truth?tokens=7",
        "/sim/truth?tokens=NIFTY",
    ] {
        assert_eq!(simulator.get(path).send().await.unwrap().status(), 400);
    }
}

#[tokio::test]
async fn nonsense_is_refused() {
    let simulator = Simulator::start(&[]).await;
    for (path, body) in [
        ("/sim/faults", r#"{"refuse": 200}"#),
        ("/sim/faults", r#"{"mutte": true}"#),
        ("/sim/pause", "{}"),
        ("/sim/market", r#"{"frozen": 1}"#),
        ("/sim/rate", r#"{"rate": -1}"#),
        ("/sim/tick", "tokens"),
        ("/sim/prices", "{}"),
        ("/sim/prices", r#"{"prices": [{"token": 7, "price": 100}]}"#),
        (
            "/sim/prices",
            r#"{"prices": [{"token": 408065, "price": -1}]}"#,
        ),
        (
            "/sim/prices",
            r#"{"prices": [{"token": 408065, "price": 1e999}]}"#,
        ),
        (
            "/sim/prices",
            r#"{"prices": [{"token": 408065}], "hold": true}"#,
        ),
        ("/sim/clock", r#"{"wall_clock": "tomorrow"}"#),
        ("/sim/clock", r#"{"wall_clock": "2020-01-01T00:00:00Z,1"}"#),
        ("/sim/tokens/revoke", "{}"),
    ] {
        let answer = simulator.post(path).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path} {body}");
        assert!(answer.json::<Value>().await.unwrap()["error"].is_string());
    }
}
