//! A plan in which the money of a hundred chains on ten accounts moves by one strike.
//!
//! Owns that input. Must not measure how it is made.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use contract::report::ReferencePrice;
use jiff::Timestamp;
use kite::{Instrument, InstrumentType, Token};
use operator::instruments::{IndexNames, InstrumentTable};
use operator::plan::{AssignmentChange, Memory, Now, Object, Observed, ObservedSet, Plan, plan};
use serde_json::json;
use service::clock::Clock;

use super::median;
use super::world::{CHAIN, account, carry_out, meta, observed, rows, spec_of};
use crate::figure::Figures;

const ACCOUNTS: u32 = 10;

/// Chains on each account.
const CHAINS: u32 = 10;

/// Strikes on each side of the money: of four thousand options on each account.
const AROUND: u32 = 200;

/// Shares have tokens from here on.
const SHARES: u32 = 50_000_000;

/// Half past ten on a trading day.
fn morning() -> Now {
    Now {
        wall: Timestamp::constant(1_796_101_200, 0),
        monotonic: Clock::system().now(),
    }
}

/// Plans while nothing changes, when the prices leave their bands, and when the money follows.
pub(super) fn measure(figures: &mut Figures) -> Result<()> {
    let (mut now, mut world) = (morning(), world());
    let mut memory = Memory::default();
    for _ in 0..4 {
        let decided = plan(&world, &memory, now);
        carry_out(&mut world, &decided, now);
        set_prices(&mut world, 0, now);
        memory = decided.memory;
    }
    let mut add = |what: &str, time: Duration| {
        let name = format!(
            "plan of {} chains on {ACCOUNTS} accounts, {what}",
            ACCOUNTS * CHAINS
        );
        figures.add(&name, time.as_secs_f64() * 1e3, "ms", "");
    };
    ensure!(
        written(&plan(&world, &memory, now)) == 0,
        "it has not settled"
    );
    add("nothing changed", median(5, &world, &memory, now));
    set_prices(&mut world, 1, now);
    add(
        "every price one strike higher",
        median(5, &world, &memory, now),
    );
    memory = plan(&world, &memory, now).memory;
    let later = Duration::from_secs(31);
    (now.wall, now.monotonic) = (now.wall + later, now.monotonic + later);
    set_prices(&mut world, 1, now);
    let files = written(&plan(&world, &memory, now));
    ensure!(files == ACCOUNTS as usize, "{files} files instead of ten");
    add(
        "the money moves by one strike",
        median(5, &world, &memory, now),
    );
    Ok(())
}

fn written(plan: &Plan) -> usize {
    let changes = plan.accounts.iter().map(|it| &it.assignment);
    let writes = changes.filter(|it| matches!(it, AssignmentChange::Write(_)));
    writes.count()
}

fn world() -> Observed {
    let share = |number: u32| Instrument {
        token: Token(SHARES + number * 256),
        exchange_token: number,
        tradingsymbol: format!("NAME{number}").into(),
        name: format!("NAME{number}").into(),
        expiry: None,
        strike: 0.0,
        tick_size: 0.05,
        lot_size: 1,
        instrument_type: InstrumentType::Equity,
        segment: "NSE".into(),
        exchange: "NSE".into(),
    };
    let shares = (0..ACCOUNTS * CHAINS).map(share);
    let dump = kite::instruments::Dump {
        instruments: rows().chain(shares).collect(),
        ..Default::default()
    };
    let table = InstrumentTable::new(dump, morning().wall, &IndexNames::default());
    let accounts = (0..ACCOUNTS).map(|at| account(0, at)).collect();
    let sets = (0..ACCOUNTS).map(set).collect();
    observed(accounts, sets, &Arc::new(table))
}

fn set(at: u32) -> ObservedSet {
    let chain = |number: u32| {
        let (expiries, strikes) = (json!({"nearest": 1}), json!({"aroundATM": AROUND}));
        json!({"underlying": format!("NAME{number}"), "expiries": expiries, "strikes": strikes})
    };
    let chains: Vec<_> = (at * CHAINS..(at + 1) * CHAINS).map(chain).collect();
    let account = json!({"name": format!("account-{at}")});
    Object {
        meta: meta(0, format!("set-{at}")),
        spec: Ok(Arc::new(spec_of(
            json!({"options": chains, "accountRef": account}),
        ))),
        status: None,
    }
}

/// Lets every process report prices so many strikes above the middle of each chain.
fn set_prices(world: &mut Observed, above: u32, now: Now) {
    for account in &mut world.accounts {
        let Some(report) = &mut account.scrape.report else {
            continue;
        };
        let operator::plan::LastAssignment::Readable { assignment, .. } = &account.assignment
        else {
            continue;
        };
        let rows = assignment.instruments.iter().filter(|row| row.reference);
        let price = |token: u32| ReferencePrice {
            token,
            price: Some(((token - SHARES) / 256 * CHAIN + CHAIN / 2 + above).to_string()),
            close: None,
            age_ms: Some(300),
            exchange_ts: None,
            first: false,
        };
        Arc::make_mut(report).references = rows.map(|row| price(row.token.0)).collect();
        account.scrape.at = Some(now.monotonic);
    }
}
