//! What one pass leaves to the next.
//!
//! Owns no decision. Without the results of its steps the planner returns the very same plan. With an
//! empty memory it reaches the same assignments from what was observed, except that an instruments
//! list that was accepted after an hour of suspicion is suspected again, that the API key of an
//! account whose Secret cannot be read at present is unknown, and that a price has to be a whole strike away from the money
//! for half a minute once more; of a set with more such chains than its status shows, the money of the others is where the
//! first price says. Events of moves and expiries may come twice within a minute.

use std::sync::Arc;

use contract::Assignment;
use crds::{InstrumentSetStatus, TickerAccountStatus};

use super::input::{Key, ListComparison, Remembered, Results};
use super::placement::GroupPlacement;
use super::report::{AssignmentCounts, SetEventMemory, SetResult};
use super::selection::{KnownSelection, Lookup, MoneyChains, MoneyMemory, RetainedInstrument};

/// What one pass leaves to the next; start with the default.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub(crate) remembered: Remembered,
    /// Where the money of each chain was.
    pub(crate) money: MoneyMemory,
    /// What events of sets said lately.
    pub(crate) set_events: SetEventMemory,
    pub(crate) results: StepResults,
}

impl Memory {
    /// The assignment last decided on for an account.
    pub(crate) fn assignment(&self, account: &Key) -> Option<&Arc<Assignment>> {
        self.remembered.accounts.get(account)?.assignment.as_ref()
    }

    /// The status last decided on for an account.
    pub(crate) fn account_status(&self, account: &Key) -> Option<&TickerAccountStatus> {
        let known = self.remembered.accounts.get(account)?;
        Some(&known.object.status)
    }

    /// The status last decided on for a set.
    pub(crate) fn set_status(&self, set: &Key) -> Option<&InstrumentSetStatus> {
        Some(&self.remembered.sets.get(set)?.status)
    }
}

/// The results of a pass's steps, so that the next pass need not go through every instrument again.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepResults {
    /// By account: what the instruments list says about its assignment.
    pub(crate) comparisons: Results<ListComparison>,
    /// By set: the chains that it selects by the money.
    pub(crate) money_chains: Results<Arc<MoneyChains>>,
    /// By set: the instruments that its selectors select.
    pub(crate) selections: Results<KnownSelection>,
    /// By set: those that the money has left behind.
    pub(crate) retained: Results<Arc<[RetainedInstrument]>>,
    /// By set: all of them, and where their ticks go.
    pub(crate) lookups: Results<Arc<Lookup>>,
    /// By the first account of a group: the placement of the group.
    pub(crate) placements: Results<Arc<GroupPlacement>>,
    /// The accounts whose base already is what they should stream.
    pub(crate) unchanged: Results<()>,
    /// By account: how many instruments of each set it has.
    pub(crate) set_counts: Results<Arc<AssignmentCounts>>,
    /// By set: the part of its report that is not remembered otherwise.
    pub(crate) set_results: Results<SetResult>,
}
