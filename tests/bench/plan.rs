//! Measures the time of a plan: only the planner, without reading or writing; sealing by itself.
//!
//! Owns which passes are measured. Must not measure how the input is made.

mod curves;
mod money;
mod seal;
mod world;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use operator::instruments::InstrumentTable;
use operator::plan::{AssignmentChange, Memory, Now, Observed, Plan, plan};
use service::clock::Clock;

use crate::figure::Figures;
use crate::memory::{forget_peak, peak};
use world::{carry_out, list, world};

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
    let now = now();
    seal::measure(figures, &world(&table, &ONE), now)?;
    money::measure(figures)?;
    curves::measure(figures, &table, now)
}

fn now() -> Now {
    Now {
        wall: Timestamp::constant(1_764_000_000, 0),
        monotonic: Clock::system().now(),
    }
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

/// A first plan, a plan without changes, and one with one changed set.
fn passes(
    figures: &mut Figures,
    table: &Arc<InstrumentTable>,
    size: &Size,
    runs: usize,
) -> Result<()> {
    let now = now();
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
    anyhow::ensure!(is_full(&settled, size), "not everything streams");
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

/// The median time of several equal passes.
fn median(runs: usize, world: &Observed, memory: &Memory, now: Now) -> Duration {
    median_after(|| {}, runs, world, memory, now)
}

/// The same, each pass after what `prepare` does.
fn median_after(
    mut prepare: impl FnMut(),
    runs: usize,
    world: &Observed,
    memory: &Memory,
    now: Now,
) -> Duration {
    let clock = Clock::system();
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            prepare();
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
