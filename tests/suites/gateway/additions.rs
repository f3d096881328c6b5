//! What newer clients may ask for.

use anyhow::Result;
use serde_json::json;
use tests::{Gateway, RedisServer};

use crate::publisher::{Publisher, name};

#[tokio::test]
async fn the_last_tick_of_a_burst_arrives_at_a_client_with_a_rate() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe", "tokens": [1], "max_hz": 1, "batch": true}))
        .await?;
    assert_eq!(client.next().await?["total"], 1);
    publisher.is_read().await;
    let mut last = publisher.tick(1).await;
    for _ in 0..100 {
        last = publisher.tick(1).await;
    }
    let mut got = 0;
    loop {
        let ticks = client.next_of("ticks").await?;
        let ticks = ticks["data"].as_array().unwrap();
        got += ticks.len();
        if ticks.last().unwrap()["seq"] == last["seq"] {
            break;
        }
    }
    assert!(got < 50, "{got} ticks at 1 Hz");
    Ok(())
}

#[tokio::test]
async fn subscriptions_are_listed_and_outlive_a_new_token() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe", "tokens": [1], "mode": "ltp"}))
        .await?;
    assert_eq!(client.next().await?["total"], 1);
    let other = gateway.token("you", &[]).await?;
    client
        .send(&json!({"action": "refresh", "token": other, "id": "a"}))
        .await?;
    assert_eq!(
        client.next().await?,
        json!({"type": "error", "message": "the token is of another user", "id": "a"})
    );
    let fresh = gateway.token("me", &["--ttl", "9h"]).await?;
    client
        .send(&json!({"action": "refresh", "token": fresh}))
        .await?;
    assert_eq!(client.next().await?["type"], "refreshed");
    client.send(&json!({"action": "list"})).await?;
    let listed = json!([{"token": 1, "symbol": format!("NFO:{}", name(1)), "mode": "ltp", "is_mock": false}]);
    assert_eq!(
        client.next().await?,
        json!({"type": "list", "subscriptions": listed, "total": 1})
    );
    Ok(())
}

#[tokio::test]
async fn a_sign_of_life_comes_when_it_was_asked_for() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "hello", "heartbeat": 1}))
        .await?;
    assert_eq!(
        client.next().await?,
        json!({"type": "hello", "protocol": 1, "heartbeat": 1.0})
    );
    assert_eq!(client.next().await?["type"], "hb");
    Ok(())
}

#[tokio::test]
async fn order_updates_are_for_those_who_may_read_them() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe_orders", "accounts": ["acct-a"]}))
        .await?;
    assert_eq!(
        client.next().await?,
        json!({"type": "orders_subscribed", "accounts": [],
               "rejected": [{"account": "acct-a", "reason": "not_permitted"}]})
    );
    Ok(())
}
