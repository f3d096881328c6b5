//! Access tokens: a morning on which one ends, and a Secret that gets a bad one.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use service::clock::{Clock, WallClock};
use tests::condition::within;
use tests::{Local, RedisServer, Simulator, eventually};

/// So many seconds in one.
const RATE: f64 = 250.0;

/// Longer than the morning takes.
const MORNING: Duration = Duration::from_secs(180);

/// A token that is refused, while sockets stream.
const REFUSED: &str =
    "Kite refuses the access token in Secret main, and the open connections stream on";

/// What is added once a new one is needed.
const NEEDED: &str = "a connection that is lost now cannot be reopened";

/// Whether the newest table has the text.
fn says(local: &Local, text: &str) -> Result<(), String> {
    let printed = local.printed();
    let newest = printed.rsplit("ACCOUNT").next().unwrap_or_default();
    match newest.contains(text) {
        true => Ok(()),
        false => Err(newest.to_owned()),
    }
}

/// Whether it has it no longer.
fn says_no_more(local: &Local, text: &str) -> Result<(), &'static str> {
    match says(local, text) {
        Ok(()) => Err("it is still told"),
        Err(_) => Ok(()),
    }
}

#[tokio::test]
async fn a_token_that_ends_in_the_morning_is_told_after_the_flush_and_costs_no_tick() -> Result<()>
{
    let clock = WallClock {
        start: "2026-12-01T06:05:00+05:30".parse()?,
        rate: RATE,
        origin: Some(Clock::system().wall()),
    };
    let clock = format!("--wall-clock={clock}");
    let arguments = [&*clock, "--market-hours", "exchange"];
    let (redis, simulator) = (
        RedisServer::start().await?,
        Simulator::start_with(&arguments).await?,
    );
    let mut local = Local::new(&redis)?;
    local.write_real_account("main", &simulator, "  marketHours: Exchange\n")?;
    local.write_set("day", "full", &["NSE:NIFTY 50"], "")?;
    local.start_with(&[&clock])?;
    local.shows("day", "True", "MarketClosed").await;
    local.shows("main", "True", "MarketClosed").await;

    simulator.control("tokens/flush", json!({})).await?;
    within(MORNING, "that a new one is needed", async || {
        says(&local, REFUSED)?;
        says(&local, NEEDED)
    })
    .await;
    // It was never anything but Ready since it first was.
    let printed = local.printed();
    let ready = printed.find("MarketClosed").unwrap_or_default();
    for never in ["TokenExpired", "False"] {
        ensure!(!printed[ready..].contains(never), "{never}: {printed}");
    }
    local.write_secret("main", "main-fake-token-of-today")?;
    within(MORNING, "the new token", async || {
        says_no_more(&local, REFUSED)
    })
    .await;
    within(MORNING, "the open", async || says(&local, "Streaming")).await;
    // The socket of the night carries it; the next is opened with the new token.
    let report = local.report("main").await?;
    ensure!(report.connections[0].reconnects == 0, "{report:?}");
    simulator.control("connections/drop", json!({})).await?;
    eventually("another socket", async || {
        let report = local
            .report("main")
            .await
            .map_err(|error| error.to_string())?;
        match (report.connections[0].reconnects, report.streaming) {
            (1.., 1..) => Ok(()),
            _ => Err(format!("{report:?}")),
        }
    })
    .await;
    local.stop().await
}

#[tokio::test]
async fn a_bad_token_in_the_secret_is_noticed_while_the_sockets_stream() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_real_account("main", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;

    let bad = json!({"access_token": "main-fake-bad-token"});
    simulator.control("tokens/revoke", bad).await?;
    local.write_secret("main", "main-fake-bad-token")?;
    eventually("that it is refused", async || says(&local, REFUSED)).await;
    local.shows("main", "True", "Streaming").await;

    // Kite's REST fails twice: that says nothing about the next token, which is good.
    let failing = json!({"profile": "html502", "count": 2});
    simulator.control("faults", failing).await?;
    local.write_secret("main", "main-fake-good-token")?;
    eventually("that the failure is logged", async || {
        let printed = local.printed();
        match printed.contains("the access token could not be checked") {
            true => Ok(()),
            false => Err(printed),
        }
    })
    .await;
    eventually("that nothing is refused", async || {
        says_no_more(&local, REFUSED)
    })
    .await;
    local.shows("main", "True", "Streaming").await;
    local.stop().await
}
