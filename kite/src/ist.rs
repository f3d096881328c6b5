//! India Standard Time, which Kite uses for its days, expiries and the morning flush of tokens.
//!
//! Owns its offset and the arithmetic of its days. Pure: every time is an argument.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// How far it is ahead of UTC, in seconds: 5:30 h, all year.
pub const OFFSET: i64 = 19_800;

/// The length of a day in seconds: India has no summer time.
pub const DAY: i64 = 86_400;

/// The number of the day in India at `unix` seconds; two times of one day have the same.
#[must_use]
pub const fn day(unix: i64) -> i64 {
    (unix + OFFSET).div_euclid(DAY)
}

/// The date in India.
#[must_use]
pub fn date(time: Timestamp) -> Date {
    civil(time).date()
}

/// The local time in India.
#[must_use]
pub fn civil(time: Timestamp) -> DateTime {
    Offset::UTC
        .saturating_add(SignedDuration::from_secs(OFFSET))
        .to_datetime(time)
}

/// When a day begins in India, in Unix seconds.
#[must_use]
pub fn midnight(day: Date) -> i64 {
    let utc = Offset::UTC.to_timestamp(day.to_datetime(Time::midnight()));
    utc.map_or(i64::MAX / 2, |utc| utc.as_second() - OFFSET)
}

/// The first time after `now` (both in Unix seconds) that is this many seconds past midnight in
/// India.
#[must_use]
pub const fn next_at(seconds_past_midnight: i64, now: i64) -> i64 {
    now + DAY - (now + OFFSET - seconds_past_midnight).rem_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn a_day_begins_at_half_past_six_in_the_evening_utc() {
        let (before, after) = ("2026-11-24T18:29:59Z", "2026-11-24T18:30:00Z");
        assert_eq!(day(unix(before)) + 1, day(unix(after)));
        let date_of = |text: &str| date(text.parse().unwrap()).to_string();
        assert_eq!(date_of(before), "2026-11-24");
        assert_eq!(date_of(after), "2026-11-25");
        assert_eq!(day(unix("1970-01-01T00:00:00+05:30")), 0);
        let midnight = midnight(jiff::civil::date(2026, 11, 25));
        assert_eq!(midnight, unix("2026-11-24T18:30:00Z"));
    }

    #[test]
    fn the_next_six_in_the_morning_is_never_now() {
        let six = 6 * 3600;
        let next = |now: &str| next_at(six, unix(now));
        let today = unix("2026-11-24T06:00:00+05:30");
        assert_eq!(next("2026-11-24T05:59:59+05:30"), today);
        assert_eq!(next("2026-11-24T06:00:00+05:30"), today + DAY);
        assert_eq!(next("2026-11-23T18:00:00+05:30"), today);
    }
}
