//! How much of what an object says of itself is new.
//!
//! Owns types only.

use std::time::Instant;

use crds::condition::State;

/// How a desired status differs from the one in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// No difference.
    None,
    /// Only in values that move while ticks flow (times, rates): written when there is time.
    Refresh,
    /// In values that users may be waiting for: written at once.
    Transition,
}

/// What came of a set's judgement besides what is remembered of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetResult {
    pub(super) state: State,
    pub(super) change: Change,
    /// Until when this holds without any news.
    pub(super) until: Option<Instant>,
}
