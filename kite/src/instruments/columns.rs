//! From the cells of a row to an instrument.
//!
//! Owns which columns are needed, and what a cell may hold. A row that is not valid says why.

use std::collections::HashSet;
use std::sync::Arc;

use super::{DumpError, Instrument, InstrumentType};
use crate::Token;

/// Why a row is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error("{column}: {value:?} is not a valid value")]
    Value { column: &'static str, value: String },
    #[error("{column}: the row is too short")]
    Short { column: &'static str },
    #[error("the row has {cells} cells, more than the header")]
    Long { cells: usize },
    #[error("{column}: an option needs one")]
    Option { column: &'static str },
}

/// Positions of the columns that are used; lists that other tools have written lack some.
pub(super) struct Columns {
    count: usize,
    token: usize,
    exchange_token: Option<usize>,
    tradingsymbol: usize,
    name: Option<usize>,
    expiry: Option<usize>,
    strike: Option<usize>,
    tick_size: Option<usize>,
    lot_size: Option<usize>,
    instrument_type: Option<usize>,
    segment: usize,
    exchange: usize,
}

impl Columns {
    pub(super) fn find(header: &csv::StringRecord) -> Result<Self, DumpError> {
        let find = |name: &str| {
            let mut columns = header.iter();
            columns.position(|column| column.trim_start_matches('\u{feff}').trim() == name)
        };
        let needed = |name: &'static str| find(name).ok_or(DumpError::MissingColumn(name));
        Ok(Self {
            count: header.len(),
            token: needed("instrument_token")?,
            exchange_token: find("exchange_token"),
            tradingsymbol: needed("tradingsymbol")?,
            name: find("name"),
            expiry: find("expiry"),
            strike: find("strike"),
            tick_size: find("tick_size"),
            lot_size: find("lot_size"),
            instrument_type: find("instrument_type"),
            segment: needed("segment")?,
            exchange: needed("exchange")?,
        })
    }

    pub(super) fn row(
        &self,
        record: &csv::ByteRecord,
        names: &mut Interner,
    ) -> Result<Instrument, RowError> {
        if record.len() > self.count {
            // A comma too many: its cells are not those of the columns above them.
            let cells = record.len();
            return Err(RowError::Long { cells });
        }
        let token = Token(cell(record, self.token, "instrument_token", whole)?);
        let symbol = cell(record, self.tradingsymbol, "tradingsymbol", filled)?;
        let segment = cell(record, self.segment, "segment", filled)?;
        let written = optional(record, self.instrument_type, "instrument_type", |cell| {
            cell.parse().ok()
        })?;
        let instrument = Instrument {
            token,
            exchange_token: optional(record, self.exchange_token, "exchange_token", whole)?
                .unwrap_or_else(|| token.exchange_token()),
            tradingsymbol: symbol.into(),
            name: names.intern(optional(record, self.name, "name", unquoted)?.unwrap_or_default()),
            expiry: optional(record, self.expiry, "expiry", |cell| cell.parse().ok())?,
            strike: optional(record, self.strike, "strike", decimal)?.unwrap_or_default(),
            tick_size: optional(record, self.tick_size, "tick_size", decimal)?.unwrap_or_default(),
            lot_size: optional(record, self.lot_size, "lot_size", whole)?.unwrap_or_default(),
            instrument_type: written.unwrap_or_else(|| InstrumentType::of(segment, symbol)),
            segment: names.intern(segment),
            exchange: names.intern(cell(record, self.exchange, "exchange", filled)?),
        };
        let lacks = |column| Err(RowError::Option { column });
        match instrument.instrument_type.is_option() {
            true if instrument.strike == 0.0 => lacks("strike"),
            true if instrument.expiry.is_none() => lacks("expiry"),
            _ => Ok(instrument),
        }
    }
}

/// A cell of a column that the list may lack, and that a row may leave empty.
fn optional<'a, T>(
    record: &'a csv::ByteRecord,
    at: Option<usize>,
    column: &'static str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<Option<T>, RowError> {
    let Some(at) = at else {
        return Ok(None);
    };
    cell(record, at, column, |cell| match cell {
        "" => Some(None),
        filled => read(filled).map(Some),
    })
}

fn cell<'a, T>(
    record: &'a csv::ByteRecord,
    at: usize,
    column: &'static str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, RowError> {
    let value = record.get(at).ok_or(RowError::Short { column })?;
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| read(text.trim()))
        .ok_or_else(|| RowError::Value {
            column,
            value: String::from_utf8_lossy(value)
                .trim()
                .chars()
                .take(40)
                .collect(),
        })
}

/// Some tools write quotes twice.
#[expect(clippy::unnecessary_wraps, reason = "one of the readers of a cell")]
fn unquoted(cell: &str) -> Option<&str> {
    Some(cell.trim_matches('"').trim())
}

fn filled(cell: &str) -> Option<&str> {
    (!cell.is_empty()).then_some(cell)
}

/// Whole numbers are sometimes written `75.0`.
fn whole(cell: &str) -> Option<u32> {
    cell.strip_suffix(".0").unwrap_or(cell).parse().ok()
}

fn decimal(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Stores a name once, however many rows repeat it.
#[derive(Default)]
pub(super) struct Interner(HashSet<Arc<str>>);

impl Interner {
    fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}
