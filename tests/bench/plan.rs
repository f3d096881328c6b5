//! What a plan takes: the planner's own time, nothing read, sealed or written.
//!
//! Owns the worlds that are planned. Their processes stream all that is assigned to them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::report::{
    AppliedAssignment, ConnectionReport, ConnectionState, CredentialsReport, RedisReport, Report,
    SetReport,
};
use contract::{ASSIGNMENT_VERSIONS, Assignment};
use jiff::Timestamp;
use kite::instruments::Dump;
use kite::{Instrument, InstrumentType, Token};
use operator::instruments::InstrumentTable;
use operator::plan::{
    AssignmentChange, Key, LastAssignment, Memory, Meta, Now, Object, Observed, ObservedAccount,
    ObservedSet, Plan, Process, Scrape, Secret, Settings, Table, plan,
};
use serde_json::json;
use service::clock::Clock;

use crate::figure::Figures;

/// Origin of the instruments list.
const API: &str = "http://127.0.0.1:7070";

/// As many as Kite's list has.
const LIST: u32 = 110_000;

/// The most that one account streams.
const ACCOUNT: u32 = 9_000;

/// How many namespaces, accounts in each, and sets in each.
struct Size {
    namespaces: u32,
    accounts: u32,
    sets: u32,
}

const ONE: Size = Size {
    namespaces: 1,
    accounts: 1,
    sets: 10,
};

const MANY: Size = Size {
    namespaces: 10,
    accounts: 10,
    sets: 100,
};

/// Plans for one full account, and for a hundred.
pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let table = Arc::new(list());
    passes(figures, &table, &ONE, 15)?;
    forget_peak()?;
    passes(figures, &table, &MANY, 5)?;
    let mib = peak()? / 1024.0;
    figures.add(
        &format!("plan of {}: most memory resident", MANY.name()),
        mib,
        "MiB",
        "",
    );
    Ok(())
}

impl Size {
    fn name(&self) -> String {
        let accounts = self.namespaces * self.accounts;
        let plural = if accounts == 1 { "" } else { "s" };
        format!(
            "{} instruments on {accounts} account{plural}",
            accounts * ACCOUNT
        )
    }
}

/// From nothing, with everything as it was, and with one set changed.
fn passes(
    figures: &mut Figures,
    table: &Arc<InstrumentTable>,
    size: &Size,
    runs: usize,
) -> Result<()> {
    let now = Now {
        wall: Timestamp::constant(1_764_000_000, 0),
        monotonic: Clock::system().now(),
    };
    let mut world = world(table, size);
    let mut add = |what: &str, time: Duration| {
        let name = format!("plan of {}, {what}", size.name());
        figures.add(&name, time.as_secs_f64() * 1e3, "ms", "");
    };
    add(
        "from nothing",
        median(runs, &world, &Memory::default(), now),
    );
    // Written, then acknowledged.
    let mut memory = Memory::default();
    for _ in 0..3 {
        let decided = plan(&world, &memory, now);
        carry_out(&mut world, &decided, now);
        memory = decided.memory;
    }
    let settled = plan(&world, &memory, now);
    anyhow::ensure!(
        settled.next.is_none() && is_full(&settled, size),
        "not everything streams"
    );
    drop(settled);
    add("nothing changed", median(runs, &world, &memory, now));
    let set = world.sets.first_mut().context("there are sets")?;
    let mut spec = set.spec.as_deref().map_err(Clone::clone)?.clone();
    spec.instruments.tokens.pop();
    spec.instruments.symbols.pop();
    set.spec = Ok(Arc::new(spec));
    add("one set changed", median(runs, &world, &memory, now));
    Ok(())
}

/// The time of the middle one of several equal passes.
fn median(runs: usize, world: &Observed, memory: &Memory, now: Now) -> Duration {
    let clock = Clock::system();
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = clock.now();
            let decided = plan(world, memory, now);
            let time = clock.now() - start;
            drop(decided);
            time
        })
        .collect();
    times.sort_unstable();
    times[runs / 2]
}

