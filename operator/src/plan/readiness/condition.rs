//! From observations to the `Ready` condition: how long a problem may last before it counts.
//!
//! Pure; the current time is an argument.

use std::time::{Duration, Instant};

use crds::condition::{Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::observation::Observation;
use crate::plan::input::Now;

/// How long a problem may last before it counts as a failure.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// An observation after the grace time was applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConditionOutcome {
    pub(crate) state: State,
    pub(crate) reason: Reason,
    /// The whole message, the warning included.
    pub(crate) message: String,
    /// The warning of a ready object.
    pub(crate) warning: Option<String>,
    /// When the problem counts as a failure, while it may still pass.
    pub(crate) due: Option<Instant>,
}

/// The state before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History<'a> {
    /// The last `Ready` condition.
    pub(crate) ready: Option<&'a Condition>,
    /// The current generation of the spec.
    pub(crate) generation: Option<i64>,
    /// The warning of a ready object.
    pub(crate) warning: Option<&'a str>,
    /// When the known problem counts as a failure.
    pub(crate) due: Option<Instant>,
    /// Whether this is the first time this process sees the object.
    pub(crate) first: bool,
}

/// Applies the grace time.
pub(crate) fn outcome(
    observation: Observation,
    history: &History<'_>,
    now: Now,
) -> ConditionOutcome {
    let due = || {
        let fresh = || now.monotonic + history.grace_left(now);
        history.due.unwrap_or_else(fresh)
    };
    let done = |state, reason, message| ConditionOutcome {
        state,
        reason,
        message,
        warning: None,
        due: None,
    };
    match observation {
        Observation::Ready {
            reason,
            message,
            warning,
        } => {
            let message = warning
                .iter()
                .fold(message, |message, warning| format!("{message}; {warning}"));
            ConditionOutcome {
                warning,
                ..done(State::True, reason, message)
            }
        }
        Observation::Failed(reason, message) => done(State::False, reason, message),
        Observation::Unknown(reason, message) => done(State::Unknown, reason, message),
        Observation::Waiting(reason, message) => ConditionOutcome {
            due: Some(due()),
            ..done(State::Unknown, reason, message)
        },
        Observation::Degraded {
            passing,
            lasting,
            message,
        } => {
            let due = due();
            let (state, reason) = if now.monotonic >= due {
                (State::False, lasting)
            } else {
                (State::Unknown, passing)
            };
            ConditionOutcome {
                due: Some(due),
                ..done(state, reason, message)
            }
        }
        Observation::Unread(reason, message) => unread(history, reason, message),
        Observation::Unasked => unasked(history, now),
    }
}

/// The condition in the object counts.
fn unread(history: &History<'_>, reason: Reason, message: String) -> ConditionOutcome {
    let known = history.known();
    let warning = known.as_ref().and(history.warning).map(str::to_owned);
    let (state, reason, message) = known.unwrap_or((State::Unknown, reason, message));
    ConditionOutcome {
        state,
        reason,
        message,
        warning,
        due: None,
    }
}

/// The condition in the object counts for a while.
fn unasked(history: &History<'_>, now: Now) -> ConditionOutcome {
    let due = history.due.unwrap_or(now.monotonic + GRACE);
    let lasts = now.monotonic >= due;
    let known = history.known().filter(|_| !lasts);
    let warning = known.as_ref().and(history.warning).map(str::to_owned);
    let (state, reason, message) = known.unwrap_or_else(|| {
        if lasts {
            let message = "the report of the ingest process has not been requested yet";
            return (State::False, Reason::PodNotReady, message.to_owned());
        }
        let message = "waiting for the first report".to_owned();
        (State::Unknown, Reason::Pending, message)
    });
    ConditionOutcome {
        state,
        reason,
        message,
        warning,
        due: Some(due),
    }
}

impl History<'_> {
    /// After a restart of the operator, an old problem must not look new.
    fn grace_left(&self, now: Now) -> Duration {
        let Some(ready) = self.ready.filter(|_| self.first) else {
            return GRACE;
        };
        if ready.status == State::False.as_str() {
            return Duration::ZERO;
        }
        if ready.status == State::True.as_str() {
            return GRACE;
        }
        let lasted = now.wall.duration_since(ready.last_transition_time.0);
        GRACE.saturating_sub(Duration::try_from(lasted).unwrap_or_default())
    }

    /// The condition in the object, if it is about the current spec.
    fn known(&self) -> Option<(State, Reason, String)> {
        let ready = self
            .ready
            .filter(|ready| ready.observed_generation == self.generation)?;
        let state = State::from_word(&ready.status)?;
        let reason = Reason::from_word(&ready.reason)?;
        Some((state, reason, ready.message.clone()))
    }
}
