//! Sequences of passes over random input: invariants of each plan, coverage of all of them, and a
//! digest that compares two builds of the planner.

mod chains;
mod coverage;
mod digest;
mod invariants;
mod moves;
mod places;
mod publishers;
mod render;
mod results;
mod reviews;

use super::worlds::{Dice, World, fingerprint};
use crate::plan::*;

/// How many passes a sequence has.
const PASSES: usize = 6;

/// One pass of a sequence.
struct Pass<'a> {
    /// What the pass before saw and planned.
    before: Option<(&'a Observed, &'a Plan)>,
    observed: &'a Observed,
    memory: &'a Memory,
    /// Whether the memory is what the pass before left.
    remembers: bool,
    now: Now,
    plan: &'a Plan,
}

/// Plays the sequence of a seed. Each pass is seen before its plan is carried out.
fn play(seed: u64, mut seen: impl FnMut(&Pass<'_>)) {
    let mut world = World::new(seed);
    // Apart from the world's, so that worlds do not change with it.
    let mut dice = Dice::new(!seed);
    let forgetful = dice.percent(40);
    let mut memory = Memory::default();
    let mut remembers = false;
    let mut before: Option<(Observed, Plan)> = None;
    for _ in 0..PASSES {
        if forgetful && dice.percent(40) {
            (memory, remembers) = (Memory::default(), false);
        }
        let plan = plan(&world.observed, &memory, world.now);
        seen(&Pass {
            before: before.as_ref().map(|(observed, plan)| (observed, plan)),
            observed: &world.observed,
            memory: &memory,
            remembers,
            now: world.now,
            plan: &plan,
        });
        let observed = world.observed.clone();
        world.advance(&plan);
        (memory, remembers) = (plan.memory.clone(), true);
        before = Some((observed, plan));
    }
}

/// How many sequences a test plays: as many as `PROPTEST_CASES` says of other random tests.
fn cases(usual: u64) -> u64 {
    setting("PROPTEST_CASES")
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

fn setting(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}
