//! How long to wait before a failed attempt is repeated.
//!
//! Pure: it must not sleep, and the random number is an argument. The caller decides whether there
//! is another attempt.

use std::time::Duration;

/// Waits that double with each consecutive failure, up to a cap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    jitter: (f64, f64),
}

impl Backoff {
    /// Waits from `first` to `cap`, without jitter.
    #[must_use]
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            jitter: (1.0, 1.0),
        }
    }

    /// Multiplies each wait by a factor between `least` and `most`, so that attempts that failed
    /// together are not repeated together.
    #[must_use]
    pub const fn with_jitter(self, least: f64, most: f64) -> Self {
        Self {
            jitter: (least, most),
            ..self
        }
    }

    /// The wait after `failures` consecutive failures. The first is 1; 0 counts as 1. `random` is
    /// uniform from 0 to 1 and chooses the factor.
    #[must_use]
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let doubled = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let (least, most) = self.jitter;
        let factor = least + random.clamp(0.0, 1.0) * (most - least);
        self.first
            .saturating_mul(doubled)
            .min(self.cap)
            .mul_f64(factor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Duration = Duration::from_millis(250);
    const CAP: Duration = Duration::from_secs(60);

    #[test]
    fn waits_double_up_to_the_cap() {
        let backoff = Backoff::new(FIRST, CAP);
        let waits = [0, 1, 2, 3, 8, 9, 32, 33, u32::MAX].map(|n| backoff.delay(n, 0.7).as_millis());
        assert_eq!(
            waits,
            [250, 250, 500, 1_000, 32_000, 60_000, 60_000, 60_000, 60_000]
        );
    }

    #[test]
    fn jitter_reaches_from_the_least_to_the_most_factor() {
        let backoff = Backoff::new(FIRST, CAP).with_jitter(0.75, 1.25);
        let waits = [0.0, 0.5, 1.0, f64::INFINITY].map(|it| backoff.delay(3, it).as_millis());
        assert_eq!(waits, [750, 1_000, 1_250, 1_250]);
    }

    proptest! {
        #[test]
        fn waits_stay_in_their_bounds(failures in any::<u32>(), random in 0.0..=1.0_f64) {
            let wait = Backoff::new(FIRST, CAP).with_jitter(0.5, 1.0).delay(failures, random);
            prop_assert!(wait >= FIRST / 2 && wait <= CAP);
        }
    }
}
