//! How many statuses may be written, in all and per object.
//!
//! Pure. Two separate budgets: writes that users wait for must not queue behind times and rates
//! that change all day.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::plan::Change;

/// The least time between two writes to one object.
pub(super) const TRANSITION_GAP: Duration = Duration::from_secs(1);

/// A first status that says nothing yet waits for so long: most objects have something to say by then, and each of ten
/// thousand new ones is written once instead of twice.
pub(super) const FIRST_STATUS: Duration = Duration::from_secs(5);

/// Transitions per second in all, and as a burst: at the start every object has one.
const TRANSITIONS: f64 = 200.0;
const TRANSITION_BURST: f64 = 500.0;

/// The least time between two writes that only update times and rates.
const REFRESH_GAP: Duration = Duration::from_secs(10);

/// Refreshes per second in all. They are written in small batches, because each batch costs a pass.
const REFRESHES: f64 = 5.0;
const REFRESH_BURST: f64 = 10.0;

/// Refreshes are gathered for this long, because each pass goes through every object.
const REFRESH_BATCH: Duration = Duration::from_secs(2);

/// Tokens that fill at a rate.
#[derive(Clone, Copy, Debug)]
struct TokenBucket {
    rate: f64,
    burst: f64,
    left: f64,
    filled: Option<Instant>,
}

/// Both budgets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budgets {
    transitions: TokenBucket,
    refreshes: TokenBucket,
}

impl TokenBucket {
    const fn full(rate: f64, burst: f64) -> Self {
        Self {
            rate,
            burst,
            left: burst,
            filled: None,
        }
    }

    /// Takes one token, or returns when to try again: when half the burst is available.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let passed = now.saturating_duration_since(*self.filled.get_or_insert(now));
        self.left = (self.left + passed.as_secs_f64() * self.rate).min(self.burst);
        self.filled = Some(now);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        let missing = (self.burst / 2.0 - self.left) / self.rate;
        Err(now + Duration::from_secs_f64(missing))
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            transitions: TokenBucket::full(TRANSITIONS, TRANSITION_BURST),
            refreshes: TokenBucket::full(REFRESHES, REFRESH_BURST),
        }
    }
}

impl Budgets {
    /// Takes one write of this kind at `now`.
    ///
    /// # Errors
    /// If none is left: the time to try again.
    pub(super) fn take(&mut self, change: Change, now: Instant) -> Result<(), Instant> {
        match change {
            Change::None => Ok(()),
            Change::Refresh => self.refreshes.take(now),
            Change::First | Change::Transition => self.transitions.take(now),
        }
    }
}

/// When an object that was last written at `last` may be written again. With many `objects` the
/// interval is longer; it is shifted by `uid`, so that objects are not all due at once.
pub(super) fn due_at(change: Change, last: Instant, objects: usize, uid: &str) -> Instant {
    if matches!(change, Change::First | Change::Transition) {
        return last + TRANSITION_GAP;
    }
    let turn = Duration::from_secs_f64(objects as f64 / REFRESHES);
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    let jitter = (hasher.finish() % 1_000) as f64 / 5_000.0;
    last + REFRESH_GAP.max(turn).mul_f64(1.0 + jitter)
}

/// When to check again an object that is due at `at`.
pub(super) fn recheck_at(change: Change, at: Instant, now: Instant) -> Instant {
    match change {
        Change::Refresh => at.max(now + REFRESH_BATCH),
        Change::First | Change::Transition | Change::None => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        service::clock::Clock::system().now()
    }

    /// Writes in so many seconds of a pass every 50 ms, with more wanted than allowed.
    fn written(change: Change, seconds: u64) -> u32 {
        let (start, mut budgets, mut count) = (start(), Budgets::default(), 0);
        for pass in 0..seconds * 20 {
            let now = start + Duration::from_millis(pass * 50);
            while budgets.take(change, now).is_ok() {
                count += 1;
            }
        }
        count
    }

    #[test]
    fn transitions_have_a_burst_and_refreshes_next_to_none() {
        assert_eq!(written(Change::Transition, 1) / 10, 69);
        assert_eq!(written(Change::Transition, 10) / 10, 249);
        assert_eq!(written(Change::Refresh, 60) / 10, 30);
    }

    #[test]
    fn refreshes_are_gathered_and_transitions_are_not() {
        let now = start();
        let soon = now + Duration::from_millis(100);
        assert_eq!(recheck_at(Change::Refresh, soon, now), now + REFRESH_BATCH);
        assert_eq!(recheck_at(Change::Transition, soon, now), soon);
        let late = now + Duration::from_secs(100);
        assert_eq!(recheck_at(Change::Refresh, late, now), late);
    }

    #[test]
    fn neither_takes_from_the_other() {
        let (now, mut budgets) = (start(), Budgets::default());
        while budgets.take(Change::Refresh, now).is_ok() {}
        assert!(budgets.take(Change::Transition, now).is_ok());
        let again = budgets.take(Change::Refresh, now).unwrap_err();
        assert_eq!(again - now, Duration::from_secs(1));
        assert!(budgets.take(Change::Refresh, again).is_ok());
    }

    #[test]
    fn a_transition_waits_a_second_at_most_and_a_refresh_for_its_turn() {
        let last = start();
        let wait = |change, objects| due_at(change, last, objects, "u") - last;
        assert_eq!(wait(Change::Transition, 5_000), TRANSITION_GAP);
        let few = wait(Change::Refresh, 3);
        assert!(few >= REFRESH_GAP && few <= REFRESH_GAP.mul_f64(1.2));
        let many = wait(Change::Refresh, 1_000);
        assert!(many >= Duration::from_secs(200) && many <= Duration::from_secs(240));
        let other = due_at(Change::Refresh, last, 3, "v");
        assert_ne!(other, last + few, "objects have turns of their own");
    }
}
