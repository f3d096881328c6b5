//! How long the steps of a move may take. They depend on each other, and on how long a file takes to reach a pod.
//!
//! Owns these times. Must not know a move.

use std::time::Duration;

/// The times of every move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MoveTimes {
    /// How many seconds a boundary is ahead of the exchange: two files must arrive until then, one after the other.
    pub(super) lead_s: i64,
    /// After so many seconds a boundary that no packet has reached is over: nothing ticks, or a time was wrong.
    pub(super) within_s: u16,
    /// For how long an account goes on at most that is paused, or has less room than it had: who wants that waits for it.
    pub(crate) longest: Duration,
}

impl MoveTimes {
    /// Where pods are annotated when their files change.
    const POKED: Self = Self {
        lead_s: 3,
        within_s: 10,
        longest: Duration::from_secs(60),
    };

    /// Where a file arrives with the kubelet's next sync.
    const UNPOKED: Self = Self {
        lead_s: 200,
        within_s: 220,
        longest: Duration::from_secs(420),
    };

    pub(crate) const fn of(poke: bool) -> Self {
        if poke { Self::POKED } else { Self::UNPOKED }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_ends_before_an_account_stops_at_once() {
        // How long a file takes at most.
        for (times, file_s) in [(MoveTimes::POKED, 1), (MoveTimes::UNPOKED, 90)] {
            let lead = u64::try_from(times.lead_s).unwrap();
            let within = u64::from(times.within_s);
            assert!(2 * file_s <= lead, "both files are there before the second");
            assert!(lead < within, "the second comes before it is over");
            let whole = 2 * file_s + within;
            assert!(Duration::from_secs(whole) <= times.longest, "{whole} s");
        }
    }
}
