//! Resolves a set's selectors in today's table.
//!
//! Owns the lookup of tokens and symbols. A name that the list has means that row. A name that it lacks follows its
//! contract or its share, if that has another name; else it is counted, never guessed.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use crds::selector::EquityExchange;
use crds::set::MAX_UNRESOLVED_SAMPLES;
use kite::{InstrumentType, Token};
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::chain::{self, Found};
use super::expiry::TradingDays;
use super::money::MoneyAt;
use crate::instruments::similar::similar;
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::{Renames, Selector};
use crate::plan::samples::SHOWN;

/// The longest entry of `status.unresolved`, in characters.
const LONGEST_SAMPLE: usize = 120;

/// What a set selects.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The instruments, each once, by token.
    pub(crate) instruments: Vec<RowIx>,
    /// Instruments that must not be among them, by token.
    pub(crate) excluded: Vec<RowIx>,
    /// How many names to leave out are not in the table.
    pub(crate) not_excluded: u32,
    /// The first few of them, each with a name that may have been meant.
    pub(crate) not_excluded_samples: Vec<String>,
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

/// What a set asks for.
pub(super) struct Wanted<'s> {
    pub(super) selectors: &'s [Selector<'s>],
    /// Names that are left out.
    pub(super) exclude: &'s [String],
}

/// Where it is looked up.
#[derive(Clone, Copy)]
pub(super) struct Lists<'t> {
    pub(super) table: &'t Arc<InstrumentTable>,
    /// Those of the accounts that the set may use.
    pub(super) renames: &'t [&'t Arc<Renames>],
    pub(super) days: &'t TradingDays,
    /// Where the money of the set's chains is.
    pub(super) money: MoneyAt<'t>,
}

/// Something that is not in the list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Missing<'s> {
    text: Cow<'s, str>,
    /// Whether it is a name, which another list may have.
    is_name: bool,
}

/// Looks up what a set asks for.
pub(super) fn select(wanted: &Wanted<'_>, lists: Lists<'_>) -> Selection {
    let mut selection = Selection::default();
    let mut missing = Vec::new();
    for selector in wanted.selectors {
        selection.select(*selector, lists, &mut missing);
    }
    let mut excluded: FxHashSet<RowIx> = FxHashSet::default();
    for name in wanted.exclude {
        match lists.meaning(name) {
            Some(row) => _ = excluded.insert(row),
            None => selection.note_not_excluded(name, lists.table),
        }
    }
    selection.leave_out(&excluded);
    selection.excluded = excluded.into_iter().collect();
    selection.excluded.sort_unstable();
    selection.finish(missing, lists.table)
}

impl Lists<'_> {
    /// What a name meant before its contract got another one.
    fn before(self, name: &str) -> Option<RowIx> {
        let token = self.renames.iter().find_map(|it| it.token(name))?;
        self.table.row_of_token(token)
    }

    /// What a name means that the list lacks.
    fn followed(self, name: &str) -> Option<RowIx> {
        let before = self.before(name);
        before.or_else(|| self.table.row_of_other_series(name))
    }

    fn meaning(self, name: &str) -> Option<RowIx> {
        let row = self.table.row_of_symbol(name);
        row.or_else(|| self.followed(name))
    }
}

