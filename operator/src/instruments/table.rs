//! Today's instruments, looked up by token and by `EXCHANGE:TRADINGSYMBOL`.
//!
//! Owns the lookups, and which of two rows with one name is used. Must not fetch anything.

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use calendar::{Traded, TradedKind};
use jiff::Timestamp;
use kite::instruments::{Dump, Rejected};
use kite::{Instrument, InstrumentType, Token};
use rustc_hash::FxHasher;

use super::chains::Chains;
use super::row::RowIx;
use super::underlyings::{IndexNames, Underlyings};

/// The instruments of one API endpoint on one day. About 25 MB for 150,000 rows.
#[derive(Default)]
pub struct InstrumentTable {
    /// Each token once, ascending.
    rows: Vec<Instrument>,
    /// Hash of exchange and symbol with the row's position, ascending.
    symbols: Vec<(u32, u32)>,
    underlyings: Underlyings,
    chains: Chains,
    /// Rows of the list that are left out.
    rejected: Rejected,
    fetched: Timestamp,
}

/// The instruments of one API endpoint.
#[derive(Clone, Debug)]
pub enum Table {
    /// The last good table.
    Loaded(Arc<InstrumentTable>),
    /// No table was loaded since the start.
    Missing {
        /// Why, for people; without secrets.
        why: String,
    },
}

/// The ends of the names of shares that are traded without netting, or on a market of small companies. NSE moves a share
/// from one series to another, and gives it another token.
const SERIES: [&str; 4] = ["-BE", "-BZ", "-SM", "-ST"];

impl fmt::Debug for InstrumentTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentTable")
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

impl InstrumentTable {
    /// Indexes a list that was fetched at this time. The order of its rows does not matter.
    #[must_use]
    pub fn new(dump: Dump, fetched: Timestamp, index_names: &IndexNames) -> Self {
        let mut rows = dump.instruments;
        rows.sort_unstable_by(|a, b| precedence(a).cmp(&precedence(b)));
        rows.dedup_by_key(|row| row.token);
        rows.shrink_to_fit();
        let mut symbols: Vec<(u32, u32)> = rows
            .iter()
            .zip(0_u32..)
            .map(|(row, position)| (hash(&row.exchange, &row.tradingsymbol), position))
            .collect();
        symbols.sort_unstable();
        Self {
            underlyings: Underlyings::find(&rows, index_names),
            chains: Chains::find(&rows),
            rows,
            symbols,
            rejected: dump.rejected,
            fetched,
        }
    }

    /// How many instruments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows of the list that are left out.
    #[must_use]
    pub fn rejected(&self) -> &Rejected {
        &self.rejected
    }

    /// When the list was fetched.
    #[must_use]
    pub fn fetched(&self) -> Timestamp {
        self.fetched
    }

