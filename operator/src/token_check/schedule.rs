//! When the token of an account is checked: when it is new, after the hours in which tokens end, and now and then.
//!
//! Pure: both times are arguments. Must not know what an answer means for an account.

use std::time::Duration;

use jiff::Timestamp;
use kite::{access_token, ist};
use service::backoff::Backoff;
use service::clock::Now;

/// At least this often the wall clock is looked at: a machine that slept catches up within this time.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// By the wall clock. A token that ends in between, because its user has logged out, is noticed within this time.
const INTERVAL: i64 = 3_600;

/// Kite is known to refuse good tokens for a while.
const AFTER_REFUSAL: Duration = Duration::from_secs(300);

/// Of a Secret that changes all the time.
const BETWEEN_CHANGES: Duration = Duration::from_secs(1);

/// After a check without an answer.
const RETRY: Backoff =
    Backoff::new(Duration::from_secs(5), Duration::from_secs(300)).with_jitter(0.75, 1.25);

/// Seconds past midnight in India, to which up to a minute is added.
const TIMES: [i64; 2] = [access_token::FLUSHED, access_token::SETTLED];

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckResult {
    /// The token is good.
    Accepted,
    /// It is not.
    Refused,
    /// No answer, or none about the token.
    Failed,
    /// There was nothing to check: the Secret lacks a key.
    Nothing,
}

impl CheckResult {
    /// The labels of all results of which there was something to check.
    pub(crate) const LABELS: [&'static str; 3] = ["accepted", "refused", "failed"];

    /// Its label in metrics; `None` if there was nothing to check.
    pub(super) const fn label(self) -> Option<&'static str> {
        match self {
            Self::Accepted => Some(Self::LABELS[0]),
            Self::Refused => Some(Self::LABELS[1]),
            Self::Failed => Some(Self::LABELS[2]),
            Self::Nothing => None,
        }
    }
}

/// The checks of one account.
#[derive(Debug)]
pub(super) struct CheckSchedule {
    /// From 0 to 1, so that accounts are not checked together.
    random: f64,
    last: Option<Check>,
    failures: u32,
}

#[derive(Debug)]
struct Check {
    /// The versions of the Secret: the one that was known, and the one that was read.
    versions: [String; 2],
    result: CheckResult,
    at: Now,
}

impl CheckSchedule {
    /// Of an account that was never checked. `random` is from 0 to 1.
    pub(super) fn new(random: f64) -> Self {
        Self {
            random,
            last: None,
            failures: 0,
        }
    }

    /// Records a check that ended at `now`. `versions` are those of the Secret when it was started and when it was read.
    pub(super) fn ended(&mut self, versions: [String; 2], result: CheckResult, now: Now) {
        self.failures = match result {
            CheckResult::Failed => self.failures.saturating_add(1),
            CheckResult::Accepted | CheckResult::Refused | CheckResult::Nothing => 0,
        };
        self.last = Some(Check {
            versions,
            result,
            at: now,
        });
    }

    /// How long no check is due of a Secret of this version, unless that changes: zero if one is, at most [`LOOK_INTERVAL`].
    pub(super) fn wait(&self, version: &str, now: Now) -> Duration {
        let Some(last) = &self.last else {
            return Duration::ZERO;
        };
        let since = now.monotonic.saturating_duration_since(last.at.monotonic);
        let after = |wait: Duration| wait.saturating_sub(since).min(LOOK_INTERVAL);
        if !last.versions.iter().any(|it| it == version) {
            return after(BETWEEN_CHANGES);
        }
        // After a clock that was ahead nothing would be due until its time is reached again.
        let checked = last.at.wall.min(now.wall);
        let is_old = now.wall.duration_since(checked).as_secs() >= INTERVAL;
        let is_time = is_old || self.passed_a_time(checked, now.wall);
        match last.result {
            CheckResult::Nothing => LOOK_INTERVAL,
            CheckResult::Failed => after(RETRY.delay(self.failures, self.random)),
            CheckResult::Accepted | CheckResult::Refused if is_time => Duration::ZERO,
            CheckResult::Refused => after(AFTER_REFUSAL),
            CheckResult::Accepted => LOOK_INTERVAL,
        }
    }

