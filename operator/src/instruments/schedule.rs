//! When an instruments list is fetched: at two times of the day, after a failure, when it is suspected to be
//! incomplete, and when a set names what it lacks.
//!
//! Pure: both times are arguments. Must not decide whether a list is accepted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use kite::ist;
use service::backoff::Backoff;
use service::clock::Now;

/// At least this often the clock is looked at: a machine that slept catches up within this time.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Seconds past midnight in India, to which up to a minute is added. Kite makes a list per trading day, by
/// half past eight; contracts that are new on this day may come until trading begins.
const TIMES: [i64; 2] = [8 * 3600 + 30 * 60, 9 * 3600 + 5 * 60];

/// A list that lacks streaming instruments is fetched again after this time.
const REFETCH_SUSPECT_AFTER: Duration = Duration::from_secs(60);

/// For names that the list lacks it is fetched this seldom,
const BETWEEN_NAMES: Duration = Duration::from_secs(15 * 60);

/// and this often on one day in India: most such names are typing errors, and a list has 8 MB.
const MOST_FOR_NAMES: u8 = 3;

/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait while there is no table: nothing new can be placed meanwhile.
const WITHOUT_TABLE: Backoff =
    Backoff::new(FIRST_WAIT, Duration::from_secs(60)).with_jitter(0.75, 1.0);

/// The longest wait while an older table is in use.
const WITH_TABLE: Backoff =
    Backoff::new(FIRST_WAIT, Duration::from_secs(15 * 60)).with_jitter(0.75, 1.0);

/// What the planner found in the list of one API endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Whether the list is suspected to be incomplete.
    pub suspect: bool,
    /// The names of sets that it lacks, if it was loaded.
    pub unknown_names: Option<UnknownNames>,
}

/// The names of sets that one list lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownNames {
    /// When that list was fetched.
    pub fetched: Timestamp,
    /// Hashes of the names, a part per set.
    pub hashes: Vec<Arc<[u64]>>,
}

/// The fetches of one list.
#[derive(Debug)]
pub struct FetchSchedule {
    /// From 0 to 1, so that operators that start or fail together do not fetch together.
    random: f64,
    last: Option<Now>,
    failures: u32,
    /// When the list in use was fetched, and the names that it was found to lack first.
    list: Option<(Timestamp, Option<BTreeSet<u64>>)>,
    for_names: ForNames,
}

/// The fetches for names that the list lacks.
#[derive(Debug, Default)]
struct ForNames {
    last: Option<Instant>,
    day: Option<Date>,
    count: u8,
}

impl FetchSchedule {
    /// Of a list that was never fetched. `random` is from 0 to 1.
    #[must_use]
    pub fn new(random: f64) -> Self {
        Self {
            random,
            last: None,
            failures: 0,
            list: None,
            for_names: ForNames::default(),
        }
    }

    /// Records a list that is in use from now on.
    pub fn succeeded(&mut self, fetched: Timestamp, now: Now) {
        self.last = Some(now);
        self.failures = 0;
        self.list = Some((fetched, None));
    }