    /// What decides when the instrument of a row of this table trades.
    #[must_use]
    pub fn traded<'r>(&self, row: &'r Instrument) -> Traded<'r> {
        let kind = match row.instrument_type {
            InstrumentType::Equity if row.is_index() => TradedKind::Index,
            InstrumentType::Equity => TradedKind::Share,
            InstrumentType::Future => TradedKind::Future,
            InstrumentType::Call | InstrumentType::Put => TradedKind::Option,
        };
        Traded {
            exchange: &row.exchange,
            kind,
            name: &row.name,
            derivatives: kind == TradedKind::Share && self.has_derivatives(&row.tradingsymbol),
        }
    }

    /// All rows, by token.
    pub(super) fn rows(&self) -> &[Instrument] {
        &self.rows
    }

    /// The instrument in a row of this table.
    #[must_use]
    pub fn get(&self, row: RowIx) -> Option<&Instrument> {
        self.rows.get(row.at())
    }

    /// The instrument that Kite calls `token` today.
    #[must_use]
    pub fn by_token(&self, token: Token) -> Option<&Instrument> {
        self.get(self.row_of_token(token)?)
    }

    /// The row of the instrument that Kite calls `token` today.
    #[must_use]
    pub fn row_of_token(&self, token: Token) -> Option<RowIx> {
        let at = self
            .rows
            .binary_search_by_key(&token, |row| row.token)
            .ok()?;
        Some(RowIx::new(u32::try_from(at).ok()?))
    }

    /// The instrument named `EXCHANGE:TRADINGSYMBOL`; of several the one with the lowest token.
    #[must_use]
    pub fn by_symbol(&self, name: &str) -> Option<&Instrument> {
        self.get(self.row_of_symbol(name)?)
    }

    /// The row of the instrument named `EXCHANGE:TRADINGSYMBOL`; of several that with the lowest token.
    #[must_use]
    pub fn row_of_symbol(&self, name: &str) -> Option<RowIx> {
        let (exchange, symbol) = name.split_once(':')?;
        let hash = hash(exchange, symbol);
        let first = self.symbols.partition_point(|entry| entry.0 < hash);
        self.symbols
            .get(first..)?
            .iter()
            .take_while(|entry| entry.0 == hash)
            .map(|entry| RowIx::new(entry.1))
            .find(|row| {
                self.get(*row)
                    .is_some_and(|row| *row.exchange == *exchange && *row.tradingsymbol == *symbol)
            })
    }

    /// The share `EXCHANGE:TRADINGSYMBOL` under the name of another series: `NSE:KANCHI` that is `KANCHI-BE` today, or the
    /// other way round. `None` if there are several.
    #[must_use]
    pub fn row_of_other_series(&self, name: &str) -> Option<RowIx> {
        let series = |name: &str| SERIES.iter().find(|series| name.ends_with(**series));
        let stem = series(name).map_or(name, |series| &name[..name.len() - series.len()]);
        let names = SERIES.iter().map(|series| format!("{stem}{series}"));
        let mut rows = names.chain([stem.to_owned()]).filter_map(|name| {
            let row = self.row_of_symbol(&name)?;
            let share = self.get(row)?;
            let is_share = share.instrument_type == InstrumentType::Equity && !share.is_index();
            is_share.then_some(row)
        });
        rows.next().filter(|_| rows.next().is_none())
    }

    /// The futures and options of an underlying in capital letters on an exchange: futures first, each by expiry, strike
    /// and type.
    pub(crate) fn contracts(
        &self,
        exchange: &str,
        underlying: &str,
    ) -> impl Iterator<Item = (RowIx, &Instrument)> {
        let rows = self.chains.of(exchange, underlying).iter();
        rows.filter_map(|row| Some((*row, self.get(*row)?)))
    }

    /// The underlyings of futures and options in capital letters, each with the exchange of these, in no order.
    pub(crate) fn underlyings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.chains.underlyings()
    }

    /// The index or share on `exchange` that derivatives of this name, in capital letters, rest on.
    pub(crate) fn spot(&self, exchange: &str, underlying: &str) -> Option<RowIx> {
        let is_here = |row: &RowIx| self.get(*row).is_some_and(|it| *it.exchange == *exchange);
        let indices = self.underlyings.indices(underlying);
        let mut indices = indices.filter_map(|token| self.row_of_token(token));
        indices.find(is_here).or_else(|| {
            let row = self.row_of_symbol(&format!("{exchange}:{underlying}"))?;
            let share = self.get(row)?;
            (share.instrument_type == InstrumentType::Equity).then_some(row)
        })
    }

    /// Whether any future or option has this underlying, in capital letters.
    #[must_use]
    pub fn has_derivatives(&self, underlying: &str) -> bool {
        self.underlyings.have(underlying)
    }

    /// What the derivatives of an index are called, if that is known.
    #[must_use]
    pub fn underlying_of_index(&self, index: Token) -> Option<&Arc<str>> {
        self.underlyings.of_index(index)
    }
}

/// Of the rows with one token the first in this order is used. Some lists have an index twice, once
/// under a segment of its exchange: the row with the segment INDICES is used. The rest only makes the
/// choice deterministic.
fn precedence(row: &Instrument) -> (Token, bool, [&str; 3]) {
    let names = [&*row.exchange, &*row.tradingsymbol, &*row.segment];
    (row.token, !row.is_index(), names)
}

