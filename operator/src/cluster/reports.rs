//! The reports of the pods: each pod is polled every few seconds, more often while a change is
//! expected.
//!
//! Owns the polling and the newest answers. It decides when to poll, not what an answer means.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::Report;
use prometheus_client::metrics::counter::Counter;
use service::clock::Clock;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::plan::{BAD_SCRAPES, Key, PriceBands, Scrape};
use crate::poll_schedule::{Intervals, PollLimits, PollSchedule, sleep_until};
use crate::scrape::{ProcessAnswer, ScrapeError, Scraper, TIMEOUT};

/// How often a pod is polled.
const INTERVALS: Intervals = Intervals {
    expecting: Duration::from_millis(200),
    active: Duration::from_secs(1),
    idle: Duration::from_secs(5),
};

const LIMITS: PollLimits = PollLimits {
    in_flight: 16,
    longest: TIMEOUT.saturating_mul(2),
    jitter: 0.1,
};

/// Prices alone wake the planner at most this often.
const PRICE_INTERVAL: Duration = Duration::from_secs(1);

/// If the newest tick gets this old, or a new one follows after that, a plan may change.
const STALE_MS: u64 = crds::set::STALE_AFTER.as_millis() as u64;

/// A pod to poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScrapeTarget {
    /// Identity of its account.
    pub(crate) uid: String,
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Whether its next answer is awaited.
    pub(crate) expecting: bool,
    /// The prices in it that change nothing.
    pub(crate) bands: PriceBands,
}

/// Whether a plan may change with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    /// By a price alone.
    Price,
    Other,
}

/// The newest answers, shared between the polling task and its readers.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    targets: watch::Sender<BTreeMap<Key, ScrapeTarget>>,
    answers: Mutex<BTreeMap<Key, LatestScrape>>,
}

/// What is known of one target.
#[derive(Clone, Debug, Default)]
struct LatestScrape {
    uid: String,
    scrape: Scrape,
    changed: Option<Instant>,
}

impl Reports {
    /// Sets the pods to poll from now on.
    pub(crate) fn set_targets(&self, targets: BTreeMap<Key, ScrapeTarget>) {
        if *self.targets.borrow() != targets {
            self.targets.send_replace(targets);
        }
    }

    /// The last report of the account's pod, or that it does not answer.
    pub(crate) fn of(&self, account: &Key, uid: &str) -> Scrape {
        let answers = self.answers();
        let answer = answers.get(account).filter(|answer| answer.uid == uid);
        answer
            .map(|answer| answer.scrape.clone())
            .unwrap_or_default()
    }

    /// Stores an answer.
    fn record(
        &self,
        key: &Key,
        target: &ScrapeTarget,
        result: Result<ProcessAnswer, String>,
        now: Instant,
    ) -> News {
        let mut answers = self.answers();
        let answer = answers.entry(key.clone()).or_default();
        if answer.uid != target.uid {
            *answer = LatestScrape {
                uid: target.uid.clone(),
                ..LatestScrape::default()
            };
        }
        let news = update(&mut answer.scrape, result, &target.bands, now);
        if news == News::Other {
            answer.changed = Some(now);
        }
        news
    }

    fn retain(&self, targets: &BTreeMap<Key, ScrapeTarget>) {
        self.answers().retain(|key, answer| {
            targets
                .get(key)
                .is_some_and(|target| target.uid == answer.uid)
        });
    }

