//! What the planner decides. The code that applies it has nothing left to choose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crds::condition::Reason;
use crds::{InstrumentSetStatus, TickerAccountStatus};

use super::status::Change;
use crate::instruments::schedule::Findings;
use crate::plan::assignment::AssignmentChange;
use crate::plan::input::{Key, Workload};
use crate::plan::memory::Memory;
use crate::plan::selection::PriceBands;

/// The decisions of one pass.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Every account, by key.
    pub accounts: Vec<AccountPlan>,
    /// Every set, by key.
    pub sets: Vec<SetPlan>,
    /// Transitions to send as events; the sender limits how often.
    pub events: Vec<Event>,
    /// The API origins whose instruments list is needed, and what was found in it.
    pub lists: BTreeMap<String, Findings>,
    /// The memory for the next pass.
    pub memory: Memory,
    /// When to plan again even if nothing changes.
    pub next: Option<Instant>,
}

/// The decisions about one account.
#[derive(Clone, Debug)]
pub struct AccountPlan {
    /// Namespace and name.
    pub key: Key,
    /// Identity, for owner references and events.
    pub uid: String,
    /// The change of the assignment that its process reads.
    pub assignment: AssignmentChange,
    /// The workload that should run; `None`: it is left as it is.
    pub workload: Option<Workload>,
    /// Whether the process has not acknowledged its assignment yet: its pod is annotated.
    pub awaiting: bool,
    /// Whether its next report will decide what is not known now, of the account or of a set: it is
    /// then requested often, because what stays unknown becomes a failure within seconds.
    pub expecting: bool,
    /// The prices in its reports that change nothing.
    pub bands: PriceBands,
    /// The whole desired status.
    pub status: Arc<TickerAccountStatus>,
    /// What is wrong although it is ready: the end of that condition's message.
    pub warning: Option<String>,
    /// What that changes.
    pub change: Change,
}

/// The decisions about one set.
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

/// The two kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A TickerAccount.
    Account,
    /// An InstrumentSet.
    Set,
}

impl Kind {
    /// Each of them.
    pub(crate) const ALL: [Self; 2] = [Self::Account, Self::Set];

    /// The name that Kubernetes gives the kind.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "TickerAccount",
            Self::Set => "InstrumentSet",
        }
    }
}

/// A transition of `Ready` that becomes an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace and name of the object.
    pub key: Key,
    /// Identity of the object.
    pub uid: String,
    /// Whether it is a warning.
    pub warning: bool,
    /// The new reason.
    pub reason: Reason,
    /// The new message.
    pub message: String,
}
