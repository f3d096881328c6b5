//! A time of every day in India: that of the morning when Kite revokes all access tokens, or that of the new list.
//!
//! Owns when the next one is due. Pure.

use jiff::civil::Time;
use kite::ist;

/// The same time of every day.
#[derive(Clone, Copy, Debug)]
pub(super) struct DailyTime {
    /// Seconds after midnight in India.
    second: i64,
    /// The next one, Unix seconds.
    next: i64,
}

impl DailyTime {
    /// At this time of day in India, first after `now` in Unix seconds.
    pub(super) fn new(time: Time, now: i64) -> Self {
        let second = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60;
        let next = ist::next_at(second, now);
        Self { second, next }
    }

    /// Whether it is due at `now`; several missed ones count as one.
    pub(super) fn take_due(&mut self, now: i64) -> bool {
        let due = now >= self.next;
        if due {
            self.next = ist::next_at(self.second, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::time;

    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn it_comes_once_a_day_at_six_in_india() {
        let mut daily = DailyTime::new(time(6, 0, 0, 0), at("2026-11-24T05:59:59+05:30"));
        assert!(!daily.take_due(at("2026-11-24T05:59:59+05:30")));
        assert!(daily.take_due(at("2026-11-24T06:00:00+05:30")));
        assert!(!daily.take_due(at("2026-11-25T05:59:59+05:30")));
        assert!(daily.take_due(at("2026-11-28T13:00:00+05:30")));
        assert!(!daily.take_due(at("2026-11-29T05:59:59+05:30")));
        assert!(daily.take_due(at("2026-11-29T06:00:00+05:30")));
    }

    #[test]
    fn one_that_is_now_is_over() {
        let mut daily = DailyTime::new(time(6, 0, 0, 0), at("2026-11-24T06:00:00+05:30"));
        assert!(!daily.take_due(at("2026-11-24T23:00:00+05:30")));
    }
}
