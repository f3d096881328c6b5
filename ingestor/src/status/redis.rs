//! The part of the report that is about Redis.
//!
//! Owns the remarks: what is wrong although ticks flow. Pure; times are arguments.

use std::time::{Duration, Instant};

use contract::report::RedisReport;

use super::text::cut;
use crate::directory::refusal::DirectoryHealth;
use crate::pipeline::Pipeline;

/// Clocks that differ by more than this are told. The text names the largest step that is exceeded,
/// so that it does not change with every report.
const CLOCK_STEPS: [(i64, &str); 3] = [
    (3_600_000, "an hour"),
    (60_000, "a minute"),
    (5_000, "five seconds"),
];

/// Over this time ticks are counted that were replaced.
const PERIOD: Duration = Duration::from_secs(30);

/// Shares of ticks in percent that are told if they are exceeded.
const SHARES: [u64; 4] = [90, 50, 25, 10];

/// How many ticks were replaced before they could be sent, in the last whole period.
#[derive(Debug, Default)]
pub(super) struct Conflation {
    /// The start of the present period, and ticks replaced and sent until then.
    start: Option<(Instant, u64, u64)>,
    /// What is told of the last one.
    share: Option<u64>,
}

impl Conflation {
    /// So many were replaced and sent since the start of the process. What waited for a Redis that was
    /// away says nothing about its speed.
    fn update(&mut self, replaced: u64, sent: u64, is_away: bool, now: Instant) {
        let share = match self.start.filter(|_| !is_away) {
            None => None,
            Some((start, ..)) if now.saturating_duration_since(start) < PERIOD => return,
            Some((_, replaced_before, sent_before)) => {
                let (replaced, sent) = (replaced - replaced_before, sent - sent_before);
                let exceeds = |share: &u64| replaced * 100 > share * (replaced + sent);
                SHARES.into_iter().find(exceeds)
            }
        };
        (self.start, self.share) = (Some((now, replaced, sent)), share);
    }
}

fn about_speed(share: u64) -> String {
    format!(
        "redis takes ticks more slowly than Kite sends them: more than {share} % of the ticks of half a minute were \
         replaced by newer ones before they were sent; check the network to redis and its load"
    )
}

/// The report at a moment: its monotonic time, and its wall time in microseconds.
pub(super) fn report(
    pipeline: &Pipeline,
    directory: &DirectoryHealth,
    conflation: &mut Conflation,
    (now, wall_us): (Instant, i64),
) -> RedisReport {
    let redis = &pipeline.redis;
    let (counts, trouble) = (redis.counts(), redis.messages_error(now));
    let ahead = redis.clock_ahead_by(now, wall_us);
    let ahead = ahead.or_else(|| directory.clock.ahead_by(now, wall_us));
    let stats = &pipeline.stats;
    let sent = stats.rendered.iter().sum();
    conflation.update(stats.conflated, sent, trouble.is_some(), now);
    let remarks = redis.remark().map(str::to_owned).into_iter();
    let remarks = remarks
        .chain(directory.remarks.iter().cloned())
        .chain(conflation.share.map(about_speed))
        .chain(ahead.and_then(about_clocks));
    RedisReport {
        connected: trouble.is_none(),
        error: trouble.as_deref().map(cut),
        keys_error: redis.keys_error(now).as_deref().map(cut),
        remarks: remarks.map(|text| cut(&text)).collect(),
        clock_ahead_ms: ahead,
        published: counts.published,
        conflated: stats.conflated,
        unknown: counts.unknown,
        refused: counts.failed,
    }
}

/// The remark if the clock of Redis is ahead by so many milliseconds.
fn about_clocks(ahead_ms: i64) -> Option<String> {
    let difference = ahead_ms.unsigned_abs();
    let mut steps = CLOCK_STEPS.iter();
    let (_, step) = steps.find(|(limit, _)| difference > limit.unsigned_abs())?;
    let (early, late) = if ahead_ms > 0 {
        ("redis", "this machine")
    } else {
        ("this machine", "redis")
    };
    Some(format!(
        "the clock of {early} is more than {step} ahead of that of {late}: set both by NTP, because the times in \
         ticks are of this machine's"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_that_are_replaced_are_told_after_half_a_minute_and_until_it_is_over() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut conflation = Conflation::default();
        let (mut replaced, mut sent) = (1_000, 0);
        let mut told = Vec::new();
        for second in 0..130 {
            conflation.update(replaced, sent, false, at(second));
            told.push(conflation.share);
            // Three of ten for a minute.
            (replaced, sent) = (replaced + if second < 60 { 3 } else { 0 }, sent + 7);
        }
        assert_eq!((told[29], told[30]), (None, Some(25)));
        assert_eq!((told[89], told[90]), (Some(25), None));
        // An outage, and what had waited for its end.
        conflation.update(replaced + 900, sent, true, at(130));
        for second in [131, 160, 190] {
            conflation.update(replaced + 900, sent, false, at(second));
            assert_eq!(conflation.share, None);
        }
        assert!(about_speed(25).contains("more than 25 % of the ticks of half a minute"));
    }

    #[test]
    fn clocks_that_differ_are_told_in_steps() {
        assert_eq!(about_clocks(5_000), None);
        let told = |ahead| about_clocks(ahead).unwrap();
        assert_eq!(told(61_000), told(3_599_000));
        assert!(told(61_000).starts_with("the clock of redis is more than a minute ahead"));
        assert!(told(-6_000).starts_with("the clock of this machine is more than five seconds"));
    }
}
