//! How often a set ticks, learned as it goes.
//!
//! Owns the notion "usual interval". Pure; must not judge whether a set is late.

use std::time::Duration;

use crate::tick::rules::is_of_another_day;

/// Learns from the times of newest ticks, looked at about once a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    newest_us: Option<i64>,
    usual_us: Option<i64>,
    /// Ticks may have been missed since the newest: the next interval says nothing.
    interrupted: bool,
}

/// A longer interval counts for half at once, a shorter one for this part: the usual interval is
/// near the longest that are common, so that chance alone hardly exceeds it by much.
const SHORTER_COUNTS: i64 = 32;

impl Pace {
    /// The newest tick is of this time, epoch microseconds. `interrupted`: ticks may have been
    /// missed since the last look. Nor does a night between two ticks say anything.
    pub fn look(&mut self, newest_us: Option<i64>, interrupted: bool) {
        let before = std::mem::replace(&mut self.newest_us, newest_us);
        let (Some(before), Some(newest)) = (before, newest_us) else {
            return;
        };
        let interval = newest.saturating_sub(before);
        if interval <= 0 {
            self.interrupted |= interrupted;
            return;
        }
        let night = is_of_another_day(before / 1_000_000, newest);
        // The newest may have come just before it: then the next interval is the long one.
        let was = std::mem::replace(&mut self.interrupted, interrupted);
        if was || interrupted || night {
            return;
        }
        self.usual_us = Some(match self.usual_us {
            None => interval,
            Some(usual) if interval > usual => usual + (interval - usual) / 2,
            Some(usual) => usual - (usual - interval) / SHORTER_COUNTS,
        });
    }

    /// The usual time between two ticks, once there were two. Intervals below a second are not
    /// told apart.
    #[must_use]
    pub fn usual(&self) -> Option<Duration> {
        let micros = u64::try_from(self.usual_us?).ok()?;
        Some(Duration::from_micros(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_steady_set_has_its_interval() {
        let mut pace = Pace::default();
        pace.look(None, false);
        assert_eq!(pace.usual(), None);
        for tick in 1..10 {
            pace.look(Some(tick * 60 * SECOND), false);
            // Looks between two ticks teach nothing.
            pace.look(Some(tick * 60 * SECOND), false);
        }
        assert_eq!(pace.usual(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn an_outage_is_not_taken_for_a_habit() {
        let mut pace = Pace::default();
        pace.look(Some(SECOND), false);
        pace.look(Some(2 * SECOND), false);
        pace.look(Some(900 * SECOND), true);
        assert_eq!(pace.usual(), Some(Duration::from_secs(1)));
        pace.look(Some(904 * SECOND), false);
        pace.look(Some(908 * SECOND), false);
        assert!(pace.usual() > Some(Duration::from_secs(2)));
    }

    #[test]
    fn the_interruption_is_noticed_long_before_the_next_tick() {
        let mut pace = Pace::default();
        pace.look(Some(SECOND), false);
        pace.look(Some(2 * SECOND), true);
        pace.look(Some(2 * SECOND), false);
        pace.look(Some(900 * SECOND), false);
        assert_eq!(pace.usual(), None);
        pace.look(Some(901 * SECOND), false);
        assert_eq!(pace.usual(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_night_is_not_taken_for_a_habit() {
        let day = 86_400 * SECOND;
        let mut pace = Pace::default();
        pace.look(Some(SECOND), false);
        pace.look(Some(2 * SECOND), false);
        pace.look(Some(day), false);
        assert_eq!(pace.usual(), Some(Duration::from_secs(1)));
    }

    /// Ticks that come by chance must hardly ever be five usual intervals apart.
    #[test]
    fn chance_does_not_exceed_five_usual_intervals() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut pace, mut time, mut late) = (Pace::default(), 0, 0);
        for tick in 0..10_000 {
            // Exponential, twenty seconds on average.
            let interval = (-20e6 * (1.0 - random.f64()).ln()) as i64 + 1;
            let usual = pace.usual().map_or(i64::MAX, |it| it.as_micros() as i64);
            late += u32::from(tick > 10 && interval > usual.saturating_mul(5));
            time += interval;
            pace.look(Some(time), false);
        }
        assert!(late < 10, "{late} of 10,000");
    }
}