    fn interval(&self, key: &Key, target: &ScrapeTarget, now: Instant) -> Duration {
        let changed = self.answers().get(key).and_then(|answer| answer.changed);
        INTERVALS.at(target.expecting, changed, now)
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<Key, LatestScrape>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records the result of an attempt.
fn update(
    scrape: &mut Scrape,
    result: Result<ProcessAnswer, String>,
    bands: &PriceBands,
    now: Instant,
) -> News {
    let before = std::mem::take(scrape);
    *scrape = before.clone().after(result, now);
    let changed = match (&before.failing, &scrape.failing) {
        (None, None) => match (&before.report, &scrape.report) {
            (Some(old), Some(new))
                if without_counters(old) == without_counters(new)
                    && before.lost.len() == scrape.lost.len() =>
            {
                let left = bands.are_left(old, new);
                return if left { News::Price } else { News::None };
            }
            (Some(_), Some(_)) => true,
            (old, new) => old.is_some() != new.is_some(),
        },
        // The second consecutive failure distinguishes an outage from a lost packet.
        (Some(old), Some(new)) => old.why != new.why || new.attempts == BAD_SCRAPES,
        (None, Some(_)) | (Some(_), None) => true,
    };
    if changed { News::Other } else { News::None }
}

/// A report without the values that change with every tick.
fn without_counters(report: &Report) -> Report {
    let mut steady = report.clone();
    steady.ticks_total = 0;
    steady.ticks_per_second = 0;
    steady.last_tick_us = steady.last_tick_us.map(|_| 0);
    steady.references.clear();
    // Whether a forward is known is news: calls and puts near it can be chosen.
    for chain in &mut steady.chains {
        chain.source = None;
        chain.forward = chain.forward.take().map(|_| String::new());
        chain.age_ms = None;
    }
    steady.redis.published = 0;
    steady.redis.conflated = 0;
    steady.redis.unknown = 0;
    steady.redis.clock_ahead_ms = None;
    for reported in &mut steady.moves {
        reported.second = None;
    }
    for connection in &mut steady.connections {
        connection.last_tick_us = connection.last_tick_us.map(|_| 0);
        connection.down_ms = connection.down_ms.map(|_| 0);
        connection.ticks_per_second = None;
    }
    for set in &mut steady.sets {
        set.last_tick_us = set.last_tick_us.map(|_| 0);
        set.age_ms = set.age_ms.map(|age| u64::from(age >= STALE_MS));
        set.usual_interval_ms = None;
        set.ticks_per_second = None;
        set.greeks.clear();
    }
    steady
}

/// The polling task.
pub(crate) struct ReportPoller {
    pub(crate) reports: Arc<Reports>,
    pub(crate) scraper: Scraper,
    pub(crate) clock: Clock,
    pub(crate) dirty: Arc<Notify>,
    pub(crate) failures: Counter,
}

impl ReportPoller {
    /// Polls until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut targets_changed = self.reports.targets.subscribe();
        let mut running = JoinSet::new();
        let mut schedule = PollSchedule::new(LIMITS);
        let mut prices = PriceNews::default();
        loop {
            let targets = targets_changed.borrow_and_update().clone();
            self.reports.retain(&targets);
            let now = self.clock.now();
            let interval = |(key, target): (&Key, &ScrapeTarget)| {
                (key.clone(), self.reports.interval(key, target, now))
            };
            let (due, next) = schedule.start_due(&targets.iter().map(interval).collect(), now);
            for key in due {
                let (target, scraper) = (targets[&key].clone(), self.scraper.clone());
                running.spawn(async move {
                    let result = scraper.answer(target.address).await;
                    (key, target, result)
                });
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = targets_changed.changed() => if changed.is_err() { return },
                Some(Ok((key, target, result))) = running.join_next() => {
                    let now = self.clock.now();
                    schedule.ended(&key, now, fastrand::f64());
                    match self.finish(&key, &target, result, now) {
                        News::None => {}
                        News::Price => prices.note(now),
                        News::Other => self.dirty.notify_one(),
                    }
                }
                () = sleep_until(prices.due), if prices.due.is_some() => {
                    prices.told(self.clock.now());
                    self.dirty.notify_one();
                }
                () = sleep_until(next), if next.is_some() => {}
            }
        }
    }

    fn finish(
        &self,
        key: &Key,
        target: &ScrapeTarget,
        result: Result<ProcessAnswer, ScrapeError>,
        now: Instant,
    ) -> News {
        let result = result.map_err(|error| {
            self.failures.inc();
            service::exit::chain(&error).to_string()
        });
        // The pod may have been replaced while the request was running.
        let current = self
            .reports
            .targets
            .borrow()
            .get(key)
            .filter(|it| it.uid == target.uid && it.address == target.address)
            .cloned();
        current.map_or(News::None, |target| {
            self.reports.record(key, &target, result, now)
        })
    }
}

/// When prices wake the planner.
#[derive(Debug, Default)]
struct PriceNews {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl PriceNews {
    /// Notes that a price is news.
    fn note(&mut self, now: Instant) {
        let next = self.last.map_or(now, |last| last + PRICE_INTERVAL);
        self.due.get_or_insert(next.max(now));
    }

    /// Notes that the planner is woken.
    fn told(&mut self, now: Instant) {
        (self.last, self.due) = (Some(now), None);
    }
}

#[cfg(test)]
mod tests {
    use contract::report::{ChainReport, ReferencePrice, SetReport};

    use super::*;

    fn answer(assigned: u32, ticks_total: u64) -> ProcessAnswer {
        ProcessAnswer::from(Report {
            assigned,
            ticks_total,
            last_tick_us: Some(ticks_total.cast_signed()),
            ..Report::default()
        })
    }

    fn target(uid: &str) -> ScrapeTarget {
        ScrapeTarget {
            uid: uid.to_owned(),
            address: ([127, 0, 0, 1], 1).into(),
            expecting: false,
            bands: PriceBands::default(),
        }
    }

    fn update(scrape: &mut Scrape, result: Result<ProcessAnswer, String>, now: Instant) -> bool {
        super::update(scrape, result, &PriceBands::default(), now) == News::Other
    }

    fn price(price: &str, assigned: u32) -> Report {
        let reference = ReferencePrice {
            token: 1,
            price: Some(price.to_owned()),
            close: None,
            age_ms: Some(7),
            exchange_ts: None,
            first: false,
        };
        Report {
            references: vec![reference],
            assigned,
            ..Report::default()
        }
    }

