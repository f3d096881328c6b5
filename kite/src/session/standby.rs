//! How often a connection in standby dials.
//!
//! Owns the slower pace. Such a connection has nothing to stream: it only finds out whether the account works again, so it
//! is never dialled more often than credentials that Kite refused. Pure; the random part is an argument.

use std::time::Instant;

use super::backoff;

/// The dials of a connection since it is in standby.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StandbyPace {
    /// Failures in a row, of dials and of sockets that did not last.
    failures: u32,
    /// When the wait would be over at the usual pace.
    usual: Option<Instant>,
}

impl StandbyPace {
    /// A dial or a socket failed, and at the usual pace the next dial is at `usual`. Returns when it is in standby: after
    /// the wait that refused credentials have, or at `usual` if that is later.
    pub(super) fn on_failed(&mut self, usual: Instant, now: Instant, jitter: f64) -> Instant {
        self.failures = self.failures.saturating_add(1);
        self.usual = Some(usual);
        usual.max(now + backoff::after_refusal(self.failures, jitter))
    }

    /// There is a reason to dial at the usual pace, and the slower one begins anew. Returns when a wait that was made
    /// longer would end at the usual pace.
    pub(super) const fn restart(&mut self) -> Option<Instant> {
        self.failures = 0;
        self.usual.take()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    #[test]
    fn each_failure_waits_as_a_refusal_does() {
        let start = start();
        let mut pace = StandbyPace::default();
        let mut wait = || {
            let next = pace.on_failed(start + Duration::from_millis(500), start, 0.5);
            (next - start).as_secs()
        };
        let waits: Vec<u64> = (0..7).map(|_| wait()).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn a_usual_wait_that_is_longer_stays() {
        let start = start();
        let usual = start + Duration::from_secs(60);
        assert_eq!(StandbyPace::default().on_failed(usual, start, 1.0), usual);
    }

    #[test]
    fn a_reason_to_dial_ends_the_wait_when_the_usual_one_ends() {
        let start = start();
        let mut pace = StandbyPace::default();
        assert_eq!(pace.restart(), None);
        let usual = start + Duration::from_secs(1);
        pace.on_failed(usual, start, 0.0);
        pace.on_failed(usual, start, 0.0);
        assert_eq!(pace.restart(), Some(usual));
        let next = pace.on_failed(usual, start, 0.5);
        assert_eq!(next, start + Duration::from_secs(15));
    }
}
