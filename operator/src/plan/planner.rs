//! The planner: its steps, in their order.
//!
//! Owns the order, which the types enforce: each step takes the result of the one before it. Must
//! not decide anything itself.

use super::assignment;
use super::input::{Now, Observed, PlanningInput, Remembered};
use super::memory::{Memory, Results};
use super::placement;
use super::report::{Plan, summary};
use super::selection::{self, RequestedSet};

/// Decides what every account streams, and the status of every object.
///
/// Deterministic: the order of accounts and sets in `observed` does not matter. Total: no input makes
/// it panic. `memory` is what the last pass returned, or the default after a start.
#[must_use]
pub fn plan(observed: &Observed, memory: &Memory, now: Now) -> Plan {
    let (before, mut results) = (&memory.results, Results::default());

    // What was observed, checked.
    let (known, kept) = (&before.lacking, &mut results.lacking);
    let PlanningInput {
        accounts,
        sets,
        suspect_lists,
    } = PlanningInput::new(observed, &memory.remembered, known, kept, now);

    // What each set asks for.
    let (known, kept) = (&before.lookups, &mut results.lookups);
    let resolve = |set| selection::resolve(set, &accounts, known, kept);
    let sets: Vec<RequestedSet<'_>> = sets.into_iter().map(resolve).collect();

    // What each account keeps whatever is asked for.
    let accounts = placement::retain(accounts, &sets);

    // An account for each instrument of each set, or a reason why it has none.
    let (known, kept) = (&before.placements, &mut results.placements);
    let (sets, tied) = placement::place(&accounts, sets, known, kept);

    // What each account should stream, and whether it must be written.
    let (known, kept) = (&before.unchanged, &mut results.unchanged);
    let accounts = assignment::build(accounts, &sets, known, kept);

    // How everything fares.
    let remembered = Remembered {
        suspect_lists,
        ..Remembered::default()
    };
    let memory = Memory {
        remembered,
        results,
    };
    let poke = observed.settings.poke;
    summary(&accounts, &sets, &tied, poke, before, memory, now)
}
