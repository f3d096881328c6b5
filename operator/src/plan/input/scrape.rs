//! What the requests for the report of a process have brought.
//!
//! Owns types, and what an attempt changes. Must not decide what a report means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Report;
use contract::report::ConnectionInstruments;

use crate::scrape::ProcessAnswer;

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

/// Attempts without an answer after which a process counts as not answering.
pub(crate) const BAD_SCRAPES: u32 = 2;

/// A process that has not answered for this long does not answer.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

impl Scrape {
    /// Whether the process answers; a single failed attempt does not count.
    pub(crate) fn answers(&self, now: Instant) -> bool {
        let gone = self.failing.as_ref().is_some_and(|failing| {
            let silent = now.saturating_duration_since(failing.since);
            failing.attempts >= BAD_SCRAPES || silent >= LONGEST_SILENCE
        });
        self.report.is_some() && !gone
    }

    /// The result after an attempt that ended at `now` with a report, or with the reason why there
    /// is none.
    #[must_use]
    pub fn after(self, result: Result<ProcessAnswer, String>, now: Instant) -> Self {
        match result {
            Ok(ProcessAnswer { report, lost }) => Self {
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