impl Selection {
    fn select<'s>(
        &mut self,
        selector: Selector<'s>,
        lists: Lists<'_>,
        missing: &mut Vec<Missing<'s>>,
    ) {
        let table = lists.table;
        match selector {
            Selector::Tokens(tokens) => {
                self.instruments.reserve(tokens.len());
                for token in tokens {
                    match table.row_of_token(Token(*token)) {
                        Some(row) => self.instruments.push(row),
                        None => missing.push(Missing::other(token.to_string())),
                    }
                }
            }
            Selector::Symbols(symbols) => {
                self.instruments.reserve(symbols.len());
                for symbol in symbols {
                    missing.extend(self.name(Cow::Borrowed(symbol), lists));
                }
            }
            Selector::Shares(exchange, symbols) => {
                for symbol in symbols {
                    let name = format!("{}:{symbol}", exchange.as_str());
                    missing.extend(self.name(Cow::Owned(name), lists));
                }
            }
            Selector::WithDerivatives(at, exchange) => {
                let shares = shares_with_derivatives(exchange, table);
                if shares.is_empty() {
                    let none = format!("no share of {} has derivatives", exchange.as_str());
                    missing.push(Missing::other(format!("equities[{at}]: {none}")));
                }
                self.instruments.extend(shares);
            }
            Selector::Options(at, options) => {
                let found = chain::options(options, table, lists.days, lists.money.of(at));
                missing.extend(self.found(&format!("options[{at}]"), found));
            }
            Selector::Futures(at, futures) => {
                let found = chain::futures(futures, table, lists.days);
                missing.extend(self.found(&format!("futures[{at}]"), found));
            }
        }
    }

    /// Selects by name. Returns the name if the list has nothing of it.
    fn name<'s>(&mut self, name: Cow<'s, str>, lists: Lists<'_>) -> Option<Missing<'s>> {
        let Some(row) = lists.table.row_of_symbol(&name) else {
            let Some(row) = lists.followed(&name) else {
                return Some(Missing::name(name));
            };
            self.instruments.push(row);
            self.renamed.push((name.into_owned(), row));
            return None;
        };
        self.instruments.push(row);
        let before = lists.before(&name).filter(|before| *before != row);
        self.reused.extend(before.map(|before| ReusedName {
            name: name.into_owned(),
            row,
            before,
        }));
        None
    }

    fn found<'s>(&mut self, place: &str, found: Found) -> impl Iterator<Item = Missing<'s>> {
        self.instruments.extend(found.rows);
        let missing = found.missing.into_iter();
        missing.map(move |text| Missing::other(format!("{place}: {text}")))
    }

    fn note_not_excluded(&mut self, name: &str, table: &InstrumentTable) {
        self.not_excluded += 1;
        if self.not_excluded_samples.len() <= SHOWN {
            let sample = match similar(name, table) {
                Some(meant) => format!("{name} (perhaps {meant})"),
                None => name.to_owned(),
            };
            self.not_excluded_samples.push(cut(sample));
        }
    }

    fn leave_out(&mut self, excluded: &FxHashSet<RowIx>) {
        if !excluded.is_empty() {
            self.instruments.retain(|row| !excluded.contains(row));
            self.renamed.retain(|(_, row)| !excluded.contains(row));
            self.reused.retain(|it| !excluded.contains(&it.row));
        }
    }

    fn finish(mut self, mut missing: Vec<Missing<'_>>, table: &InstrumentTable) -> Self {
        // Rows are in the order of tokens.
        self.instruments.sort_unstable();
        self.instruments.dedup();
        self.renamed.sort_unstable();
        self.renamed.dedup();
        self.reused.sort_unstable();
        self.reused.dedup();
        missing.sort_unstable();
        missing.dedup();
        let names = missing.iter().filter(|it| it.is_name);
        self.unknown_names = names.map(|it| FxBuildHasher.hash_one(&*it.text)).collect();
        self.unresolved = u32::try_from(missing.len()).unwrap_or(u32::MAX);
        let shown = missing.iter().take(SHOWN);
        let hint = |it: &Missing<'_>| it.is_name.then(|| similar(&it.text, table)).flatten();
        self.similar = shown.map(hint).collect();
        let samples = missing.into_iter().take(MAX_UNRESOLVED_SAMPLES);
        let samples = samples.map(|it| it.text.into_owned());
        self.samples = samples.map(cut).collect();
        self
    }
}

impl<'s> Missing<'s> {
    const fn name(text: Cow<'s, str>) -> Self {
        Self {
            text,
            is_name: true,
        }
    }

    const fn other(text: String) -> Self {
        Self {
            text: Cow::Owned(text),
            is_name: false,
        }
    }
}

/// Every share of `exchange` of which there are futures or options.
fn shares_with_derivatives(exchange: EquityExchange, table: &InstrumentTable) -> Vec<RowIx> {
    let derivatives = exchange.derivatives().as_str();
    let underlyings = table.underlyings().filter(|(at, _)| *at == derivatives);
    let shares = underlyings.filter_map(|(_, name)| {
        let row = table.row_of_symbol(&format!("{}:{name}", exchange.as_str()))?;
        let share = table.get(row)?;
        let is_share = share.instrument_type == InstrumentType::Equity && !share.is_index();
        is_share.then_some(row)
    });
    shares.collect()
}

/// Entries of a status are short.
fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_SAMPLE) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use calendar::Calendar;

    use super::*;
    use crate::plan::input::ObservedSet;
    use crate::plan::selection::money::MoneyChains;
    use crate::plan::{fixture, input};

    fn selected(set: &ObservedSet, table: &Arc<InstrumentTable>) -> Selection {
        let spec = input::set_spec(set).unwrap();
        let wanted = Wanted {
            selectors: &spec.selectors,
            exclude: spec.exclude,
        };
        let lists = Lists {
            table,
            renames: &[],
            days: &TradingDays::at(Calendar::india(), fixture::start().wall),
            money: MoneyAt {
                chains: &MoneyChains::default(),
                money: &[],
            },
        };
        select(&wanted, lists)
    }

    #[test]
    fn an_instrument_named_twice_counts_once() {
        let table = Arc::new(fixture::table());
        let set = fixture::set(
            "s",
            &[256_265, 408_065, 408_065],
            &["NSE:INFY", "NSE:NIFTY 50"],
        );
        let selection = selected(&set, &table);
        let tokens: Vec<u32> = selection
            .instruments
            .iter()
            .map(|row| table.get(*row).unwrap().token.0)
            .collect();
        assert_eq!((tokens, selection.unresolved), (vec![256_265, 408_065], 0));
    }

    #[test]
    fn what_is_unknown_is_counted_and_sampled() {
        let table = Arc::new(fixture::table());
        let symbols: Vec<String> = (0..12).map(|n| format!("NSE:NONE{n:02}")).collect();
        let names: Vec<&str> = symbols
            .iter()
            .map(String::as_str)
            .chain(["NSE:INFY", "NSE:NONE00"])
            .collect();
        let set = fixture::set("s", &[7, 7], &names);
        let selection = selected(&set, &table);
        assert_eq!((selection.instruments.len(), selection.unresolved), (1, 13));
        assert_eq!(selection.samples.len(), 10);
        assert_eq!(
            (selection.samples[0].as_str(), selection.samples[1].as_str()),
            ("7", "NSE:NONE00")
        );
    }
}
