//! Futures and options on shares: three months each, named by month.

use calendar::TradedKind;
use jiff::civil::Weekday;

use super::UniverseError;
use super::builder::Builder;
use super::terms::{ContractTerms, NFO, StrikeGrid};
use super::{cash, expiries};

/// Strikes on each side of the money, by month.
const EACH_SIDE: [i32; 3] = [12, 9, 5];

pub(super) fn list(builder: &mut Builder) -> Result<(), UniverseError> {
    let monthly = |builder: &Builder, kind| {
        let days = builder.trading_days(NFO, kind, "");
        expiries::monthly(builder.date, days, Weekday::Tuesday, EACH_SIDE.len())
    };
    let futures = monthly(builder, TradedKind::Future)?;
    let options = monthly(builder, TradedKind::Option)?;
    for company in cash::companies()?
        .iter()
        .filter(|company| company.options == 1)
    {
        let underlying = builder.underlying(&company.symbol)?;
        let price = builder.close_of(underlying);
        let terms = ContractTerms {
            tick: 0.05,
            lot: lot(price),
        };
        for expiry in &futures {
            builder.future(NFO, underlying, &company.symbol, *expiry, terms);
        }
        for (expiry, each_side) in options.iter().zip(EACH_SIDE) {
            let strikes = StrikeGrid {
                step: step(price),
                each_side,
            };
            builder.chain(NFO, underlying, &company.symbol, *expiry, terms, strikes);
        }
    }
    Ok(())
}

/// Contracts are worth roughly seven lakh rupees.
fn lot(price: f64) -> u32 {
    const WORTH: f64 = 700_000.0;
    let units = WORTH / price;
    let round = if units > 1_000.0 { 25.0 } else { 5.0 };
    ((units / round).round() * round).max(5.0) as u32
}

fn step(price: f64) -> f64 {
    match price {
        ..50.0 => 1.0,
        ..250.0 => 2.5,
        ..500.0 => 5.0,
        ..1_000.0 => 10.0,
        ..2_500.0 => 20.0,
        ..5_000.0 => 50.0,
        ..10_000.0 => 100.0,
        _ => 250.0,
    }
}