fn is_full(plan: &Plan, size: &Size) -> bool {
    let placed = |account: &operator::plan::AccountPlan| match &account.assignment {
        AssignmentChange::AlreadyWritten(assignment) => assignment.instruments.len(),
        AssignmentChange::None | AssignmentChange::Write(_) => 0,
    };
    let placed: usize = plan.accounts.iter().map(placed).sum();
    placed == (size.namespaces * size.accounts * ACCOUNT) as usize
}

fn list() -> InstrumentTable {
    let row = |number: u32| Instrument {
        token: Token(100_000 + number * 256),
        exchange_token: number,
        tradingsymbol: symbol(number).into(),
        name: format!("NAME{}", number / 500).into(),
        expiry: Some(jiff::civil::date(2026, 12, 29)),
        strike: f64::from(number),
        tick_size: 0.05,
        lot_size: 75,
        instrument_type: InstrumentType::Call,
        segment: "NFO-OPT".into(),
        exchange: "NFO".into(),
    };
    InstrumentTable::new(Dump {
        instruments: (0..LIST).map(row).collect(),
        ..Dump::default()
    })
}

fn symbol(number: u32) -> String {
    format!("NAME{}26DEC{number}CE", number / 500)
}

/// Accounts and sets of which nothing is placed yet; each namespace has a Redis of its own.
fn world(table: &Arc<InstrumentTable>, size: &Size) -> Observed {
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
    Observed {
        settings: Settings {
            redis_url: "redis://127.0.0.1:6379".to_owned(),
            poke: true,
        },
        accounts,
        sets,
        tables: [(API.to_owned(), Table::Loaded(Arc::clone(table)))].into(),
    }
}

fn meta(namespace: u32, name: String) -> Meta {
    Meta {
        uid: format!("uid-{namespace}-{name}"),
        key: Key::new(format!("namespace-{namespace}"), name),
        generation: Some(1),
        created: Timestamp::constant(1_700_000_000, 0),
        labels: [].into(),
        deleting: false,
    }
}

fn account(namespace: u32, at: u32) -> ObservedAccount {
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
        },
        redis_secret: None,
    }
}

/// Half of them by token, half by name.
fn set(namespace: u32, at: u32, numbers: std::ops::Range<u32>) -> ObservedSet {
    let instruments = if at.is_multiple_of(2) {
        let tokens: Vec<u32> = numbers.map(|number| 100_000 + number * 256).collect();
        json!({"tokens": tokens})
    } else {
        let symbols: Vec<String> = numbers
            .map(|number| format!("NFO:{}", symbol(number)))
            .collect();
        json!({"symbols": symbols})
    };
    Object {
        meta: meta(namespace, format!("set-{at}")),
        spec: Ok(Arc::new(spec_of(json!({"instruments": instruments})))),
        status: None,
    }
}

fn spec_of<Spec: serde::de::DeserializeOwned>(json: serde_json::Value) -> Spec {
    serde_json::from_value(json).unwrap_or_else(|why| panic!("a spec of this bench: {why}"))
}

/// Writes every assignment and status, and lets every process stream what it is given.
fn carry_out(world: &mut Observed, plan: &Plan, now: Now) {
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
            trouble: None,
        };
        account.scrape = Scrape {
            report: Some(Arc::new(report(assignment, &sha256, now))),
            at: Some(now.monotonic),
            failing: None,
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
        last_tick_us,
        last_error: None,
    };
    let set = |(name, assigned): (&String, u32)| SetReport {
        name: name.clone(),
        assigned,
        streaming: assigned,
        silent: 0,
        last_tick_us,
        age_ms: Some(200),
        usual_interval_ms: Some(1_000),
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

/// Lets the kernel measure this process's peak anew.
fn forget_peak() -> Result<()> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

/// The most that was resident, in KiB.
fn peak() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.context("no peak is known")?.trim().parse()?)
}
