//! The underlyings of a list: those of its derivatives, and which index is which of them.
//!
//! Pure. Kite's list does not say which index an option belongs to: the index SNSX50 has derivatives called
//! SENSEX50. Owns how they find each other. Must not know channels.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use kite::{Instrument, InstrumentType, Token};
use rustc_hash::{FxHashMap, FxHashSet};

/// Indices of which is known what their derivatives are called: exchange, exchange token, tradingsymbols,
/// underlying. Tradingsymbols have changed before, exchange tokens have not.
const KNOWN: [(&str, u32, &[&str], &str); 9] = [
    ("NSE", 1001, &["NIFTY 50"], "NIFTY"),
    ("NSE", 1016, &["NIFTY BANK"], "BANKNIFTY"),
    ("NSE", 1007, &["NIFTY FIN SERVICE"], "FINNIFTY"),
    (
        "NSE",
        1125,
        &["NIFTY MID SELECT", "NIFTY MIDCAP SELECT"],
        "MIDCPNIFTY",
    ),
    ("NSE", 1058, &["NIFTY NEXT 50"], "NIFTYNXT50"),
    ("NSE", 1035, &["INDIA VIX"], "INDIAVIX"),
    ("BSE", 1, &["SENSEX"], "SENSEX"),
    ("BSE", 1072, &["BANKEX"], "BANKEX"),
    ("BSE", 1120, &["SNSX50", "SENSEX50"], "SENSEX50"),
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
    let known = |is: &dyn Fn(&(&str, u32, &[&str], &str)) -> bool| {
        let mut known = KNOWN.iter().filter(|it| it.0 == &*index.exchange);
        known.find(|it| is(it)).map(|it| it.3.to_owned())
    };
    if let Some(name) = configured.0.get(&symbol) {
        return Some((Evidence::Configured, name.clone()));
    }
    if let Some(name) = known(&|it| it.2.contains(&symbol.as_str())) {
        return Some((Evidence::KnownSymbol, name));
    }
    if has_derivatives(derivatives_at, &symbol) {
        return Some((Evidence::Symbol, symbol));
    }
    if let Some(name) = known(&|it| it.1 == index.exchange_token) {
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
mod tests {
    use super::*;

    const HEADER: &str =
        "instrument_token,exchange_token,tradingsymbol,name,expiry,segment,exchange\n";

    /// What each index of a list is called, by its tradingsymbol.
    fn named(rows: &[&str], configured: &str) -> Vec<(String, String)> {
        let text = format!("{HEADER}{}\n", rows.join("\n"));
        let rows = kite::instruments::read(text.as_bytes())
            .unwrap()
            .instruments;
        let found = Underlyings::find(&rows, &configured.parse().unwrap());
        let mut names: Vec<(String, String)> = rows
            .iter()
            .filter_map(|row| {
                let name = found.of_index(row.token)?;
                Some((row.tradingsymbol.to_string(), name.to_string()))
            })
            .collect();
        names.sort();
        names
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = expected.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn indices_find_their_derivatives_by_symbol_name_and_token() {
        let rows = [
            "256265,1001,NIFTY 50,NIFTY 50,,INDICES,NSE",
            // Under a tradingsymbol of its own; its exchange token is known.
            "288009,1125,NIFTY MIDCAP SEL,NIFTY MIDCAP SEL,,INDICES,NSE",
            "286729,1120,SNSX50,BSE INDEX SNSX50,,INDICES,BSE",
            "300000,1171,BSEFOCIT,BSE INDEX FOCIT,,INDICES,BSE",
            "300256,1172,NIFTY FPI 150,NIFTY FPI 150 (NIFTYFPI),,INDICES,NSE",
            "293129,1145,MCXBULLDEX,MCXBULLDEX,,INDICES,MCX",
            "403209,1575,BSE POWER,BSE POWER,,INDICES,BSE",
            "1,1,NIFTY26DECFUT,NIFTY,2026-12-29,NFO-FUT,NFO",
            "2,2,SENSEX5026DECFUT,SENSEX50,2026-12-29,BFO-FUT,BFO",
            "3,3,FOCIT26DECFUT,FOCIT,2026-12-29,BFO-FUT,BFO",
            "4,4,NIFTYFPI26DECFUT,NIFTYFPI,2026-12-29,NFO-FUT,NFO",
            "5,5,MCXBULLDEX26DECFUT,MCXBULLDEX,2026-12-29,MCX-FUT,MCX",
        ];
        let expected = [
            ("BSEFOCIT", "FOCIT"),
            ("MCXBULLDEX", "MCXBULLDEX"),
            ("NIFTY 50", "NIFTY"),
            ("NIFTY FPI 150", "NIFTYFPI"),
            ("NIFTY MIDCAP SEL", "MIDCPNIFTY"),
            ("SNSX50", "SENSEX50"),
        ];
        assert_eq!(named(&rows, ""), pairs(&expected));
    }

    #[test]
    fn what_is_configured_counts_before_what_the_list_shows() {
        let rows = [
            "300000,1171,NEWIDX,NEW INDEX,,INDICES,BSE",
            "286729,1120,SNSX50,BSE INDEX SNSX50,,INDICES,BSE",
            "3,3,BSENEW26DECFUT,BSENEW,2026-12-29,BFO-FUT,BFO",
        ];
        let names = named(&rows, "newidx = BSENEW, SNSX50=OTHER");
        assert_eq!(names, pairs(&[("NEWIDX", "BSENEW"), ("SNSX50", "OTHER")]));
    }

    /// The common beginning of two names, or the last word of one, is no evidence.
    #[test]
    fn an_index_of_another_exchange_or_of_a_similar_name_is_another() {
        let rows = [
            "291849,1140,GIFT NIFTY,GIFT NIFTY,,INDICES,NSEIX",
            "291850,1141,NIFTY,NIFTY,,INDICES,GLOBAL",
            "260617,1018,NIFTY 100,NIFTY 100,,INDICES,NSE",
            "2,2,NIFTY26DECFUT,NIFTY,2026-12-29,NFO-FUT,NFO",
        ];
        assert_eq!(named(&rows, ""), []);
    }

    #[test]
    fn a_name_that_two_indices_claim_is_that_of_the_surer_or_of_none() {
        let future = "2,2,BANKEX26DECFUT,BANKEX,2026-12-29,BFO-FUT,BFO";
        let sure = "274441,1072,BANKEX,BSE INDEX BANKEX,,INDICES,BSE";
        let unsure = [
            "300000,1171,B1,BANKEX,,INDICES,BSE",
            "300256,1172,B2,BANKEX,,INDICES,BSE",
        ];
        assert_eq!(named(&[future, unsure[0], unsure[1]], ""), []);
        assert_eq!(named(&[future, unsure[0]], ""), pairs(&[("B1", "BANKEX")]));
        let with_sure = named(&[unsure[0], sure, unsure[1], future], "");
        assert_eq!(with_sure, pairs(&[("BANKEX", "BANKEX")]));
    }

    #[test]
    fn index_names_need_both_names() {
        for wrong in ["SNSX50", "SNSX50=", "=SENSEX50", "A=B,C"] {
            assert!(wrong.parse::<IndexNames>().is_err(), "{wrong}");
        }
        assert_eq!("".parse(), Ok(IndexNames::default()));
    }
}
