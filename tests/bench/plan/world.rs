//! The input of the measured plans: accounts, sets and one list for all of them.
//!
//! Owns what is observed of them. Their processes stream everything that is assigned to them.

use std::sync::Arc;

use contract::report::{
    AppliedAssignment, ConnectionReport, ConnectionState, CredentialsReport, RedisReport, Report,
    SetReport,
};
use contract::{ASSIGNMENT_VERSIONS, Assignment};
use jiff::Timestamp;
use kite::instruments::Dump;
use kite::{Instrument, InstrumentType, Token};
use operator::instruments::{IndexNames, InstrumentTable};
use operator::plan::{
    AssignmentChange, Key, LastAssignment, Meta, Now, Object, Observed, ObservedAccount,
    ObservedSet, Plan, Process, Scrape, Secret, Settings, Table,
};
use serde_json::json;

use super::{ACCOUNT, Size};

/// Origin of the instruments list.
const API: &str = "http://127.0.0.1:7070";

/// As many as Kite's list has.
const LIST: u32 = 110_000;

/// Options of one underlying, each with its number as strike.
pub(super) const CHAIN: u32 = 500;

/// As many instruments as Kite has.
pub(super) fn list() -> InstrumentTable {
    let dump = Dump {
        instruments: rows().collect(),
        ..Dump::default()
    };
    InstrumentTable::new(dump, Timestamp::UNIX_EPOCH, &IndexNames::default())
}

pub(super) fn rows() -> impl Iterator<Item = Instrument> {
    let row = |number: u32| Instrument {
        token: Token(100_000 + number * 256),
        exchange_token: number,
        tradingsymbol: symbol(number).into(),
        name: format!("NAME{}", number / CHAIN).into(),
        expiry: Some(jiff::civil::date(2026, 12, 29)),
        strike: f64::from(number),
        tick_size: 0.05,
        lot_size: 75,
        instrument_type: InstrumentType::Call,
        segment: "NFO-OPT".into(),
        exchange: "NFO".into(),
    };
    (0..LIST).map(row)
}

fn symbol(number: u32) -> String {
    format!("NAME{}26DEC{number}CE", number / CHAIN)
}

/// Accounts and sets without any placement; each namespace has its own Redis.
pub(super) fn world(table: &Arc<InstrumentTable>, size: &Size) -> Observed {
    let (mut accounts, mut sets) = (Vec::new(), Vec::new());
    let each = size.accounts * ACCOUNT / size.sets;
    for namespace in 0..size.namespaces {
        for at in 0..size.accounts {
            accounts.push(account(namespace, at));
        }
        for at in 0..size.sets {
            sets.push(set(namespace, at, at * each..(at + 1) * each));
        }
    }
    observed(accounts, sets, table)
}

pub(super) fn observed(
    accounts: Vec<ObservedAccount>,
    sets: Vec<ObservedSet>,
    table: &Arc<InstrumentTable>,
) -> Observed {
    Observed {
        settings: Settings {
            redis_url: "redis://127.0.0.1:6379".to_owned(),
            poke: true,
            proxy: None,
            failover_after: None,
            simulated_time: false,
            login: false,
            rates: operator::plan::PricingRates::default(),
        },
        calendar: Arc::new(calendar::Calendar::india().clone()),
        accounts,
        sets,
        tables: [(API.to_owned(), Table::Loaded(Arc::clone(table)))].into(),
    }
}

pub(super) fn meta(namespace: u32, name: String) -> Meta {
    Meta {
        uid: format!("uid-{namespace}-{name}"),
        key: Key::new(format!("namespace-{namespace}"), name),
        generation: Some(1),
        created: Timestamp::constant(1_700_000_000, 0),
        labels: [].into(),
        deleting: false,
        rebalance: None,
    }
}

pub(super) fn account(namespace: u32, at: u32) -> ObservedAccount {
    let spec = json!({
        "credentialsSecretRef": {"name": "kite"},
        "endpoint": {"websocket": "ws://127.0.0.1:7070", "api": API},
        "redis": {"url": format!("redis://10.0.0.{namespace}:6379")},
        "mock": true,
    });
    ObservedAccount {
        object: Object {
            meta: meta(namespace, format!("account-{at}")),
            spec: Ok(Arc::new(spec_of(spec))),
            status: None,
        },
        assignment: LastAssignment::Absent,
        foreign: Vec::new(),
        unwritten: None,
        process: Process::Absent,
        scrape: Scrape::default(),
        secret: Secret::Present {
            version: "1".to_owned(),
            key: None,
            names: Vec::new(),
            token: None,
            login: None,
            immutable: operator::plan::Immutable::No,
        },
        token: None,
        session: Secret::Missing,
        session_token: None,
        login_link: None,
        redis_secret: None,
    }
}

