//! What the planner decides. The code that applies it has nothing left to choose.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use contract::TokenSource;
use crds::condition::Reason;
use crds::{InstrumentSetStatus, TickerAccountStatus};
use jiff::Timestamp;

use super::results::MoveCounts;
use super::status::Change;
use crate::instruments::schedule::Findings;
use crate::plan::assignment::AssignmentChange;
use crate::plan::input::{Cause, Key, Workload};
use crate::plan::memory::Memory;
use crate::plan::placement::RelocationCause;
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
    /// What moves away from accounts that lost it.
    pub failovers: Vec<Failover>,
    /// How many instruments this plan lets go from one account to another, each once for every set that has it.
    pub relocated: u32,
    /// Which sets have instruments that move from which account to which, and why.
    pub(crate) relocations: Vec<SetRelocation>,
    /// Instruments that go from one account to another just now.
    pub move_stages: MoveCounts,
    /// Of how many chains the strike at the money has changed.
    pub strikes_changed: u32,
    /// The API origins whose instruments list is needed, and what was found in it.
    pub lists: BTreeMap<String, Findings>,
    /// The accounts whose access token is checked.
    pub tokens: BTreeMap<TokenOwner, TokenTarget>,
    /// The accounts that need a link with which their users log in.
    pub logins: BTreeMap<Key, LoginTarget>,
    /// The webhooks to call.
    pub webhooks: Vec<WebhookCall>,
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
    /// Whether its process rests: the workload is there, and nothing of it runs.
    pub asleep: bool,
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

/// A transition that becomes an event.
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
    /// What it is about.
    pub reason: EventReason,
    /// For people.
    pub message: String,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventReason {
    /// The new reason of `Ready`.
    Ready(Reason),
    /// Instruments that no socket carried moved from one account to another.
    FailedOver,
    /// Instruments of a set move from one account to another although the first one works.
    Moved,
    /// Contracts of a set have expired, and others came in their place.
    Rolled,
    /// The access token of an account has ended, while its connections stream on.
    RunningOnDeadToken,
}

impl fmt::Display for EventReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl EventReason {
    /// Whether the planner itself decides how often such events come: each tells what happened since the last one.
    #[must_use]
    pub(crate) const fn is_paced(self) -> bool {
        match self {
            Self::Ready(_) | Self::FailedOver | Self::RunningOnDeadToken => false,
            Self::Moved | Self::Rolled => true,
        }
    }

    /// The word in the event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready(reason) => reason.as_str(),
            Self::FailedOver => "FailedOver",
            Self::Moved => "Moved",
            Self::Rolled => "Rolled",
            Self::RunningOnDeadToken => Reason::RunningOnDeadToken.as_str(),
        }
    }
}

/// One of the two access tokens of an account.
pub type TokenOwner = (Key, TokenSource);

/// A token that is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTarget {
    /// The Secret with the API key, and with the token unless that is a session's.
    pub secret: Key,
    /// The session, if its token is checked.
    pub session: Option<SessionTarget>,
    /// The version of what is checked: another one is checked at once.
    pub version: String,
    /// REST origin, without a slash at its end.
    pub api: String,
}

/// A session whose token is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTarget {
    /// Its Secret.
    pub secret: Key,
    /// The UID of the account that it has to be of.
    pub account_uid: String,
}

/// What a login link is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginTarget {
    /// The Secret with the API key.
    pub secret: Key,
    /// The version of that Secret.
    pub version: String,
    /// The UID of the account.
    pub account_uid: String,
    /// Origin of the login page.
    pub login: String,
    /// Until when the link is good.
    pub expires: Timestamp,
}

/// A call of the webhook of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookCall {
    /// The account.
    pub account: Key,
    /// The Secret with the address.
    pub secret: Key,
    /// Why.
    pub reason: WebhookReason,
    /// The link with which its user logs in.
    pub login_url: String,
    /// Until when that is good.
    pub expires: Timestamp,
}

/// Why a webhook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookReason {
    /// A login is needed.
    LoginRequired,
    /// It still is, half an hour before the first session.
    Reminder,
}

/// Instruments of a set that move from one account to another for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetRelocation {
    /// The set.
    pub(crate) set: Key,
    /// The account that has them.
    pub(crate) from: String,
    /// The account that gets them.
    pub(crate) to: String,
    /// Why they move.
    pub(crate) cause: RelocationCause,
}

/// Instruments that no socket carried, and that move from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    /// The account that lost them.
    pub from: Key,
    /// The account that takes them over.
    pub to: Key,
    /// How many they are.
    pub instruments: u32,
    /// Why they were lost.
    pub cause: Cause,
}
