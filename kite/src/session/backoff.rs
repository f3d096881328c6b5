//! How long to wait before the next dial. Pure: the random part is an argument.

use std::time::Duration;

/// Why a dial or a live connection failed, as far as the wait depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// HTTP 403 before the upgrade: key or token are not accepted.
    Refused,
    /// HTTP 429 before the upgrade: the key's connections are in use; dead ones count for a while.
    TooManyConnections,
    /// Anything else: name resolution, TCP, TLS, another status, a lost connection.
    Lost,
}

impl Failure {
    /// Classifies the HTTP status that answered an upgrade.
    #[must_use]
    pub const fn from_status(status: u16) -> Self {
        match status {
            403 => Self::Refused,
            429 => Self::TooManyConnections,
            _ => Self::Lost,
        }
    }
}

const LOST_FIRST: Duration = Duration::from_millis(500);
const LOST_CAP: Duration = Duration::from_secs(30);
const SLOTS_MIN: Duration = Duration::from_secs(5);
const SLOTS_MAX: Duration = Duration::from_secs(60);
const REFUSED_FIRST: Duration = Duration::from_secs(15);
const REFUSED_CAP: Duration = Duration::from_secs(5 * 60);

/// The wait after the `attempt`th consecutive failure (the first is 1), or `None` if the connection
/// must not dial by itself: see [`after_refusal`]. `jitter` is uniform in `0.0..1.0`.
///
/// Lost connections wait exponentially, between half and all of 0.5 s, 1 s, 2 s … 30 s, so that
/// accounts do not reconnect at the same time, even at the cap. After a 429 the wait is 5 s at
/// first and up to 60 s.
#[must_use]
pub fn delay(failure: Failure, attempt: u32, jitter: f64) -> Option<Duration> {
    match failure {
        Failure::Refused => None,
        Failure::TooManyConnections => {
            let span = doubled(SLOTS_MIN, attempt, SLOTS_MAX - SLOTS_MIN);
            Some(SLOTS_MIN + span.mul_f64(jitter))
        }
        Failure::Lost => {
            let full = doubled(LOST_FIRST, attempt, LOST_CAP);
            Some(full.mul_f64(0.5 + jitter / 2.0))
        }
    }
}

/// The wait before credentials that Kite refused are tried again, after the `attempt`th try that it
/// refused (the first is 1): 15 s, 30 s … 5 min, give or take a fifth. `jitter` is uniform in
/// `0.0..1.0`.
///
/// Kite has refused good access tokens for whole mornings, so a refusal is never final. The wait is of
/// the account: one of its connections tries, and the others dial when it is accepted.
#[must_use]
pub fn after_refusal(attempt: u32, jitter: f64) -> Duration {
    doubled(REFUSED_FIRST, attempt, REFUSED_CAP).mul_f64(0.8 + 0.4 * jitter)
}

fn doubled(first: Duration, attempt: u32, cap: Duration) -> Duration {
    let factor = 1_u32
        .checked_shl(attempt.saturating_sub(1))
        .unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(cap)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statuses_are_classified() {
        assert_eq!(Failure::from_status(403), Failure::Refused);
        assert_eq!(Failure::from_status(429), Failure::TooManyConnections);
        for status in [400, 401, 404, 500, 502, 503, 504] {
            assert_eq!(Failure::from_status(status), Failure::Lost);
        }
    }

    #[test]
    fn only_a_refused_connection_does_not_dial_by_itself() {
        assert_eq!(delay(Failure::Refused, 1, 0.5), None);
    }

    #[test]
    fn lost_connections_double_from_half_a_second() {
        let waits: Vec<u128> = (1..=8)
            .map(|attempt| delay(Failure::Lost, attempt, 1.0).unwrap().as_millis())
            .collect();
        assert_eq!(
            waits,
            [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
        );
    }

    #[test]
    fn refused_credentials_are_tried_again_after_15_seconds_and_at_last_every_5_minutes() {
        let waits: Vec<u64> = (1..=7)
            .map(|attempt| after_refusal(attempt, 0.5).as_secs())
            .collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 300, 300]);
        assert_eq!(after_refusal(1, 0.0), Duration::from_secs(12));
        assert_eq!(after_refusal(u32::MAX, 1.0), Duration::from_secs(360));
    }

    proptest! {
        #[test]
        fn waits_stay_in_their_bounds(attempt in any::<u32>(), jitter in 0.0..1.0_f64) {
            let lost = delay(Failure::Lost, attempt, jitter).unwrap();
            prop_assert!(lost >= LOST_FIRST / 2 && lost <= LOST_CAP);
            let slots = delay(Failure::TooManyConnections, attempt, jitter).unwrap();
            prop_assert!(slots >= SLOTS_MIN && slots <= SLOTS_MAX);
        }
    }
}
