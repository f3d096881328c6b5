//! Shares on both exchanges. Well-known ones carry their real tokens on NSE.

use serde::Deserialize;

use super::UniverseError;
use super::builder::Builder;
use super::terms::{BSE, NSE};

const TABLE: &str = include_str!("equities.csv");

/// One company of the table.
#[derive(Deserialize)]
pub(super) struct Company {
    /// Instrument token on NSE; zero where only the simulator gives one.
    token: u32,
    pub(super) symbol: String,
    name: String,
    price: f64,
    /// Scrip code on BSE, which is its exchange token there; zero where unknown.
    bse: u32,
    /// Whether futures and options are listed: 1 or 0.
    pub(super) options: u8,
}

/// Lists every company on NSE and on BSE.
pub(super) fn list(builder: &mut Builder) -> Result<(), UniverseError> {
    let companies = companies()?;
    for company in &companies {
        // Spread over plausible values, the same for every seed and day.
        let spice = f64::from(company.symbol.bytes().map(u32::from).sum::<u32>() % 100) / 100.0;
        let underlying = builder.add_underlying(
            &company.symbol,
            company.price,
            0.6 + 0.8 * spice,
            0.14 + 0.12 * spice,
            0.20 + 0.18 * spice,
        );
        let tick = step(company.price);
        builder.share(
            NSE,
            company.token >> 8,
            &company.symbol,
            &company.name,
            tick,
            underlying,
        );
    }
    for company in &companies {
        let underlying = builder.underlying(&company.symbol)?;
        let tick = step(company.price);
        builder.share(
            BSE,
            company.bse,
            &company.symbol,
            &company.name,
            tick,
            underlying,
        );
    }
    Ok(())
}

/// The table of companies.
pub(super) fn companies() -> Result<Vec<Company>, UniverseError> {
    csv::Reader::from_reader(TABLE.as_bytes())
        .deserialize()
        .collect::<Result<_, _>>()
        .map_err(|error| UniverseError::Table("equities", error))
}

/// Price steps depend on the price, as on NSE since 2025.
fn step(price: f64) -> f64 {
    match price {
        ..250.0 => 0.01,
        ..1_000.0 => 0.05,
        ..5_000.0 => 0.1,
        ..10_000.0 => 0.5,
        ..20_000.0 => 1.0,
        _ => 5.0,
    }
}