/// A quarter of them by token, a quarter by name, half by underlying and strikes.
fn set(namespace: u32, at: u32, numbers: std::ops::Range<u32>) -> ObservedSet {
    let spec = match at % 4 {
        0 => {
            let tokens: Vec<u32> = numbers.map(|number| 100_000 + number * 256).collect();
            json!({"instruments": {"tokens": tokens}})
        }
        1 => {
            let symbols = numbers.map(|number| format!("NFO:{}", symbol(number)));
            json!({"instruments": {"symbols": symbols.collect::<Vec<String>>()}})
        }
        _ => json!({"options": chains(&numbers)}),
    };
    Object {
        meta: meta(namespace, format!("set-{at}")),
        spec: Ok(Arc::new(spec_of(spec))),
        status: None,
    }
}

fn chains(numbers: &std::ops::Range<u32>) -> Vec<serde_json::Value> {
    let underlyings = numbers.start / CHAIN..=(numbers.end - 1) / CHAIN;
    let chain = |underlying: u32| {
        let min = numbers.start.max(underlying * CHAIN);
        let max = (numbers.end - 1).min(underlying * CHAIN + CHAIN - 1);
        json!({
            "underlying": format!("NAME{underlying}"),
            "expiries": {"nearest": 1},
            "strikes": {"range": {"min": min, "max": max}},
        })
    };
    underlyings.map(chain).collect()
}

pub(super) fn spec_of<Spec: serde::de::DeserializeOwned>(json: serde_json::Value) -> Spec {
    serde_json::from_value(json).unwrap_or_else(|why| panic!("a spec of this bench: {why}"))
}

/// Writes every assignment and status, and lets every process stream what it is given.
pub(super) fn carry_out(world: &mut Observed, plan: &Plan, now: Now) {
    // A plan is ordered by key.
    world
        .accounts
        .sort_by(|a, b| a.object.meta.key.cmp(&b.object.meta.key));
    world.sets.sort_by(|a, b| a.meta.key.cmp(&b.meta.key));
    for (account, decided) in world.accounts.iter_mut().zip(&plan.accounts) {
        account.object.status = Some(Arc::clone(&decided.status));
        let AssignmentChange::Write(assignment) = &decided.assignment else {
            continue;
        };
        let sha256 = format!("{:064x}", assignment.generation);
        account.process = Process::Present {
            name: format!("kt-{}-0", account.object.meta.key.name),
            address: None,
            ready: true,
            stopped: false,
            trouble: None,
        };
        account.scrape = Scrape {
            report: Some(Arc::new(report(assignment, &sha256, now))),
            at: Some(now.monotonic),
            failing: None,
            lost: Vec::new(),
        };
        account.assignment = LastAssignment::Readable {
            assignment: Arc::clone(assignment),
            sha256,
        };
    }
    for (set, decided) in world.sets.iter_mut().zip(&plan.sets) {
        set.status = Some(Arc::clone(&decided.status));
    }
}

fn report(assignment: &Assignment, sha256: &str, now: Now) -> Report {
    let mut counts = vec![0_u32; assignment.sets.len()];
    for set in assignment.instruments.iter().flat_map(|row| &row.sets) {
        counts[usize::from(*set)] += 1;
    }
    let all = assignment.instruments.len() as u32;
    let last_tick_us = Some(now.wall.as_microsecond());
    let connection = |index| ConnectionReport {
        index,
        state: ConnectionState::Live,
        instruments: all / 3,
        streaming: all / 3,
        reconnects: 0,
        down_ms: None,
        ticks_per_second: None,
        last_tick_us,
        last_error: None,
    };
    let set = |(name, assigned): (&String, u32)| SetReport {
        name: name.clone(),
        assigned,
        streaming: assigned,
        silent: 0,
        ticks_per_second: None,
        last_tick_us,
        age_ms: Some(200),
        usual_interval_ms: Some(1_000),
        greeks: std::collections::BTreeMap::new(),
    };
    Report {
        assignment_versions: ASSIGNMENT_VERSIONS.to_vec(),
        epoch: "1".to_owned(),
        assignment: Some(AppliedAssignment {
            account_uid: assignment.account.uid.clone(),
            generation: assignment.generation,
            sha256: sha256.to_owned(),
        }),
        credentials: CredentialsReport::Accepted,
        redis: RedisReport {
            connected: true,
            ..RedisReport::default()
        },
        connections: (0..assignment.connections).map(connection).collect(),
        sets: assignment.sets.iter().zip(counts).map(set).collect(),
        assigned: all,
        streaming: all,
        last_tick_us,
        ..Report::default()
    }
}
