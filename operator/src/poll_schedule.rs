//! When each target is polled again.
//!
//! The schedule is pure: time and random numbers are arguments. Must not know what is polled, or
//! what an answer means.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often a target is polled, by what is expected of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intervals {
    /// While its next answer is awaited.
    pub(crate) expecting: Duration,
    /// While its last change is recent, because more changes are likely.
    pub(crate) active: Duration,
    /// Otherwise.
    pub(crate) idle: Duration,
}

/// How long a change is recent.
const ACTIVE_FOR: Duration = Duration::from_secs(10);

impl Intervals {
    /// The interval at `now` of a target that last changed at `changed`.
    pub(crate) fn at(&self, expecting: bool, changed: Option<Instant>, now: Instant) -> Duration {
        match changed {
            _ if expecting => self.expecting,
            Some(at) if now.saturating_duration_since(at) < ACTIVE_FOR => self.active,
            _ => self.idle,
        }
    }
}

/// The polls of many targets, of which few are in flight at a time. An interval begins when a poll
/// has ended.
#[derive(Debug)]
pub(crate) struct PollSchedule<K> {
    limits: PollLimits,
    polls: BTreeMap<K, Poll>,
}

/// The settings of a schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollLimits {
    /// Polls in flight at a time.
    pub(crate) in_flight: usize,
    /// A poll that has not ended after this time is given up: its task has died.
    pub(crate) longest: Duration,
    /// The largest difference of an interval's factor from 1, so that polls do not fall together.
    pub(crate) jitter: f64,
}

#[derive(Clone, Copy, Debug)]
enum Poll {
    InFlight { since: Instant },
    Ended { at: Instant, factor: f64 },
}

impl<K: Clone + Ord> PollSchedule<K> {
    /// Nothing has been polled yet.
    pub(crate) fn new(limits: PollLimits) -> Self {
        Self {
            limits,
            polls: BTreeMap::new(),
        }
    }

    /// Returns the targets to poll at `now`, and when to call again. The returned ones are in
    /// flight from then on. A target that was never polled is due at once, the others when their
    /// interval in `targets` has passed; others than `targets` are forgotten.
    pub(crate) fn start_due(
        &mut self,
        targets: &BTreeMap<K, Duration>,
        now: Instant,
    ) -> (Vec<K>, Option<Instant>) {
        self.polls.retain(|key, _| targets.contains_key(key));
        let in_flight = |poll: &&Poll| matches!(poll, Poll::InFlight { since } if *since + self.limits.longest > now);
        let mut room = self
            .limits
            .in_flight
            .saturating_sub(self.polls.values().filter(in_flight).count());
        let (mut due, mut next) = (Vec::new(), None);
        for (key, interval) in targets {
            let at = match self.polls.get(key) {
                Some(Poll::InFlight { since }) => *since + self.limits.longest,
                Some(Poll::Ended { at, factor }) => *at + interval.mul_f64(*factor),
                None => now,
            };
            if at > now {
                next = Some(next.map_or(at, |next: Instant| next.min(at)));
            } else if room > 0 {
                room -= 1;
                self.polls
                    .insert(key.clone(), Poll::InFlight { since: now });
                due.push(key.clone());
            }
        }
        (due, next)
    }

    /// Records that a poll has ended at `now`. `random`, from 0 to 1, chooses the factor of the
    /// interval that follows.
    pub(crate) fn ended(&mut self, key: &K, now: Instant, random: f64) {
        if let Some(poll) = self.polls.get_mut(key) {
            let factor = 1.0 + (2.0 * random - 1.0) * self.limits.jitter;
            *poll = Poll::Ended { at: now, factor };
        }
    }
}

/// Waits until then; without a time it never completes.
pub(crate) async fn sleep_until(next: Option<Instant>) {
    match next {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(in_flight: usize) -> PollSchedule<&'static str> {
        PollSchedule::new(PollLimits {
            in_flight,
            longest: 5 * SECOND,
            jitter: 0.2,
        })
    }

    #[test]
    fn an_interval_begins_when_a_poll_has_ended() {
        let start = service::clock::Clock::system().now();
        let (mut schedule, targets) = (schedule(2), [("a", 10 * SECOND)].into());
        assert_eq!(schedule.start_due(&targets, start).0, ["a"]);
        let (due, next) = schedule.start_due(&targets, start + SECOND);
        assert_eq!((due.len(), next), (0, Some(start + 5 * SECOND)));
        schedule.ended(&"a", start + SECOND, 1.0);
        let (due, next) = schedule.start_due(&targets, start + SECOND);
        assert_eq!((due.len(), next), (0, Some(start + 13 * SECOND)));
        let sooner = [("a", SECOND)].into();
        assert_eq!(schedule.start_due(&sooner, start + 3 * SECOND).0, ["a"]);
    }

    #[test]
    fn few_are_in_flight_and_a_lost_one_is_given_up() {
        let start = service::clock::Clock::system().now();
        let (mut schedule, targets) = (schedule(1), [("a", SECOND), ("b", SECOND)].into());
        assert_eq!(schedule.start_due(&targets, start).0, ["a"]);
        assert!(schedule.start_due(&targets, start + SECOND).0.is_empty());
        assert_eq!(schedule.start_due(&targets, start + 5 * SECOND).0, ["a"]);
        schedule.ended(&"a", start + 6 * SECOND, 0.5);
        assert_eq!(schedule.start_due(&targets, start + 6 * SECOND).0, ["b"]);
    }

    #[test]
    fn what_is_no_target_is_forgotten_and_due_at_once_when_it_returns() {
        let start = service::clock::Clock::system().now();
        let (mut schedule, targets) = (schedule(1), [("a", SECOND)].into());
        schedule.start_due(&targets, start);
        schedule.ended(&"a", start, 0.5);
        assert_eq!(schedule.start_due(&BTreeMap::new(), start), (vec![], None));
        assert_eq!(schedule.start_due(&targets, start).0, ["a"]);
    }

    #[test]
    fn something_is_polled_more_often_while_something_is_going_on() {
        let now = service::clock::Clock::system().now();
        let intervals = Intervals {
            expecting: SECOND / 5,
            active: SECOND,
            idle: 5 * SECOND,
        };
        assert_eq!(intervals.at(false, None, now), 5 * SECOND);
        assert_eq!(intervals.at(false, Some(now), now), SECOND);
        assert_eq!(intervals.at(false, Some(now), now + ACTIVE_FOR), 5 * SECOND);
        assert_eq!(intervals.at(true, None, now), SECOND / 5);
    }
}
