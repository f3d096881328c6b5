//! Test data: accounts, sets and a table with every kind of instrument.

use calendar::Calendar;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use contract::report::{
    AppliedAssignment, ConnectionReport, ConnectionState, CredentialsReport, RedisReport, Report,
    SetReport,
};
use contract::{Assignment, Sealed};
use crds::{InstrumentSetSpec, TickerAccountSpec};
use jiff::Timestamp;
use kite::instruments::Dump;
use kite::{Instrument, InstrumentType, Token};
use serde_json::json;

use super::*;
use crate::instruments::{IndexNames, InstrumentTable};

/// Namespace of every object.
pub(crate) const NAMESPACE: &str = "trading";
/// API origin of every account.
pub(crate) const API: &str = "http://127.0.0.1:7070";
/// Tokens of plain equities in the table, `NSE:EQ0` and on.
pub(crate) const FIRST_EQUITY: u32 = 10_000;
/// How many there are.
pub(crate) const EQUITIES: u32 = 400;

/// A time to start from, always the same.
pub(crate) fn start() -> Now {
    static START: LazyLock<Instant> = LazyLock::new(|| service::clock::Clock::system().now());
    Now {
        wall: Timestamp::constant(1_764_000_000, 0),
        monotonic: *START,
    }
}

/// The same, later.
pub(crate) fn later(now: Now, seconds: u64) -> Now {
    let duration = std::time::Duration::from_secs(seconds);
    Now {
        wall: now.wall + duration,
        monotonic: now.monotonic + duration,
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        redis_url: "redis://127.0.0.1:6379".to_owned(),
        poke: true,
        proxy: None,
        failover_after: None,
        simulated_time: false,
        login: false,
        rates: PricingRates::default(),
    }
}

pub(crate) fn account_spec() -> TickerAccountSpec {
    serde_json::from_value(json!({
        "credentialsSecretRef": {"name": "kite"},
        "endpoint": {"websocket": "ws://127.0.0.1:7070", "api": API},
        "mock": true,
    }))
    .unwrap()
}

fn meta(name: &str, age: i64) -> Meta {
    Meta {
        key: Key::new(NAMESPACE, name),
        uid: format!("uid-{name}"),
        generation: Some(1),
        created: Timestamp::constant(1_700_000_000 + age, 0),
        labels: [("name".to_owned(), name.to_owned())].into(),
        deleting: false,
        rebalance: None,
    }
}

/// An account of 9,000 with a Secret and nothing else.
pub(crate) fn account(name: &str) -> ObservedAccount {
    ObservedAccount {
        object: Object {
            meta: meta(name, 0),
            spec: Ok(Arc::new(account_spec())),
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
            immutable: Immutable::No,
            login: None,
        },
        token: None,
        session: Secret::Missing,
        session_token: None,
        login_link: None,
        redis_secret: None,
    }
}

/// An account of one connection with so many places.
pub(crate) fn small(name: &str, places: u16) -> ObservedAccount {
    let mut account = account(name);
    change(&mut account, |spec| {
        spec.connections = 1;
        spec.tokens_per_connection = places;
    });
    account
}

pub(crate) fn change(account: &mut ObservedAccount, edit: impl FnOnce(&mut TickerAccountSpec)) {
    let mut spec = account.object.spec.as_deref().unwrap().clone();
    edit(&mut spec);
    account.object.spec = Ok(Arc::new(spec));
}

pub(crate) fn edit(set: &mut ObservedSet, edit: impl FnOnce(&mut InstrumentSetSpec)) {
    let mut spec = set.spec.as_deref().unwrap().clone();
    edit(&mut spec);
    set.spec = Ok(Arc::new(spec));
}

/// A set of the oldest age.
pub(crate) fn set(name: &str, tokens: &[u32], symbols: &[&str]) -> ObservedSet {
    aged(name, 0, tokens, symbols)
}

/// A set that is younger the higher its age is. Without Greeks: what they need streams too.
pub(crate) fn aged(name: &str, age: i64, tokens: &[u32], symbols: &[&str]) -> ObservedSet {
    let spec: InstrumentSetSpec = serde_json::from_value(json!({
        "instruments": {"tokens": tokens, "symbols": symbols}, "publish": {"greeks": false},
    }))
    .unwrap();
    Object {
        meta: meta(name, age),
        spec: Ok(Arc::new(spec)),
        status: None,
    }
}

/// Tokens of equities by number.
pub(crate) fn equities(numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    numbers
        .into_iter()
        .map(|number| FIRST_EQUITY + number)
        .collect()
}

pub(crate) fn invalid_spec() -> InvalidSpec {
    InvalidSpec {
        field: "spec.mode".to_owned(),
        problem: "unknown variant".to_owned(),
    }
}

pub(crate) fn observed(accounts: Vec<ObservedAccount>, sets: Vec<ObservedSet>) -> Observed {
    let table = Table::Loaded(Arc::new(table()));
    Observed {
        settings: settings(),
        calendar: Arc::new(Calendar::india().clone()),
        accounts,
        sets,
        tables: [(API.to_owned(), table)].into(),
    }
}

pub(crate) fn table() -> InstrumentTable {
    let mut instruments = vec![
        index(256_265, "NIFTY 50"),
        index(260_105, "NIFTY BANK"),
        index(264_969, "INDIA VIX"),
        equity(408_065, "INFY"),
        derivative(
            12_192_002,
            "NIFTY26DEC25000CE",
            "NIFTY",
            InstrumentType::Call,
        ),
        derivative(12_192_258, "NIFTY26DECFUT", "NIFTY", InstrumentType::Future),
        derivative(12_192_514, "M&M26DEC3000PE", "M&M", InstrumentType::Put),
        derivative(12_192_770, "MM26DEC3000PE", "MM", InstrumentType::Put),
        derivative(
            12_193_026,
            "BANKNIFTY26DECFUT",
            "BANKNIFTY",
            InstrumentType::Future,
        ),
    ];
    instruments
        .extend((0..EQUITIES).map(|number| equity(FIRST_EQUITY + number, &format!("EQ{number}"))));
    let dump = Dump {
        instruments,
        ..Dump::default()
    };
    InstrumentTable::new(dump, start().wall, &IndexNames::default())
}

