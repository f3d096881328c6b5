//! Indices with their real tokens, and futures and options on those that have some.

use std::collections::BTreeMap;

use calendar::TradedKind;
use jiff::civil::{Date, Weekday};
use kite::Token;
use serde::Deserialize;

use super::UniverseError;
use super::builder::Builder;
use super::expiries::{self, ExpiryDays};
use super::terms::Named;
use super::terms::{BFO, ContractTerms, Expiry, NFO, StrikeGrid, Venue};

const TABLE: &str = include_str!("indices.csv");

#[derive(Deserialize)]
struct Row {
    token: u32,
    symbol: String,
    exchange: String,
    level: f64,
    beta: f64,
    volatility: f64,
}

/// Lists the indices.
pub(super) fn list(builder: &mut Builder) -> Result<(), UniverseError> {
    for row in csv::Reader::from_reader(TABLE.as_bytes()).deserialize() {
        let row: Row = row.map_err(|error| UniverseError::Table("indices", error))?;
        let underlying =
            builder.add_underlying(&row.symbol, row.level, row.beta, row.volatility, 0.13);
        builder.index(Token(row.token), &row.symbol, &row.exchange, underlying);
    }
    Ok(())
}

/// One index on which contracts are listed.
struct Family {
    index: &'static str,
    name: &'static str,
    venue: Venue,
    weekday: Weekday,
    lot: u32,
    /// Expiries by rule: weeks, months, then quarters and half-years of the long-dated options.
    weeks: usize,
    months: usize,
    quarters: usize,
    half_years: usize,
    strikes: StrikeGrid,
}

const FAMILIES: [Family; 7] = [
    Family {
        weeks: 4,
        quarters: 3,
        half_years: 8,
        ..nse("NIFTY 50", "NIFTY", 65, 50.0, 60)
    },
    Family {
        quarters: 3,
        ..nse("NIFTY BANK", "BANKNIFTY", 30, 100.0, 60)
    },
    nse("NIFTY FIN SERVICE", "FINNIFTY", 60, 50.0, 40),
    nse("NIFTY MID SELECT", "MIDCPNIFTY", 120, 25.0, 50),
    nse("NIFTY NEXT 50", "NIFTYNXT50", 25, 100.0, 40),
    Family {
        weeks: 4,
        quarters: 2,
        half_years: 2,
        ..bse("SENSEX", "SENSEX", 20, 100.0, 60)
    },
    bse("BANKEX", "BANKEX", 30, 100.0, 50),
];

const fn nse(
    index: &'static str,
    name: &'static str,
    lot: u32,
    step: f64,
    each_side: i32,
) -> Family {
    Family {
        index,
        name,
        venue: NFO,
        weekday: Weekday::Tuesday,
        lot,
        weeks: 0,
        months: 3,
        quarters: 0,
        half_years: 0,
        strikes: StrikeGrid { step, each_side },
    }
}

const fn bse(
    index: &'static str,
    name: &'static str,
    lot: u32,
    step: f64,
    each_side: i32,
) -> Family {
    Family {
        venue: BFO,
        weekday: Weekday::Thursday,
        ..nse(index, name, lot, step, each_side)
    }
}

/// Lists futures for the next three months and option chains for every expiry.
pub(super) fn list_derivatives(builder: &mut Builder) -> Result<(), UniverseError> {
    for family in FAMILIES {
        let underlying = builder.underlying(family.index)?;
        let terms = ContractTerms {
            tick: 0.05,
            lot: family.lot,
        };
        let days = builder.trading_days(family.venue, TradedKind::Future, family.name);
        for expiry in expiries::monthly(builder.date, days, family.weekday, family.months)? {
            let future = ContractTerms { tick: 0.1, ..terms };
            builder.future(family.venue, underlying, family.name, expiry, future);
        }
        let days = builder.trading_days(family.venue, TradedKind::Option, family.name);
        for (date, named) in family.expiries(builder.date, days)? {
            let strikes = family.strikes_on(date, builder.date);
            let expiry = Expiry { date, named };
            builder.chain(
                family.venue,
                underlying,
                family.name,
                expiry,
                terms,
                strikes,
            );
        }
    }
    Ok(())
}

impl Family {
    fn expiries(
        &self,
        today: Date,
        days: ExpiryDays<'_>,
    ) -> Result<BTreeMap<Date, Named>, UniverseError> {
        let mut all = expiries::weekly(today, days, self.weekday, self.weeks)?;
        all.extend(expiries::monthly(today, days, self.weekday, self.months)?);
        all.extend(expiries::quarterly(
            today,
            days,
            self.weekday,
            &[3, 6, 9, 12],
            self.quarters,
        )?);
        all.extend(expiries::quarterly(
            today,
            days,
            self.weekday,
            &[6, 12],
            self.half_years,
        )?);
        Ok(all
            .into_iter()
            .map(|expiry| (expiry.date, expiry.named))
            .collect())
    }

    /// Far expiries list fewer strikes, wider apart.
    fn strikes_on(&self, date: Date, today: Date) -> StrikeGrid {
        let days = (date - today).get_days();
        match days {
            ..=100 => self.strikes,
            _ => StrikeGrid {
                step: self.strikes.step * 10.0,
                each_side: 10,
            },
        }
    }
}
