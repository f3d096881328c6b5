//! The days on which contracts expire, by weekday rules, without holidays.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::terms::Expiry;
use super::terms::Named;

/// The last `weekday` of each of the `count` months from `today` on.
pub(super) fn monthly(
    today: Date,
    weekday: Weekday,
    count: usize,
) -> Result<Vec<Expiry>, jiff::Error> {
    monthly_where(today, count, |first| {
        first.nth_weekday_of_month(-1, weekday)
    })
}

/// The next `count` such weekdays; one that ends a month is named by the month.
pub(super) fn weekly(
    today: Date,
    weekday: Weekday,
    count: usize,
) -> Result<Vec<Expiry>, jiff::Error> {
    let mut date = today.yesterday()?;
    let mut expiries = Vec::with_capacity(count);
    for _ in 0..count {
        date = date.nth_weekday(1, weekday)?;
        let last = date.nth_weekday_of_month(-1, weekday)?;
        let named = if date == last {
            Named::Month
        } else {
            Named::Day
        };
        expiries.push(Expiry { date, named });
    }
    Ok(expiries)
}

/// The last `weekday` of the next `count` months that `months` names.
pub(super) fn quarterly(
    today: Date,
    weekday: Weekday,
    months: &[i8],
    count: usize,
) -> Result<Vec<Expiry>, jiff::Error> {
    let mut expiries = monthly(today, weekday, count * 12)?;
    expiries.retain(|expiry| months.contains(&expiry.date.month()));
    expiries.truncate(count);
    Ok(expiries)
}

/// Currencies end two working days before the last working day of the month.
pub(super) fn currency(today: Date, count: usize) -> Result<Vec<Expiry>, jiff::Error> {
    monthly_where(today, count, |first| {
        let mut day = working(first.last_of_month())?;
        for _ in 0..2 {
            day = working(day.yesterday()?)?;
        }
        Ok(day)
    })
}

/// Commodities end on a day of the month, or the working day before it.
pub(super) fn on_day(today: Date, day: i8, count: usize) -> Result<Vec<Expiry>, jiff::Error> {
    monthly_where(today, count, |first| {
        working(first.with().day(day.min(first.days_in_month())).build()?)
    })
}

/// The date itself, or the Friday before a weekend.
pub(super) fn working(date: Date) -> Result<Date, jiff::Error> {
    match date.weekday() {
        Weekday::Saturday => date.yesterday(),
        Weekday::Sunday => date.yesterday()?.yesterday(),
        _ => Ok(date),
    }
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
    use jiff::civil::date;

    use super::*;

    fn dates(expiries: &[Expiry]) -> Vec<Date> {
        expiries.iter().map(|expiry| expiry.date).collect()
    }

    #[test]
    fn a_day_of_expiry_still_counts() {
        // 24 November 2026 is the last Tuesday of its month.
        let today = date(2026, 11, 24);
        let months = monthly(today, Weekday::Tuesday, 2).unwrap();
        assert_eq!(dates(&months), [today, date(2026, 12, 29)]);
        let weeks = weekly(today, Weekday::Tuesday, 2).unwrap();
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
                date: date(2026, 12, 1),
                named: Named::Day
            }
        );
    }

    #[test]
    fn rules_of_the_exchanges() {
        let today = date(2026, 11, 25);
        let quarters = quarterly(today, Weekday::Tuesday, &[3, 6, 9, 12], 3).unwrap();
        assert_eq!(
            dates(&quarters),
            [date(2026, 12, 29), date(2027, 3, 30), date(2027, 6, 29)]
        );
        // 30 November 2026 is a Monday: two working days before it is the 26th.
        let currencies = currency(today, 2).unwrap();
        assert_eq!(dates(&currencies), [date(2026, 11, 26), date(2026, 12, 29)]);
        // 19 December 2026 is a Saturday.
        assert_eq!(dates(&on_day(today, 19, 1).unwrap()), [date(2026, 12, 18)]);
    }
}
