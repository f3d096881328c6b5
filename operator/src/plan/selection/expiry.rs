//! Until when a contract is traded.
//!
//! Pure. Owns the end of an exchange's day on which contracts expire, which is that of its class that ends last: nobody
//! loses a tick by it. Must not know selectors, nor any hour: that is the calendar's.

use calendar::{Calendar, ClassIx};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

/// With fewer days left whose holidays are known somebody has to bring a newer calendar.
const SOON: i32 = 20;

/// Contracts end within so many days of each other.
const LONGEST_WAIT: usize = 8;

/// The trading days of the exchanges that have contracts, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct TradingDays {
    today: Date,
    /// By exchange: the first day whose contracts have not expired.
    firsts: Vec<(String, Date)>,
    next: Timestamp,
    /// The last day whose holidays are known, if that is soon.
    ends: Option<Date>,
    /// Whether any market opens today.
    trades_today: bool,
}

impl TradingDays {
    pub(crate) fn at(calendar: &Calendar, now: Timestamp) -> Self {
        let today = kite::ist::date(now);
        let mut days = Self {
            today,
            firsts: Vec::new(),
            next: Timestamp::MAX,
            ends: Some(calendar.until()).filter(|_| calendar.days_left(today) < SOON),
            trades_today: calendar
                .classes()
                .any(|(class, _)| calendar.is_trading_day(class, today)),
        };
        for (class, _) in calendar.classes() {
            let exchange = calendar.exchange(class);
            if days.firsts.iter().any(|(known, _)| known == exchange) {
                continue;
            }
            let mut ends = today.series(1.day()).take(LONGEST_WAIT);
            let next = ends.find_map(|date| {
                let end = end(calendar, exchange, date)?;
                (now < end).then_some((date, end))
            });
            if let Some((first, end)) = next {
                days.firsts.push((exchange.to_owned(), first));
                days.next = days.next.min(end);
            }
        }
        days
    }

    /// The first day whose contracts on `exchange` have not expired.
    pub(crate) fn first(&self, exchange: &str) -> Date {
        let known = self.firsts.iter().find(|(known, _)| known == exchange);
        known.map_or(self.today, |(_, first)| *first)
    }

    /// The first days of all exchanges: contracts expire when they change.
    pub(crate) fn all(&self) -> impl std::hash::Hash {
        let firsts = self.firsts.iter().map(|(_, first)| *first);
        (self.today, firsts.collect::<Vec<_>>())
    }

    /// Whether any market opens today.
    pub(crate) const fn trades_today(&self) -> bool {
        self.trades_today
    }

    /// That the calendar ends soon, for people.
    pub(crate) fn warning(&self) -> Option<String> {
        let ends = self.ends?;
        let past = if ends < self.today { "ended" } else { "ends" };
        Some(format!(
            "the market calendar {past} on {ends}: after that weekdays count as trading days, holidays too; bring a newer one \
             (--calendar, or a newer release)"
        ))
    }

    /// When contracts expire next.
    pub(crate) const fn next_expiry(&self) -> Timestamp {
        self.next
    }
}

/// When the last contracts of an exchange end whose date this is.
fn end(calendar: &Calendar, exchange: &str, date: Date) -> Option<Timestamp> {
    let classes = calendar.classes().map(|(class, _)| class);
    let of_exchange = |class: &ClassIx| calendar.exchange(*class) == exchange;
    let ends = classes.filter(of_exchange);
    ends.filter_map(|class| calendar.expiry(class, date))
        .map(|it| it.ends)
        .max()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn at(time: &str) -> TradingDays {
        let time = format!("2026-12-29T{time}+05:30");
        TradingDays::at(Calendar::india(), time.parse().unwrap())
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
            let found = ["NFO", "CDS", "MCX"].map(|exchange| at(time).first(exchange));
            assert_eq!(found, days, "{time}");
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

    /// Before 2026-08-03 contracts ended at 15:30 (NSE/SURV/75524).
    #[test]
    fn an_earlier_day_has_its_own_close() {
        let close = "2026-07-28T15:30:00+05:30".parse().unwrap();
        let days = TradingDays::at(Calendar::india(), close);
        assert_eq!(days.first("NFO"), date(2026, 7, 29));
    }
}
