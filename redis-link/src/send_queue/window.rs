//! How many bytes may be unanswered on a link.
//!
//! A slow link delivers late what it was given, and a fast one at once. What it is not given waits
//! outside, where a newer tick replaces an older one. Owns the bound with which a slow link answers
//! within about a second, once it has taken longer; a link that answers soon may have more, up to
//! [`LARGEST`]. Pure; times are arguments.

use std::time::{Duration, Instant};

/// The maximum: a stopped server does not cost more memory, and the fate of no more than this is ever
/// unknown.
pub const LARGEST: usize = 1024 * 1024;

/// The minimum: some batches.
const SMALLEST: usize = 16 * 1024;

/// A link that takes longer to answer all that it has gets no more, and less from then on.
const LONGEST: Duration = Duration::from_secs(1);

/// What a link that took too long should take.
const AIM: Duration = Duration::from_millis(750);

/// A link that answers a full window within this time gets half as much again, with which it stays
/// within [`AIM`].
const SOON: Duration = Duration::from_millis(500);

/// The bound of one link, and of those that replace it.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// By how much it is smaller than [`LARGEST`].
    reduced: usize,
    /// All that was unanswered at a moment: since when, its bytes, and the number of all answered
    /// bytes when it is answered.
    flight: Option<(Instant, usize, u64)>,
    /// Whether that takes too long.
    is_late: bool,
    /// Whether the window was full meanwhile.
    is_full: bool,
}

impl Window {
    /// Whether more may be given to a link with so many unanswered bytes.
    #[inline]
    pub(super) const fn is_open(&self, in_flight: usize) -> bool {
        in_flight < self.size() && !self.is_late
    }

    const fn size(&self) -> usize {
        LARGEST - self.reduced
    }

    /// The link was lost, or what is unanswered says nothing about it.
    pub(super) const fn forget_flight(&mut self) {
        (self.flight, self.is_late) = (None, false);
    }

    /// So many bytes were answered in all, and so many are not answered, at `now`.
    pub(super) fn observe(&mut self, answered: u64, in_flight: usize, now: Instant) {
        self.is_full |= in_flight >= self.size();
        if let Some((since, bytes, end)) = self.flight {
            let took = now.saturating_duration_since(since);
            self.is_late = took > LONGEST;
            if answered < end {
                return;
            }
            if self.is_late {
                let size = bytes as f64 * AIM.as_secs_f64() / took.as_secs_f64();
                let size = (size as usize).max(SMALLEST);
                self.reduced = self.reduced.max(LARGEST.saturating_sub(size));
            } else if self.is_full && took <= SOON {
                self.reduced = self.reduced.saturating_sub(self.size() / 2);
            }
        }
        self.forget_flight();
        self.is_full = in_flight >= self.size();
        let flight = (now, in_flight, answered + in_flight as u64);
        self.flight = (in_flight > 0).then_some(flight);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const MESSAGE: usize = 500;
    const TURN: Duration = Duration::from_millis(5);

    /// A link that carries `rate` bytes a second, and answers after `trip`.
    struct Path {
        rate: f64,
        trip: Duration,
        window: Window,
        now: Instant,
        free_at: Instant,
        /// When messages were given, and when they are answered.
        given: VecDeque<(Instant, Instant)>,
        answered: u64,
    }

    impl Path {
        fn new(rate: f64, trip: Duration) -> Self {
            #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
            let now = Instant::now();
            Self {
                rate,
                trip,
                window: Window::default(),
                now,
                free_at: now,
                given: VecDeque::new(),
                answered: 0,
            }
        }

        /// Is offered `load` bytes a second for this time; returns the longest time that an answer
        /// took, and the bytes answered a second.
        fn run(&mut self, load: f64, length: Duration) -> (Duration, f64) {
            let (end, before) = (self.now + length, self.answered);
            let mut longest = Duration::ZERO;
            while self.now < end {
                self.now += TURN;
                let now = self.now;
                while let Some((given, _)) = self.given.pop_front_if(|(_, at)| *at <= now) {
                    longest = longest.max(now - given);
                    self.answered += MESSAGE as u64;
                }
                let mut offered = load * TURN.as_secs_f64() / MESSAGE as f64;
                while offered > 0.0 && self.window.is_open(self.in_flight()) {
                    offered -= 1.0;
                    let takes = Duration::from_secs_f64(MESSAGE as f64 / self.rate);
                    self.free_at = self.free_at.max(now) + takes;
                    self.given.push_back((now, self.free_at + self.trip));
                }
                self.window.observe(self.answered, self.in_flight(), now);
            }
            let bytes = (self.answered - before) as f64;
            (longest, bytes / length.as_secs_f64())
        }

        fn in_flight(&self) -> usize {
            self.given.len() * MESSAGE
        }
    }

    const MILLI: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_slow_link_answers_within_about_a_second_and_carries_all_that_it_can() {
        for rate in [30e3, 100e3, 300e3, 1e6] {
            let mut path = Path::new(rate, 20 * MILLI);
            // The first window is as large as that of a fast link.
            path.run(
                1.7e6,
                Duration::from_secs_f64(LARGEST as f64 / rate) + 2 * SECOND,
            );
            let (longest, carried) = path.run(1.7e6, 60 * SECOND);
            assert!(longest < 1200 * MILLI, "{longest:?} at {rate}");
            assert!(carried > 0.95 * rate, "{carried} of {rate}");
        }
    }

    #[test]
    fn a_fast_link_has_all_that_it_had_before() {
        for (rate, trip) in [(100e6, MILLI), (10e6, 80 * MILLI), (3e6, 300 * MILLI)] {
            let mut path = Path::new(rate, trip);
            path.run(2.0 * rate, 3 * SECOND);
            let (longest, carried) = path.run(2.0 * rate, 5 * SECOND);
            // As much as the largest window lets through.
            let possible = rate.min(LARGEST as f64 / (trip + TURN).as_secs_f64());
            assert!(carried > 0.9 * possible, "{carried} of {possible}");
            assert!(longest < SECOND, "{longest:?}");
        }
    }

    #[test]
    fn a_stopped_server_gets_no_more_and_is_soon_as_fast_as_before() {
        let mut path = Path::new(100e6, MILLI);
        path.run(50e6, SECOND);
        path.free_at = path.now + 5 * SECOND;
        path.run(100e3, 2 * SECOND);
        let in_flight = path.in_flight();
        path.run(100e3, 2 * SECOND);
        assert_eq!(path.in_flight(), in_flight, "it is late");
        path.run(100e3, SECOND);
        path.run(50e6, 200 * MILLI);
        let (_, carried) = path.run(50e6, SECOND);
        assert!(carried > 0.95 * 50e6, "{carried}");
    }
}
