//! The futures and options of a list, by underlying.
//!
//! Pure. Owns the order of contracts: by expiry, strike and type. Must not decide which of them a set selects.

use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use kite::{Instrument, InstrumentType};
use rustc_hash::FxHashMap;

use super::row::RowIx;

/// The contracts of one list.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// Futures before options, each by expiry, strike and type; those of one underlying together.
    contracts: Vec<RowIx>,
    /// Where in `contracts` those of an exchange and an underlying in capital letters are.
    underlyings: FxHashMap<(Arc<str>, Arc<str>), Range<u32>>,
}

/// What a future or an option is sorted by, after its underlying.
type SortKey = (u32, bool, Option<Date>, i64, InstrumentType, RowIx);

impl Chains {
    /// Those of a list, whose rows are ordered by token.
    pub(super) fn find(rows: &[Instrument]) -> Self {
        let mut numbers: FxHashMap<(Arc<str>, Arc<str>), u32> = FxHashMap::default();
        let mut sorted: Vec<SortKey> = Vec::new();
        for (row, at) in rows.iter().zip(0_u32..) {
            if row.instrument_type == InstrumentType::Equity || row.name.is_empty() {
                continue;
            }
            let underlying = (Arc::clone(&row.exchange), capitals(&row.name));
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(underlying).or_insert(next);
            let kind = row.instrument_type;
            let strike = hundred_thousandths(row.strike);
            sorted.push((
                number,
                kind.is_option(),
                row.expiry,
                strike,
                kind,
                RowIx::new(at),
            ));
        }
        sorted.sort_unstable();
        let start = |number: u32| {
            let start = sorted.partition_point(|key| key.0 < number);
            u32::try_from(start).unwrap_or(u32::MAX)
        };
        let ranges = numbers.into_iter();
        let ranges = ranges.map(|(name, number)| (name, start(number)..start(number + 1)));
        Self {
            underlyings: ranges.collect(),
            contracts: sorted.into_iter().map(|key| key.5).collect(),
        }
    }

    /// The contracts of an underlying in capital letters on an exchange.
    pub(super) fn of(&self, exchange: &str, underlying: &str) -> &[RowIx] {
        let key = (Arc::from(exchange), Arc::from(underlying));
        let range = self.underlyings.get(&key).cloned().unwrap_or_default();
        let range = range.start as usize..range.end as usize;
        self.contracts.get(range).unwrap_or_default()
    }

    /// All underlyings, each with its exchange.
    pub(super) fn underlyings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.underlyings
            .keys()
            .map(|(exchange, name)| (&**exchange, &**name))
    }
}

fn capitals(name: &Arc<str>) -> Arc<str> {
    if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        name.to_ascii_uppercase().into()
    } else {
        Arc::clone(name)
    }
}

/// Strikes of currencies have four decimals.
fn hundred_thousandths(strike: f64) -> i64 {
    (strike * 100_000.0).round() as i64
}
