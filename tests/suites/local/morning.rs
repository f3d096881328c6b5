//! From one market day to the next: auction, close and expiry, the night in which Kite ends the token, a login, the list of
//! the morning, and the open. No process is started anew, and nobody does anything but log in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kite::{Instrument, InstrumentType};
use reqwest::StatusCode;
use service::clock::{Clock, WallClock};
use tests::condition::within;
use tests::login_page::{browser, location, log_in};
use tests::ticks::Message;
use tests::{Local, RedisServer, Simulator, Ticks};

use crate::login::{API_SECRET, login_address};

/// Three hundred seconds in one: from the noon of a Tuesday to the next morning in four minutes.
const RATE: f64 = 300.0;

/// Longer than all of it takes.
const LONG: Duration = Duration::from_secs(600);

/// 2026-12-01 in India, on which a week of NIFTY's options ends at 15:40.
const START: &str = "2026-12-01T13:05:00+05:30";
const CLOSE: i64 = 1_796_119_800;
/// 09:15 of the next day.
const OPEN: i64 = CLOSE + 17 * 3_600 + 35 * 60;
/// 07:35 of the next day.
const FLUSHED: i64 = CLOSE + 15 * 3_600 + 55 * 60;

/// The events of a class, each with the second in which it says that something began.
fn events(all: &[Message], class: &str) -> Vec<(String, i64)> {
    let of_class = all.iter().filter(|it| it.tick["class"] == class);
    let event = |it: &Message| {
        let kind = it.tick["event_type"].as_str().unwrap_or_default();
        let since = it.tick["since"].as_i64().unwrap_or_default();
        (kind.to_owned(), since)
    };
    of_class.map(event).collect()
}

/// Options of NIFTY by their expiry, the nearest first.
fn options(list: &[Instrument]) -> BTreeMap<jiff::civil::Date, BTreeSet<u64>> {
    let mut options: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
    for row in list {
        let is_option = matches!(
            row.instrument_type,
            InstrumentType::Call | InstrumentType::Put
        );
        if let Some(expiry) = row.expiry.filter(|_| is_option && &*row.name == "NIFTY") {
            options
                .entry(expiry)
                .or_default()
                .insert(row.token.0.into());
        }
    }
    options
}

/// The newest table.
fn table(local: &Local) -> String {
    let printed = local.printed();
    printed
        .rsplit("ACCOUNT")
        .next()
        .unwrap_or_default()
        .to_owned()
}

async fn says(local: &Local, what: &str, text: &str) {
    within(LONG, what, async || {
        let table = table(local);
        match table.contains(text) {
            true => Ok(()),
            false => Err(table),
        }
    })
    .await;
}

