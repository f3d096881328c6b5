//! Kite refuses good credentials for a while, as it has done on whole mornings.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::{Local, RedisServer, Simulator, eventually};

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

#[tokio::test]
async fn a_token_that_is_base64_twice_is_remarked_on_before_and_after_its_refusal() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    let encoded = STANDARD.encode("abcdefghijklmnopQRSTUVWX12345678");
    local.write_secret("demo", &encoded)?;
    simulator.control("faults", json!({"refuse": 403})).await?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    local.start()?;
    local.shows("demo", "False", "TokenExpired").await;
    eventually("the remark", async || {
        let printed = local.printed();
        let said = printed.contains("a value is base64 once more");
        said.then_some(()).ok_or(printed)
    })
    .await;
    assert!(!local.printed().contains(&encoded));
    local.stop().await
}
