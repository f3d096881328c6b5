//! What the rules found, before time is considered.

use crds::condition::Reason;

/// What the rules found, before time is considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Observation {
    /// Ready.
    Ready {
        reason: Reason,
        message: String,
        /// What is wrong all the same.
        warning: Option<String>,
    },
    /// Not ready, and it is no matter of time.
    Failed(Reason, String),
    /// Cannot be known, and it is no matter of time.
    Unknown(Reason, String),
    /// Not known for a moment, which others end; the grace that runs meanwhile goes on.
    Waiting(Reason, String),
    /// Not ready; may be passing.
    Degraded {
        /// The reason while it may still pass.
        passing: Reason,
        /// The reason once it has lasted.
        lasting: Reason,
        message: String,
    },
    /// The process was not asked since the operator's start: what was known still counts for a while.
    Unasked,
}
