//! The instruments dump: one CSV row for everything that can be streamed.
//!
//! Owns reading by header name, writing, and what a row must have. Must not fetch anything. One bad
//! row never costs the others.

use std::collections::HashSet;
use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::Token;

/// One row of the dump.
#[derive(Clone, Debug, PartialEq)]
pub struct Instrument {
    /// What the ticker calls it.
    pub token: Token,
    /// The exchange's own number.
    pub exchange_token: u32,
    /// The exchange's symbol; may have spaces (`NIFTY 50`), `&` and series (`-BE`).
    pub tradingsymbol: Box<str>,
    /// Company or, for derivatives, the underlying; may be empty.
    pub name: Arc<str>,
    /// Day of expiry, for derivatives.
    pub expiry: Option<Date>,
    /// Strike in rupees; zero where there is none.
    pub strike: f64,
    /// Smallest price step in rupees; zero for an index.
    pub tick_size: f64,
    /// Quantity of one lot; zero for an index.
    pub lot_size: u32,
    /// What kind of contract it is.
    pub instrument_type: InstrumentType,
    /// Market segment by name, such as `NFO-OPT` or `INDICES`.
    pub segment: Arc<str>,
    /// Exchange, such as `NSE`.
    pub exchange: Arc<str>,
}

impl Instrument {
    /// The segment name that marks an index; its `instrument_type` is `EQ`.
    pub const INDICES: &str = "INDICES";

    /// Whether this is an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        &*self.segment == Self::INDICES
    }
}

/// Kind of contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InstrumentType {
    /// A share, fund, bond or index.
    #[serde(rename = "EQ")]
    Equity,
    /// A future.
    #[serde(rename = "FUT")]
    Future,
    /// A call option.
    #[serde(rename = "CE")]
    Call,
    /// A put option.
    #[serde(rename = "PE")]
    Put,
}

impl InstrumentType {
    /// The name in the dump.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equity => "EQ",
            Self::Future => "FUT",
            Self::Call => "CE",
            Self::Put => "PE",
        }
    }

    /// Whether this is a call or a put.
    #[must_use]
    pub const fn is_option(self) -> bool {
        matches!(self, Self::Call | Self::Put)
    }
}

impl fmt::Display for InstrumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for InstrumentType {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Equity, Self::Future, Self::Call, Self::Put]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or(())
    }
}

/// What a dump held.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// The rows that could be read, in the dump's order.
    pub instruments: Vec<Instrument>,
    /// The rows that could not.
    pub rejected: Rejected,
}

/// Rows left out of a dump: all counted, the first few described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many rows.
    pub count: usize,
    /// Up to [`Rejected::SAMPLES`] of them, as `line N: column: why`.
    pub samples: Vec<String>,
}

impl Rejected {
    /// How many rows are described at most.
    pub const SAMPLES: usize = 5;

    fn add(&mut self, line: u64, why: &RowError) {
        self.count += 1;
        if self.samples.len() < Self::SAMPLES {
            self.samples.push(format!("line {line}: {why}"));
        }
    }
}

/// A text that is no instruments dump.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// Broken off or not text.
    #[error("instruments dump could not be read")]
    Csv(#[from] csv::Error),
    /// The first line is no header of a dump: an error page, for instance.
    #[error("instruments dump has no column {0:?}: this is not the CSV that Kite documents")]
    MissingColumn(&'static str),
}

#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error("{column}: {value:?} is not what this column holds")]
    Value { column: &'static str, value: String },
    #[error("{column}: the row is too short")]
    Short { column: &'static str },
    #[error("is not UTF-8")]
    NotText,
}

const COLUMNS: [&str; 12] = [
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
];

/// Reads a dump. Columns are found by name, in any order; unknown ones are ignored.
///
/// # Errors
/// When the text has no header of a dump or breaks off. Single bad rows are in
/// [`Dump::rejected`] instead.
pub fn read(dump: impl Read) -> Result<Dump, DumpError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(dump);
    let columns = Columns::find(reader.headers()?)?;
    let mut names = Names::default();
    let mut dump = Dump::default();
    let mut bytes = csv::ByteRecord::new();
    while reader.read_byte_record(&mut bytes)? {
        let line = bytes.position().map_or(0, csv::Position::line);
        let read = match csv::StringRecord::from_byte_record(std::mem::take(&mut bytes)) {
            Ok(record) => {
                let read = columns.row(&record, &mut names);
                bytes = record.into_byte_record();
                read
            }
            Err(_) => Err(RowError::NotText),
        };
        match read {
            Ok(instrument) => dump.instruments.push(instrument),
            Err(why) => dump.rejected.add(line, &why),
        }
    }
    Ok(dump)
}

/// Writes a dump in Kite's columns; `last_price` is zero, as in the real one.
///
/// # Errors
/// When `out` fails.
pub fn write<'a>(
    out: impl Write,
    instruments: impl IntoIterator<Item = &'a Instrument>,
) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(COLUMNS)?;
    for row in instruments {
        writer.write_record([
            row.token.to_string().as_str(),
            row.exchange_token.to_string().as_str(),
            &row.tradingsymbol,
            &row.name,
            "0.0",
            row.expiry
                .map(|day| day.to_string())
                .unwrap_or_default()
                .as_str(),
            format!("{:?}", row.strike).as_str(),
            format!("{:?}", row.tick_size).as_str(),
            row.lot_size.to_string().as_str(),
            row.instrument_type.as_str(),
            &row.segment,
            &row.exchange,
        ])?;
    }
    writer.flush()?;
    Ok(())
}

