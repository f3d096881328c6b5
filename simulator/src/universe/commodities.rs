//! Commodity futures and options on MCX.

use calendar::TradedKind;
use jiff::ToSpan;
use jiff::civil::Date;

use super::UniverseError;
use super::builder::Builder;
use super::expiries::{self, ExpiryDays};
use super::terms::Named;
use super::terms::{ContractTerms, Expiry, MCX, StrikeGrid};

/// One commodity.
struct Commodity {
    name: &'static str,
    /// Its underlying: small contracts follow the big one's price.
    follows: &'static str,
    price: f64,
    volatility: f64,
    tick: f64,
    lot: u32,
    /// Day of the month on which futures end.
    day: i8,
    /// Months that have a future; empty means all.
    months: &'static [i8],
    options: Option<Options>,
}

/// Options of one commodity.
struct Options {
    step: f64,
    tick: f64,
    /// Days by which they end before the future they lead to.
    lead: i32,
}

const fn commodity(
    name: &'static str,
    price: f64,
    volatility: f64,
    tick: f64,
    lot: u32,
) -> Commodity {
    Commodity {
        name,
        follows: name,
        price,
        volatility,
        tick,
        lot,
        day: 30,
        months: &[],
        options: None,
    }
}

const COMMODITIES: [Commodity; 13] = [
    Commodity {
        day: 19,
        options: Some(Options {
            step: 50.0,
            tick: 0.1,
            lead: 2,
        }),
        ..commodity("CRUDEOIL", 5_420.0, 0.34, 1.0, 100)
    },
    Commodity {
        follows: "CRUDEOIL",
        day: 19,
        options: Some(Options {
            step: 50.0,
            tick: 0.1,
            lead: 2,
        }),
        ..commodity("CRUDEOILM", 5_420.0, 0.34, 1.0, 10)
    },
    Commodity {
        day: 26,
        options: Some(Options {
            step: 5.0,
            tick: 0.05,
            lead: 2,
        }),
        ..commodity("NATURALGAS", 388.0, 0.55, 0.1, 1_250)
    },
    Commodity {
        follows: "NATURALGAS",
        day: 26,
        options: Some(Options {
            step: 5.0,
            tick: 0.05,
            lead: 2,
        }),
        ..commodity("NATGASMINI", 388.0, 0.55, 0.1, 250)
    },
    Commodity {
        day: 5,
        months: &[2, 4, 6, 8, 10, 12],
        options: Some(Options {
            step: 500.0,
            tick: 0.5,
            lead: 8,
        }),
        ..commodity("GOLD", 124_200.0, 0.16, 1.0, 100)
    },
    Commodity {
        follows: "GOLD",
        day: 5,
        options: Some(Options {
            step: 500.0,
            tick: 0.5,
            lead: 8,
        }),
        ..commodity("GOLDM", 124_200.0, 0.16, 1.0, 10)
    },
    Commodity {
        day: 5,
        months: &[3, 5, 7, 9, 12],
        options: Some(Options {
            step: 1_000.0,
            tick: 0.5,
            lead: 11,
        }),
        ..commodity("SILVER", 155_800.0, 0.28, 1.0, 30)
    },
    Commodity {
        follows: "SILVER",
        months: &[2, 4, 6, 8, 11],
        options: Some(Options {
            step: 1_000.0,
            tick: 0.5,
            lead: 11,
        }),
        ..commodity("SILVERM", 155_800.0, 0.28, 1.0, 5)
    },
    Commodity {
        options: Some(Options {
            step: 5.0,
            tick: 0.01,
            lead: 8,
        }),
        ..commodity("COPPER", 1_004.0, 0.2, 0.05, 2_500)
    },
    Commodity {
        options: Some(Options {
            step: 2.5,
            tick: 0.01,
            lead: 8,
        }),
        ..commodity("ZINC", 302.0, 0.22, 0.05, 5_000)
    },
    commodity("ALUMINIUM", 268.0, 0.19, 0.05, 5_000),
    commodity("LEAD", 182.0, 0.17, 0.05, 5_000),
    commodity("NICKEL", 1_312.0, 0.24, 0.1, 1_500),
];

const FUTURES: usize = 4;
const CHAINS: usize = 2;
const EACH_SIDE: i32 = 25;

pub(super) fn list(builder: &mut Builder) -> Result<(), UniverseError> {
    for commodity in COMMODITIES {
        if commodity.follows == commodity.name {
            builder.add_underlying(
                commodity.name,
                commodity.price,
                0.1,
                commodity.volatility,
                commodity.volatility,
            );
        }
        let underlying = builder.underlying(commodity.follows)?;
        // A month without a future is skipped, so more months are checked than needed.
        let days = builder.trading_days(MCX, TradedKind::Future, commodity.name);
        let mut ends = expiries::on_day(builder.date, days, commodity.day, FUTURES * 3)?;
        ends.retain(|end| {
            commodity.months.is_empty() || commodity.months.contains(&contract(end).1)
        });
        ends.truncate(FUTURES);
        for end in &ends {
            let terms = ContractTerms {
                tick: commodity.tick,
                lot: commodity.lot,
            };
            builder.future(MCX, underlying, commodity.name, *end, terms);
        }
        let Some(options) = commodity.options else {
            continue;
        };
        let terms = ContractTerms {
            tick: options.tick,
            lot: commodity.lot,
        };
        let strikes = StrikeGrid {
            step: options.step,
            each_side: EACH_SIDE,
        };
        let days = builder.trading_days(MCX, TradedKind::Option, commodity.name);
        for expiry in lead(&ends, options.lead, builder.date, days)? {
            builder.chain(MCX, underlying, commodity.name, expiry, terms, strikes);
        }
    }
    Ok(())
}

/// Expiries of the options that lead to the given futures.
fn lead(
    futures: &[Expiry],
    early: i32,
    today: Date,
    days: ExpiryDays<'_>,
) -> Result<Vec<Expiry>, UniverseError> {
    let mut expiries = Vec::new();
    for future in futures {
        let date = days.on_or_before(future.date.checked_sub(early.days())?);
        if date >= today && expiries.len() < CHAINS {
            let (year, month) = contract(future);
            expiries.push(Expiry {
                date,
                named: Named::Contract(year, month),
            });
        }
    }
    Ok(expiries)
}

/// Year and month that a future is named after.
fn contract(future: &Expiry) -> (i16, i8) {
    match future.named {
        Named::Contract(year, month) => (year, month),
        Named::Day | Named::Month => (future.date.year(), future.date.month()),
    }
}
