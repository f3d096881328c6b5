//! A night of the market in a minute: an expiry, and the list of the next morning.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::civil::Date;
use kite::{Instrument, InstrumentType};
use service::clock::{Clock, WallClock};
use tests::condition::within;
use tests::{Local, RedisServer, Simulator};

/// Twenty minutes in a second: 19.5 hours in a minute.
const RATE: f64 = 1_200.0;

/// Longer than the night takes.
const NIGHT: Duration = Duration::from_secs(240);

/// A day on which a week of NIFTY's options ends.
const EXPIRY_DAY: &str = "2026-12-01";

type Contracts = BTreeSet<(u32, Option<Date>)>;

/// The calls of the first expiry after a day.
fn nearest_calls(rows: &[Instrument], underlying: &str, after: Date) -> Contracts {
    let calls = rows.iter().filter(|row| {
        &*row.name == underlying
            && row.instrument_type == InstrumentType::Call
            && row.expiry > Some(after)
    });
    let nearest = calls.clone().filter_map(|row| row.expiry).min();
    let calls = calls.filter(|row| row.expiry == nearest);
    calls.map(|row| (row.token.0, row.expiry)).collect()
}

fn assigned(local: &Local) -> Result<Contracts> {
    let rows = local.sealed("demo")?.open()?.instruments;
    Ok(rows.iter().map(|row| (row.token.0, row.expiry)).collect())
}

/// Whether the account is given exactly these.
fn compare(local: &Local, expected: &Contracts) -> Result<(), String> {
    let given = assigned(local).map_err(|error| format!("{error:#}"))?;
    (given == *expected).then_some(()).ok_or_else(|| {
        let part =
            |a: &Contracts, b: &Contracts| a.difference(b).take(5).copied().collect::<Vec<_>>();
        format!(
            "missing {:?}, needless {:?}",
            part(expected, &given),
            part(&given, expected)
        )
    })
}

fn write(local: &Local, underlying: &str) -> Result<()> {
    let text = format!(
        "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {{name: chain}}\nspec:\n  options:\n    \
         - {{underlying: {underlying:?}, expiries: {{nearest: 1}}, strikes: {{all: true}}, types: [CE]}}\n  publish: {{greeks: false}}\n"
    );
    local.write("set-chain.yaml", &text)
}

/// The share whose strikes are others although its contracts are the same.
fn adjusted(before: &[Instrument], after: &[Instrument]) -> Option<String> {
    let strike_today = |row: &Instrument| {
        let today = after.iter().find(|it| it.token == row.token)?;
        (today.name == row.name && today.expiry == row.expiry).then_some(today.strike)
    };
    let options = before.iter().filter(|row| row.instrument_type.is_option());
    let mut changed =
        options.filter(|row| strike_today(row).is_some_and(|today| today < row.strike));
    changed.next().map(|row| row.name.to_string())
}

#[tokio::test]
async fn a_chain_rolls_at_its_expiry_and_follows_the_list_of_the_next_morning() -> Result<()> {
    let clock = WallClock {
        start: format!("{EXPIRY_DAY}T13:00:00+05:30").parse()?,
        rate: RATE,
        origin: Some(Clock::system().wall()),
    };
    let clock = format!("--wall-clock={clock}");
    let (redis, simulator) = (
        RedisServer::start().await?,
        Simulator::start_with(&[&clock]).await?,
    );
    let today: Date = EXPIRY_DAY.parse()?;
    let before = simulator.instruments().await?.instruments;
    anyhow::ensure!(before.iter().any(|row| row.expiry == Some(today)));
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    write(&local, "NIFTY")?;
    local.start_with(&[&clock])?;
    let next_week = nearest_calls(&before, "NIFTY", today);
    within(NIGHT, "the week after the expiry", async || {
        compare(&local, &next_week)
    })
    .await;
    simulator.subscribed(next_week.len() as u64).await;
    local.shows("chain", "True", "Streaming").await;

    let after = within(NIGHT, "the list of the next morning", async || {
        let list = simulator.instruments().await;
        let rows = list.map_err(|error| format!("{error:#}"))?.instruments;
        let expired = rows.iter().any(|row| row.expiry == Some(today));
        (!expired)
            .then_some(rows)
            .ok_or_else(|| "expired contracts are listed".to_owned())
    })
    .await;
    let share = adjusted(&before, &after).context("no strikes were adjusted")?;
    write(&local, &share)?;
    let mut chain = nearest_calls(&after, &share, today);
    anyhow::ensure!(chain != nearest_calls(&before, &share, today));
    within(NIGHT, "the chain of the newest list", async || {
        // A machine that is busy for long sees further mornings.
        let list = simulator.instruments().await;
        let rows = list.map_err(|error| format!("{error:#}"))?.instruments;
        chain = nearest_calls(&rows, &share, today);
        compare(&local, &chain)
    })
    .await;
    simulator.subscribed(chain.len() as u64).await;
    local.stop().await
}