pub(crate) fn equity(token: u32, symbol: &str) -> Instrument {
    Instrument {
        token: Token(token),
        exchange_token: token >> 8,
        tradingsymbol: symbol.into(),
        name: symbol.into(),
        expiry: None,
        strike: 0.0,
        tick_size: 0.05,
        lot_size: 1,
        instrument_type: InstrumentType::Equity,
        segment: "NSE".into(),
        exchange: "NSE".into(),
    }
}

pub(crate) fn index(token: u32, symbol: &str) -> Instrument {
    Instrument {
        tick_size: 0.0,
        lot_size: 0,
        segment: "INDICES".into(),
        ..equity(token, symbol)
    }
}

pub(crate) fn derivative(
    token: u32,
    symbol: &str,
    name: &str,
    instrument_type: InstrumentType,
) -> Instrument {
    Instrument {
        name: name.into(),
        expiry: Some(jiff::civil::date(2026, 12, 29)),
        strike: if instrument_type.is_option() {
            25_000.0
        } else {
            0.0
        },
        lot_size: 75,
        instrument_type,
        segment: if instrument_type.is_option() {
            "NFO-OPT".into()
        } else {
            "NFO-FUT".into()
        },
        exchange: "NFO".into(),
        ..equity(token, symbol)
    }
}

/// Applies a plan like a perfect cluster: assignments and statuses are stored.
pub(crate) fn apply(observed: &mut Observed, plan: &Plan) {
    for decided in &plan.accounts {
        let account = observed
            .accounts
            .iter_mut()
            .find(|known| known.object.meta.key == decided.key)
            .unwrap();
        if let AssignmentChange::Write(assignment) = &decided.assignment {
            assignment.check().unwrap();
            account.assignment = LastAssignment::Readable {
                assignment: Arc::clone(assignment),
                sha256: Sealed::new(assignment).sha256,
            };
        }
        account.object.status = Some(Arc::clone(&decided.status));
    }
    for decided in &plan.sets {
        let set = observed
            .sets
            .iter_mut()
            .find(|known| known.meta.key == decided.key)
            .unwrap();
        set.status = Some(Arc::clone(&decided.status));
    }
}

/// Lets every process run its assignment, with every instrument streaming.
pub(crate) fn stream(observed: &mut Observed) {
    for account in &mut observed.accounts {
        let LastAssignment::Readable { assignment, sha256 } = &account.assignment else {
            continue;
        };
        account.process = Process::Present {
            name: crds::names::pod(&account.object.meta.key.name),
            address: None,
            ready: true,
            stopped: false,
            trouble: None,
        };
        account.scrape = Scrape {
            report: Some(Arc::new(good(assignment, sha256))),
            at: Some(start().monotonic),
            failing: None,
            lost: Vec::new(),
        };
    }
}

/// The report of a process that streams all of `assignment`.
pub(crate) fn good(assignment: &Assignment, sha256: &str) -> Report {
    let all = u32::try_from(assignment.instruments.len()).unwrap();
    let last_tick_us = Some(1_764_000_000_999_999);
    let sockets = all.div_ceil(u32::from(assignment.tokens_per_connection));
    Report {
        assignment_versions: contract::ASSIGNMENT_VERSIONS.to_vec(),
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
        connections: (0..sockets)
            .map(|index| ConnectionReport {
                index: u8::try_from(index).unwrap(),
                state: ConnectionState::Live,
                instruments: all,
                streaming: all,
                reconnects: 0,
                down_ms: None,
                ticks_per_second: None,
                last_tick_us,
                last_error: None,
            })
            .collect(),
        sets: (0_u16..)
            .zip(&assignment.sets)
            .map(|(at, name)| {
                let assigned = assignment
                    .instruments
                    .iter()
                    .filter(|row| row.sets.contains(&at))
                    .count();
                let assigned = u32::try_from(assigned).unwrap();
                SetReport {
                    name: name.clone(),
                    assigned,
                    streaming: assigned,
                    silent: 0,
                    ticks_per_second: None,
                    last_tick_us,
                    age_ms: Some(200),
                    usual_interval_ms: Some(1_000),
                    greeks: std::collections::BTreeMap::new(),
                }
            })
            .collect(),
        assigned: all,
        streaming: all,
        ticks_total: 100,
        ticks_per_second: 50,
        last_tick_us,
        ..Report::default()
    }
}

/// Plans, applies and lets everything stream, until nothing changes. Returns the memory.
pub(crate) fn run(observed: &mut Observed, now: Now) -> Memory {
    let mut memory = Memory::default();
    for _ in 0..3 {
        let plan = plan(observed, &memory, now);
        apply(observed, &plan);
        stream(observed);
        memory = plan.memory;
    }
    memory
}

/// The stored tokens by account name.
pub(crate) fn placed(observed: &Observed) -> std::collections::BTreeMap<String, Vec<u32>> {
    let tokens = |account: &ObservedAccount| match &account.assignment {
        LastAssignment::Readable { assignment, .. } => assignment
            .instruments
            .iter()
            .map(|row| row.token.0)
            .collect(),
        LastAssignment::Absent | LastAssignment::Unreadable { .. } => Vec::new(),
    };
    observed
        .accounts
        .iter()
        .map(|account| (account.object.meta.key.name.clone(), tokens(account)))
        .collect()
}
