//! The planner: its steps, in their order.
//!
//! Owns the order, which the types enforce: each step takes the objects as the one before it left
//! them. Must not decide anything itself.

use super::assignment::{self, AssignedAccount};
use super::input::{AccountInput, PlanningInput, SetInput};
use super::input::{Memory, Now, Observed, SuspectLists};
use super::placement::{self, ChannelRegister, HeldOverSets, PlacedSet, RetainedAccount};
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
struct Planner<Account, Set> {
    /// By key.
    accounts: Vec<Account>,
    /// The oldest first: it has precedence.
    sets: Vec<Set>,
    /// Whether pods are told of changed files at once.
    poke: bool,
    suspect_lists: SuspectLists,
    now: Now,
}

impl<'a> Planner<AccountInput<'a>, SetInput<'a>> {
    /// What was observed, checked.
    fn new(observed: &'a Observed, memory: &'a Memory, now: Now) -> Self {
        let PlanningInput {
            accounts,
            sets,
            poke,
            suspect_lists,
        } = PlanningInput::new(observed, memory, now);
        Self {
            accounts,
            sets,
            poke,
            suspect_lists,
            now,
        }
    }

    /// Finds what each set asks for.
    fn resolve_requests(self) -> Planner<AccountInput<'a>, RequestedSet<'a>> {
        let resolve = |set| selection::resolve(set, &self.accounts);
        let sets = self.sets.into_iter().map(resolve).collect();
        Planner {
            accounts: self.accounts,
            sets,
            poke: self.poke,
            suspect_lists: self.suspect_lists,
            now: self.now,
        }
    }
}

impl<'a> Planner<AccountInput<'a>, RequestedSet<'a>> {
    /// Finds what each account keeps whatever is asked for.
    fn retain_current(self) -> Planner<RetainedAccount<'a>, RequestedSet<'a>> {
        let held_over = HeldOverSets::of(self.sets.iter().map(|it| (&it.set, &it.request)));
        let retain = |account| placement::retain(account, &held_over);
        let accounts = self.accounts.into_iter().map(retain).collect();
        Planner {
            accounts,
            sets: self.sets,
            poke: self.poke,
            suspect_lists: self.suspect_lists,
            now: self.now,
        }
    }
}

impl<'a> Planner<RetainedAccount<'a>, RequestedSet<'a>> {
    /// Gives each instrument of each set an account, or a reason why it has none.
    fn place(self) -> Planner<RetainedAccount<'a>, PlacedSet<'a>> {
        let mut register = ChannelRegister::of(&self.accounts);
        let sets = placement::place(&self.accounts, self.sets, &mut register);
        Planner {
            accounts: self.accounts,
            sets,
            poke: self.poke,
            suspect_lists: self.suspect_lists,
            now: self.now,
        }
    }
}

impl<'a> Planner<RetainedAccount<'a>, PlacedSet<'a>> {
    /// Builds what each account should stream, and says whether it must be written.
    fn build_assignments(self) -> Planner<AssignedAccount<'a>, PlacedSet<'a>> {
        Planner {
            accounts: assignment::build(self.accounts, &self.sets),
            sets: self.sets,
            poke: self.poke,
            suspect_lists: self.suspect_lists,
            now: self.now,
        }
    }
}

impl Planner<AssignedAccount<'_>, PlacedSet<'_>> {
    /// Says how everything fares.
    fn report(self) -> Plan {
        summary(
            self.accounts,
            &self.sets,
            self.poke,
            self.suspect_lists,
            self.now,
        )
    }
}