    #[test]
    fn a_price_is_news_only_outside_its_band() {
        let now = Clock::system().now();
        let bands = PriceBands::sample(1, 100.0, 110.0);
        let mut scrape = Scrape::default();
        let mut next =
            |report| super::update(&mut scrape, Ok(ProcessAnswer::from(report)), &bands, now);
        assert_eq!(next(price("105", 1)), News::Other);
        assert_eq!(next(price("109.95", 1)), News::None);
        assert_eq!(next(price("110.05", 1)), News::Price);
        assert_eq!(next(price("110.05", 2)), News::Other);
    }

    #[test]
    fn a_forward_is_news_once_and_its_changes_are_none() {
        let now = Clock::system().now();
        let mut scrape = Scrape::default();
        let mut next = |forward: Option<&str>, ok: u32| {
            let chain = ChainReport {
                exchange: "NFO".to_owned(),
                underlying: "NIFTY".to_owned(),
                expiry: jiff::civil::date(2026, 12, 1),
                source: forward.map(|_| "future".to_owned()),
                forward: forward.map(str::to_owned),
                age_ms: forward.map(|_| u64::from(ok)),
            };
            let report = Report {
                chains: vec![chain],
                sets: vec![set_report(ok)],
                ..Report::default()
            };
            update(&mut scrape, Ok(ProcessAnswer::from(report)), now)
        };
        assert!(next(None, 0));
        assert!(next(Some("24000.5"), 1));
        assert!(!next(Some("24001.5"), 2));
        assert!(next(None, 2));
    }

    fn set_report(ok: u32) -> SetReport {
        SetReport {
            name: "s".to_owned(),
            assigned: 1,
            streaming: 1,
            silent: 0,
            ticks_per_second: None,
            last_tick_us: None,
            age_ms: None,
            usual_interval_ms: None,
            greeks: [("ok".to_owned(), ok)].into(),
        }
    }

    #[test]
    fn prices_wake_the_planner_at_most_once_a_second_and_the_last_one_always() {
        let start = Clock::system().now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut news = PriceNews::default();
        news.note(at(0));
        assert_eq!(news.due, Some(at(0)), "the first at once");
        news.told(at(0));
        news.note(at(300));
        news.note(at(600));
        assert_eq!(news.due, Some(at(1_000)));
        news.told(at(1_000));
        assert_eq!(news.due, None);
        news.note(at(5_000));
        assert_eq!(news.due, Some(at(5_000)));
    }

    #[test]
    fn further_ticks_are_no_news_and_everything_else_is() {
        let now = Clock::system().now();
        let mut scrape = Scrape::default();
        assert!(update(&mut scrape, Ok(answer(1, 5)), now));
        assert!(!update(&mut scrape, Ok(answer(1, 9)), now));
        assert_eq!(scrape.report.as_ref().unwrap().ticks_total, 9);
        assert!(update(&mut scrape, Ok(answer(2, 9)), now));
    }

    #[test]
    fn a_failure_is_news_twice_and_its_end_once() {
        let now = Clock::system().now();
        let mut scrape = Scrape::default();
        update(&mut scrape, Ok(answer(1, 1)), now);
        let fail = |scrape: &mut Scrape, seconds| {
            let now = now + Duration::from_secs(seconds);
            update(scrape, Err("no answer".to_owned()), now)
        };
        assert!(fail(&mut scrape, 0) && fail(&mut scrape, 5) && !fail(&mut scrape, 10));
        let failing = scrape.failing.clone().unwrap();
        assert_eq!((failing.since, failing.attempts), (now, 3));
        assert_eq!(
            scrape.report.as_ref().unwrap().assigned,
            1,
            "the last report is kept"
        );
        assert!(update(&mut scrape, Ok(answer(1, 1)), now));
        assert!(scrape.failing.is_none());
    }

    #[test]
    fn a_new_account_of_an_old_name_inherits_nothing() {
        let now = Clock::system().now();
        let (reports, key) = (Reports::default(), Key::new("n", "a"));
        reports.record(&key, &target("old"), Ok(answer(7, 1)), now);
        assert!(reports.of(&key, "new").report.is_none());
        assert!(reports.of(&key, "old").report.is_some());
        reports.retain(&[(key.clone(), target("new"))].into());
        assert!(reports.of(&key, "old").report.is_none());
    }

    #[test]
    fn a_pod_is_asked_more_often_while_something_is_going_on() {
        let now = Clock::system().now();
        let (reports, key, mut target) = (Reports::default(), Key::new("n", "a"), target("u"));
        assert_eq!(reports.interval(&key, &target, now), INTERVALS.idle);
        reports.record(&key, &target, Ok(answer(7, 1)), now);
        assert_eq!(reports.interval(&key, &target, now), INTERVALS.active);
        target.expecting = true;
        assert_eq!(reports.interval(&key, &target, now), INTERVALS.expecting);
    }
}