    /// Whether one of the times of the day has come after `checked`, up to `now`.
    fn passed_a_time(&self, checked: Timestamp, now: Timestamp) -> bool {
        let added = (60.0 * self.random) as i64;
        let newest = TIMES.map(|time| ist::next_at(time + added, now.as_second()) - ist::DAY);
        newest.iter().any(|time| *time > checked.as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckResult::{Accepted, Failed, Nothing, Refused};

    const SECOND: Duration = Duration::from_secs(1);

    fn at(clock: &str, passed: Duration) -> Now {
        let wall = format!("2026-12-01T{clock}+05:30").parse().unwrap();
        let monotonic = start() + passed;
        Now { wall, monotonic }
    }

    fn start() -> std::time::Instant {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        *START.get_or_init(|| service::clock::Clock::system().now())
    }

    /// The waits at these times after a check at the first one.
    fn waits(result: CheckResult, checked: &str, later: &[&str]) -> Vec<Duration> {
        let mut schedule = CheckSchedule::new(0.5);
        let zero = at(checked, Duration::ZERO);
        assert_eq!(schedule.wait("1", zero), Duration::ZERO, "never checked");
        schedule.ended(["1", "1"].map(str::to_owned), result, zero);
        let wait = |clock: &&str| {
            let then = at(clock, Duration::ZERO).wall;
            let passed = then.duration_since(zero.wall).unsigned_abs();
            schedule.wait("1", at(clock, passed))
        };
        later.iter().map(wait).collect()
    }

    #[test]
    fn a_good_token_is_checked_hourly_and_after_the_hours_in_which_tokens_end() {
        let day = ["10:01:00", "10:59:59", "11:00:00"];
        assert_eq!(
            waits(Accepted, "10:00:00", &day),
            [LOOK_INTERVAL, LOOK_INTERVAL, Duration::ZERO]
        );
        // Half a minute later than the hour, by this schedule's number.
        let flush = ["07:35:29", "07:35:30"];
        assert_eq!(
            waits(Accepted, "07:20:00", &flush),
            [LOOK_INTERVAL, Duration::ZERO]
        );
        let settled = ["07:59:00", "08:00:30"];
        assert_eq!(
            waits(Accepted, "07:36:00", &settled),
            [LOOK_INTERVAL, Duration::ZERO]
        );
    }

    #[test]
    fn a_refused_one_is_checked_every_five_minutes() {
        let waits = waits(Refused, "10:00:00", &["10:04:30", "10:05:00"]);
        assert_eq!(waits, [30 * SECOND, Duration::ZERO]);
    }

    #[test]
    fn one_without_an_answer_is_checked_again_at_growing_intervals_whatever_the_hour() {
        let failed = waits(Failed, "07:35:28", &["07:35:30", "07:35:33"]);
        assert_eq!(failed, [3 * SECOND, Duration::ZERO]);
        let mut schedule = CheckSchedule::new(0.5);
        let start = at("10:00:00", Duration::ZERO);
        for _ in 0..40 {
            schedule.ended(["1", "1"].map(str::to_owned), Failed, start);
        }
        let much_later = at("10:04:59", 299 * SECOND);
        assert_eq!(schedule.wait("1", much_later), SECOND);
    }

    #[test]
    fn a_changed_secret_is_checked_at_once_but_not_more_often_than_each_second() {
        let mut schedule = CheckSchedule::new(0.0);
        let zero = at("10:00:00", Duration::ZERO);
        // While it was being started, it changed.
        schedule.ended(["1", "2"].map(str::to_owned), Nothing, zero);
        let soon = at("10:00:00", SECOND / 2);
        assert_eq!(
            schedule.wait("1", soon),
            LOOK_INTERVAL,
            "its change is not known yet"
        );
        assert_eq!(schedule.wait("2", soon), LOOK_INTERVAL);
        assert_eq!(schedule.wait("3", soon), SECOND / 2);
        assert_eq!(schedule.wait("3", at("10:00:01", SECOND)), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_was_ahead_delays_nothing() {
        let mut schedule = CheckSchedule::new(0.0);
        schedule.ended(
            ["1", "1"].map(str::to_owned),
            Accepted,
            at("23:00:00", Duration::ZERO),
        );
        // The wall clock was set back: the hour counts from what it shows now.
        assert_eq!(schedule.wait("1", at("10:00:00", SECOND)), LOOK_INTERVAL);
    }
}
