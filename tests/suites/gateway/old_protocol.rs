//! What clients of older services send and read.

use anyhow::Result;
use serde_json::json;
use tests::{Gateway, RedisServer, eventually};

use crate::publisher::{Publisher, name};

#[tokio::test]
async fn ticks_of_subscribed_tokens_arrive_under_both_names() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    publisher.list(2).await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe", "tokens": [1]}))
        .await?;
    assert_eq!(
        client.next().await?,
        json!({"type": "subscribed", "tokens": [1], "total": 1})
    );
    publisher.is_read().await;
    publisher.tick(2).await;
    let mut expected = publisher.tick(1).await;
    expected["instrument_token"] = 1.into();
    expected["last_price"] = expected["price"].clone();
    assert_eq!(
        client.next().await?,
        json!({"type": "tick", "data": expected})
    );
    client
        .send(&json!({"action": "unsubscribe", "tokens": [1, 2]}))
        .await?;
    assert_eq!(
        client.next().await?,
        json!({"type": "unsubscribed", "tokens": [1], "total": 0})
    );
    Ok(())
}

#[tokio::test]
async fn the_first_message_says_who_is_connected() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    let token = gateway.token("me", &[]).await?;
    let mut client = gateway.open(&format!("/ws/ticks?token={token}")).await?;
    let first = client.next().await?;
    assert_eq!(
        first["user"],
        json!({"user_id": "me", "email": null, "name": null})
    );
    assert_eq!(
        (&first["type"], &first["protocol"]),
        (&json!("connected"), &json!(1))
    );
    assert!(first["timestamp"].is_number() && first["connection_id"].is_string());
    assert_eq!(
        first["limits"],
        json!({"max_tokens": 9000, "commands_per_s": 20, "max_frame": 524_288, "max_hz": null})
    );
    Ok(())
}

#[tokio::test]
async fn texts_about_errors_are_the_known_ones() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    for (sent, message) in [
        ("not json", "Invalid JSON message"),
        (r#"{"action":"fly"}"#, "Unknown action: fly"),
        (
            r#"{"action":"subscribe","tokens":"1"}"#,
            "tokens must be a list of instrument tokens",
        ),
    ] {
        client.send_text(sent).await?;
        let expected = json!({"type": "error", "message": message});
        assert_eq!(client.next().await?, expected);
    }
    client.send(&json!({"action": "ping", "id": 7})).await?;
    let pong = client.next().await?;
    assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!(7)));
    client
        .send(&json!({"action": "subscribe", "tokens": ["256265", 256_265], "symbols": ["x"]}))
        .await?;
    let answer = client.next().await?;
    assert_eq!(
        answer["rejected"],
        json!([
            {"token": "256265", "reason": "not_a_number"},
            {"symbol": "x", "reason": "unknown"},
            {"token": 256_265, "reason": "not_streaming"}
        ])
    );
    Ok(())
}

#[tokio::test]
async fn the_directory_is_followed_and_symbols_stand_for_tokens() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    publisher.list(5).await;
    let symbol = format!("NFO:{}", name(5));
    eventually("it is listed", async || {
        client
            .send(&json!({"action": "subscribe", "symbols": [symbol]}))
            .await?;
        let answer = client.next().await?;
        anyhow::ensure!(answer["total"] == 1, "{answer}");
        anyhow::Ok(())
    })
    .await;
    publisher.is_read().await;
    let tick = publisher.tick(5).await;
    assert_eq!(client.next_of("tick").await?["data"]["seq"], tick["seq"]);
    publisher.unlist(5).await;
    let mut other = gateway.client("you").await?;
    eventually("it is no longer listed", async || {
        other
            .send(&json!({"action": "subscribe", "tokens": [5]}))
            .await?;
        let answer = other.next().await?;
        anyhow::ensure!(
            answer["rejected"][0]["reason"] == "not_streaming",
            "{answer}"
        );
        anyhow::Ok(())
    })
    .await;
    Ok(())
}
