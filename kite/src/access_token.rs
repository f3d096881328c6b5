//! The life of an access token: when Kite ends it.
//!
//! Owns these hours, which are Kite's and no market's. Pure: every time is an argument.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::ist;

const HOUR: i64 = 3_600;

/// Seconds past midnight in India. Kite's documentation: a token expires at 6 in the morning of the day after its login.
pub const ENDS: i64 = 6 * HOUR;

/// Seconds past midnight in India. Kite's staff: tokens are flushed each day until half past seven, so that one from a login
/// in the hours before may end once more. Five minutes are added.
pub const FLUSHED: i64 = 7 * HOUR + 35 * 60;

/// Seconds past midnight in India: half an hour before the list of the day, whatever ended in the morning has ended.
pub const SETTLED: i64 = 8 * HOUR;

/// When a token ends that is good at `time`, by the documentation.
#[must_use]
pub fn end_of(time: Timestamp) -> Timestamp {
    let end = ist::next_at(ENDS, time.as_second());
    Timestamp::from_second(end).unwrap_or(Timestamp::MAX)
}

/// When no token of an earlier day is good any more on this one.
#[must_use]
pub fn flushed_on(day: Date) -> Timestamp {
    let midnight = ist::midnight(day);
    Timestamp::from_second(midnight + FLUSHED).unwrap_or(Timestamp::MAX)
}

/// Whether tokens end in these minutes: one that is good may be of the day before, or of this one and end all the same.
#[must_use]
pub const fn is_flushing(unix: i64) -> bool {
    let second = (unix + ist::OFFSET).rem_euclid(ist::DAY);
    second >= ENDS && second < FLUSHED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_ends_at_the_next_six_in_the_morning() {
        for (seen, end) in [
            ("2026-12-01T08:00:00+05:30", "2026-12-02T06:00:00+05:30"),
            ("2026-12-01T05:59:59+05:30", "2026-12-01T06:00:00+05:30"),
            ("2026-12-01T06:00:00+05:30", "2026-12-02T06:00:00+05:30"),
            ("2026-12-01T23:59:00+05:30", "2026-12-02T06:00:00+05:30"),
        ] {
            assert_eq!(end_of(at(seen)), at(end), "{seen}");
        }
    }

    #[test]
    fn the_flush_is_over_five_minutes_after_half_past_seven() {
        let over = at("2026-12-01T07:35:00+05:30");
        assert_eq!(flushed_on(jiff::civil::date(2026, 12, 1)), over);
        for (time, flushing) in [
            ("2026-12-01T05:59:59+05:30", false),
            ("2026-12-01T06:00:00+05:30", true),
            ("2026-12-01T07:34:59+05:30", true),
            ("2026-12-01T07:35:00+05:30", false),
        ] {
            assert_eq!(is_flushing(at(time).as_second()), flushing, "{time}");
        }
    }
}
