//! What the planner decides. Whoever carries it out has nothing left to choose.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crds::condition::Reason;
use crds::{InstrumentSetStatus, TickerAccountStatus};

use crate::plan::assignment::AssignmentChange;
use crate::plan::input::{Key, Workload};
use crate::plan::memory::Memory;

/// One pass's decisions.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every account that is not being deleted, by key.
    pub accounts: Vec<AccountPlan>,
    /// Every set that is not being deleted, by key.
    pub sets: Vec<SetPlan>,
    /// Transitions to tell users of; whoever sends them limits how often.
    pub events: Vec<Event>,
    /// The API origins whose instruments are needed.
    pub endpoints: BTreeSet<String>,
    /// Those of them whose instruments list cannot be whole: it is to be fetched again.
    pub suspect_lists: BTreeSet<String>,
    /// What the next pass must be given.
    pub memory: Memory,
    /// When to plan again although nothing was seen to change.
    pub next: Option<Instant>,
}

/// What becomes of one account.
#[derive(Clone, Debug)]
pub struct AccountPlan {
    /// Namespace and name.
    pub key: Key,
    /// Identity, for owner references and events.
    pub uid: String,
    /// What should lie where its process reads it.
    pub assignment: AssignmentChange,
    /// What should run; `None`: what runs is left as it is.
    pub workload: Option<Workload>,
    /// Whether the process has yet to acknowledge its assignment: poke it.
    pub awaiting: bool,
    /// Whether its next report decides what is not known now, here or of a set: ask it often. What
    /// stays unknown becomes a failure within seconds.
    pub expecting: bool,
    /// The whole desired status.
    pub status: Arc<TickerAccountStatus>,
    /// What is wrong although it is ready: the end of that condition's message.
    pub warning: Option<String>,
    /// What that changes.
    pub change: Change,
}

/// What becomes of one set.
#[derive(Clone, Debug)]
pub struct SetPlan {
    /// Namespace and name.
    pub key: Key,
    /// Identity, for events.
    pub uid: String,
    /// The whole desired status.
    pub status: Arc<InstrumentSetStatus>,
    /// What is wrong although it is ready: the end of that condition's message.
    pub warning: Option<String>,
    /// What that changes.
    pub change: Change,
}

/// How a desired status differs from the one that stands in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Not at all.
    None,
    /// Only in what moves while ticks flow (times, rates): write it when there is time.
    Refresh,
    /// In what somebody may be waiting for: write it at once.
    Transition,
}

/// The two kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A TickerAccount.
    Account,
    /// An InstrumentSet.
    Set,
}

/// A transition of `Ready` worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace and name of the object.
    pub key: Key,
    /// Identity of the object.
    pub uid: String,
    /// Whether somebody has to act.
    pub warning: bool,
    /// The new reason.
    pub reason: Reason,
    /// The new message.
    pub message: String,
}
