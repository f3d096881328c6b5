//! The part of the report that is about Redis.
//!
//! Owns the remarks: what is wrong although ticks flow. Pure.

use std::time::Instant;

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

/// The report at a moment: its monotonic time, and its wall time in microseconds.
pub(super) fn report(
    pipeline: &Pipeline,
    directory: &DirectoryHealth,
    (now, wall_us): (Instant, i64),
) -> RedisReport {
    let redis = &pipeline.redis;
    let (counts, trouble) = (redis.counts(), redis.messages_error(now));
    let ahead = redis.clock_ahead_by(now, wall_us);
    let ahead = ahead.or_else(|| directory.clock.ahead_by(now, wall_us));
    let remarks = redis.remark().map(str::to_owned).into_iter();
    let remarks = remarks
        .chain(directory.remarks.iter().cloned())
        .chain(ahead.and_then(about_clocks));
    RedisReport {
        connected: trouble.is_none(),
        error: trouble.as_deref().map(cut),
        keys_error: redis.keys_error(now).as_deref().map(cut),
        remarks: remarks.map(|text| cut(&text)).collect(),
        clock_ahead_ms: ahead,
        published: counts.published,
        conflated: pipeline.stats.conflated,
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
    fn clocks_that_differ_are_told_in_steps() {
        assert_eq!(about_clocks(5_000), None);
        let told = |ahead| about_clocks(ahead).unwrap();
        assert_eq!(told(61_000), told(3_599_000));
        assert!(told(61_000).starts_with("the clock of redis is more than a minute ahead"));
        assert!(told(-6_000).starts_with("the clock of this machine is more than five seconds"));
    }
}
