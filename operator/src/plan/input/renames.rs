//! What an account's instruments are called today, where a list has given their names to others or to none.
//!
//! Pure. After a dividend the exchange adjusts the strikes of an underlying: the tokens stay, their names become
//! others (HINDPETRO26SEP460PE becomes …440.75PE), and most of the old names now belong to new contracts. Owns which
//! names have become others. Must not decide what a set selects.

use std::collections::BTreeMap;

use contract::{Assignment, Row};
use jiff::civil::Date;
use kite::{Instrument, Token};
use rustc_hash::FxHashMap;

use super::adjustment::{Change, StrikeChanges};
use crate::instruments::InstrumentTable;

/// By a name that sets may ask for, as `EXCHANGE:TRADINGSYMBOL`: the token of the contract that it meant in the last
/// assignment, and that has another name in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Renames(BTreeMap<String, Token>);

/// What became of a row.
enum Today<'t> {
    /// The same under the same name, the same under another one, or another contract.
    Same,
    Renamed,
    Other,
    /// The same but for the strike.
    Struck(&'t Instrument, Change),
}

impl Renames {
    /// Compares the last assignment with the list.
    pub(super) fn find(base: &Assignment, table: &InstrumentTable, today: Date) -> Self {
        let mut renames = Self::default();
        let mut kept = false;
        let mut underlyings: FxHashMap<(&str, &str), StrikeChanges> = FxHashMap::default();
        let mut struck = Vec::new();
        let expired = |row: &Row| row.expiry.is_some_and(|expiry| expiry < today);
        for row in base.instruments.iter().filter(|row| !expired(row)) {
            let Some(now) = table.by_token(row.token) else {
                continue;
            };
            let became = today_of(row, now);
            if row.instrument_type.is_option() {
                let strikes = underlyings.entry(underlying(row)).or_default();
                match &became {
                    Today::Struck(_, change) => strikes.changed(*change),
                    Today::Same | Today::Renamed | Today::Other => strikes.contradicted(),
                }
            }
            match became {
                Today::Same => {
                    kept |= row.expiry.is_some();
                    renames.add(row, now, table);
                }
                Today::Renamed => renames.add(row, now, table),
                Today::Other => {}
                Today::Struck(now, _) => struck.push((row, now)),
            }
        }
        underlyings.retain(|_, strikes| strikes.are_adjusted(kept));
        for (row, now) in struck {
            if underlyings.contains_key(&underlying(row)) {
                renames.add(row, now, table);
            }
        }
        renames
    }

    /// Whether all are called what they were.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The token of the contract that this name meant.
    pub(crate) fn token(&self, name: &str) -> Option<Token> {
        self.0.get(name).copied()
    }

    /// Adds the names by which `now` was asked for, and what its own name meant.
    fn add(&mut self, row: &Row, now: &Instrument, table: &InstrumentTable) {
        let name = |exchange: &str, symbol: &str| format!("{exchange}:{symbol}");
        if row.tradingsymbol != now.tradingsymbol {
            let before = name(&row.exchange, &row.tradingsymbol);
            self.0.entry(before).or_insert(now.token);
        }
        let Some(former) = &row.former else {
            return;
        };
        let own = name(&now.exchange, &now.tradingsymbol);
        for wanted in former.names.iter().filter(|wanted| **wanted != own) {
            self.0.entry(wanted.clone()).or_insert(now.token);
        }
        let adjusted = former.token.and_then(|token| table.by_token(token));
        let adjusted = adjusted.filter(|it| !matches!(today_of(row, it), Today::Other));
        if let Some(adjusted) = adjusted.filter(|it| it.tradingsymbol != now.tradingsymbol) {
            self.0.entry(own).or_insert(adjusted.token);
        }
    }
}

fn underlying(row: &Row) -> (&str, &str) {
    (&row.exchange, &row.symbol)
}

/// What the contract of `row` is, if `now` has its token today.
fn today_of<'t>(row: &Row, now: &'t Instrument) -> Today<'t> {
    let same_kind = now.exchange == row.exchange
        && now.instrument_type == row.instrument_type
        && now.expiry == row.expiry;
    if same_kind && now.tradingsymbol == row.tradingsymbol {
        return Today::Same;
    }
    // A share that has another name is another share, as far as a list can tell.
    if !same_kind || row.expiry.is_none() || !now.name.eq_ignore_ascii_case(&row.symbol) {
        return Today::Other;
    }
    let hundredths = |strike: f64| (strike * 100.0).round() as i64;
    let before = hundredths(row.strike.unwrap_or_default());
    match hundredths(now.strike) {
        now if now == before => Today::Renamed,
        strike => Today::Struck(now, (before, strike)),
    }
}
