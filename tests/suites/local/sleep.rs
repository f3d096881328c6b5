//! An account that rests while its markets are closed: from the last ticks of an evening to the first of the next morning.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use redis::AsyncCommands;
use service::clock::{Clock, WallClock};
use tests::condition::within;
use tests::{Local, RedisServer, Simulator, Ticks};

/// From the evening to the morning in a minute and a half.
const RATE: f64 = 400.0;

/// Longer than all of it takes.
const LONG: Duration = Duration::from_secs(400);

/// MCX closes at 23:55, and opens at 09:00 of the next day.
const START: &str = "2026-12-01T22:40:00+05:30";

/// Waits until the account has a process, or none.
async fn has_process(local: &mut Local, expected: bool) {
    let local = std::cell::RefCell::new(local);
    let what = if expected { "a process" } else { "no process" };
    within(LONG, what, async || {
        let found = local.borrow_mut().child_of("main");
        match found.is_ok() == expected {
            true => Ok(()),
            false => Err(format!("{found:?}: {}", local.borrow().printed())),
        }
    })
    .await;
}

#[tokio::test]
async fn an_account_rests_at_night_and_loses_nothing() -> Result<()> {
    let wall = WallClock {
        start: START.parse()?,
        rate: RATE,
        origin: Some(Clock::system().wall()),
    };
    let clock = format!("--wall-clock={wall}");
    let redis = RedisServer::start().await?;
    let simulator = Simulator::start_with(&[&clock, "--market-hours", "exchange"]).await?;
    let list = simulator.instruments().await?.instruments;
    let future = list
        .iter()
        .filter(|row| &*row.exchange == "MCX" && &*row.name == "CRUDEOIL" && row.expiry.is_some())
        .filter(|row| row.instrument_type == kite::InstrumentType::Future)
        .max_by_key(|row| row.expiry)
        .context("no future of crude oil")?;
    let symbol = format!("MCX:{}", future.tradingsymbol);
    let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
    let told = Ticks::subscribe_to_events(&redis.url(), "ticker:events").await?;
    let mut local = Local::new(&redis)?;
    let more = "  marketHours: Exchange\n  schedule: {sleepWhenClosed: true}\n";
    local.write_real_account("main", &simulator, more)?;
    local.write_set("oil", "full", &[&symbol], "")?;
    local.start_with(&[&clock])?;
    local.shows("oil", "True", "Streaming").await;
    ticks.tick_of(future.token.0.into()).await;
    let evening = local.child_of("main")?;

    has_process(&mut local, false).await;
    local.shows("main", "True", "MarketClosed").await;
    local.shows("oil", "True", "MarketClosed").await;
    within(LONG, "no socket is needed", async || {
        match local.row("main") {
            Some(row) if row.iter().any(|cell| cell == "0/0") => Ok(()),
            row => Err(format!("{row:?}")),
        }
    })
    .await;
    // What others read stays.
    let mut connection = redis.connection().await?;
    let listed: bool = connection
        .hexists("ticker:instruments", future.token.0.to_string())
        .await?;
    ensure!(listed, "the directory has lost its row");
    let keys: Vec<String> = connection.keys("ticker:*:last").await?;
    let [key] = &keys[..] else {
        anyhow::bail!("{keys:?}");
    };
    let last: bool = connection.hexists(key, future.token.0.to_string()).await?;
    ensure!(last, "its last price is gone");

    // A restart wakes nobody.
    local.stop().await?;
    local.start_with(&[&clock])?;
    local.shows("main", "True", "MarketClosed").await;
    local.shows("oil", "True", "MarketClosed").await;
    ensure!(local.child_of("main").is_err(), "it was woken");

    has_process(&mut local, true).await;
    ensure!(local.child_of("main")? != evening);
    local.shows("oil", "True", "Streaming").await;
    let kinds: BTreeSet<String> = told
        .all()
        .iter()
        .filter_map(|it| Some(it.tick["event_type"].as_str()?.to_owned()))
        .collect();
    for alarm in ["disconnected", "subscription_deleted", "gap", "stale"] {
        ensure!(!kinds.contains(alarm), "{kinds:?}");
    }
    for word in ["Stale", "False"] {
        let printed = local.printed();
        ensure!(!printed.contains(word), "{word}: {printed}");
    }
    local.stop().await
}
