//! When a failed object is tried again: per object, with growing waits of at most a minute.
//!
//! Pure. The failure of one object must not delay another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use service::backoff::Backoff;

/// The waits between the attempts of one object.
const WAITS: Backoff =
    Backoff::new(Duration::from_millis(500), Duration::from_secs(60)).with_jitter(0.75, 1.25);

/// The failures of each failed object.
#[derive(Clone, Debug)]
pub(crate) struct Retries<K> {
    failed: BTreeMap<K, Failed>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    attempts: u32,
    until: Instant,
}

impl<K> Default for Retries<K> {
    fn default() -> Self {
        Self {
            failed: BTreeMap::new(),
        }
    }
}

impl<K: Ord> Retries<K> {
    /// Whether the object may be tried at `now`.
    pub(crate) fn may_try(&self, object: &K, now: Instant) -> bool {
        self.failed
            .get(object)
            .is_none_or(|failed| failed.until <= now)
    }

    /// Records a failure at `now` and returns the number of consecutive failures. `random`, from 0
    /// to 1, spreads objects that failed together.
    pub(crate) fn failed(&mut self, object: K, now: Instant, random: f64) -> u32 {
        let failed = self.failed.entry(object).or_insert(Failed {
            attempts: 0,
            until: now,
        });
        failed.attempts = failed.attempts.saturating_add(1);
        failed.until = now + WAITS.delay(failed.attempts, random);
        failed.attempts
    }

    /// Records a success.
    pub(crate) fn succeeded(&mut self, object: &K) {
        self.failed.remove(object);
    }

    /// Forgets objects that no longer exist.
    pub(crate) fn retain(&mut self, exists: impl Fn(&K) -> bool) {
        self.failed.retain(|object, _| exists(object));
    }

    /// When the next object that still waits at `now` may be tried.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let times = self.failed.values().map(|failed| failed.until);
        times.filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_concern_one_object() {
        let mut retries = Retries::default();
        let mut now = service::clock::Clock::system().now();
        let mut waits = Vec::new();
        for _ in 0..10 {
            retries.failed("a", now, 0.5);
            let until = retries.next(now).unwrap();
            waits.push((until - now).as_millis());
            assert!(!retries.may_try(&"a", now) && retries.may_try(&"b", now));
            now = until;
            assert!(retries.may_try(&"a", now));
        }
        assert_eq!(
            waits,
            [
                500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000
            ]
        );
    }

    #[test]
    fn success_and_deletion_forget() {
        let now = service::clock::Clock::system().now();
        let mut retries = Retries::default();
        retries.failed("a", now, 0.0);
        retries.failed("b", now, 1.0);
        retries.succeeded(&"a");
        assert!(retries.may_try(&"a", now));
        retries.retain(|object| *object != "b");
        assert_eq!(retries.next(now), None);
    }
}