    /// Records a fetch without a list that can be used. Returns how long to wait.
    pub fn failed(&mut self, now: Now) -> Duration {
        self.last = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.retry_wait()
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether to fetch the list now. Counts a fetch for names that the list lacks.
    pub fn is_due(&mut self, findings: &Findings, now: Now) -> bool {
        let Some(last) = &mut self.last else {
            return true;
        };
        // After a clock that was ahead nothing would be due until its time is reached again.
        last.wall = last.wall.min(now.wall);
        let last = *last;
        let since = now.monotonic.saturating_duration_since(last.monotonic);
        let retry = self.failures > 0 && since >= self.retry_wait();
        let suspect = findings.suspect && since >= REFETCH_SUSPECT_AFTER;
        let names = self.learn(findings);
        retry
            || suspect
            || self.passed_a_time(last.wall, now.wall)
            || (names && self.for_names.allow(now))
    }

    /// How long nothing is due, unless the findings change; at most [`LOOK_INTERVAL`].
    #[must_use]
    pub fn wait(&self, now: Now) -> Duration {
        let since = |last: Now| now.monotonic.saturating_duration_since(last.monotonic);
        match self.last {
            Some(last) if self.failures > 0 => {
                LOOK_INTERVAL.min(self.retry_wait().saturating_sub(since(last)))
            }
            _ => LOOK_INTERVAL,
        }
    }

    fn retry_wait(&self) -> Duration {
        let backoff = if self.list.is_some() {
            WITH_TABLE
        } else {
            WITHOUT_TABLE
        };
        backoff.delay(self.failures.max(1), self.random)
    }

    /// Whether one of the times of the day is after `last`, up to `now`.
    fn passed_a_time(&self, last: Timestamp, now: Timestamp) -> bool {
        let added = (60.0 * self.random) as i64;
        let mut times = TIMES.iter().map(|time| time + added);
        times.any(|time| ist::next_at(time, last.as_second()) <= now.as_second())
    }

    /// Whether sets name something that the list in use lacks, and that they did not name when it came.
    fn learn(&mut self, findings: &Findings) -> bool {
        let (Some((fetched, first)), Some(unknown)) = (&mut self.list, &findings.unknown_names)
        else {
            return false;
        };
        // The planner may not have seen the newest list yet.
        if unknown.fetched != *fetched {
            return false;
        }
        let mut hashes = unknown.hashes.iter().flat_map(|hashes| hashes.iter());
        match first {
            None => {
                *first = Some(hashes.copied().collect());
                false
            }
            Some(first) => hashes.any(|hash| !first.contains(hash)),
        }
    }
}

impl ForNames {
    fn allow(&mut self, now: Now) -> bool {
        let since = |last| now.monotonic.saturating_duration_since(last);
        let today = Some(ist::date(now.wall));
        if self.day != today {
            (self.day, self.count) = (today, 0);
        }
        let allowed = self.count < MOST_FOR_NAMES
            && self.last.is_none_or(|last| since(last) >= BETWEEN_NAMES);
        if allowed {
            self.last = Some(now.monotonic);
            self.count += 1;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day before trading: 2026-11-24 is a Tuesday.
    fn at(time: &str) -> Now {
        let wall: Timestamp = format!("{time}+05:30").parse().unwrap();
        let start: Timestamp = "2026-11-20T00:00:00+05:30".parse().unwrap();
        let since = wall.as_second() - start.as_second();
        Now {
            wall,
            monotonic: *START + Duration::from_secs(u64::try_from(since).unwrap()),
        }
    }

    static START: std::sync::LazyLock<Instant> =
        std::sync::LazyLock::new(|| service::clock::Clock::system().now());

    fn nothing() -> Findings {
        Findings::default()
    }

    fn names(fetched: Now, hashes: &[u64]) -> Findings {
        Findings {
            suspect: false,
            unknown_names: Some(UnknownNames {
                fetched: fetched.wall,
                hashes: vec![hashes.into()],
            }),
        }
    }

    /// With a list that was fetched at this time.
    fn fetched(now: Now) -> FetchSchedule {
        let mut schedule = FetchSchedule::new(0.5);
        assert!(schedule.is_due(&nothing(), now));
        schedule.succeeded(now.wall, now);
        schedule
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        let waits = |list: bool| {
            let mut schedule = FetchSchedule::new(1.0);
            let now = at("2026-11-24T07:00:00");
            if list {
                schedule.succeeded(now.wall, now);
            }
            let waits: Vec<u128> = (0..70).map(|_| schedule.failed(now).as_millis()).collect();
            [0, 2, 4, 8, 69].map(|at: usize| waits[at])
        };
        assert_eq!(waits(false), [250, 1_000, 4_000, 60_000, 60_000]);
        assert_eq!(waits(true), [250, 1_000, 4_000, 64_000, 900_000]);
        let mut schedule = FetchSchedule::new(0.0);
        for _ in 0..4 {
            schedule.failed(at("2026-11-24T07:00:00"));
        }
        let wait = schedule.failed(at("2026-11-24T07:00:00"));
        assert_eq!(wait, Duration::from_secs(3));
        assert_eq!(
            schedule.wait(at("2026-11-24T07:00:01")),
            Duration::from_secs(2)
        );
        assert!(!schedule.is_due(&nothing(), at("2026-11-24T07:00:02")));
        assert!(schedule.is_due(&nothing(), at("2026-11-24T07:00:03")));
    }

    #[test]
    fn a_day_has_two_times() {
        let mut schedule = fetched(at("2026-11-24T08:29:00"));
        assert_eq!(schedule.wait(at("2026-11-24T08:29:00")), LOOK_INTERVAL);
        // Half of the minute that is added at random.
        assert!(!schedule.is_due(&nothing(), at("2026-11-24T08:30:29")));
        let first = at("2026-11-24T08:30:30");
        assert!(schedule.is_due(&nothing(), first));
        schedule.succeeded(first.wall, first);
        assert!(!schedule.is_due(&nothing(), at("2026-11-24T09:05:29")));
        let second = at("2026-11-24T09:05:30");
        assert!(schedule.is_due(&nothing(), second));
        schedule.succeeded(second.wall, second);
        for same_day in [
            "2026-11-24T09:06:00",
            "2026-11-24T23:59:59",
            "2026-11-25T08:30:29",
        ] {
            assert!(!schedule.is_due(&nothing(), at(same_day)), "{same_day}");
        }
        assert!(schedule.is_due(&nothing(), at("2026-11-25T08:30:30")));
    }

    /// A monotonic clock stands still while a machine sleeps.
    #[test]
    fn a_machine_that_slept_over_a_time_catches_up() {
        let mut schedule = fetched(at("2026-11-24T20:00:00"));
        let woken = Now {
            wall: at("2026-11-25T11:00:00").wall,
            monotonic: at("2026-11-24T20:00:30").monotonic,
        };
        assert!(schedule.is_due(&nothing(), woken));
    }

    #[test]
    fn after_a_clock_that_was_ahead_the_next_time_counts() {
        let mut schedule = FetchSchedule::new(0.0);
        let ahead = Now {
            wall: at("2027-11-24T07:00:00").wall,
            monotonic: at("2026-11-24T07:00:00").monotonic,
        };
        schedule.succeeded(ahead.wall, ahead);
        assert!(!schedule.is_due(&nothing(), at("2026-11-24T07:01:00")));
        assert!(schedule.is_due(&nothing(), at("2026-11-24T08:30:00")));
    }

    #[test]
    fn a_time_of_the_day_does_not_wait_for_a_retry() {
        let mut schedule = fetched(at("2026-11-24T08:00:00"));
        for _ in 0..20 {
            schedule.failed(at("2026-11-24T08:30:00"));
        }
        assert!(schedule.is_due(&nothing(), at("2026-11-24T08:30:30")));
    }

    #[test]
    fn a_suspect_list_is_fetched_again_after_a_minute() {
        let first = at("2026-11-24T10:00:00");
        let mut schedule = fetched(first);
        let suspect = Findings {
            suspect: true,
            ..nothing()
        };
        assert!(!schedule.is_due(&suspect, at("2026-11-24T10:00:59")));
        assert!(schedule.is_due(&suspect, at("2026-11-24T10:01:00")));
    }

    #[test]
    fn a_name_that_was_not_unknown_before_is_a_reason_to_look_again() {
        let first = at("2026-11-24T10:00:00");
        let mut schedule = fetched(first);
        // Unknown when the list came, or in an older list: no reason.
        let older = names(at("2026-11-24T09:05:00"), &[9]);
        assert!(!schedule.is_due(&older, at("2026-11-24T10:00:01")));
        let [before, with_new] = [&[1, 2][..], &[1, 2, 3]].map(|it| names(first, it));
        assert!(!schedule.is_due(&before, at("2026-11-24T10:00:02")));
        assert!(!schedule.is_due(&before, at("2026-11-24T10:20:00")));
        let second = at("2026-11-24T10:20:01");
        assert!(schedule.is_due(&with_new, second));
        schedule.succeeded(second.wall, second);
        // It is not in this list either: a typing error.
        let same = names(second, &[1, 2, 3]);
        assert!(!schedule.is_due(&same, at("2026-11-24T10:20:02")));
        assert!(!schedule.is_due(&same, at("2026-11-24T12:00:00")));
    }

    #[test]
    fn names_are_looked_for_every_fifteen_minutes_and_three_times_a_day() {
        let mut list = at("2026-11-24T10:00:00");
        let mut schedule = fetched(list);
        let mut fetches = Vec::new();
        let mut hashes = vec![0];
        assert!(!schedule.is_due(&names(list, &hashes), list));
        for minute in 1..=24 * 60 {
            let by = Duration::from_secs(60 * minute);
            let now = Now {
                wall: at("2026-11-24T10:00:00").wall + by,
                monotonic: at("2026-11-24T10:00:00").monotonic + by,
            };
            // A new typing error each minute.
            hashes.push(minute);
            if schedule.is_due(&names(list, &hashes), now) {
                fetches.push(ist::civil(now.wall).strftime("%d %H:%M").to_string());
                list = now;
                schedule.succeeded(now.wall, now);
                assert!(!schedule.is_due(&names(list, &hashes), now));
            }
        }
        assert_eq!(
            fetches,
            [
                "24 10:01", "24 10:16", "24 10:31", "25 00:00", "25 00:15", "25 00:30", "25 08:31",
                "25 09:06"
            ]
        );
    }
}
