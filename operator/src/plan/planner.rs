//! The planner: its steps, in their order.
//!
//! Owns the order, which the types enforce: each step takes the objects as the one before it left
//! them. Must not decide anything itself.

use super::assignment::{self, AssignedAccount};
use super::input::{
    AccountInput, Now, Observed, PlanningInput, Remembered, SetInput, SuspectLists,
};
use super::memory::{Memory, Results};
use super::placement::{self, HeldOverSets, PlacedSet, RetainedAccount};
use super::report::{Plan, summary};
use super::selection::{self, RequestedSet};

/// Decides what every account streams and what every object's status says.
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

/// What the steps of a pass have in common.
struct Pass<'a> {
    now: Now,
    /// Whether pods are told of changed files at once.
    poke: bool,
    suspect_lists: SuspectLists,
    /// What the steps of the last pass came to.
    before: &'a Results,
    /// What those of this one come to.
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

    /// Finds what each set asks for.
    fn resolve_requests(mut self) -> Planner<'a, AccountInput<'a>, RequestedSet<'a>> {
        let (before, kept) = (&self.pass.before.lookups, &mut self.pass.results.lookups);
        let resolve = |set| selection::resolve(set, &self.accounts, before, kept);
        let sets = self.sets.into_iter().map(resolve).collect();
        Planner::with(self.accounts, sets, self.pass)
    }
}

impl<'a> Planner<'a, AccountInput<'a>, RequestedSet<'a>> {
    /// Finds what each account keeps whatever is asked for.
    fn retain_current(self) -> Planner<'a, RetainedAccount<'a>, RequestedSet<'a>> {
        let held_over = HeldOverSets::of(self.sets.iter().map(|it| (&it.set, &it.request)));
        let retain = |account| placement::retain(account, &held_over);
        let accounts = self.accounts.into_iter().map(retain).collect();
        Planner::with(accounts, self.sets, self.pass)
    }
}

impl<'a> Planner<'a, RetainedAccount<'a>, RequestedSet<'a>> {
    /// Gives each instrument of each set an account, or a reason why it has none.
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
    /// Builds what each account should stream, and says whether it must be written.
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
    /// Says how everything fares.
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