async fn happens(told: &Ticks, kind: &str, since: i64) {
    within(LONG, kind, async || {
        let events = events(&told.all(), "NFO");
        match events.contains(&(kind.to_owned(), since)) {
            true => Ok(()),
            false => Err(format!("{events:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_night_and_a_morning_need_a_login_and_nothing_else() -> Result<()> {
    let wall = WallClock {
        start: START.parse()?,
        rate: RATE,
        origin: Some(Clock::system().wall()),
    };
    let now = Clock::accelerated(wall);
    let clock = format!("--wall-clock={wall}");
    let redis = RedisServer::start().await?;
    let mut local = Local::new(&redis)?;
    local.start_with(&[&clock, "--login-listen", "127.0.0.1:0"])?;
    let redirect = format!("http://{}/login/callback", login_address(&local).await);
    let arguments = [
        &*clock,
        "--market-hours",
        "exchange",
        "--token-flush",
        "06:00",
    ];
    let login = ["--api-secret", API_SECRET, "--redirect-url", &redirect];
    let simulator = Simulator::start_with(&[&arguments[..], &login].concat()).await?;
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:*").await?;
    let told = Ticks::subscribe_to_events(&redis.url(), "ticker:events").await?;
    let before = options(&simulator.instruments().await?.instruments);
    local.write_real_account("main", &simulator, "  marketHours: Exchange\n")?;
    local.write(
        "secret-main.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: main}}\nstringData: {{api_key: main-fake-key, \
             api_secret: {API_SECRET}, access_token: main-fake-token}}\n"
        ),
    )?;
    local.write(
        "set-chain.yaml",
        "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {name: chain}\nspec:\n  options:\n  \
         - {underlying: NIFTY, expiries: {nearest: 1}, strikes: {aroundATM: 2}}\n",
    )?;
    local.shows("chain", "True", "Streaming").await;
    let process = local.child_of("main")?;
    ensure!(now.wall().as_second() < CLOSE, "this machine is too slow");

    happens(&told, "market_close", CLOSE).await;
    says(&local, "the night", "MarketClosed").await;
    let ready = local.printed().len();
    says(
        &local,
        "that the token has ended",
        "Kite refuses the access token",
    )
    .await;
    says(&local, "a login link", "log in to main: ").await;
    let offered = now.wall().as_second();
    ensure!(offered >= FLUSHED, "at {offered}");
    let link = table(&local);
    let link = link
        .lines()
        .find_map(|it| it.strip_prefix("log in to main: "));
    let browser = browser()?;
    let back = log_in(&browser, link.context("no link")?, "AB1234").await?;
    let answer = browser.get(&back).send().await?;
    ensure!(answer.status() == StatusCode::SEE_OTHER, "{answer:?}");
    ensure!(location(&answer)?.starts_with("/login/done/"));
    happens(&told, "market_open", OPEN).await;
    says(&local, "the open", "Streaming").await;
    within(LONG, "the session is used", async || {
        let report = local
            .report("main")
            .await
            .map_err(|error| error.to_string())?;
        match report.token_source {
            Some(contract::TokenSource::Session) => Ok(()),
            _ => Err(format!("{report:?}")),
        }
    })
    .await;

    // Of the expired week nothing comes any more, and the next one ticks.
    let after = options(&simulator.instruments().await?.instruments);
    let (expired, _) = before.first_key_value().context("no options")?;
    let (nearest, chain) = after.first_key_value().context("no options")?;
    ensure!(nearest > expired, "{nearest} after {expired}");
    let opened_at = OPEN * 1_000_000;
    let is_today = |it: &&Message| it.tick["recv_us"].as_i64() >= Some(opened_at);
    within(LONG, "ticks of the next week", async || {
        let all = ticks.all();
        let today = all.iter().filter(is_today);
        let tokens: BTreeSet<u64> = today.filter_map(|it| it.tick["token"].as_u64()).collect();
        let of_chain = tokens.intersection(chain).count();
        let of_expired = tokens.intersection(&before[expired]).count();
        match (of_chain, of_expired) {
            (10.., 0) => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
    ensure!(
        local.child_of("main")? == process,
        "the process is another one"
    );
    no_alarm(&local, &told, ready)?;
    no_second_goes_back(&ticks.all())?;
    ticks.clear();
    local.stop().await
}

/// From the close on the account was never anything but Ready, and no event names a loss.
fn no_alarm(local: &Local, told: &Ticks, since: usize) -> Result<()> {
    let printed = local.printed();
    for alarm in ["Stale", "TokenExpired", "LoginRequired", "PodNotReady"] {
        ensure!(!printed[since..].contains(alarm), "{alarm}: {printed}");
    }
    let events = told.all();
    let kinds = events.iter();
    let kinds: BTreeSet<&str> = kinds
        .filter_map(|it| it.tick["event_type"].as_str())
        .collect();
    for alarm in ["stale", "disconnected", "gap"] {
        ensure!(!kinds.contains(alarm), "{kinds:?}");
    }
    Ok(())
}

/// What a consumer has made a bar of is not opened again.
fn no_second_goes_back(all: &[Message]) -> Result<()> {
    let mut last: BTreeMap<u64, f64> = BTreeMap::new();
    for message in all {
        let tick = &message.tick;
        let (Some(token), Some(second)) = (tick["token"].as_u64(), tick["ts"].as_f64()) else {
            continue;
        };
        let before = last.insert(token, second).unwrap_or(second);
        ensure!(second >= before, "{before} before {tick}");
    }
    Ok(())
}
