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
    /// Whether it is made every day: that of a simulator that never closes. Others are made on trading days.
    pub every_day: bool,
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

    /// Takes the fetch that is due now; returns whether there is one. On days without a session there is no new list. One
    /// for names that the list lacks is counted.
    pub fn take_due(
        &mut self,
        findings: &Findings,
        is_trading_day: impl Fn(Date) -> bool,
        now: Now,
    ) -> bool {
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
            || self.passed_a_time(last.wall, now.wall, |day| {
                findings.every_day || is_trading_day(day)
            })
            || (names && self.for_names.take(now))
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

    /// Whether a list was made after `last`, up to `now`.
    fn passed_a_time(
        &self,
        last: Timestamp,
        now: Timestamp,
        is_made: impl Fn(Date) -> bool,
    ) -> bool {
        let added = (60.0 * self.random) as i64;
        let mut times = TIMES.iter().map(|time| time + added);
        times.any(|time| {
            let newest = ist::next_at(time, now.as_second()) - ist::DAY;
            let day = Timestamp::from_second(newest).map(ist::date);
            newest > last.as_second() && day.is_ok_and(&is_made)
        })
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
    /// Takes one of the fetches that are allowed; returns whether there was one.
    fn take(&mut self, now: Now) -> bool {
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
mod tests;