/// Positions of the columns that are used.
struct Columns {
    token: usize,
    exchange_token: usize,
    tradingsymbol: usize,
    name: usize,
    expiry: usize,
    strike: usize,
    tick_size: usize,
    lot_size: usize,
    instrument_type: usize,
    segment: usize,
    exchange: usize,
}

impl Columns {
    fn find(header: &csv::StringRecord) -> Result<Self, DumpError> {
        let at = |name: &'static str| {
            header
                .iter()
                .position(|column| column.trim_start_matches('\u{feff}').trim() == name)
                .ok_or(DumpError::MissingColumn(name))
        };
        Ok(Self {
            token: at("instrument_token")?,
            exchange_token: at("exchange_token")?,
            tradingsymbol: at("tradingsymbol")?,
            name: at("name")?,
            expiry: at("expiry")?,
            strike: at("strike")?,
            tick_size: at("tick_size")?,
            lot_size: at("lot_size")?,
            instrument_type: at("instrument_type")?,
            segment: at("segment")?,
            exchange: at("exchange")?,
        })
    }

    fn row(&self, record: &csv::StringRecord, names: &mut Names) -> Result<Instrument, RowError> {
        Ok(Instrument {
            token: Token(cell(record, self.token, "instrument_token", whole)?),
            exchange_token: cell(record, self.exchange_token, "exchange_token", whole)?,
            tradingsymbol: cell(record, self.tradingsymbol, "tradingsymbol", filled)?.into(),
            name: names.shared(cell(record, self.name, "name", Some)?),
            expiry: cell(record, self.expiry, "expiry", day)?,
            strike: cell(record, self.strike, "strike", decimal)?,
            tick_size: cell(record, self.tick_size, "tick_size", decimal)?,
            lot_size: cell(record, self.lot_size, "lot_size", whole)?,
            instrument_type: cell(record, self.instrument_type, "instrument_type", |cell| {
                cell.parse().ok()
            })?,
            segment: names.shared(cell(record, self.segment, "segment", filled)?),
            exchange: names.shared(cell(record, self.exchange, "exchange", filled)?),
        })
    }
}

fn cell<'a, T>(
    record: &'a csv::StringRecord,
    at: usize,
    column: &'static str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, RowError> {
    let value = record.get(at).ok_or(RowError::Short { column })?.trim();
    read(value).ok_or_else(|| RowError::Value {
        column,
        value: value.chars().take(40).collect(),
    })
}

fn filled(cell: &str) -> Option<&str> {
    (!cell.is_empty()).then_some(cell)
}

/// Whole numbers are sometimes written `75.0`.
fn whole(cell: &str) -> Option<u32> {
    cell.strip_suffix(".0").unwrap_or(cell).parse().ok()
}

fn decimal(cell: &str) -> Option<f64> {
    if cell.is_empty() {
        return Some(0.0);
    }
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

#[expect(
    clippy::option_option,
    reason = "outer: could be read; inner: the contract expires"
)]
fn day(cell: &str) -> Option<Option<Date>> {
    if cell.is_empty() {
        Some(None)
    } else {
        cell.parse().ok().map(Some)
    }
}

