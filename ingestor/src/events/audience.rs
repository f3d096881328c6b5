//! Which readers are told of events.
//!
//! Owns what silences a channel. Pure.

use std::collections::BTreeSet;

use contract::Assignment;

/// The channels of events that are not silenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Audience {
    /// Whether `ticker:events` and its log are written.
    pub(crate) everybody: bool,
    /// Prefixes whose own channel is silenced.
    quiet: BTreeSet<String>,
}

impl Audience {
    /// The audience of an assignment.
    #[must_use]
    pub(crate) fn new(assignment: &Assignment) -> Self {
        Self {
            everybody: assignment.events,
            quiet: assignment.quiet_prefixes.iter().cloned().collect(),
        }
    }

    /// Whether the readers of this prefix are told.
    #[must_use]
    pub(crate) fn is_told(&self, prefix: &str) -> bool {
        !self.quiet.contains(prefix)
    }
}
