//! The instruments list: one CSV row for everything that can be streamed.
//!
//! Owns reading by header name, writing, and what a row must have: token, symbol, exchange and segment.
//! Must not fetch anything. One bad row does not affect the others.

mod columns;
mod lines;

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use self::columns::{Columns, Interner, RowError};
use self::lines::CompleteLines;
use crate::Token;

/// A list with more rows is not Kite's, which has about 150,000.
const MAX_ROWS: usize = 500_000;

/// One row of the dump.
#[derive(Clone, Debug, PartialEq)]
pub struct Instrument {
    /// Its number in the ticker.
    pub token: Token,
    /// The exchange's own number.
    pub exchange_token: u32,
    /// The exchange's symbol; may have spaces (`NIFTY 50`), `&` and series (`-BE`).
    pub tradingsymbol: Arc<str>,
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

    /// The type of a contract whose list does not say it: by the end of its segment, and of its symbol.
    fn of(segment: &str, symbol: &str) -> Self {
        if segment.ends_with("-FUT") {
            Self::Future
        } else if segment.ends_with("-OPT") && symbol.ends_with("CE") {
            Self::Call
        } else if segment.ends_with("-OPT") && symbol.ends_with("PE") {
            Self::Put
        } else {
            Self::Equity
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

/// A text that is not an instruments list.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// Incomplete, or the first line is not text.
    #[error("the instruments list could not be read")]
    Csv(#[from] csv::Error),
    /// The first line is not the header of a list: an error page, for instance.
    #[error("the instruments list has no column {0:?}, so it is not the CSV that Kite documents")]
    MissingColumn(&'static str),
    /// More rows than Kite has instruments.
    #[error("the instruments list has more than {MAX_ROWS} rows, so it is not Kite's list")]
    TooManyRows,
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
/// When the text has no header of a list, or is incomplete. Single bad rows are in
/// [`Dump::rejected`] instead.
pub fn read(dump: impl Read) -> Result<Dump, DumpError> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(CompleteLines::new(dump));
    let columns = Columns::find(reader.headers()?)?;
    let mut names = Interner::default();
    let mut dump = Dump::default();
    // Text is decoded cell by cell: decoding a whole record that is not text would end the reading.
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        if dump.instruments.len() + dump.rejected.count >= MAX_ROWS {
            return Err(DumpError::TooManyRows);
        }
        match columns.row(&record, &mut names) {
            Ok(instrument) => dump.instruments.push(instrument),
            Err(why) => {
                dump.rejected
                    .add(record.position().map_or(0, csv::Position::line), &why);
            }
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

#[cfg(test)]
mod tests;
