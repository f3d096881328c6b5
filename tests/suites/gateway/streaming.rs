//! Ticks from the simulator through an ingestor and Redis to a client.

use anyhow::Result;
use serde_json::json;
use tests::{Gateway, Local, RedisServer, Simulator};

const NIFTY: u64 = 256_265;

#[tokio::test]
async fn ticks_of_a_running_account_reach_a_client() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("all", "full", &["NSE:NIFTY 50", "NSE:INFY"], "")?;
    local.start()?;
    local.shows("all", "True", "Streaming").await;
    let gateway = Gateway::start(&redis).await?;
    let mut client = gateway.client("me").await?;
    client
        .send(&json!({"action": "subscribe", "tokens": [NIFTY], "symbols": ["NSE:INFY"]}))
        .await?;
    let answer = client.next_of("subscribed").await?;
    assert_eq!(answer["total"], 2, "{answer}");
    let mut index = client.next_of("tick").await?;
    while index["data"]["token"] != NIFTY {
        index = client.next_of("tick").await?;
    }
    assert_eq!(index["data"]["is_mock"], true);
    assert_eq!(index["data"]["last_price"], index["data"]["price"]);
    let mut share = client.next_of("tick").await?;
    while share["data"]["tradingsymbol"] != "INFY" {
        share = client.next_of("tick").await?;
    }
    assert_eq!(share["data"]["instrument_token"], share["data"]["token"]);
    client
        .send(&json!({"action": "subscribe", "tokens": [NIFTY], "mock": false, "id": 1}))
        .await?;
    let answer = client.next_of("subscribed").await?;
    assert_eq!(
        answer["rejected"],
        json!([{"token": NIFTY, "reason": "mock"}])
    );
    Ok(())
}
