//! When the instruments are fetched, and which dump is accepted.

use std::time::Duration;

/// Between good fetches: Kite makes one dump per trading day.
pub const REFRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// A dump that lacks what streams is fetched again after this long.
pub const REFETCH_SUSPECT_AFTER: Duration = Duration::from_secs(60);

/// Between attempts at most while there is no table: nothing new can be placed meanwhile.
const LONGEST_WITHOUT_TABLE: Duration = Duration::from_secs(60);

/// Between attempts at most while an older table serves.
const LONGEST_WITH_TABLE: Duration = Duration::from_secs(15 * 60);

/// The first wait after a failure; each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// A dump that lost more than this share of its rows, in percent, is taken for a broken one.
const LARGEST_LOSS_PERCENT: usize = 30;

/// How long to wait after `failures` failures in a row, at least one. `jitter` between 0 and 1 takes
/// up to a quarter off, so that operators which failed together do not return together.
#[must_use]
pub fn wait_after_failure(failures: u32, has_table: bool, jitter: f64) -> Duration {
    let longest = if has_table {
        LONGEST_WITH_TABLE
    } else {
        LONGEST_WITHOUT_TABLE
    };
    let doubled = 1_u32
        .checked_shl(failures.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let wait = FIRST_WAIT.saturating_mul(doubled).min(longest);
    wait.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
}

/// A dump that is not accepted; the last good one stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectedDump {
    /// It has no rows.
    #[error("the dump has no instruments")]
    Empty,
    /// It has far fewer rows than the last good one.
    #[error(
        "the dump has {now} instruments, the last good one had {before}: it is taken for a broken one"
    )]
    Shrunk {
        /// Rows of the last good dump.
        before: usize,
        /// Rows of this one.
        now: usize,
    },
}

/// Whether a dump with `now` rows can follow one with `before` rows.
///
/// # Errors
/// When it cannot.
pub fn check_rows(before: Option<usize>, now: usize) -> Result<(), RejectedDump> {
    if now == 0 {
        return Err(RejectedDump::Empty);
    }
    match before {
        Some(before)
            if now.saturating_mul(100) < before.saturating_mul(100 - LARGEST_LOSS_PERCENT) =>
        {
            Err(RejectedDump::Shrunk { before, now })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let waits = |has_table| {
            [1, 3, 5, 9, u32::MAX].map(|n| wait_after_failure(n, has_table, 0.0).as_millis())
        };
        assert_eq!(waits(false), [250, 1_000, 4_000, 60_000, 60_000]);
        assert_eq!(waits(true), [250, 1_000, 4_000, 64_000, 900_000]);
        assert_eq!(wait_after_failure(5, false, 1.0), Duration::from_secs(3));
        assert_eq!(
            wait_after_failure(1, false, f64::INFINITY).as_micros(),
            187_500
        );
    }

    #[test]
    fn a_dump_may_lose_thirty_percent_and_no_more() {
        assert_eq!(check_rows(None, 1), Ok(()));
        assert_eq!(check_rows(Some(1000), 700), Ok(()));
        assert_eq!(check_rows(Some(1000), 5000), Ok(()));
        assert_eq!(
            check_rows(Some(1000), 699),
            Err(RejectedDump::Shrunk {
                before: 1000,
                now: 699
            })
        );
        assert_eq!(check_rows(Some(1000), 0), Err(RejectedDump::Empty));
    }
}
