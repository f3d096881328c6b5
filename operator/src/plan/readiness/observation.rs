//! The result of the rules, before the grace time is applied.

use crds::condition::Reason;

/// The result of the rules, before the grace time is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Observation {
    /// Ready.
    Ready {
        reason: Reason,
        message: String,
        /// A problem that exists all the same.
        warning: Option<String>,
    },
    /// Not ready; waiting will not change it.
    Failed(Reason, String),
    /// Unknown; waiting will not change it.
    Unknown(Reason, String),
    /// Unknown for a moment, which another event ends; a grace time that runs goes on.
    Waiting(Reason, String),
    /// Not ready, but it may pass.
    Degraded {
        /// The reason while it may still pass.
        passing: Reason,
        /// The reason once it has lasted.
        lasting: Reason,
        message: String,
    },
    /// Something that it needs has not been read yet since the operator's start: what was known before counts.
    Unread(Reason, String),
    /// No report was requested since the operator's start: what was known before counts for a
    /// while.
    Unasked,
}

impl Observation {
    /// Not ready, for one reason however long it lasts.
    pub(crate) fn degraded(reason: Reason, message: String) -> Self {
        Self::Degraded {
            passing: reason,
            lasting: reason,
            message,
        }
    }
}

/// A message and what can be added to it.
pub(super) fn with_remark(message: String, remark: Option<String>) -> String {
    match remark {
        Some(remark) => format!("{message}; {remark}"),
        None => message,
    }
}
