//! What was found, in time: how long trouble may last before it counts.
//!
//! Pure; the present is an argument.

use std::time::{Duration, Instant};

use crds::condition::{Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::plan::Now;

/// How long trouble may last before it counts as failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What the rules found, before time is considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Ready.
    Holds(Reason, String),
    /// Not ready, and it is no matter of time.
    Fails(Reason, String),
    /// Cannot be known, and it is no matter of time.
    Unknown(Reason, String),
    /// Not known for a moment, which others end; the patience that runs meanwhile goes on.
    Waits(Reason, String),
    /// Not ready; may be passing.
    Trouble {
        /// The reason while it may still pass.
        passing: Reason,
        /// The reason once it has lasted.
        lasting: Reason,
        message: String,
    },
    /// The process was not asked since the operator's start: what was known still counts for a while.
    Unasked,
}

/// A finding in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) state: State,
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// When the trouble counts as failure, as long as there is trouble.
    pub(crate) due: Option<Instant>,
}

/// What came before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past<'a> {
    /// The last `Ready` condition.
    pub(crate) ready: Option<&'a Condition>,
    /// The present generation of the spec.
    pub(crate) generation: Option<i64>,
    /// When known trouble counts as failure.
    pub(crate) due: Option<Instant>,
    /// Whether this is the first time this process sees the object.
    pub(crate) first: bool,
}

/// Considers time.
pub(crate) fn judge(finding: Finding, past: &Past<'_>, now: Now) -> Judgement {
    let done = |state, reason, message| Judgement {
        state,
        reason,
        message,
        due: None,
    };
    match finding {
        Finding::Holds(reason, message) => done(State::True, reason, message),
        Finding::Fails(reason, message) => done(State::False, reason, message),
        Finding::Unknown(reason, message) => done(State::Unknown, reason, message),
        Finding::Waits(reason, message) => Judgement {
            state: State::Unknown,
            reason,
            message,
            due: past
                .due
                .or_else(|| Some(now.monotonic + past.patience_left(now))),
        },
        Finding::Trouble {
            passing,
            lasting,
            message,
        } => {
            let due = past
                .due
                .unwrap_or_else(|| now.monotonic + past.patience_left(now));
            let lasts = now.monotonic >= due;
            let (state, reason) = if lasts {
                (State::False, lasting)
            } else {
                (State::Unknown, passing)
            };
            Judgement {
                state,
                reason,
                message,
                due: Some(due),
            }
        }
        Finding::Unasked => {
            let due = past.due.unwrap_or(now.monotonic + PATIENCE);
            let (state, reason, message) = if now.monotonic >= due {
                let message = "the ingest process was not asked for its report".to_owned();
                (State::False, Reason::PodNotReady, message)
            } else {
                past.known().unwrap_or_else(|| {
                    (
                        State::Unknown,
                        Reason::Pending,
                        "waits for the first report".to_owned(),
                    )
                })
            };
            Judgement {
                state,
                reason,
                message,
                due: Some(due),
            }
        }
    }
}

impl Past<'_> {
    /// The operator's restart must not make old trouble look new.
    fn patience_left(&self, now: Now) -> Duration {
        let Some(ready) = self.ready.filter(|_| self.first) else {
            return PATIENCE;
        };
        if ready.status == State::False.as_str() {
            return Duration::ZERO;
        }
        if ready.status == State::True.as_str() {
            return PATIENCE;
        }
        let lasted = now.wall.duration_since(ready.last_transition_time.0);
        PATIENCE.saturating_sub(Duration::try_from(lasted).unwrap_or_default())
    }

    /// What the object says, if it speaks of the present spec.
    fn known(&self) -> Option<(State, Reason, String)> {
        let ready = self
            .ready
            .filter(|ready| ready.observed_generation == self.generation)?;
        let state = State::from_word(&ready.status)?;
        let reason = Reason::from_word(&ready.reason)?;
        Some((state, reason, ready.message.clone()))
    }
}
