//! The days on which contracts expire: weekday rules, and the trading day before where there is no session.

use calendar::{Calendar, ClassIx};
use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::terms::Expiry;
use super::terms::Named;

/// Farthest that an expiry moves for a holiday, in days.
const FARTHEST: usize = 10;

/// On which days a class trades.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpiryDays<'a> {
    calendar: &'a Calendar,
    /// `None` trades from Monday to Friday.
    class: Option<ClassIx>,
}

impl<'a> ExpiryDays<'a> {
    pub(super) const fn new(calendar: &'a Calendar, class: Option<ClassIx>) -> Self {
        Self { calendar, class }
    }

    /// The date itself, or the last trading day before it. A calendar that knows none nearby says nothing.
    pub(super) fn on_or_before(self, date: Date) -> Date {
        let mut dates = date.series(-1.day()).take(FARTHEST);
        dates.find(|date| self.has(*date)).unwrap_or(date)
    }

    fn has(self, date: Date) -> bool {
        match self.class {
            Some(class) => self.calendar.is_trading_day(class, date),
            None => !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday),
        }
    }
}

/// The last `weekday` of each of the `count` months from `today` on.
pub(super) fn monthly(
    today: Date,
    days: ExpiryDays<'_>,
    weekday: Weekday,
    count: usize,
) -> Result<Vec<Expiry>, jiff::Error> {
    monthly_where(today, count, |first| {
        Ok(days.on_or_before(first.nth_weekday_of_month(-1, weekday)?))
    })
}

/// The next `count` such weekdays; one that ends a month is named by the month.
pub(super) fn weekly(
    today: Date,
    days: ExpiryDays<'_>,
    weekday: Weekday,
    count: usize,
) -> Result<Vec<Expiry>, jiff::Error> {
    let mut date = today.yesterday()?;
    let mut expiries: Vec<Expiry> = Vec::with_capacity(count);
    while expiries.len() < count {
        date = date.nth_weekday(1, weekday)?;
        let last = date.nth_weekday_of_month(-1, weekday)?;
        let named = if date == last {
            Named::Month
        } else {
            Named::Day
        };
        let date = days.on_or_before(date);
        // The one of this week may be over, and a long holiday may leave one day to two weeks.
        let earliest = expiries
            .last()
            .map_or(today, |it| it.date.saturating_add(1.day()));
        if date >= earliest {
            expiries.push(Expiry { date, named });
        }
    }
    Ok(expiries)
}

/// The last `weekday` of the next `count` months that `months` names.
pub(super) fn quarterly(
    today: Date,
    days: ExpiryDays<'_>,
    weekday: Weekday,
    months: &[i8],
    count: usize,
) -> Result<Vec<Expiry>, jiff::Error> {
    let mut expiries = monthly(today, days, weekday, count * 12)?;
    expiries.retain(|expiry| months.contains(&expiry.date.month()));
    expiries.truncate(count);
    Ok(expiries)
}

/// Currencies end two trading days before the last one of the month.
pub(super) fn currency(
    today: Date,
    days: ExpiryDays<'_>,
    count: usize,
) -> Result<Vec<Expiry>, jiff::Error> {
    monthly_where(today, count, |first| {
        let mut day = days.on_or_before(first.last_of_month());
        for _ in 0..2 {
            day = days.on_or_before(day.yesterday()?);
        }
        Ok(day)
    })
}

/// Commodities end on a day of the month, or the trading day before it.
pub(super) fn on_day(
    today: Date,
    days: ExpiryDays<'_>,
    day: i8,
    count: usize,
) -> Result<Vec<Expiry>, jiff::Error> {
    monthly_where(today, count, |first| {
        let date = first.with().day(day.min(first.days_in_month())).build()?;
        Ok(days.on_or_before(date))
    })
}

fn monthly_where(
    today: Date,
    count: usize,
    pick: impl Fn(Date) -> Result<Date, jiff::Error>,
) -> Result<Vec<Expiry>, jiff::Error> {
    let mut first = today.first_of_month();
    let mut expiries = Vec::with_capacity(count);
    while expiries.len() < count {
        let date = pick(first)?;
        if date >= today {
            let named = if (date.year(), date.month()) == (first.year(), first.month()) {
                Named::Month
            } else {
                Named::Contract(first.year(), first.month())
            };
            expiries.push(Expiry { date, named });
        }
        first = first.checked_add(1.month())?;
    }
    Ok(expiries)
}

