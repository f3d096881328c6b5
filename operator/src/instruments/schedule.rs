//! When the instruments are fetched, and which dump is accepted.

use std::time::Duration;

use service::backoff::Backoff;

/// Between good fetches: Kite makes one dump per trading day.
pub const REFRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// A dump that lacks what streams is fetched again after this long.
pub const REFETCH_SUSPECT_AFTER: Duration = Duration::from_secs(60);

/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// While there is no table: nothing new can be placed meanwhile.
const WITHOUT_TABLE: Backoff =
    Backoff::new(FIRST_WAIT, Duration::from_secs(60)).with_jitter(0.75, 1.0);

/// While an older table serves.
const WITH_TABLE: Backoff =
    Backoff::new(FIRST_WAIT, Duration::from_secs(15 * 60)).with_jitter(0.75, 1.0);

/// A dump that lost more than this share of its rows, in percent, is taken for a broken one.
const LARGEST_LOSS_PERCENT: usize = 30;

/// How long to wait after `failures` failures in a row, at least one. `random` is from 0 to 1, so that
/// operators which failed together do not return together.
#[must_use]
pub fn wait_after_failure(failures: u32, has_table: bool, random: f64) -> Duration {
    let backoff = if has_table { WITH_TABLE } else { WITHOUT_TABLE };
    backoff.delay(failures, random)
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
            [1, 3, 5, 9, u32::MAX].map(|n| wait_after_failure(n, has_table, 1.0).as_millis())
        };
        assert_eq!(waits(false), [250, 1_000, 4_000, 60_000, 60_000]);
        assert_eq!(waits(true), [250, 1_000, 4_000, 64_000, 900_000]);
        assert_eq!(wait_after_failure(5, false, 0.0), Duration::from_secs(3));
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
