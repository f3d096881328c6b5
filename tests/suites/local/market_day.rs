//! A day of the market in a minute: closed, the open, the closing auction, the close, closed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kite::InstrumentType;
use serde_json::{Value, json};
use service::clock::{Clock, WallClock};
use tests::condition::within;
use tests::ticks::Message;
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

use crate::messages;

/// Four hundred seconds in one: from the list of the morning to the night in seventy.
const RATE: f64 = 400.0;

/// Longer than the day takes.
const DAY: Duration = Duration::from_secs(300);

/// 2026-12-01 in India: options open at 09:15 and close at 15:40, the cash market trades until 15:15.
const START: &str = "2026-12-01T08:05:00+05:30";
const OPEN: i64 = 1_796_096_700;
const CLOSE: i64 = 1_796_119_800;

/// What came of an instrument, by session: how many ticks, and the first and the last second in which one arrived.
fn sessions(ticks: &[Message], token: u64) -> BTreeMap<String, (usize, i64, i64)> {
    let mut sessions = BTreeMap::new();
    for tick in ticks.iter().filter(|it| it.tick["token"] == token) {
        let session = tick.tick["session"].as_str().unwrap_or("null").to_owned();
        let second = tick.tick["recv_us"].as_i64().unwrap_or_default() / 1_000_000;
        let (count, _, last) = sessions.entry(session).or_insert((0, second, second));
        (*count, *last) = (*count + 1, second);
    }
    sessions
}

/// The events of a class, each with the second in which it says that something began.
fn events(all: &[Message], class: &str) -> Vec<(String, i64)> {
    let of_class = all.iter().filter(|it| it.tick["class"] == class);
    let event = |it: &Message| {
        let kind = it.tick["event_type"].as_str().unwrap_or_default();
        (
            kind.to_owned(),
            it.tick["since"].as_i64().unwrap_or_default(),
        )
    };
    of_class.map(event).collect()
}

#[tokio::test]
async fn a_day_has_its_sessions_and_no_alarm() -> Result<()> {
    let clock = WallClock {
        start: START.parse()?,
        rate: RATE,
        origin: Some(Clock::system().wall()),
    };
    let clock = format!("--wall-clock={clock}");
    let (redis, simulator) = (
        RedisServer::start().await?,
        Simulator::start_with(&[&clock, "--market-hours", "exchange"]).await?,
    );
    let list = simulator.instruments().await?.instruments;
    let option = |row: &&kite::Instrument| {
        &*row.name == "NIFTY" && row.instrument_type == InstrumentType::Call
    };
    let option = list.iter().find(option).context("no option")?;
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:*").await?;
    let told = Ticks::subscribe_to_events(&redis.url(), "ticker:events").await?;
    let mut local = Local::new(&redis)?;
    local.write_real_account("main", &simulator, "  marketHours: Exchange\n")?;
    let names = [
        format!("NFO:{}", option.tradingsymbol),
        "NSE:NIFTY 50".to_owned(),
    ];
    local.write_set("day", "full", &names.each_ref().map(String::as_str), "")?;
    local.start_with(&[&clock])?;

    local.shows("day", "True", "MarketClosed").await;
    local.shows("main", "True", "MarketClosed").await;
    within(DAY, "the open", async || {
        let events = events(&told.all(), "NFO");
        let open = ("market_open".to_owned(), OPEN);
        if events == [open] {
            Ok(())
        } else {
            Err(format!("{events:?}"))
        }
    })
    .await;
    local.shows("day", "True", "Streaming").await;
    within(DAY, "the close", async || {
        let events = events(&told.all(), "NFO");
        let close = ("market_close".to_owned(), CLOSE);
        if events.len() == 2 && events[1] == close {
            Ok(())
        } else {
            Err(format!("{events:?}"))
        }
    })
    .await;
    local.shows("day", "True", "MarketClosed").await;

    let all = ticks.all();
    let of_option = sessions(&all, u64::from(option.token.0));
    let of_index = sessions(&all, 256_265);
    ensure!(of_option.keys().eq(["open"]), "{of_option:?}");
    let (count, first, last) = of_option["open"];
    ensure!(count > 10 && first >= OPEN && last < CLOSE, "{of_option:?}");
    // In its auction the index stands still.
    ensure!(of_index.keys().eq(["open"]), "{of_index:?}");
    ensure!(of_index["open"].2 < CLOSE - 25 * 60, "{of_index:?}");
    let index = events(&told.all(), "NSE-INDEX");
    let day = [
        ("market_open".to_owned(), OPEN),
        ("market_close".to_owned(), CLOSE - 25 * 60),
    ];
    assert_eq!(index, day);
    let kinds: BTreeSet<String> = told
        .all()
        .iter()
        .filter_map(|it| Some(it.tick["event_type"].as_str()?.to_owned()))
        .collect();
    // As the documented schema says; the first of the day and the last are among them.
    ensure!(
        kinds.contains("market_open") && kinds.contains("market_close"),
        "{kinds:?}"
    );
    let lines = told.all().into_iter();
    let lines = lines.map(|it| json!({"kind": "event", "json": it.tick.to_string()}));
    messages::check(&lines.collect::<Vec<Value>>()).await?;
    for alarm in ["stale", "disconnected", "gap"] {
        ensure!(!kinds.contains(alarm), "{kinds:?}");
    }
    eventually("the hash of the markets", async || {
        let mut connection = redis.connection().await?;
        let mut get = redis::cmd("HGET");
        let get = get.arg("ticker:market").arg("NFO");
        let market: String = get.query_async(&mut connection).await?;
        let market: Value = serde_json::from_str(&market)?;
        let found = (&market["session"], &market["since"], &market["next"]);
        let expected = (&json!("closed"), &json!(CLOSE), &json!("open"));
        ensure!(found == expected, "{market}");
        Ok(())
    })
    .await;
    ticks.clear();
    local.stop().await
}
