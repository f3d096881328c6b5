//! Learns how often a set ticks.
//!
//! Owns the usual interval of each set. Pure; must not decide whether a set is late.

use std::collections::BTreeMap;
use std::time::Instant;

use contract::report::SetReport;

use crate::pipeline::accept::rules::ReceiveTime;
use crate::pipeline::interval::CommonInterval;

/// The intervals of all sets, by name.
#[derive(Debug, Default)]
pub(crate) struct SetIntervals(BTreeMap<String, Known>);

/// What is remembered of a set between two samples.
#[derive(Clone, Copy, Debug)]
struct Known {
    interval: CommonInterval,
    /// How many of its instruments streamed at the last sample.
    streamed: u32,
    /// The first sample: if no tick has arrived, the age is counted from here.
    since: Instant,
}

impl SetIntervals {
    /// Adds to `sets`, given with their newest ticks, the age of these at `now` and the usual
    /// interval.
    pub(crate) fn observe(
        &mut self,
        sets: Vec<(SetReport, Option<ReceiveTime>)>,
        now: Instant,
    ) -> Vec<SetReport> {
        let mut before = std::mem::take(&mut self.0);
        let observed = sets.into_iter().map(|(mut set, newest)| {
            let mut known = before.remove(&set.name).unwrap_or(Known {
                interval: CommonInterval::default(),
                streamed: 0,
                since: now,
            });
            // Fewer instruments have a packet on the present socket: a socket was lost. With none,
            // a socket may have opened and ended since the last sample.
            let interrupted = set.streaming < known.streamed || set.streaming == 0;
            known.interval.observe(newest, interrupted);
            known.streamed = set.streaming;
            set.last_tick_us = newest.map(|newest| newest.us);
            let since = newest.map_or(known.since, |newest| newest.at);
            set.age_ms = Some(now.saturating_duration_since(since).as_millis() as u64);
            let usual = known.interval.usual();
            set.usual_interval_ms = usual.map(|usual| usual.as_millis() as u64);
            self.0.insert(set.name.clone(), known);
            set
        });
        observed.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// One set of five instruments.
    struct World {
        start: Instant,
        intervals: SetIntervals,
        /// How far the wall clock was set forward, in seconds.
        step: i64,
    }

    impl World {
        fn new() -> Self {
            #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
            let start = Instant::now();
            Self {
                start,
                intervals: SetIntervals::default(),
                step: 0,
            }
        }

        fn at(&self, second: u64) -> Instant {
            self.start + Duration::from_secs(second)
        }

        fn received(&self, second: u64) -> ReceiveTime {
            ReceiveTime {
                at: self.at(second),
                us: (second.cast_signed() + self.step) * 1_000_000,
            }
        }

        /// Age and usual interval in the report of `second`, when `streaming` had a packet on the
        /// present socket and the newest tick came at `newest`.
        fn observe(&mut self, second: u64, streaming: u32, newest: u64) -> (u64, Option<u64>) {
            self.observe_at(second, streaming, Some(newest))
        }

        fn observe_at(
            &mut self,
            second: u64,
            streaming: u32,
            newest: Option<u64>,
        ) -> (u64, Option<u64>) {
            let set = SetReport {
                name: "one".to_owned(),
                assigned: 5,
                streaming,
                silent: 0,
                ticks_per_second: None,
                last_tick_us: None,
                age_ms: None,
                usual_interval_ms: None,
                greeks: BTreeMap::new(),
            };
            let sets = vec![(set, newest.map(|newest| self.received(newest)))];
            let observed = self.intervals.observe(sets, self.at(second));
            let age = observed[0].age_ms.unwrap();
            (age / 1_000, observed[0].usual_interval_ms)
        }
    }

    #[test]
    fn a_steady_set_has_its_interval() {
        let mut world = World::new();
        assert_eq!(world.observe(60, 5, 60), (0, None));
        for second in 61..600 {
            // Looks between two ticks teach nothing.
            world.observe(second, 5, second - second % 60);
        }
        assert_eq!(world.observe(600, 5, 600), (0, Some(60_000)));
    }

    /// Old snapshots alone are seen and are no ticks.
    #[test]
    fn a_tick_that_never_came_gets_older_too() {
        let mut world = World::new();
        assert_eq!(world.observe_at(5, 0, None), (0, None));
        assert_eq!(world.observe_at(45, 5, None), (40, None));
    }

    #[test]
    fn an_outage_is_not_taken_for_a_habit() {
        let mut world = World::new();
        for second in 1..=10 {
            world.observe(second, 5, second);
        }
        // The socket is lost, and nothing comes for a quarter of an hour.
        for second in 11..900 {
            assert_eq!(world.observe(second, 0, 10), (second - 10, Some(1_000)));
        }
        // It is back: one instrument after the other is seen again.
        for (streaming, second) in (1..=5).zip(900..) {
            let seen = world.observe(second, streaming, second);
            assert_eq!(seen, (0, Some(1_000)));
        }
        // A part is lost, and a tick since the last look may have come before that or after.
        world.observe(905, 2, 905);
        assert_eq!(world.observe(1_500, 5, 1_500), (0, Some(1_000)));
        let (_, usual) = world.observe(1_504, 5, 1_504);
        assert!(usual > Some(2_000), "a pause on one socket is learned");
    }

    #[test]
    fn a_night_is_not_taken_for_a_habit() {
        let close = 10 * 3600; // 15:30 IST
        let mut world = World::new();
        for second in close - 5..=close {
            world.observe(second, 5, second);
        }
        let morning = close + 16 * 3600;
        let late = world.observe(morning, 5, close);
        assert_eq!(late, (16 * 3600, Some(1_000)));
        let again = world.observe(morning + 1, 5, morning + 1);
        assert_eq!(again, (0, Some(1_000)), "though the socket stayed");
    }

    #[test]
    fn a_wall_clock_that_is_set_makes_nothing_old_or_fresh() {
        for step in [-7_200, 7_200] {
            let mut world = World::new();
            for second in 20_000..20_010 {
                world.observe(second, 5, second);
            }
            world.step = step;
            assert_eq!(world.observe(20_010, 5, 20_010), (0, Some(1_000)));
            assert_eq!(world.observe(20_015, 5, 20_010), (5, Some(1_000)));
        }
    }
}
