//! How long to wait before a link is tried again. Pure.

use std::time::Duration;

const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_CAP: Duration = Duration::from_millis(500);

/// The wait after the `failures`th failure in a row: from half to the whole of 50, 100 … 500 ms.
/// `jitter` is uniform in `0.0..1.0`. The cap is low because consumers are to have the newest values
/// within a second of the server's return.
#[must_use]
pub fn retry_delay(failures: u32, jitter: f64) -> Duration {
    let factor = 1_u32
        .checked_shl(failures.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let full = RETRY_FIRST.saturating_mul(factor).min(RETRY_CAP);
    full.mul_f64(0.5 + jitter / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_to_the_cap() {
        let waits: Vec<u128> = (1..=5).map(|n| retry_delay(n, 1.0).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 500]);
    }

    proptest! {
        #[test]
        fn waits_stay_in_their_bounds(failures in any::<u32>(), jitter in 0.0..1.0_f64) {
            let wait = retry_delay(failures, jitter);
            prop_assert!(wait >= RETRY_FIRST / 2 && wait <= RETRY_CAP);
        }
    }
}
