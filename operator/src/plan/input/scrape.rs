//! What the requests for the report of a process have brought.
//!
//! Owns types, and what an attempt changes. Must not decide what a report means.

use std::sync::Arc;
use std::time::Instant;

use contract::Report;
use contract::report::ConnectionInstruments;

use crate::scrape::Answer;

/// The result of requesting the report of a process. Both empty: not requested yet.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// The newest report of this account's process.
    pub report: Option<Arc<Report>>,
    /// With it: the instruments of connections that are down while others are up.
    pub lost: Vec<Arc<ConnectionInstruments>>,
    /// When it arrived.
    pub at: Option<Instant>,
    /// Set from the first failed attempt until the next answer.
    pub failing: Option<Failing>,
}

impl Scrape {
    /// The result after an attempt that ended at `now` with a report, or with the reason why there
    /// is none.
    #[must_use]
    pub fn after(self, result: Result<Answer, String>, now: Instant) -> Self {
        match result {
            Ok(Answer { report, lost }) => Self {
                report: Some(Arc::new(report)),
                lost,
                at: Some(now),
                failing: None,
            },
            Err(why) => {
                let (since, attempts) = match &self.failing {
                    Some(failing) => (failing.since, failing.attempts.saturating_add(1)),
                    None => (now, 1),
                };
                Self {
                    failing: Some(Failing {
                        since,
                        attempts,
                        why,
                    }),
                    ..self
                }
            }
        }
    }
}

/// Consecutive attempts without an answer.
#[derive(Clone, Debug)]
pub struct Failing {
    /// When the first attempt was made.
    pub since: Instant,
    /// The number of attempts.
    pub attempts: u32,
    /// Why the last attempt failed, for people.
    pub why: String,
}
