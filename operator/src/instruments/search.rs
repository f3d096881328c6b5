//! Instruments by words, as a person types them: `nifty 25000 ce`, `reliance dec fut`, `NSE:INFY`.
//!
//! Pure. Owns what a word means, and which match is the better one. Must not know sets or accounts.

use std::cmp::Reverse;

use jiff::civil::Date;
use kite::{Instrument, InstrumentType, Token};

use super::InstrumentTable;
use super::row::RowIx;
use super::similar::{nearest, similar};

/// The most words of a query.
pub const MOST_WORDS: usize = 12;

/// The longest query, in bytes.
pub const LONGEST_QUERY: usize = 200;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

const EXCHANGES: [&str; 8] = ["NSE", "BSE", "NFO", "BFO", "MCX", "CDS", "BCD", "NCO"];

/// What a word asks for.
#[derive(Clone, Debug, PartialEq)]
enum Word {
    Exchange(String),
    Kind(WantedKind),
    /// An expiry: day of the month, month, year, as far as they are said.
    Expiry(Option<i8>, i8, Option<i16>),
    /// A strike, a token, or digits of a name.
    Number(f64, String),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WantedKind {
    Call,
    Put,
    Option,
    Future,
    Share,
    Index,
}

/// A query that cannot be understood, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// It is empty.
    #[error("the query is empty: name an underlying, a strike, an expiry, such as nifty 25000 ce")]
    Empty,
    /// It is too long.
    #[error("the query has more than {MOST_WORDS} words or {LONGEST_QUERY} bytes: leave some out")]
    Long,
}

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub struct InstrumentQuery {
    words: Vec<Word>,
    /// In capital letters, with single spaces.
    phrase: String,
}

