//! The sessions of one day, as times in India.
//!
//! Owns how a range is written, and their order. Must not know dates.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};

use crate::span::Span;
use kite::MarketSession;

/// From the first minute to the one after the last, each since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) from: u16,
    pub(crate) until: u16,
}

impl TimeRange {
    /// Reads `HH:MM-HH:MM`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be HH:MM-HH:MM, two digits each";
        let (from, until) = text.split_once('-').ok_or(FORM)?;
        let (from, until) = (minute(from).ok_or(FORM)?, minute(until).ok_or(FORM)?);
        if from >= until {
            return Err("must end after it begins");
        }
        Ok(Self { from, until })
    }
}

/// The minute of the day that `HH:MM` is.
pub(crate) fn minute(text: &str) -> Option<u16> {
    let bytes = text.as_bytes();
    let digits = bytes.len() == 5 && bytes[2] == b':';
    let number = |range: std::ops::Range<usize>| {
        let part = text.get(range).filter(|_| digits)?;
        part.bytes().all(|it| it.is_ascii_digit()).then_some(part)?;
        part.parse::<u16>().ok()
    };
    let (hour, minute) = (number(0..2)?, number(3..5)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The sessions of a day, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hours(Vec<(MarketSession, TimeRange)>);

impl Hours {
    /// The sessions in the order of the day, or the two of which the second begins before the first ends.
    pub(crate) fn new(
        sessions: Vec<(MarketSession, TimeRange)>,
    ) -> Result<Self, (MarketSession, MarketSession)> {
        for pair in sessions.windows(2) {
            let [(before, range), (after, next)] = pair else {
                continue;
            };
            if next.from < range.until {
                return Err((*before, *after));
            }
        }
        Ok(Self(sessions))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When they are on a date.
    pub(crate) fn on(&self, date: Date) -> impl Iterator<Item = Span> {
        let spans = self.0.iter();
        spans.map(move |(session, range)| Span {
            from: moment(date, range.from),
            until: moment(date, range.until),
            session: *session,
        })
    }

    /// The minute after the last one in which it trades.
    pub(crate) fn end(&self) -> Option<u16> {
        let mut open = self.0.iter().rev();
        open.find(|(session, _)| *session == MarketSession::Open)
            .map(|(_, range)| range.until)
    }
}

/// A minute of a date in India.
pub(crate) fn moment(date: Date, minute: u16) -> Timestamp {
    let midnight = date.to_datetime(Time::midnight());
    let seconds = i64::from(minute) * 60 - kite::ist::OFFSET;
    let utc = jiff::tz::Offset::UTC.to_timestamp(midnight);
    utc.ok()
        .and_then(|utc| utc.checked_add(SignedDuration::from_secs(seconds)).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_times_of_two_digits_each() {
        let range = TimeRange {
            from: 555,
            until: 915,
        };
        assert_eq!(TimeRange::parse("09:15-15:15"), Ok(range));
        for bad in [
            "",
            "9:15-15:30",
            "09:15",
            "09:15-24:00",
            "09:60-10:00",
            "09:15 - 15:30",
            "0９:15-15:30",
            "+9:15-15:30",
        ] {
            let why = TimeRange::parse(bad).unwrap_err();
            assert!(why.starts_with("must be HH:MM"), "{bad}: {why}");
        }
        assert_eq!(
            TimeRange::parse("15:30-15:30"),
            Err("must end after it begins")
        );
    }

    #[test]
    fn a_minute_is_one_in_india() {
        let at = moment(jiff::civil::date(2026, 12, 1), 555);
        assert_eq!(at.to_string(), "2026-12-01T03:45:00Z");
        assert_eq!(at.as_second(), 1_796_096_700);
    }
}
