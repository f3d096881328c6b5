//! How the time of a plan grows with the number of sets and of accounts.
//!
//! Owns the sizes of the curves. Each point is divided by the one before: nothing may grow faster than its size. Passes
//! are seconds apart in an operator, so each finds the caches of the processor empty here too: otherwise small sizes would
//! be measured in them and large ones outside.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use operator::instruments::InstrumentTable;
use operator::plan::{Memory, Now, Observed, plan};
use serde_json::json;

use super::world::{account, carry_out, meta, observed, spec_of};
use super::{ACCOUNT, median_after};
use crate::figure::Figures;

const SETS: [u32; 4] = [10, 100, 1_000, 10_000];
const ACCOUNTS: [u32; 3] = [1, 10, 100];

/// Instruments of a set, of as many as ten accounts share.
const EACH: u32 = 6;
const SHARED: u32 = 60_000;

/// Instruments of the set that moves.
const MOVING: u32 = 3_000;

/// Accounts of a namespace; more are in further ones.
const NAMESPACE: u32 = 10;

/// By how much a point may exceed what is linear: the allocator first sorts what the pass before has freed, and a machine may
/// be busy.
const TOLERANCE: f64 = 2.0;

/// Larger than the caches of a processor.
const EVICTING: usize = 128 << 20;

pub(super) fn measure(figures: &mut Figures, table: &Arc<InstrumentTable>, now: Now) -> Result<()> {
    let sets = SETS.map(|sets| (sets, of_sets(table, sets)));
    curve(figures, "sets of 6 on 10 accounts", sets.into(), now)?;
    let accounts = ACCOUNTS.map(|accounts| (accounts, of_accounts(table, accounts)));
    curve(figures, "full accounts", accounts.into(), now)?;
    moves(figures, table, now)
}

/// A set that moves from one account to another, beside others that stay.
fn moves(figures: &mut Figures, table: &Arc<InstrumentTable>, now: Now) -> Result<()> {
    let mut before: Option<(u32, Duration)> = None;
    for sets in &SETS[2..] {
        let mut world = of_sets(table, *sets);
        let moving = |account: &str| {
            let numbers = SHARED..SHARED + MOVING;
            let mut json = spec(*sets, numbers.clone());
            json["accountRef"] = json!({"name": account});
            let mut set = set(0, *sets, numbers);
            set.spec = Ok(Arc::new(spec_of(json)));
            set
        };
        world.sets.push(moving("account-8"));
        let (mut memory, mut moves) = (Memory::default(), None);
        for pass in 0..4 {
            let decided = plan(&world, &memory, now);
            carry_out(&mut world, &decided, now);
            moves = Some(decided.move_stages);
            memory = decided.memory;
            if pass == 2 {
                let after = moving("account-9");
                let mut all = world.sets.iter_mut();
                if let Some(set) = all.find(|set| set.meta.key == after.meta.key) {
                    set.spec = after.spec;
                }
            }
        }
        // What has arrived is looked up for every row that its old account still has.
        let begun = moves.map(|it| it.subscribing + it.handover);
        ensure!(begun == Some(MOVING), "{moves:?}");
        let time = median_after(|| {}, 5, &world, &memory, now);
        let name = format!("plan of {sets} sets of 6 while one of {MOVING} moves");
        figures.add(&name, time.as_secs_f64() * 1e3, "ms", "");
        if let Some((smaller, former)) = before {
            let growth = f64::from(*sets) / f64::from(smaller);
            let ratio = time.as_secs_f64() / former.as_secs_f64();
            ensure!(
                ratio <= growth * TOLERANCE,
                "{name}: {ratio:.1} times as long"
            );
        }
        before = Some((*sets, time));
    }
    Ok(())
}

fn curve(figures: &mut Figures, name: &str, worlds: Vec<(u32, Observed)>, now: Now) -> Result<()> {
    let mut before: Option<(u32, [Duration; 3])> = None;
    let mut evicting = vec![0_u8; EVICTING];
    let mut cold = |runs, world: &Observed, memory: &Memory| {
        let evict = || {
            for byte in evicting.iter_mut().step_by(64) {
                *byte = byte.wrapping_add(1);
            }
            std::hint::black_box(&evicting);
        };
        median_after(evict, runs, world, memory, now)
    };
    for (size, mut world) in worlds {
        let nothing = cold(3, &world, &Memory::default());
        let mut memory = Memory::default();
        for _ in 0..3 {
            let decided = plan(&world, &memory, now);
            carry_out(&mut world, &decided, now);
            memory = decided.memory;
        }
        let same = cold(5, &world, &memory);
        if let Some(set) = world.sets.first_mut()
            && let Ok(spec) = &set.spec
        {
            let mut spec = (**spec).clone();
            spec.instruments.tokens.pop();
            set.spec = Ok(Arc::new(spec));
        }
        let changed = cold(5, &world, &memory);
        let times = [nothing, changed, same];
        let labels = ["from nothing", "one set changed", "nothing changed"];
        for (time, label) in times.iter().zip(labels) {
            let name = format!("plan of {size} {name}, {label}");
            figures.add(&name, time.as_secs_f64() * 1e3, "ms", "");
        }
        if let Some((smaller, former)) = before {
            let growth = f64::from(size) / f64::from(smaller);
            for ((time, former), label) in times.iter().zip(former).zip(labels) {
                // What takes no time at all may take more.
                let least = former.max(Duration::from_micros(500)).as_secs_f64();
                let ratio = time.as_secs_f64() / least;
                ensure!(
                    ratio <= growth * TOLERANCE,
                    "{size} {name}, {label}: {ratio:.1} times as long as {smaller}"
                );
            }
        }
        before = Some((size, times));
    }
    Ok(())
}

fn of_sets(table: &Arc<InstrumentTable>, sets: u32) -> Observed {
    let accounts = (0..NAMESPACE).map(|at| account(0, at)).collect();
    let set = |at: u32| {
        let first = (at * EACH) % SHARED;
        set(0, at, first..first + EACH)
    };
    observed(accounts, (0..sets).map(set).collect(), table)
}

/// Each with ten sets that fill it.
fn of_accounts(table: &Arc<InstrumentTable>, accounts: u32) -> Observed {
    let (mut all, mut sets) = (Vec::new(), Vec::new());
    let each = ACCOUNT / 10;
    for at in 0..accounts {
        let (namespace, own) = (at / NAMESPACE, at % NAMESPACE);
        all.push(account(namespace, own));
        for number in own * 10..(own + 1) * 10 {
            sets.push(set(namespace, number, number * each..(number + 1) * each));
        }
    }
    observed(all, sets, table)
}

fn set(namespace: u32, at: u32, numbers: std::ops::Range<u32>) -> operator::plan::ObservedSet {
    operator::plan::Object {
        meta: meta(namespace, format!("set-{at}")),
        spec: Ok(Arc::new(spec_of(spec(at, numbers)))),
        status: None,
    }
}

fn spec(at: u32, numbers: std::ops::Range<u32>) -> serde_json::Value {
    let tokens: Vec<u32> = numbers.map(|number| 100_000 + number * 256).collect();
    json!({
        "instruments": {"tokens": tokens},
        "publish": {"channelPrefix": format!("set-{at}")},
    })
}
