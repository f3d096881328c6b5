//! The planner: its steps, in their order.
//!
//! Owns the order, which the types enforce: each step takes the result of the one before it. Must
//! not decide anything itself.

use super::assignment::{self, AssignedAccount};
use super::input::{Memo, Now, Observed, PlanningInput, Quotes, SuspectLists};
use super::memory::{Memory, StepResults};
use super::placement::{self, PlacedSet};
use super::report::{self, Plan};
use super::selection::{MoneyFindings, Resolver, SelectionMemos, TradingDays};

/// Everything that is decided in a pass, before it is reported.
pub(super) struct Decisions<'a> {
    pub(super) accounts: Vec<AssignedAccount<'a>>,
    pub(super) sets: Vec<PlacedSet<'a>>,
    suspect_lists: SuspectLists,
    money: MoneyFindings,
    pub(super) days: TradingDays,
    results: StepResults,
}

/// Decides what every account streams, and the status of every object.
///
/// Deterministic: the order of accounts and sets in `observed` does not matter. Total: no input makes
/// it panic. `memory` is what the last pass returned, or the default after a start.
#[must_use]
pub fn plan(observed: &Observed, memory: &Memory, now: Now) -> Plan {
    let Decisions {
        accounts,
        sets,
        suspect_lists,
        money,
        days,
        results,
    } = decide(observed, memory, now);
    // How everything fares.
    report::report(
        &accounts,
        &sets,
        (observed.settings.poke, &days),
        (suspect_lists, money),
        &memory.set_events,
        (&memory.results, results),
        now,
    )
}

/// Makes every decision of a pass.
pub(super) fn decide<'a>(observed: &'a Observed, memory: &'a Memory, now: Now) -> Decisions<'a> {
    let (last, mut next) = (&memory.results, StepResults::default());
    let poke = observed.settings.poke;

    // What was observed, checked.
    let comparisons = Memo::new(&last.comparisons, &mut next.comparisons);
    let input = PlanningInput::new(observed, &memory.remembered, comparisons, now);

    // What each set asks for.
    let quotes = Quotes::of(&input.accounts, now.monotonic);
    let memos = SelectionMemos {
        chains: Memo::new(&last.money_chains, &mut next.money_chains),
        selections: Memo::new(&last.selections, &mut next.selections),
        retained: Memo::new(&last.retained, &mut next.retained),
        lookups: Memo::new(&last.lookups, &mut next.lookups),
    };
    let days = TradingDays::at(&observed.calendar, now.wall);
    let resolver = Resolver::new(
        quotes,
        &memory.money,
        memos,
        (&observed.calendar, &days),
        now.wall,
    );
    let (sets, money) = resolver.resolve(input.sets, &input.accounts);

    // What each account holds over whatever is asked for.
    let accounts = placement::hold_over(input.accounts, &sets);

    // An account for each instrument of each set, or a reason why it has none.
    let placements = Memo::new(&last.placements, &mut next.placements);
    let (accounts, sets) = placement::place(accounts, sets, placements);

    // What each account should stream, and whether it must be written.
    let unchanged = Memo::new(&last.unchanged, &mut next.unchanged);
    let pricing = (&observed.settings.rates, &money);
    let accounts = assignment::build(
        accounts,
        &sets,
        unchanged,
        poke,
        (&observed.calendar, now),
        pricing,
    );
    Decisions {
        accounts,
        sets,
        suspect_lists: input.suspect_lists,
        money,
        days,
        results: next,
    }
}
