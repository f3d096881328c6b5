//! Learns how long a connection may be without a tick before its socket is mute.
//!
//! Owns what is known of each connection's pauses between ticks, and the resulting limit. Pure; the
//! session decides whether a socket is mute.

use std::time::{Duration, Instant};

use crate::pipeline::instruments::AssignedInstrument;
use crate::pipeline::interval::CommonInterval;

/// This many ticks have to be missing. If ticks arrive at random, a pause of twenty times their
/// mean interval occurs once in half a billion intervals.
const MISSING: f64 = 20.0;

/// A multiple of the connection's own longest common pause: tokens may tick together.
const PAUSES: u32 = 5;

/// What is remembered of one connection.
#[derive(Debug, Default)]
pub(crate) struct MuteLimit {
    interval: CommonInterval,
    since: Option<Instant>,
}

impl MuteLimit {
    /// To be called about once a second, with the time since which the socket is up, the time of
    /// its last tick, the connection's rows whose markets are open, and when the last of these opened. Returns how long it may be without a tick before
    /// that cannot be chance; `None` while no token has a known interval.
    pub(crate) fn observe<'a>(
        &mut self,
        live: Option<(Instant, Instant)>,
        rows: impl Iterator<Item = &'a AssignedInstrument> + Clone,
        opened: Option<Instant>,
    ) -> Option<Duration> {
        let since = live.map(|(since, _)| since);
        let interrupted = since.is_none() || since != self.since;
        self.since = since;
        let newest = rows.clone().filter_map(|row| row.state.received).max();
        self.interval.observe(newest, interrupted);
        let (since, last_tick) = live?;
        let expected = rows.filter_map(|row| {
            let received = row
                .state
                .received
                .map_or(since, |received| received.at.max(since));
            // An instrument that stopped while others went on is expected less often than before.
            let pause = last_tick.saturating_duration_since(received);
            Some(1.0 / row.state.interval.get()?.max(pause).as_secs_f64())
        });
        let a_second: f64 = expected.sum();
        if a_second <= 0.0 {
            return None;
        }
        let by_chance = Duration::try_from_secs_f64(MISSING / a_second).unwrap_or(Duration::MAX);
        let usual = self.interval.usual().unwrap_or_default();
        let limit = by_chance.max(usual.saturating_mul(PAUSES));
        // Until then nothing was expected.
        let closed = opened.map(|opened| opened.saturating_duration_since(last_tick));
        Some(limit.saturating_add(closed.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::accept::rules::ReceiveTime;
    use crate::pipeline::instruments::AssignedInstruments;
    use crate::pipeline::instruments::tests::sample;
    use crate::pipeline::interval::TickInterval;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn rows(intervals: &[Option<u64>], received: Instant) -> Vec<AssignedInstrument> {
        let instruments = AssignedInstruments::build(&sample(), "1", false);
        let mut row = instruments.rows()[0].clone();
        intervals
            .iter()
            .map(|interval| {
                row.state.interval = TickInterval::default();
                if let Some(interval) = interval {
                    row.state.interval.learn(seconds(*interval));
                }
                row.state.received = Some(ReceiveTime {
                    at: received,
                    us: 0,
                });
                row.clone()
            })
            .collect()
    }

    #[test]
    fn many_tokens_together_are_expected_often_and_few_seldom() {
        let start = start();
        let limit = |intervals: &[Option<u64>]| {
            let live = Some((start, start + seconds(100)));
            let rows = rows(intervals, start + seconds(100));
            MuteLimit::default().observe(live, rows.iter(), None)
        };
        assert_eq!(limit(&[None, None]), None);
        assert_eq!(limit(&[Some(1); 100]), Some(Duration::from_millis(200)));
        assert_eq!(limit(&[Some(1), None]), Some(seconds(20)));
        assert_eq!(limit(&[Some(60); 5]), Some(seconds(240)));
    }

    #[test]
    fn what_stopped_while_others_went_on_is_expected_less() {
        let start = start();
        let mut all = rows(&[Some(1), Some(1)], start + seconds(10));
        all[1].state.received = Some(ReceiveTime {
            at: start + seconds(110),
            us: 0,
        });
        let live = Some((start, start + seconds(110)));
        let limit = MuteLimit::default()
            .observe(live, all.iter(), None)
            .unwrap();
        assert!(limit > seconds(19) && limit < seconds(20), "{limit:?}");
    }

    /// The night counts for nothing: at the open each instrument is expected as in the middle of the day.
    #[test]
    fn what_opens_is_expected_from_then_on() {
        let (start, opened) = (start(), start() + seconds(60_000));
        let rows = rows(&[Some(1); 100], start);
        let live = Some((start, start));
        let limit = MuteLimit::default().observe(live, rows.iter(), Some(opened));
        let limit = limit.unwrap();
        assert!(
            limit > seconds(60_000) && limit < seconds(60_001),
            "{limit:?}"
        );
        let nobody = MuteLimit::default().observe(live, [].iter(), None);
        assert_eq!(nobody, None, "all of them are closed");
    }

    /// Five illiquid instruments that tick in the same frame once a minute.
    #[test]
    fn tokens_that_tick_together_do_not_make_a_pause_look_long() {
        let start = start();
        let mut learned = MuteLimit::default();
        let mut limit = None;
        for second in 1..3_600 {
            let received = start + seconds(second - second % 60);
            let mut rows = rows(&[Some(60); 5], received);
            for row in &mut rows {
                row.state.received = Some(ReceiveTime {
                    at: received,
                    us: 1_764_570_600_000_000,
                });
            }
            limit = learned.observe(Some((start, received)), rows.iter(), None);
        }
        assert_eq!(limit, Some(seconds(300)));
    }
}
