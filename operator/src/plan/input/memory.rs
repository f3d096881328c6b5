//! What one pass knows that the next cannot observe. It only avoids guesses: without it the planner
//! reaches the same assignments from what was observed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use contract::Assignment;
use crds::condition::{Reason, State};
use crds::{InstrumentSetStatus, TickerAccountStatus};
use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::market_now::Classes;
use super::observed::{Key, ValueFingerprint};
use super::token_use::TokenMemory;

/// What one pass knows that cannot be observed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) accounts: FxHashMap<Key, AccountMemory>,
    pub(crate) sets: FxHashMap<Key, SetMemory>,
    pub(crate) suspect_lists: SuspectLists,
}

/// Origins whose instruments list cannot be whole, and since when.
pub(crate) type SuspectLists = BTreeMap<String, Instant>;

/// What is remembered of an object's status.
#[derive(Clone, Debug)]
pub(crate) struct ObjectMemory<Status> {
    /// Identity of the object: a new object of an old name has no memory.
    pub(crate) uid: String,
    /// When the current problem turns from Unknown into False.
    pub(crate) due: Option<Instant>,
    /// The status last decided on, which may not be visible yet.
    pub(crate) status: Arc<Status>,
    /// The warning of a ready object.
    pub(crate) warning: Option<String>,
    pub(crate) last_event: Option<EventState>,
}

/// What is remembered of a set.
pub(crate) type SetMemory = ObjectMemory<InstrumentSetStatus>;

/// What is remembered of an account.
#[derive(Clone, Debug)]
pub(crate) struct AccountMemory {
    pub(crate) object: ObjectMemory<TickerAccountStatus>,
    /// The assignment last decided on, which may not be visible yet.
    pub(crate) assignment: Option<Arc<Assignment>>,
    /// What its instruments trade in.
    pub(crate) classes: Classes,
    /// Fingerprint of its API key.
    pub(crate) key: Option<ValueFingerprint>,
    /// Its access tokens.
    pub(crate) tokens: TokenMemory,
    /// The API key of the login link that its status has.
    pub(crate) login_key: Option<ValueFingerprint>,
    /// What its webhook was told.
    pub(crate) webhook: Option<WebhookMemory>,
    /// Whether it goes on with instruments that others take over.
    pub(crate) goes_on: bool,
    /// Since when it does so although it is paused, or has less room than it had.
    pub(crate) restricted_since: Option<Instant>,
    /// Whether an event has said that it streams on a token that has ended.
    pub(crate) reported_dead_token: bool,
    /// Since when its process is known not to run.
    pub(crate) stopped_since: Option<Instant>,
    /// The new generation that its process made necessary.
    pub(crate) reissue: Option<Reissue>,
    /// By name of a set: since which generation its rows are unchanged.
    pub(crate) marks: Arc<BTreeMap<String, Mark>>,
}

/// What was told about the login that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WebhookMemory {
    /// Until when the link is good that was told.
    pub(crate) expires: Timestamp,
    /// Whether it was told once more.
    pub(crate) reminded: bool,
}

/// The last new generation that was written because of what a process reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reissue {
    pub(crate) at: Instant,
    /// Whether it is not enough: the process contradicts that one too.
    pub(crate) repeated: bool,
}

/// Since when the rows of a set on one account are unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Hash of everything in the rows that concerns the set.
    pub(crate) fingerprint: u64,
    /// The first generation with these rows.
    pub(crate) generation: u64,
}

/// The state and reason of `Ready` that an event reports; never Unknown.
pub(crate) type EventState = (State, Reason);
