//! How often one client is sent ticks.
//!
//! Owns when waiting ticks are due. Pure.

use std::time::{Duration, Instant};

/// How long a batch without a rate is gathered.
const GATHER: Duration = Duration::from_millis(50);

/// What a client asked for; by default every tick at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pace {
    /// The shortest time between two ticks of one instrument.
    every: Option<Duration>,
    /// Whether ticks come in lists.
    pub(crate) batch: bool,
}

impl Pace {
    /// At most `max_hz` ticks a second of each instrument.
    pub(crate) fn new(max_hz: Option<f64>, batch: bool) -> Self {
        let every = max_hz.filter(|hz| *hz > 0.0);
        Self {
            every: every.and_then(|hz| Duration::try_from_secs_f64(1.0 / hz).ok()),
            batch,
        }
    }

    /// Whether only the newest tick of an instrument is kept.
    pub(crate) const fn is_conflated(&self) -> bool {
        self.every.is_some()
    }

    /// When ticks that wait since `since` are due, if the last ones were sent at `flushed`.
    pub(crate) fn due(&self, since: Instant, flushed: Option<Instant>) -> Instant {
        match self.every {
            // The end of an interval, not its beginning: the last tick of a burst comes too.
            Some(every) => flushed.map_or(since, |flushed| since.max(flushed + every)),
            None if self.batch => since + GATHER,
            None => since,
        }
    }
}
