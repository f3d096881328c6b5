//! When an instruments list is fetched. Pure.

use std::time::Duration;

use service::backoff::Backoff;

/// The interval after a successful fetch: Kite makes one list per trading day.
pub const REFRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// A list that lacks streaming instruments is fetched again after this time.
pub const REFETCH_SUSPECT_AFTER: Duration = Duration::from_secs(60);

/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait while there is no table: nothing new can be placed meanwhile.
const WITHOUT_TABLE: Backoff =
    Backoff::new(FIRST_WAIT, Duration::from_secs(60)).with_jitter(0.75, 1.0);

/// The longest wait while an older table is in use.
const WITH_TABLE: Backoff =
    Backoff::new(FIRST_WAIT, Duration::from_secs(15 * 60)).with_jitter(0.75, 1.0);

/// How long to wait after `failures` failures in a row, at least one. `random` is from 0 to 1, so
/// that operators that failed together do not retry together.
#[must_use]
pub fn wait_after_failure(failures: u32, has_table: bool, random: f64) -> Duration {
    let backoff = if has_table { WITH_TABLE } else { WITHOUT_TABLE };
    backoff.delay(failures, random)
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
}
