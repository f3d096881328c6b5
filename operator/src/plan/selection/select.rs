//! Resolves a set's selectors in today's table.
//!
//! Owns the lookup of tokens and symbols. A name that is not in the table is counted, never
//! guessed.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use crds::set::MAX_UNRESOLVED_SAMPLES;
use kite::Token;
use rustc_hash::FxBuildHasher;

use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::Selector;

/// What a set selects.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The instruments, each once, by token.
    pub(crate) instruments: Vec<RowIx>,
    /// How many names are not in the table.
    pub(crate) unresolved: u32,
    /// The first few of them, sorted.
    pub(crate) samples: Vec<String>,
    /// A hash of each symbol that is not in the table.
    pub(crate) unknown_names: Arc<[u64]>,
}

/// Looks up what selectors name.
pub(crate) fn select(selectors: &[Selector<'_>], table: &InstrumentTable) -> Selection {
    let mut instruments = Vec::new();
    let mut missing: Vec<Cow<'_, str>> = Vec::new();
    for selector in selectors {
        match selector {
            Selector::Tokens(tokens) => {
                instruments.reserve(tokens.len());
                for token in *tokens {
                    match table.row_of_token(Token(*token)) {
                        Some(row) => instruments.push(row),
                        None => missing.push(Cow::Owned(token.to_string())),
                    }
                }
            }
            Selector::Symbols(symbols) => {
                instruments.reserve(symbols.len());
                for symbol in *symbols {
                    match table.row_of_symbol(symbol) {
                        Some(row) => instruments.push(row),
                        None => missing.push(Cow::Borrowed(symbol)),
                    }
                }
            }
        }
    }
    // Rows are in the order of tokens.
    instruments.sort_unstable();
    instruments.dedup();
    missing.sort_unstable();
    missing.dedup();
    let symbols = missing
        .iter()
        .filter(|name| matches!(name, Cow::Borrowed(_)));
    Selection {
        unknown_names: symbols.map(|name| FxBuildHasher.hash_one(name)).collect(),
        instruments,
        unresolved: u32::try_from(missing.len()).unwrap_or(u32::MAX),
        samples: missing
            .into_iter()
            .take(MAX_UNRESOLVED_SAMPLES)
            .map(Cow::into_owned)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{fixture, input};

    #[test]
    fn an_instrument_named_twice_counts_once() {
        let table = fixture::table();
        let set = fixture::set(
            "s",
            &[256_265, 408_065, 408_065],
            &["NSE:INFY", "NSE:NIFTY 50"],
        );
        let selection = select(&input::set_spec(&set).unwrap().selectors, &table);
        let tokens: Vec<u32> = selection
            .instruments
            .iter()
            .map(|row| table.get(*row).unwrap().token.0)
            .collect();
        assert_eq!((tokens, selection.unresolved), (vec![256_265, 408_065], 0));
    }

    #[test]
    fn what_is_unknown_is_counted_and_sampled() {
        let table = fixture::table();
        let symbols: Vec<String> = (0..12).map(|n| format!("NSE:NONE{n:02}")).collect();
        let names: Vec<&str> = symbols
            .iter()
            .map(String::as_str)
            .chain(["NSE:INFY", "NSE:NONE00"])
            .collect();
        let set = fixture::set("s", &[7, 7], &names);
        let selection = select(&input::set_spec(&set).unwrap().selectors, &table);
        assert_eq!((selection.instruments.len(), selection.unresolved), (1, 13));
        assert_eq!(selection.samples.len(), 10);
        assert_eq!(
            (selection.samples[0].as_str(), selection.samples[1].as_str()),
            ("7", "NSE:NONE00")
        );
    }
}
