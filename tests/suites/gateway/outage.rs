//! Snapshots, Redis that goes and comes back, and the end of the process.

use anyhow::Result;
use serde_json::json;
use tests::{Gateway, RedisServer};

use crate::publisher::Publisher;

#[tokio::test]
async fn the_newest_comes_first_and_marked() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    let kept = publisher.keep(1).await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe", "tokens": [1], "mode": "ltp"}))
        .await?;
    assert_eq!(client.next().await?["type"], "subscribed");
    let first = client.next().await?;
    assert_eq!(first["data"]["seq"], kept["seq"]);
    assert_eq!(first["data"]["snapshot"], true);
    assert!(first["data"].get("volume").is_none());
    let next = publisher.tick(1).await;
    let second = client.next().await?;
    assert_eq!(second["data"]["seq"], next["seq"]);
    assert!(second["data"].get("snapshot").is_none());
    Ok(())
}

#[tokio::test]
async fn redis_that_was_away_is_a_gap_and_a_fresh_snapshot() -> Result<()> {
    let mut redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe", "tokens": [1]}))
        .await?;
    assert_eq!(client.next().await?["type"], "subscribed");
    publisher.is_read().await;
    publisher.tick(1).await;
    assert_eq!(client.next().await?["type"], "tick");
    let token = gateway.token("you", &[]).await?;
    redis.kill();
    let mut late = gateway.open(&format!("/ws/ticks?token={token}")).await?;
    assert_eq!(late.closed().await?.0, 1013);
    client.send(&json!({"action": "ping"})).await?;
    assert_eq!(
        client.next().await?["type"],
        "pong",
        "who is connected stays"
    );
    redis.restart().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    let kept = publisher.keep(1).await;
    tests::gateway::allow_reading(&redis).await?;
    let gap = client.next().await?;
    assert_eq!(gap["type"], "gap");
    assert_eq!(
        (&gap["all"], &gap["reason"]),
        (&json!(true), &json!("redis"))
    );
    assert!(gap["from_ts"].as_f64() < gap["to_ts"].as_f64());
    let fresh = client.next().await?;
    assert_eq!(fresh["data"]["seq"], kept["seq"]);
    assert_eq!(fresh["data"]["snapshot"], true);
    Ok(())
}

#[tokio::test]
async fn a_gap_of_the_account_is_told_to_those_whose_instruments_it_has() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    publisher.list(2).await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe", "tokens": [1, 2]}))
        .await?;
    client.next_of("subscribed").await?;
    let event = json!({"event_type": "gap", "ts": 9, "is_mock": false, "account_id": "acct-a", "conn": 0,
                       "from_ts": 5, "to_ts": 9, "tokens": [2, 3]});
    publisher.event(&event).await;
    let gap = client.next_of("gap").await?;
    assert_eq!(
        gap,
        json!({"type": "gap", "tokens": [2], "from_ts": 5.0, "to_ts": 9.0, "reason": "ingest"})
    );
    Ok(())
}

#[tokio::test]
async fn clients_are_told_before_the_process_ends() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut gateway = Gateway::start_with(&redis, &["--drain", "2s"]).await?;
    let mut client = gateway.client("me").await?;
    gateway.program().signal("TERM").await?;
    let closing = client.next().await?;
    assert_eq!(
        (&closing["type"], &closing["reconnect"]),
        (&json!("closing"), &json!(true))
    );
    assert!(closing["in_ms"].as_u64().unwrap() <= 2_000);
    assert_eq!(client.closed().await?.0, 1001);
    assert!(gateway.program().ended().await?.success());
    Ok(())
}

#[tokio::test]
async fn a_hash_that_cannot_be_read_keeps_nothing_from_others() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list_on(1, "ticker:bank:options").await;
    publisher.command(&["SET", "ticker:bank:last", "x"]).await;
    publisher.list(2).await;
    publisher.keep(2).await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe", "tokens": [1]}))
        .await?;
    assert_eq!(client.next().await?["total"], 1);
    client
        .send(&json!({"action": "subscribe", "tokens": [2]}))
        .await?;
    assert_eq!(client.next().await?["total"], 2);
    assert_eq!(client.next().await?["data"]["token"], 2);
    publisher.command(&["DEL", "ticker:bank:last"]).await;
    let tick = publisher.keep(1).await;
    let key = "ticker:bank:last";
    publisher
        .command(&["HSET", key, "1", &tick.to_string()])
        .await;
    assert_eq!(client.next().await?["data"]["token"], 1, "it is read again");
    Ok(())
}
