//! Currency futures and options on NSE (seven decimals on the wire) and BSE (four).

use calendar::TradedKind;
use jiff::civil::Weekday;

use super::UniverseError;
use super::builder::Builder;
use super::expiries;
use super::terms::Named;
use super::terms::{BCD, CDS, ContractTerms, Expiry, StrikeGrid, Venue};

/// Name, rupees per unit (of 100 yen), annual volatility. Seven decimals in 31 bits end at 214
/// rupees.
const PAIRS: [(&str, f64, f64); 4] = [
    ("USDINR", 89.2, 0.04),
    ("EURINR", 103.1, 0.07),
    ("GBPINR", 117.4, 0.08),
    ("JPYINR", 57.6, 0.09),
];

const LOT: ContractTerms = ContractTerms {
    tick: 0.0025,
    lot: 1_000,
};

/// Only dollars have weekly contracts.
const WEEKLY: &str = "USDINR";

pub(super) fn list(builder: &mut Builder) -> Result<(), UniverseError> {
    for (name, rate, volatility) in PAIRS {
        builder.add_underlying(name, rate, -0.1, volatility, volatility);
    }
    for (venue, months, each_side) in [(CDS, 12, 20), (BCD, 6, 10)] {
        for (name, _, _) in PAIRS {
            list_pair(builder, venue, name, months, each_side)?;
        }
    }
    Ok(())
}

fn list_pair(
    builder: &mut Builder,
    venue: Venue,
    name: &'static str,
    months: usize,
    each_side: i32,
) -> Result<(), UniverseError> {
    let underlying = builder.underlying(name)?;
    // One class of the calendar for both kinds.
    let days = builder.trading_days(venue, TradedKind::Future, name);
    let monthly = expiries::currency(builder.date, days, months)?;
    let mut weekly = Vec::new();
    if name == WEEKLY {
        weekly = expiries::weekly(builder.date, days, Weekday::Friday, 4)?;
        weekly.retain(|week| monthly.iter().all(|month| month.date != week.date));
    }
    let weekly = weekly.into_iter().map(|week| Expiry {
        named: Named::Day,
        ..week
    });
    let strikes = StrikeGrid {
        step: 0.25,
        each_side,
    };
    for expiry in weekly.chain(monthly.iter().copied().take(3)) {
        builder.chain(venue, underlying, name, expiry, LOT, strikes);
    }
    for expiry in monthly {
        builder.future(venue, underlying, name, expiry, LOT);
    }
    Ok(())
}
