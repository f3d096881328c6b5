//! Kite refuses good credentials for a while, as it has done on whole mornings.

use anyhow::Result;
use serde_json::json;
use tests::{Local, RedisServer, Simulator};

/// The lines about `name`, newest last.
fn said(local: &Local, name: &str) -> Vec<String> {
    let printed = local.printed();
    let lines = printed.lines().filter(|line| line.contains(name));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_passing_refusal_heals_and_only_the_account_says_when_it_is_tried_again() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    simulator
        .control("faults", json!({"refuse": 403, "count": 1}))
        .await?;
    local.start()?;
    local.shows("demo", "False", "TokenExpired").await;
    local.shows("shares", "False", "TokenExpired").await;
    local.shows("shares", "True", "Streaming").await;

    let times: Vec<String> = said(&local, "demo")
        .into_iter()
        .filter(|line| line.contains("it is tried again at"))
        .collect();
    assert!(!times.is_empty(), "{}", local.printed());
    assert!(times.iter().all(|line| line.contains(" IST")), "{times:?}");
    let of_the_set = said(&local, "shares");
    assert!(
        !of_the_set.iter().any(|line| line.contains("tried again")),
        "{of_the_set:?}"
    );
    local.stop().await
}