fn hash(exchange: &str, symbol: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(exchange.as_bytes());
    hasher.write_u8(b':');
    hasher.write(symbol.as_bytes());
    (hasher.finish() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,\
                          strike,tick_size,lot_size,instrument_type,segment,exchange\n";

    fn table(rows: &[&str]) -> InstrumentTable {
        let text = format!("{HEADER}{}\n", rows.join("\n"));
        let dump = kite::instruments::read(text.as_bytes()).unwrap();
        assert_eq!(dump.rejected.count, 0);
        InstrumentTable::new(dump, Timestamp::UNIX_EPOCH, &IndexNames::default())
    }

    const NIFTY: &str = "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE";
    const NIFTY_AGAIN: &str = "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,NSE-INDICES,NSE";
    const INFY: &str = "408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE";
    const INFY_BSE: &str = "128053508,500209,INFY,INFOSYS,0,,0,0.05,1,EQ,BSE,BSE";
    const FUTURE: &str =
        "12683010,49543,NIFTY26DECFUT,NIFTY,0,2026-12-29,0,0.05,75,FUT,NFO-FUT,NFO";

    #[test]
    fn rows_are_found_by_token_and_by_symbol() {
        let table = table(&[INFY_BSE, FUTURE, NIFTY, INFY]);
        assert_eq!(
            &*table.by_token(Token(256_265)).unwrap().tradingsymbol,
            "NIFTY 50"
        );
        assert_eq!(
            table.by_symbol("NSE:NIFTY 50").unwrap().token,
            Token(256_265)
        );
        assert_eq!(table.by_symbol("NSE:INFY").unwrap().token, Token(408_065));
        assert_eq!(
            table.by_symbol("BSE:INFY").unwrap().token,
            Token(128_053_508)
        );
        for unknown in ["INFY", "NSE:", "NSE:INF", "NSE:INFY ", "MCX:INFY", ":", ""] {
            assert!(table.by_symbol(unknown).is_none(), "{unknown}");
        }
        assert!(table.by_token(Token(1)).is_none());
        assert!(table.has_derivatives("NIFTY") && !table.has_derivatives("INFOSYS"));
    }

    #[test]
    fn a_share_is_found_in_another_series_if_that_is_the_only_one() {
        let row = |token: u32, name: &str| format!("{token},1,{name},X,0,,0,0.05,1,EQ,NSE,NSE");
        let rows = [
            row(1, "KANCHI-BE"),
            row(2, "TCS"),
            row(3, "TWO-BE"),
            row(4, "TWO-BZ"),
            row(5, "BAJAJ-AUTO"),
        ];
        let table = table(&rows.each_ref().map(String::as_str));
        let found = |name: &str| {
            let row = table.row_of_other_series(name)?;
            Some(table.get(row)?.token.0)
        };
        assert_eq!(found("NSE:KANCHI"), Some(1));
        assert_eq!(found("NSE:KANCHI-BZ"), Some(1));
        assert_eq!(found("NSE:TCS-BE"), Some(2));
        for none in ["NSE:TWO", "BSE:KANCHI", "NSE:BAJAJ", "NSE:KANC", "", "-BE"] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn of_two_rows_for_one_token_the_index_counts_in_any_order() {
        for rows in [[NIFTY, NIFTY_AGAIN], [NIFTY_AGAIN, NIFTY]] {
            let table = table(&rows);
            assert_eq!(table.len(), 1);
            assert!(table.by_token(Token(256_265)).unwrap().is_index());
            assert!(table.by_symbol("NSE:NIFTY 50").unwrap().is_index());
        }
    }

    #[test]
    fn a_symbol_may_hold_a_colon() {
        let sixty =
            "403209,1575,BSE SENSEX SIXTY 65:35,BSE SENSEX SIXTY 65:35,0,,0,0,0,EQ,INDICES,BSE";
        let table = table(&[sixty, INFY]);
        let found = table.by_symbol("BSE:BSE SENSEX SIXTY 65:35");
        assert_eq!(found.unwrap().token, Token(403_209));
    }

    #[test]
    fn of_two_rows_for_one_symbol_the_lower_token_counts_in_any_order() {
        let other = "409089,1598,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE";
        for rows in [[INFY, other], [other, INFY]] {
            assert_eq!(
                table(&rows).by_symbol("NSE:INFY").unwrap().token,
                Token(408_065)
            );
        }
    }
}