#[cfg(test)]
mod tests {
    use calendar::{Traded, TradedKind};
    use jiff::civil::date;

    use super::*;

    fn dates(expiries: &[Expiry]) -> Vec<Date> {
        expiries.iter().map(|expiry| expiry.date).collect()
    }

    fn of<'a>(calendar: &'a Calendar, exchange: &'static str) -> ExpiryDays<'a> {
        let class = calendar.class_of(&Traded {
            exchange,
            kind: TradedKind::Future,
            name: "",
            derivatives: false,
        });
        assert!(class.is_some());
        ExpiryDays::new(calendar, class)
    }

    fn days(exchange: &'static str) -> ExpiryDays<'static> {
        of(Calendar::india(), exchange)
    }

    #[test]
    fn a_day_of_expiry_still_counts() {
        // 29 December 2026 is the last Tuesday of its month.
        let today = date(2026, 12, 29);
        let months = monthly(today, days("NFO"), Weekday::Tuesday, 2).unwrap();
        assert_eq!(dates(&months), [today, date(2027, 1, 26)]);
        let weeks = weekly(today, days("NFO"), Weekday::Tuesday, 2).unwrap();
        assert_eq!(
            weeks[0],
            Expiry {
                date: today,
                named: Named::Month
            }
        );
        assert_eq!(
            weeks[1],
            Expiry {
                date: date(2027, 1, 5),
                named: Named::Day
            }
        );
    }

    /// 24 November 2026 is the last Tuesday of its month, and a holiday: NSE ended the contracts on the day before.
    #[test]
    fn an_expiry_on_a_holiday_moves_to_the_trading_day_before() {
        let (monday, holiday) = (date(2026, 11, 23), date(2026, 11, 24));
        let months = |today| dates(&monthly(today, days("NFO"), Weekday::Tuesday, 1).unwrap());
        assert_eq!(months(monday), [monday]);
        assert_eq!(months(holiday), [date(2026, 12, 29)]);
        let weeks = |today| weekly(today, days("NFO"), Weekday::Tuesday, 2).unwrap();
        assert_eq!(dates(&weeks(monday)), [monday, date(2026, 12, 1)]);
        assert_eq!(weeks(monday)[0].named, Named::Month);
        assert_eq!(
            dates(&weeks(holiday)),
            [date(2026, 12, 1), date(2026, 12, 8)]
        );
        // MCX trades in the evening of that day, and ends contracts on it.
        let commodities = on_day(monday, days("MCX"), 24, 1).unwrap();
        assert_eq!(dates(&commodities), [holiday]);
    }

    #[test]
    fn a_long_holiday_makes_no_expiry_twice() {
        let closed =
            (1..=11).map(|day| format!("  - {{date: 2026-12-{day:02}, exchanges: [NFO]}}\n"));
        let closed: String = closed.collect();
        let text = format!("version: 1\nclosed:\n{closed}");
        let calendar = Calendar::india().with(&text, "closed.yaml").unwrap();
        let weeks = weekly(
            date(2026, 11, 25),
            of(&calendar, "NFO"),
            Weekday::Tuesday,
            3,
        )
        .unwrap();
        let expected = [date(2026, 11, 30), date(2026, 12, 15), date(2026, 12, 22)];
        assert_eq!(dates(&weeks), expected);
    }

    #[test]
    fn rules_of_the_exchanges() {
        let today = date(2026, 11, 25);
        let months = &[3, 6, 9, 12];
        let quarters = quarterly(today, days("NFO"), Weekday::Tuesday, months, 3).unwrap();
        assert_eq!(
            dates(&quarters),
            [date(2026, 12, 29), date(2027, 3, 30), date(2027, 6, 29)]
        );
        // 30 November 2026 is a Monday: two trading days before it is the 26th.
        let currencies = currency(today, days("CDS"), 2).unwrap();
        assert_eq!(dates(&currencies), [date(2026, 11, 26), date(2026, 12, 29)]);
        // 19 December 2026 is a Saturday.
        let commodities = on_day(today, days("MCX"), 19, 1).unwrap();
        assert_eq!(dates(&commodities), [date(2026, 12, 18)]);
    }
}
