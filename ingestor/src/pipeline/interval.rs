//! Learns how often ticks arrive.
//!
//! Owns the learned intervals of one instrument and of several together. Pure; must not decide
//! whether anything is late.

use std::time::Duration;

use super::accept::age::is_of_another_day;
use super::accept::rules::ReceiveTime;

/// Longer intervals are ignored: a night, or a pause of the exchange.
const LONGEST: Duration = Duration::from_secs(600);

/// The weight of a new interval.
const WEIGHT: u32 = 8;

/// The usual time between two ticks of one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TickInterval {
    /// Zero as long as nothing is known.
    micros: u32,
}

impl TickInterval {
    /// Two ticks were `interval` apart.
    #[inline]
    pub(crate) fn learn(&mut self, interval: Duration) {
        let micros = interval.min(LONGEST).as_micros().max(1) as u32;
        self.micros = if self.micros == 0 {
            micros
        } else {
            (self.micros - self.micros / WEIGHT).saturating_add(micros / WEIGHT)
        }
        .max(1);
    }

    /// The interval, once there were two ticks.
    #[must_use]
    pub(crate) const fn get(self) -> Option<Duration> {
        if self.micros == 0 {
            None
        } else {
            Some(Duration::from_micros(self.micros as u64))
        }
    }
}

/// Learns from the times of newest ticks, sampled about once a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommonInterval {
    newest: Option<ReceiveTime>,
    /// Ticks may have been missed since the newest one: the next interval is not used.
    interrupted: bool,
    /// The usual time between two ticks, once there were two. Intervals below a second are not
    /// distinguished.
    usual: Option<Duration>,
}

/// The weight of a shorter interval; a longer one counts for half. The result is near the longest
/// common intervals, so that random ticks rarely exceed it by much.
const SHORTER_COUNTS: u32 = 32;

impl CommonInterval {
    /// Near the longest common time between two ticks, once there were two.
    #[must_use]
    pub(crate) const fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// The newest tick arrived at this time. `interrupted`: ticks may have been missed since the
    /// last sample.
    pub(crate) fn observe(&mut self, newest: Option<ReceiveTime>, interrupted: bool) {
        self.interrupted |= interrupted;
        let before = std::mem::replace(&mut self.newest, newest);
        let (Some(before), Some(newest)) = (before, newest) else {
            return;
        };
        let interval = newest.at.saturating_duration_since(before.at);
        if interval.is_zero() {
            return;
        }
        // The newest tick may have arrived before the interruption in this sample: the mark stays.
        let interrupted = std::mem::replace(&mut self.interrupted, interrupted);
        // Markets close over night, which is not an interval of the set.
        if interrupted || is_of_another_day(before.us.div_euclid(1_000_000), newest.us) {
            return;
        }
        self.usual = Some(match self.usual {
            None => interval,
            Some(usual) if interval > usual => usual + (interval - usual) / 2,
            Some(usual) => usual - (usual - interval) / SHORTER_COUNTS,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_interval_is_learned_and_a_night_is_not() {
        let mut usual = TickInterval::default();
        assert_eq!(usual.get(), None);
        for _ in 0..100 {
            usual.learn(seconds(2));
        }
        let known = usual.get().unwrap();
        assert!(
            known > Duration::from_millis(1_990) && known <= seconds(2),
            "{known:?}"
        );
        usual.learn(seconds(60_000));
        assert!(usual.get().unwrap() < seconds(80));
        for _ in 0..50 {
            usual.learn(seconds(2));
        }
        assert!(usual.get().unwrap() < seconds(3));
        usual.learn(Duration::ZERO);
        assert!(usual.get().is_some());
    }

    /// Ticks that come by chance must hardly ever be five usual intervals apart.
    #[test]
    fn chance_does_not_exceed_five_usual_intervals() {
        let mut random = fastrand::Rng::with_seed(7);
        let start = start();
        let (mut common, mut time, mut late) = (CommonInterval::default(), Duration::ZERO, 0);
        for tick in 0..10_000 {
            // Exponential, twenty seconds on average.
            let interval = Duration::from_secs_f64(-20.0 * (1.0 - random.f64()).ln());
            let usual = common.usual.unwrap_or(Duration::MAX);
            late += u32::from(tick > 10 && interval > usual.saturating_mul(5));
            time += interval;
            let at = start + time;
            common.observe(Some(ReceiveTime { at, us: 0 }), false);
        }
        assert!(late < 10, "{late} of 10,000");
    }
}
