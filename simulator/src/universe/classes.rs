//! What the calendar says of listed instruments: their class, and when contracts end.
//!
//! Owns what an instrument is for the calendar. Must not know hours.

use calendar::{Calendar, ClassIx, Traded, TradedKind};
use jiff::ToSpan;
use jiff::civil::{Date, Time};
use rustc_hash::FxHashSet;

use super::terms::Venue;
use super::{Contract, Listing};

/// The class of the contracts of one name.
pub(super) fn of_contracts(
    calendar: &Calendar,
    venue: Venue,
    kind: TradedKind,
    name: &str,
) -> Option<ClassIx> {
    calendar.class_of(&Traded {
        exchange: venue.exchange,
        kind,
        name,
        derivatives: false,
    })
}

/// The end of contracts of a date, Unix seconds. Where the calendar has no rule for them they end with their day in India.
pub(super) fn end(calendar: &Calendar, class: Option<ClassIx>, date: Date) -> i64 {
    let expiry = class.and_then(|class| calendar.expiry(class, date));
    expiry.map_or_else(
        || {
            let midnight = date.saturating_add(1.day()).to_datetime(Time::midnight());
            let utc = jiff::tz::Offset::UTC.to_timestamp(midnight);
            utc.map_or(i64::MAX, |utc| utc.as_second() - kite::ist::OFFSET)
        },
        |expiry| expiry.ends.as_second(),
    )
}

/// Tells each listing its class: a share has derivatives if contracts of NFO or BFO have the same underlying.
pub(super) fn assign(calendar: &Calendar, listings: &mut [Listing]) {
    let contracts = listings.iter().filter(|listing| {
        let exchange = &*listing.instrument.exchange;
        listing.instrument.expiry.is_some() && matches!(exchange, "NFO" | "BFO")
    });
    let underlyings: FxHashSet<usize> = contracts.map(|listing| listing.underlying).collect();
    for listing in listings {
        let (kind, name) = match listing.contract {
            Contract::Index => (TradedKind::Index, ""),
            Contract::Share => (TradedKind::Share, ""),
            Contract::Future { .. } => (TradedKind::Future, &*listing.instrument.name),
            Contract::Option { .. } => (TradedKind::Option, &*listing.instrument.name),
        };
        let cash = matches!(kind, TradedKind::Index | TradedKind::Share);
        listing.class = calendar.class_of(&Traded {
            exchange: &listing.instrument.exchange,
            kind,
            name,
            derivatives: cash && underlyings.contains(&listing.underlying),
        });
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::Universe;
    use super::*;

    #[test]
    fn instruments_are_of_the_class_that_they_trade_in() {
        let calendar = Calendar::india();
        let universe = Universe::generate(1, date(2026, 12, 1), calendar).unwrap();
        for (symbol, class) in [
            ("NSE:NIFTY 50", "NSE-INDEX"),
            ("BSE:SENSEX", "BSE-INDEX"),
            ("NSE:INFY", "NSE-AUCTION"),
            // Its contracts are NSE's.
            ("BSE:INFY", "BSE-AUCTION"),
            ("NFO:NIFTY26DECFUT", "NFO-FUT"),
            ("NFO:NIFTY26DEC24000CE", "NFO"),
            ("BFO:SENSEX26DEC79300PE", "BFO"),
            ("CDS:USDINR26DECFUT", "CDS"),
            ("BCD:USDINR26DECFUT", "BCD"),
            ("MCX:CRUDEOIL26DEC5400CE", "MCX"),
        ] {
            let at = universe.find_symbol(symbol).unwrap();
            let found = universe.listings[at].class.map(|it| calendar.name(it));
            assert_eq!(found, Some(class), "{symbol}");
        }
        let plain = universe.listings.iter();
        let plain = plain.filter(|it| it.class.is_some_and(|it| calendar.name(it) == "NSE"));
        let mut plain = plain.map(|it| &*it.instrument.tradingsymbol);
        let symbol = plain.next().unwrap();
        assert!(
            universe
                .find_symbol(&format!("NFO:{symbol}26DECFUT"))
                .is_none(),
            "{symbol}"
        );
    }

    /// Instants by `date -u -d '2026-12-29T15:40:00+05:30'`.
    #[test]
    fn contracts_end_when_the_calendar_says() {
        let universe = Universe::generate(1, date(2026, 11, 23), Calendar::india()).unwrap();
        for (symbol, ends) in [
            // The day before the holiday.
            ("NFO:NIFTY26NOVFUT", "2026-11-23T10:10:00Z"),
            ("NFO:NIFTY26NOV24000CE", "2026-11-23T10:10:00Z"),
            ("NFO:NIFTY26DECFUT", "2026-12-29T10:10:00Z"),
            ("BFO:SENSEX26DEC79300PE", "2026-12-31T10:10:00Z"),
            ("CDS:USDINR26NOVFUT", "2026-11-26T07:00:00Z"),
            ("MCX:CRUDEOIL26DECFUT", "2026-12-18T18:25:00Z"),
        ] {
            let at = universe.find_symbol(symbol);
            let at = at.unwrap_or_else(|| panic!("{symbol} is not listed"));
            let (Contract::Future { expiry } | Contract::Option { expiry, .. }) =
                universe.listings[at].contract
            else {
                panic!("{symbol} has no end")
            };
            let expected: jiff::Timestamp = ends.parse().unwrap();
            assert_eq!(expiry, expected.as_second(), "{symbol}");
        }
    }

    #[test]
    fn a_contract_without_a_rule_ends_with_its_day() {
        let ends = end(&Calendar::default(), None, date(2026, 12, 1));
        let expected: jiff::Timestamp = "2026-12-02T00:00:00+05:30".parse().unwrap();
        assert_eq!(ends, expected.as_second());
    }
}
