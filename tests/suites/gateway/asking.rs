//! What is asked over HTTP.

use anyhow::Result;
use serde_json::json;
use tests::{Gateway, Local, RedisServer, Simulator, eventually};

use crate::publisher::{Publisher, name};

#[tokio::test]
async fn newest_ticks_and_what_streams_are_read_by_those_who_poll() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    publisher.list(2).await;
    publisher.list(3).await;
    let (first, second) = (publisher.keep(1).await, publisher.keep(2).await);
    let gateway = Gateway::start(&redis).await?;
    let token = gateway.token("me", &[]).await?;
    let path = format!("/last?symbols=NFO:{}&tokens=2,3,9", name(1));
    assert_eq!(gateway.get(&path, None).await?.0, 401);
    let (status, mut answer) = gateway.get(&path, Some(&token)).await?;
    assert_eq!(status, 200);
    let by_token = |tick: &serde_json::Value| tick["token"].as_u64();
    let ticks = answer["data"].as_array_mut().unwrap();
    ticks.sort_by_key(by_token);
    assert_eq!(*ticks, [first, second]);
    let many: Vec<String> = (0..501).map(|it: u32| it.to_string()).collect();
    let path = format!("/last?tokens={}", many.join(","));
    assert_eq!(gateway.get(&path, Some(&token)).await?.0, 400);

    let (_, found) = gateway.get("/instruments?q=nifty2", Some(&token)).await?;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["instrument_token"], 2);
    let path = "/subscriptions?limit=1&offset=1";
    let (_, rows) = gateway.get(path, Some(&token)).await?;
    assert_eq!(
        rows,
        json!([{"instrument_token": 2, "tradingsymbol": name(2), "segment": "NFO-OPT", "status": "active",
                "requested_mode": "full", "account_id": "acct-a"}])
    );
    assert_eq!(gateway.get("/history", None).await?.0, 501);
    assert!(!gateway.log().contains(&token), "a token is in the log");
    Ok(())
}

#[tokio::test]
async fn health_names_the_accounts_that_stream() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("all", "full", &["NSE:NIFTY 50", "NSE:INFY"], "")?;
    local.start()?;
    local.shows("all", "True", "Streaming").await;
    let gateway = Gateway::start(&redis).await?;
    eventually("the account is alive", async || {
        let (_, health) = gateway.get("/health", None).await?;
        let account = &health["ticker"]["accounts"][0];
        let known = account["account_id"] == "demo" && account["last_tick_at"].is_number();
        anyhow::ensure!(known && health["status"] == "ok", "{health}");
        assert_eq!(account["instrument_count"], 2);
        assert_eq!(health["ticker"]["running"], true);
        anyhow::Ok(())
    })
    .await;
    Ok(())
}