/// Names that repeat over a hundred thousand rows are kept once.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,\
                          strike,tick_size,lot_size,instrument_type,segment,exchange";

    fn one(row: &str) -> Instrument {
        let dump = read(format!("{HEADER}\n{row}\n").as_bytes()).unwrap();
        assert_eq!(dump.rejected, Rejected::default());
        dump.instruments.into_iter().next().unwrap()
    }

    #[test]
    fn rows_of_the_documentation_are_read() {
        let option = one(
            "12073986,47164,BANKNIFTY18JAN23500CE,,2528.4,2018-01-25,23500.0,0.05,40,CE,NFO-OPT,NFO",
        );
        assert_eq!(option.token, Token(12_073_986));
        assert_eq!(option.expiry, Some(jiff::civil::date(2018, 1, 25)));
        assert_eq!(
            (option.strike, option.tick_size, option.lot_size),
            (23_500.0, 0.05, 40)
        );
        assert_eq!(option.instrument_type, InstrumentType::Call);

        let index = one("256265,1001,NIFTY 50,NIFTY 50,0.0,,0.0,0.0,0,EQ,INDICES,NSE");
        assert!(index.is_index() && index.expiry.is_none());
        let share = one("519937,2031,M&M,\"MAHINDRA, LTD\",0.0,,,0.05,1.0,EQ,NSE,NSE");
        assert_eq!(
            (&*share.tradingsymbol, &*share.name, share.lot_size),
            ("M&M", "MAHINDRA, LTD", 1)
        );
    }

    #[test]
    fn a_byte_that_is_no_text_costs_one_row() {
        let row = |token: u32| format!("{token},1,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE\n");
        let mut dump = format!("{HEADER}\n{}{}{}", row(1), row(2), row(3)).into_bytes();
        let second = HEADER.len() + 1 + row(1).len();
        let name = dump[second..]
            .iter()
            .position(|byte| *byte == b'I')
            .unwrap();
        dump[second + name] = 0xff;
        let dump = read(dump.as_slice()).unwrap();
        let tokens: Vec<u32> = dump.instruments.iter().map(|row| row.token.0).collect();
        assert_eq!((tokens, dump.rejected.count), (vec![1, 3], 1));
        assert_eq!(dump.rejected.samples, ["line 3: is not UTF-8"]);
    }

    #[test]
    fn columns_are_found_by_name() {
        let dump = read(
            "exchange,segment,instrument_type,lot_size,tick_size,strike,expiry,name,\
             tradingsymbol,exchange_token,instrument_token,new\nNSE,NSE,EQ,1,0.05,0,,INFOSYS,INFY,1594,408065,x\n"
                .as_bytes(),
        )
        .unwrap();
        assert_eq!(dump.instruments[0].token, Token(408_065));
        assert_eq!(&*dump.instruments[0].tradingsymbol, "INFY");
    }

    #[test]
    fn a_bad_row_is_counted_and_the_others_stay() {
        let dump = read(
            format!(
                "{HEADER}\n1,1,A,A,0,,0,0.05,1,EQ,NSE,NSE\nx,1,B,B,0,,0,0.05,1,EQ,NSE,NSE\n\
                 3,1,C\n4,1,D,D,0,31-12-2026,0,0.05,1,FUT,NFO-FUT,NFO\n5,1,E,E,0,,NaN,0.05,1,CE,X,X\n\
                 6,1,F,F,0,,0,0.05,1,EQ,NSE,NSE\n"
            )
            .as_bytes(),
        )
        .unwrap();
        let tokens: Vec<u32> = dump.instruments.iter().map(|row| row.token.0).collect();
        assert_eq!(tokens, [1, 6]);
        assert_eq!(dump.rejected.count, 4);
        assert!(dump.rejected.samples[0].starts_with("line 3: instrument_token"));
    }

    #[test]
    fn an_error_page_is_no_dump() {
        let error = read("<html><body>502 Bad Gateway</body></html>".as_bytes()).unwrap_err();
        assert!(matches!(
            error,
            DumpError::MissingColumn("instrument_token")
        ));
        assert!(read("".as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,300}") {
            let _dump = read(format!("{HEADER}\n{text}").as_bytes());
        }

        #[test]
        fn what_was_written_is_read_back(
            token in any::<u32>(), strike in 0_i32..10_000_000, symbol in "[A-Z0-9&-]([A-Z0-9 &,\"-]{0,20}[A-Z0-9])?",
        ) {
            let row = Instrument {
                token: Token(token),
                exchange_token: token >> 8,
                tradingsymbol: symbol.into(),
                name: "".into(),
                expiry: Some(jiff::civil::date(2026, 12, 29)),
                strike: f64::from(strike) / 100.0,
                tick_size: 0.0025,
                lot_size: 75,
                instrument_type: InstrumentType::Put,
                segment: "NFO-OPT".into(),
                exchange: "NFO".into(),
            };
            let mut text = Vec::new();
            write(&mut text, [&row]).unwrap();
            prop_assert_eq!(read(text.as_slice()).unwrap().instruments, [row]);
        }
    }
}
