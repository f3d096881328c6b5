//! Until when a contract is traded.
//!
//! Pure. Owns the end of an exchange's day on which contracts expire, which is later than their last trade: nobody loses
//! a tick by it. Must not know selectors.

use jiff::civil::{Date, Time, time};
use jiff::{SignedDuration, Timestamp};

/// The groups of exchanges whose contracts end together.
const CLOSES: [(&[&str], Time); 3] = [
    (&["NFO", "BFO"], time(15, 40, 0, 0)),
    // Currencies trade until 17:00, but not those that expire.
    (&["CDS", "BCD"], time(12, 30, 0, 0)),
    (&["MCX", "NCO"], time(23, 55, 0, 0)),
];

/// The trading days at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TradingDays {
    now: Timestamp,
}

impl TradingDays {
    pub(crate) const fn at(now: Timestamp) -> Self {
        Self { now }
    }

    /// The first day whose contracts on `exchange` have not expired.
    pub(crate) fn first(self, exchange: &str) -> Date {
        let now = kite::ist::civil(self.now);
        let group = CLOSES.iter().find(|(group, _)| group.contains(&exchange));
        let closed = group.is_some_and(|(_, close)| now.time() >= *close);
        if closed {
            now.date().tomorrow().unwrap_or(Date::MAX)
        } else {
            now.date()
        }
    }

    /// The first days of all exchanges: contracts expire when they change.
    pub(crate) fn all(self) -> [Date; CLOSES.len()] {
        CLOSES.map(|(group, _)| self.first(group[0]))
    }

    /// When contracts expire next.
    pub(crate) fn next_expiry(self) -> Timestamp {
        let now = self.now.as_second();
        let midnight = Time::midnight();
        let next = CLOSES.iter().map(|(_, close)| {
            let close = close.duration_since(midnight).as_secs();
            kite::ist::next_at(close, now)
        });
        let next = next.min().unwrap_or(now) - now;
        let next = SignedDuration::from_secs(next);
        self.now.saturating_add(next).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn at(time: &str) -> TradingDays {
        let time = format!("2026-12-29T{time}+05:30");
        TradingDays::at(time.parse().unwrap())
    }

    #[test]
    fn contracts_of_a_day_last_until_its_close() {
        let (today, tomorrow) = (date(2026, 12, 29), date(2026, 12, 30));
        let cases = [
            ("00:00:00", [today, today, today]),
            ("12:29:59", [today, today, today]),
            ("12:30:00", [today, tomorrow, today]),
            ("15:39:59", [today, tomorrow, today]),
            ("15:40:00", [tomorrow, tomorrow, today]),
            ("23:55:00", [tomorrow, tomorrow, tomorrow]),
        ];
        for (time, days) in cases {
            assert_eq!(at(time).all(), days, "{time}");
        }
        assert_eq!(at("23:59:00").first("NSE"), today);
    }

    #[test]
    fn the_next_close_is_known() {
        let next = |time| kite::ist::civil(at(time).next_expiry()).to_string();
        assert_eq!(next("09:00:00"), "2026-12-29T12:30:00");
        assert_eq!(next("12:30:00"), "2026-12-29T15:40:00");
        assert_eq!(next("23:55:00"), "2026-12-30T12:30:00");
    }
}