impl InstrumentQuery {
    /// Reads the words of a query.
    ///
    /// # Errors
    /// When there are none, or too many.
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        let phrase = text.to_uppercase();
        let parts: Vec<&str> = phrase.split_whitespace().collect();
        if parts.is_empty() {
            return Err(InvalidQuery::Empty);
        }
        if parts.len() > MOST_WORDS || text.len() > LONGEST_QUERY {
            return Err(InvalidQuery::Long);
        }
        let mut words = Vec::new();
        for part in &parts {
            match part.split_once(':') {
                Some((exchange, rest)) if EXCHANGES.contains(&exchange) => {
                    words.push(Word::Exchange(exchange.to_owned()));
                    words.extend((!rest.is_empty()).then(|| word(rest)));
                }
                _ => words.push(word(part)),
            }
        }
        Ok(Self {
            words: join_days(words),
            phrase: parts.join(" "),
        })
    }

    /// The rows that match, the best first: at most `most`, and how many more there are.
    #[must_use]
    pub fn search(&self, table: &InstrumentTable, most: usize) -> (Vec<RowIx>, usize) {
        let rows = table.rows().iter().zip(0_u32..);
        let matches = rows.filter_map(|(row, at)| {
            let score = self.score(row, table)?;
            let order = (Reverse(score), row.expiry, strike_order(row), row.token);
            Some((order, RowIx::new(at)))
        });
        let mut matches: Vec<_> = matches.collect();
        matches.sort_unstable_by_key(|(order, _)| *order);
        let more = matches.len().saturating_sub(most);
        let best = matches.into_iter().take(most).map(|(_, row)| row);
        (best.collect(), more)
    }

    /// If nothing matches: an underlying that may have been meant.
    #[must_use]
    pub fn similar(&self, table: &InstrumentTable) -> Option<String> {
        let mut texts = self.words.iter().filter_map(|word| match word {
            Word::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.find_map(|text| {
            let share = similar(&format!("NSE:{text}"), table);
            share.or_else(|| {
                let known = table.underlyings().map(|(_, name)| name);
                let near = nearest(text, known).filter(|near| *near != text);
                near.map(str::to_owned)
            })
        })
    }

    /// How well a row matches; `None` if a word does not fit at all.
    fn score(&self, row: &Instrument, table: &InstrumentTable) -> Option<u32> {
        let mut score = 0;
        for word in &self.words {
            score += word.score(row, table)?;
        }
        let symbol = &*row.tradingsymbol;
        let rest = self.phrase.split_once(':').map_or(&*self.phrase, |it| it.1);
        if rest.eq_ignore_ascii_case(symbol) {
            score += 1_000;
        }
        Some(score)
    }
}

fn word(part: &str) -> Word {
    let kind = match part {
        "CE" | "CALL" | "CALLS" => Some(WantedKind::Call),
        "PE" | "PUT" | "PUTS" => Some(WantedKind::Put),
        "OPT" | "OPTION" | "OPTIONS" => Some(WantedKind::Option),
        "FUT" | "FUTURE" | "FUTURES" => Some(WantedKind::Future),
        "EQ" | "EQUITY" | "SHARE" | "SHARES" => Some(WantedKind::Share),
        "INDEX" | "INDICES" => Some(WantedKind::Index),
        _ => None,
    };
    if let Some(kind) = kind {
        return Word::Kind(kind);
    }
    if EXCHANGES.contains(&part) {
        return Word::Exchange(part.to_owned());
    }
    if let Some(expiry) = expiry(part) {
        return expiry;
    }
    match part.replace(',', "").parse::<f64>() {
        Ok(number) if number.is_finite() && part.starts_with(|c: char| c.is_ascii_digit()) => {
            Word::Number(number, part.to_owned())
        }
        _ => Word::Text(part.to_owned()),
    }
}

/// `2026-12-29`, `29DEC`, `29DEC26`, `DEC`, `DEC26`, `DEC2026`.
fn expiry(part: &str) -> Option<Word> {
    if let Ok(date) = part.parse::<Date>() {
        return Some(Word::Expiry(
            Some(date.day()),
            date.month(),
            Some(date.year()),
        ));
    }
    let digits = part.bytes().take_while(u8::is_ascii_digit).count();
    let (day, rest) = part.split_at(digits);
    let at = MONTHS.iter().position(|month| rest.starts_with(month))?;
    let month = i8::try_from(at + 1).ok()?;
    let year = rest.get(3..)?;
    let day = match day {
        "" => None,
        day => Some(day.parse().ok().filter(|day| (1..=31).contains(day))?),
    };
    let year = match year.len() {
        0 => None,
        2 => Some(2_000 + year.parse::<i16>().ok()?),
        4 => Some(year.parse().ok()?),
        _ => return None,
    };
    Some(Word::Expiry(day, month, year))
}

/// A day in front of a month stands for both: `29 dec`.
fn join_days(words: Vec<Word>) -> Vec<Word> {
    let mut joined: Vec<Word> = Vec::new();
    for word in words {
        let day = match joined.last() {
            Some(Word::Number(day, _)) if (1.0..=31.0).contains(day) && day.fract() == 0.0 => {
                Some(*day as i8)
            }
            _ => None,
        };
        match (day, word) {
            (Some(day), Word::Expiry(None, month, year)) => {
                joined.pop();
                joined.push(Word::Expiry(Some(day), month, year));
            }
            (_, word) => joined.push(word),
        }
    }
    joined
}

impl Word {
    fn score(&self, row: &Instrument, table: &InstrumentTable) -> Option<u32> {
        match self {
            Self::Exchange(exchange) => (*row.exchange == **exchange).then_some(0),
            Self::Kind(kind) => kind.is(row).then_some(0),
            Self::Expiry(day, month, year) => {
                let expiry = row.expiry?;
                let fits = expiry.month() == *month
                    && day.is_none_or(|day| expiry.day() == day)
                    && year.is_none_or(|year| expiry.year() == year);
                fits.then_some(0)
            }
            Self::Number(number, text) => {
                if row.instrument_type.is_option() && row.strike == *number {
                    Some(100)
                } else if text.parse() == Ok(row.token.0) {
                    Some(500)
                } else {
                    contains(&row.tradingsymbol, text).then_some(5)
                }
            }
            Self::Text(text) => of_text(text, row, table),
        }
    }
}

fn of_text(text: &str, row: &Instrument, table: &InstrumentTable) -> Option<u32> {
    let (symbol, name) = (&*row.tradingsymbol, &*row.name);
    let is_derivative = row.instrument_type != InstrumentType::Equity;
    if symbol.eq_ignore_ascii_case(text) {
        return Some(200);
    }
    let is_index_of = || {
        let underlying = table.underlying_of_index(row.token);
        underlying.is_some_and(|it| **it == *text)
    };
    if row.is_index() && is_index_of() {
        return Some(150);
    }
    if name.eq_ignore_ascii_case(text) {
        let future = row.instrument_type == InstrumentType::Future;
        return Some(if future { 110 } else { 100 });
    }
    if !is_derivative && starts_with(symbol, text) {
        return Some(60);
    }
    if starts_with(symbol, text) || starts_with(name, text) {
        return Some(30);
    }
    if !is_derivative && (contains(symbol, text) || contains(name, text)) {
        return Some(15);
    }
    (contains(symbol, text) || contains(name, text)).then_some(10)
}

impl WantedKind {
    fn is(self, row: &Instrument) -> bool {
        match self {
            Self::Call => row.instrument_type == InstrumentType::Call,
            Self::Put => row.instrument_type == InstrumentType::Put,
            Self::Option => row.instrument_type.is_option(),
            Self::Future => row.instrument_type == InstrumentType::Future,
            Self::Share => row.instrument_type == InstrumentType::Equity && !row.is_index(),
            Self::Index => row.is_index(),
        }
    }
}

/// Strikes in the order of their numbers.
fn strike_order(row: &Instrument) -> (u64, InstrumentType, Token) {
    let ten_thousandths = (row.strike.max(0.0) * 10_000.0).round() as u64;
    (ten_thousandths, row.instrument_type, row.token)
}

fn starts_with(text: &str, capitals: &str) -> bool {
    let start = text.as_bytes().get(..capitals.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(capitals.as_bytes()))
}

fn contains(text: &str, capitals: &str) -> bool {
    let mut parts = text.as_bytes().windows(capitals.len().max(1));
    parts.any(|part| part.eq_ignore_ascii_case(capitals.as_bytes()))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::instruments::IndexNames;

    fn table() -> InstrumentTable {
        let rows = [
            "256265,NIFTY 50,INDICES,NSE,NIFTY 50,,0",
            "260105,NIFTY BANK,INDICES,NSE,NIFTY BANK,,0",
            "408065,INFY,NSE,NSE,INFOSYS,,0",
            "738561,RELIANCE,NSE,NSE,RELIANCE INDUSTRIES,,0",
            "10,NIFTY26DEC25000CE,NFO-OPT,NFO,NIFTY,2026-12-29,25000",
            "11,NIFTY26DEC25000PE,NFO-OPT,NFO,NIFTY,2026-12-29,25000",
            "12,NIFTY26DEC25100CE,NFO-OPT,NFO,NIFTY,2026-12-29,25100",
            "13,NIFTY2710525000CE,NFO-OPT,NFO,NIFTY,2027-01-05,25000",
            "14,BANKNIFTY26DEC25000CE,NFO-OPT,NFO,BANKNIFTY,2026-12-29,25000",
            "15,NIFTY26DECFUT,NFO-FUT,NFO,NIFTY,2026-12-29,0",
            "16,NIFTY27JANFUT,NFO-FUT,NFO,NIFTY,2027-01-26,0",
        ];
        let text = format!(
            "instrument_token,tradingsymbol,segment,exchange,name,expiry,strike\n{}\n",
            rows.join("\n")
        );
        let dump = kite::instruments::read(text.as_bytes()).unwrap();
        assert_eq!(dump.rejected.count, 0);
        InstrumentTable::new(dump, Timestamp::UNIX_EPOCH, &IndexNames::default())
    }

    fn found(query: &str) -> Vec<String> {
        let table = table();
        let query = InstrumentQuery::parse(query).unwrap();
        let (rows, more) = query.search(&table, 50);
        assert_eq!(more, 0);
        let names = rows.iter().filter_map(|row| table.get(*row));
        names.map(|it| it.tradingsymbol.to_string()).collect()
    }

    #[test]
    fn words_are_matched_in_any_order_and_the_best_comes_first() {
        let calls = [
            "NIFTY26DEC25000CE",
            "NIFTY2710525000CE",
            "BANKNIFTY26DEC25000CE",
        ];
        assert_eq!(found("nifty 25000 ce"), calls);
        assert_eq!(found("CE 25000 Nifty"), calls);
        assert_eq!(found("nifty dec 25000 call"), [calls[0], calls[2]]);
        assert_eq!(found("nifty 29 dec 25000 call")[..1], calls[..1]);
        for one in [
            "nifty 25000 2027-01-05",
            "nifty 5jan27 25000",
            "nifty jan ce",
        ] {
            assert_eq!(found(one), [calls[1]], "{one}");
        }
        assert_eq!(found("nifty fut"), ["NIFTY26DECFUT", "NIFTY27JANFUT"]);
        assert_eq!(found("nifty")[0], "NIFTY 50");
        assert_eq!(found("nifty index")[0], "NIFTY 50");
        assert_eq!(found("nse:nifty 50")[0], "NIFTY 50");
        assert_eq!(found("NSE:INFY"), ["INFY"]);
        assert_eq!(found("infosys"), ["INFY"]);
        assert_eq!(found("408065"), ["INFY"]);
        assert_eq!(found("reliance ind"), ["RELIANCE"]);
        assert_eq!(found("nfo:nifty26dec25100ce"), ["NIFTY26DEC25100CE"]);
        assert_eq!(found("nifty 99999 ce"), [""; 0]);
    }

    #[test]
    fn what_is_too_much_is_counted_or_refused() {
        let query = InstrumentQuery::parse("nifty").unwrap();
        let (rows, more) = query.search(&table(), 2);
        assert_eq!((rows.len(), more), (2, 7));
        assert_eq!(InstrumentQuery::parse("  "), Err(InvalidQuery::Empty));
        let long = "a ".repeat(13);
        assert_eq!(InstrumentQuery::parse(&long), Err(InvalidQuery::Long));
        let long = "a".repeat(201);
        assert_eq!(InstrumentQuery::parse(&long), Err(InvalidQuery::Long));
    }

    #[test]
    fn a_name_that_matches_nothing_has_a_neighbour() {
        let similar = |query: &str| InstrumentQuery::parse(query).unwrap().similar(&table());
        assert_eq!(similar("bankniftty 25000"), Some("BANKNIFTY".to_owned()));
        assert_eq!(similar("relaince"), Some("NSE:RELIANCE".to_owned()));
        assert_eq!(similar("zzzz"), None);
    }
}
