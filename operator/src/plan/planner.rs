//! The planner: its steps, in their order.
//!
//! Owns the order, which the types enforce: each step takes the result of the one before it. Must
//! not decide anything itself.

use super::assignment::{self, AssignedAccount};
use super::input::{
    AccountInput, Now, Observed, PlanningInput, Remembered, SetInput, SuspectLists,
};
use super::memory::{Memory, Results};
use super::placement::{self, HeldOverSets, PlacedSet, RetainedAccount};
use super::report::{Plan, summary};
use super::selection::{self, RequestedSet};

/// Decides what every account streams, and the status of every object.
///
/// Deterministic: the order of accounts and sets in `observed` does not matter. Total: no input makes
/// it panic. `memory` is what the last pass returned, or the default after a start.
#[must_use]
pub fn plan(observed: &Observed, memory: &Memory, now: Now) -> Plan {
    Planner::new(observed, memory, now)
        .resolve_requests()
        .retain_current()
        .place()
        .build_assignments()
        .report()
}

/// One pass, with accounts and sets as the last step left them.
struct Planner<'a, Account, Set> {
    /// By key.
    accounts: Vec<Account>,
    /// The oldest first: it has precedence.
    sets: Vec<Set>,
    pass: Pass<'a>,
}

/// What the steps of a pass share.
struct Pass<'a> {
    now: Now,
    /// Whether pods are annotated when their files change.
    poke: bool,
    suspect_lists: SuspectLists,
    /// The step results of the last pass.
    before: &'a Results,
    /// The step results of this pass.
    results: Results,
    /// By account: how many of its instruments belong to sets that may use no other.
    tied: Vec<usize>,
}

impl<'a, Account, Set> Planner<'a, Account, Set> {
    fn with(accounts: Vec<Account>, sets: Vec<Set>, pass: Pass<'a>) -> Self {
        Self {
            accounts,
            sets,
            pass,
        }
    }
}

impl<'a> Planner<'a, AccountInput<'a>, SetInput<'a>> {
    /// What was observed, checked.
    fn new(observed: &'a Observed, memory: &'a Memory, now: Now) -> Self {
        let (before, mut results) = (&memory.results, Results::default());
        let (known, kept) = (&before.lacking, &mut results.lacking);
        let input = PlanningInput::new(observed, &memory.remembered, known, kept, now);
        let pass = Pass {
            now,
            poke: input.poke,
            suspect_lists: input.suspect_lists,
            before,
            results,
            tied: Vec::new(),
        };
        Self::with(input.accounts, input.sets, pass)
    }

    /// Resolves the request of each set.
    fn resolve_requests(mut self) -> Planner<'a, AccountInput<'a>, RequestedSet<'a>> {
        let (before, kept) = (&self.pass.before.lookups, &mut self.pass.results.lookups);
        let resolve = |set| selection::resolve(set, &self.accounts, before, kept);
        let sets = self.sets.into_iter().map(resolve).collect();
        Planner::with(self.accounts, sets, self.pass)
    }
}

impl<'a> Planner<'a, AccountInput<'a>, RequestedSet<'a>> {
    /// Finds the rows that each account keeps whatever the sets select.
    fn retain_current(self) -> Planner<'a, RetainedAccount<'a>, RequestedSet<'a>> {
        let held_over = HeldOverSets::of(self.sets.iter().map(|it| (&it.set, &it.request)));
        let retain = |account| placement::retain(account, &held_over);
        let accounts = self.accounts.into_iter().map(retain).collect();
        Planner::with(accounts, self.sets, self.pass)
    }
}

impl<'a> Planner<'a, RetainedAccount<'a>, RequestedSet<'a>> {
    /// Gives each instrument of each set an account, or the reason why it waits.
    fn place(mut self) -> Planner<'a, RetainedAccount<'a>, PlacedSet<'a>> {
        let (before, kept) = (
            &self.pass.before.placements,
            &mut self.pass.results.placements,
        );
        let (sets, tied) = placement::place(&self.accounts, self.sets, before, kept);
        self.pass.tied = tied;
        Planner::with(self.accounts, sets, self.pass)
    }
}

impl<'a> Planner<'a, RetainedAccount<'a>, PlacedSet<'a>> {
    /// Builds the assignment of each account, and decides whether it must be written.
    fn build_assignments(mut self) -> Planner<'a, AssignedAccount<'a>, PlacedSet<'a>> {
        let (before, kept) = (
            &self.pass.before.unchanged,
            &mut self.pass.results.unchanged,
        );
        let accounts = assignment::build(self.accounts, &self.sets, before, kept);
        Planner::with(accounts, self.sets, self.pass)
    }
}

impl Planner<'_, AssignedAccount<'_>, PlacedSet<'_>> {
    /// Makes statuses, events and the next memory.
    fn report(self) -> Plan {
        let Pass {
            now,
            poke,
            suspect_lists,
            before,
            results,
            tied,
        } = self.pass;
        let remembered = Remembered {
            suspect_lists,
            ..Remembered::default()
        };
        let memory = Memory {
            remembered,
            results,
        };
        let counts = &before.set_counts;
        summary(&self.accounts, &self.sets, &tied, poke, counts, memory, now)
    }
}
