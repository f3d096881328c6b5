//! Clients that do not read.

use anyhow::Result;
use serde_json::{Value, json};
use tests::{Gateway, RedisServer};

use crate::publisher::Publisher;

/// Ticks after which the sockets of a client that does not read are full for certain.
const MOST: u64 = 100_000;

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_others_miss_nothing() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    let arguments = ["--slow-client-after", "1s"];
    let gateway = Gateway::start_with(&redis, &arguments).await?;
    let (mut slow, mut other) = (gateway.client("slow").await?, gateway.client("me").await?);
    let subscribe = json!({"action": "subscribe", "tokens": [1]});
    for client in [&mut slow, &mut other] {
        client.send(&subscribe).await?;
        assert_eq!(client.next().await?["total"], 1);
    }
    publisher.is_read().await;
    let mut sent = 0;
    loop {
        sent += 1;
        let tick = publisher.tick(1).await;
        let got = other.next().await?;
        assert_eq!(got["data"]["seq"], tick["seq"], "in order, none left out");
        if sent % 500 == 0 {
            let (_, stats) = gateway.metrics("/ws/stats").await?;
            let stats: Value = serde_json::from_str(&stats)?;
            if stats["total_subscriptions"] == 1 {
                break;
            }
            assert!(sent < MOST, "it is still connected: {stats}");
        }
    }
    assert_eq!(slow.closed().await?, (1013, "Slow client".to_owned()));
    Ok(())
}
