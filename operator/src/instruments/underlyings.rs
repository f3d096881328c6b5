//! The underlyings of a list: those of its derivatives, and which index is which of them.
//!
//! Pure. Kite's list does not say which index an option belongs to: the index SNSX50 has derivatives called
//! SENSEX50. Owns how they find each other. Must not know channels.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use kite::{Instrument, InstrumentType, Token};
use rustc_hash::{FxHashMap, FxHashSet};

/// An index of which is known what its derivatives are called. Tradingsymbols have changed before, exchange tokens
/// have not.
struct KnownIndex {
    exchange: &'static str,
    exchange_token: u32,
    tradingsymbols: &'static [&'static str],
    underlying: &'static str,
}

const fn index(
    exchange: &'static str,
    exchange_token: u32,
    tradingsymbols: &'static [&'static str],
    underlying: &'static str,
) -> KnownIndex {
    KnownIndex {
        exchange,
        exchange_token,
        tradingsymbols,
        underlying,
    }
}

const KNOWN: [KnownIndex; 9] = [
    index("NSE", 1001, &["NIFTY 50"], "NIFTY"),
    index("NSE", 1016, &["NIFTY BANK"], "BANKNIFTY"),
    index("NSE", 1007, &["NIFTY FIN SERVICE"], "FINNIFTY"),
    index(
        "NSE",
        1125,
        &["NIFTY MID SELECT", "NIFTY MIDCAP SELECT"],
        "MIDCPNIFTY",
    ),
    index("NSE", 1058, &["NIFTY NEXT 50"], "NIFTYNXT50"),
    index("NSE", 1035, &["INDIA VIX"], "INDIAVIX"),
    index("BSE", 1, &["SENSEX"], "SENSEX"),
    index("BSE", 1072, &["BANKEX"], "BANKEX"),
    index("BSE", 1120, &["SNSX50", "SENSEX50"], "SENSEX50"),
];

/// What the derivatives of indices are called, by tradingsymbol of the index; said by who runs the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexNames(BTreeMap<String, String>);

/// A text that is not a list of index names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not INDEX=UNDERLYING, such as SNSX50=SENSEX50; several are separated by commas")]
pub struct InvalidIndexNames(String);

impl FromStr for IndexNames {
    type Err = InvalidIndexNames;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let names = entries.map(|entry| {
            let (index, underlying) = entry.split_once('=').unwrap_or_default();
            let names = (
                index.trim().to_ascii_uppercase(),
                underlying.trim().to_ascii_uppercase(),
            );
            let complete = !names.0.is_empty() && !names.1.is_empty();
            complete
                .then_some(names)
                .ok_or_else(|| InvalidIndexNames(entry.to_owned()))
        });
        Ok(Self(names.collect::<Result<_, _>>()?))
    }
}

/// How sure it is that an index is an underlying; the surer of two indices gets the name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    Configured,
    KnownSymbol,
    /// Its tradingsymbol is the name of derivatives.
    Symbol,
    KnownToken,
    /// Its name in the list, or a part of it, is the name of derivatives.
    Name,
}

/// The underlyings of one list.
#[derive(Debug, Default)]
pub(super) struct Underlyings {
    of_derivatives: HashSet<Arc<str>>,
    of_indices: FxHashMap<Token, Arc<str>>,
}

impl Underlyings {
    /// Finds those of a list. The order of its rows does not matter.
    pub(super) fn find(rows: &[Instrument], configured: &IndexNames) -> Self {
        let mut of_derivatives = HashSet::new();
        let mut by_exchange: FxHashSet<(&str, Arc<str>)> = FxHashSet::default();
        let derivatives = rows
            .iter()
            .filter(|row| row.instrument_type != InstrumentType::Equity && !row.name.is_empty());
        for row in derivatives {
            if !by_exchange.contains(&(&*row.exchange, Arc::clone(&row.name))) {
                let name: Arc<str> = row.name.to_ascii_uppercase().into();
                by_exchange.insert((&row.exchange, Arc::clone(&row.name)));
                by_exchange.insert((&row.exchange, Arc::clone(&name)));
                of_derivatives.insert(name);
            }
        }
        let known = |exchange: &str, name: &str| by_exchange.contains(&(exchange, name.into()));
        let mut found: BTreeMap<Arc<str>, (Evidence, Vec<Token>)> = BTreeMap::new();
        for index in rows.iter().filter(|row| row.is_index()) {
            let Some((evidence, name)) = underlying(index, configured, known) else {
                continue;
            };
            let best = found.entry(name.into()).or_insert((evidence, Vec::new()));
            if evidence < best.0 {
                *best = (evidence, Vec::new());
            }
            if evidence == best.0 {
                best.1.push(index.token);
            }
        }
        // A name that was found twice is nobody's.
        let single = found
            .into_iter()
            .filter_map(|(name, (_, tokens))| match *tokens {
                [token] => Some((token, name)),
                _ => None,
            });
        Self {
            of_derivatives,
            of_indices: single.collect(),
        }
    }

    /// Whether any future or option has this underlying, in capital letters.
    pub(super) fn have(&self, underlying: &str) -> bool {
        self.of_derivatives.contains(underlying)
    }

    /// The indices that are an underlying of this name, in no order.
    pub(super) fn indices(&self, underlying: &str) -> impl Iterator<Item = Token> {
        let named = self.of_indices.iter();
        let named = named.filter(move |(_, name)| ***name == *underlying);
        named.map(|(token, _)| *token)
    }

    /// What the derivatives of an index are called.
    pub(super) fn of_index(&self, index: Token) -> Option<&Arc<str>> {
        self.of_indices.get(&index)
    }
}

/// What the derivatives of `index` are called, by the surest evidence.
fn underlying(
    index: &Instrument,
    configured: &IndexNames,
    has_derivatives: impl Fn(&str, &str) -> bool,
) -> Option<(Evidence, String)> {
    let symbol = index.tradingsymbol.to_ascii_uppercase();
    let derivatives_at = match &*index.exchange {
        "NSE" => "NFO",
        "BSE" => "BFO",
        other => other,
    };
    let known = |is: &dyn Fn(&KnownIndex) -> bool| {
        let mut known = KNOWN.iter().filter(|it| it.exchange == &*index.exchange);
        known.find(|it| is(it)).map(|it| it.underlying.to_owned())
    };
    if let Some(name) = configured.0.get(&symbol) {
        return Some((Evidence::Configured, name.clone()));
    }
    if let Some(name) = known(&|it| it.tradingsymbols.contains(&symbol.as_str())) {
        return Some((Evidence::KnownSymbol, name));
    }
    if has_derivatives(derivatives_at, &symbol) {
        return Some((Evidence::Symbol, symbol));
    }
    if let Some(name) = known(&|it| it.exchange_token == index.exchange_token) {
        return Some((Evidence::KnownToken, name));
    }
    // `NIFTY MIDCAP SELECT (MIDCPNIFTY)`, `BSE INDEX BANKEX`.
    let name = index.name.to_ascii_uppercase();
    let in_brackets = name
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    let after_index = name.split_once(" INDEX ");
    let parts = [
        Some(&*name),
        in_brackets.map(|(inner, _)| inner.trim()),
        after_index.map(|(_, last)| last.trim()),
    ];
    let mut parts = parts.into_iter().flatten();
    let part = parts.find(|part| has_derivatives(derivatives_at, part))?;
    Some((Evidence::Name, part.to_owned()))
}

#[cfg(test)]
mod tests;
