//! The chains that a selector selects by the money, and the instruments whose prices say where it is.
//!
//! Pure. Owns which future and which underlying belong to an expiry, also of options that are named. Must not know prices.

use std::sync::Arc;

use crds::selector::OptionSelector;
use jiff::civil::Date;
use kite::InstrumentType;

use super::super::expiry::TradingDays;
use super::super::money::{ChainPrices, Reference};
use super::{Chain, Kind};
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::Price;

/// The chains of a selector whose strikes depend on the money, by expiry.
pub(in crate::plan::selection) fn around_money(
    selector: &OptionSelector,
    table: &InstrumentTable,
    days: &TradingDays,
) -> Vec<ChainPrices> {
    let underlying = (selector.exchange, selector.underlying.as_str());
    if !selector.strikes.follow_money() {
        return Vec::new();
    }
    let Ok(mut chain) = Chain::find(underlying, Kind::Options, table, days) else {
        return Vec::new();
    };
    chain.keep_expiries(&selector.expiries, days);
    let contracts = &chain.contracts;
    let expiries = contracts.chunk_by(|(_, one, _), (_, other, _)| one == other);
    let chains = expiries.filter_map(|contracts| {
        let (_, expiry, first) = contracts.first()?;
        let strikes = contracts.iter();
        let strikes = strikes.filter_map(|(_, _, contract)| Price::new(contract.strike));
        let mut strikes: Vec<Price> = strikes.collect();
        strikes.dedup();
        (!strikes.is_empty()).then(|| ChainPrices {
            exchange: Arc::clone(&first.exchange),
            underlying: selector.underlying.as_str().into(),
            expiry: *expiry,
            strikes,
            future: future_of(&first.exchange, &selector.underlying, *expiry, table),
            spot: spot_of(&first.exchange, &selector.underlying, table),
        })
    });
    chains.collect()
}

/// The future whose price is the forward of an expiry: the one of that day, or where options are settled by a future the
/// next one.
fn future_of(
    exchange: &str,
    underlying: &str,
    expiry: Date,
    table: &InstrumentTable,
) -> Option<Reference> {
    let is_settled_by_future = spot_exchange(exchange).is_none();
    let futures = table.contracts(exchange, underlying);
    let mut futures = futures
        .take_while(|(_, contract)| contract.instrument_type == InstrumentType::Future)
        .filter(|(_, contract)| contract.expiry >= Some(expiry));
    let (row, contract) = futures.next()?;
    let is_of_day = contract.expiry == Some(expiry);
    (is_of_day || is_settled_by_future).then_some(Reference {
        token: contract.token,
        row,
    })
}

/// What the price of options of an expiry rests on: the index or share, or the future that they are settled by.
pub(in crate::plan::selection) fn rests_on(
    exchange: &str,
    underlying: &str,
    expiry: Date,
    table: &InstrumentTable,
) -> Option<RowIx> {
    let reference = match spot_exchange(exchange) {
        Some(_) => spot_of(exchange, underlying, table),
        None => future_of(exchange, underlying, expiry, table),
    };
    Some(reference?.row)
}

fn spot_of(exchange: &str, underlying: &str, table: &InstrumentTable) -> Option<Reference> {
    let row = table.spot(spot_exchange(exchange)?, underlying)?;
    let token = table.get(row)?.token;
    Some(Reference { token, row })
}

/// Where the underlying of derivatives is traded; nowhere for commodities and currencies.
pub(in crate::plan::selection) fn spot_exchange(exchange: &str) -> Option<&'static str> {
    match exchange {
        "NFO" => Some("NSE"),
        "BFO" => Some("BSE"),
        _ => None,
    }
}
