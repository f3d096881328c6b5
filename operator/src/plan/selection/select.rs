//! Resolves a set's selectors in today's table.
//!
//! Owns the lookup of tokens and symbols. A name that the list has means that row. A name that it lacks follows its
//! contract or its share, if that has another name; else it is counted, never guessed.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use crds::set::MAX_UNRESOLVED_SAMPLES;
use kite::Token;
use rustc_hash::FxBuildHasher;

use crate::instruments::similar::similar;
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::{Renames, Selector};
use crate::plan::samples::SHOWN;

/// What a set selects.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The instruments, each once, by token.
    pub(crate) instruments: Vec<RowIx>,
    /// How many names are not in the table.
    pub(crate) unresolved: u32,
    /// The first few of them, sorted.
    pub(crate) samples: Vec<String>,
    /// For the very first, a name that may have been meant.
    pub(crate) similar: Vec<Option<String>>,
    /// A hash of each symbol that is not in the table.
    pub(crate) unknown_names: Arc<[u64]>,
    /// Names that the table lacks, and what they mean today, sorted.
    pub(crate) renamed: Vec<(String, RowIx)>,
    /// Names that meant other contracts before, sorted.
    pub(crate) reused: Vec<ReusedName>,
}

/// A name that the list has given to another contract.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReusedName {
    pub(crate) name: String,
    /// The contract that has it today.
    pub(crate) row: RowIx,
    /// The contract that had it before.
    pub(crate) before: RowIx,
}

/// Looks up what selectors name. `renames`: those of the accounts that the set may use.
pub(crate) fn select(
    selectors: &[Selector<'_>],
    table: &InstrumentTable,
    renames: &[&Arc<Renames>],
) -> Selection {
    let mut selection = Selection::default();
    let mut missing: Vec<Cow<'_, str>> = Vec::new();
    let before = |name: &str| {
        let token = renames.iter().find_map(|renames| renames.token(name))?;
        table.row_of_token(token)
    };
    for selector in selectors {
        match selector {
            Selector::Tokens(tokens) => {
                selection.instruments.reserve(tokens.len());
                for token in *tokens {
                    match table.row_of_token(Token(*token)) {
                        Some(row) => selection.instruments.push(row),
                        None => missing.push(Cow::Owned(token.to_string())),
                    }
                }
            }
            Selector::Symbols(symbols) => {
                selection.instruments.reserve(symbols.len());
                for symbol in *symbols {
                    match (table.row_of_symbol(symbol), before(symbol)) {
                        (Some(row), before) => selection.add(symbol, row, before),
                        (None, before) => {
                            match before.or_else(|| table.row_of_other_series(symbol)) {
                                Some(row) => selection.follow(symbol, row),
                                None => missing.push(Cow::Borrowed(symbol)),
                            }
                        }
                    }
                }
            }
        }
    }
    selection.finish(missing, table)
}

impl Selection {
    fn add(&mut self, name: &str, row: RowIx, before: Option<RowIx>) {
        self.instruments.push(row);
        if let Some(before) = before.filter(|before| *before != row) {
            let name = name.to_owned();
            self.reused.push(ReusedName { name, row, before });
        }
    }

    fn follow(&mut self, name: &str, row: RowIx) {
        self.instruments.push(row);
        self.renamed.push((name.to_owned(), row));
    }

    fn finish(mut self, mut missing: Vec<Cow<'_, str>>, table: &InstrumentTable) -> Self {
        // Rows are in the order of tokens.
        self.instruments.sort_unstable();
        self.instruments.dedup();
        self.renamed.sort_unstable();
        self.renamed.dedup();
        self.reused.sort_unstable();
        self.reused.dedup();
        missing.sort_unstable();
        missing.dedup();
        let symbols = missing
            .iter()
            .filter(|name| matches!(name, Cow::Borrowed(_)));
        self.unknown_names = symbols.map(|name| FxBuildHasher.hash_one(name)).collect();
        self.unresolved = u32::try_from(missing.len()).unwrap_or(u32::MAX);
        let samples = missing.into_iter().take(MAX_UNRESOLVED_SAMPLES);
        self.samples = samples.map(Cow::into_owned).collect();
        let shown = self.samples.iter().take(SHOWN);
        self.similar = shown.map(|name| similar(name, table)).collect();
        self
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
        let selection = select(&input::set_spec(&set).unwrap().selectors, &table, &[]);
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
        let selection = select(&input::set_spec(&set).unwrap().selectors, &table, &[]);
        assert_eq!((selection.instruments.len(), selection.unresolved), (1, 13));
        assert_eq!(selection.samples.len(), 10);
        assert_eq!(
            (selection.samples[0].as_str(), selection.samples[1].as_str()),
            ("7", "NSE:NONE00")
        );
    }
}
