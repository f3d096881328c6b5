//! Spells trading symbols of derivatives as the public dump does: `NIFTY26DECFUT`,
//! `NIFTY26DEC24000CE` for a contract named by its month and `NIFTY26N1724000CE` for one named by
//! its day (October, November and December are O, N and D).

use jiff::civil::Date;

use super::Right;
use super::terms::{Expiry, Named};

pub(super) fn future(name: &str, expiry: Expiry) -> String {
    format!("{name}{}FUT", period(expiry))
}

pub(super) fn option(name: &str, expiry: Expiry, strike: f64, right: Right) -> String {
    let right = match right {
        Right::Call => "CE",
        Right::Put => "PE",
    };
    format!("{name}{}{strike}{right}", period(expiry))
}

fn period(expiry: Expiry) -> String {
    match expiry.named {
        Named::Day => day(expiry.date),
        Named::Month => month(expiry.date.year(), expiry.date.month()),
        Named::Contract(year, number) => month(year, number),
    }
}

fn day(date: Date) -> String {
    let month = match date.month() {
        10 => "O".to_owned(),
        11 => "N".to_owned(),
        12 => "D".to_owned(),
        early => early.to_string(),
    };
    format!("{:02}{month}{:02}", date.year() % 100, date.day())
}

fn month(year: i16, month: i8) -> String {
    const NAMES: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let name = usize::try_from(month - 1)
        .ok()
        .and_then(|at| NAMES.get(at))
        .copied()
        .unwrap_or("");
    format!("{:02}{name}", year % 100)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn symbols_read_as_in_the_public_dump() {
        let monthly = Expiry {
            date: date(2026, 12, 29),
            named: Named::Month,
        };
        let weekly = Expiry {
            date: date(2026, 11, 17),
            named: Named::Day,
        };
        let early = Expiry {
            date: date(2027, 1, 5),
            named: Named::Day,
        };
        assert_eq!(future("NIFTY", monthly), "NIFTY26DECFUT");
        assert_eq!(
            option("NIFTY", monthly, 24_000.0, Right::Call),
            "NIFTY26DEC24000CE"
        );
        assert_eq!(
            option("NIFTY", weekly, 24_000.0, Right::Put),
            "NIFTY26N1724000PE"
        );
        assert_eq!(
            option("NIFTY", early, 24_000.0, Right::Call),
            "NIFTY2710524000CE"
        );
        assert_eq!(
            option("USDINR", monthly, 89.25, Right::Call),
            "USDINR26DEC89.25CE"
        );
        let led = Expiry {
            date: date(2026, 11, 27),
            named: Named::Contract(2026, 12),
        };
        assert_eq!(
            option("GOLD", led, 125_000.0, Right::Call),
            "GOLD26DEC125000CE"
        );
    }
}
