//! What streams: which instrument is on which channel, as the accounts list it in Redis.
//!
//! Owns the table and how its rows are read. Pure; [`sync`] keeps it up to date.

pub(crate) mod sync;

use std::collections::BTreeMap;
use std::sync::Arc;

use kite::Mode;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::instrument::InstrumentId;

/// Rows of one kind that are kept; further ones are left out. Accounts stream at most 9,000 each.
const MOST: usize = 200_000;

/// One instrument, as the account that streams it lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamedInstrument {
    pub(crate) symbol: Box<str>,
    pub(crate) tradingsymbol: Box<str>,
    pub(crate) segment: Box<str>,
    pub(crate) exchange: Box<str>,
    pub(crate) strike: Option<f64>,
    pub(crate) expiry: Option<Box<str>>,
    #[serde(rename = "type")]
    pub(crate) kind: Box<str>,
    pub(crate) lot_size: Option<u32>,
    pub(crate) tick_size: Option<f64>,
    pub(crate) channel: Arc<str>,
    pub(crate) account: Box<str>,
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) mode: Mode,
}

impl StreamedInstrument {
    /// Reads a row; `None` if it is not one.
    pub(crate) fn parse(row: &[u8]) -> Option<Self> {
        let row: Self = serde_json::from_slice(row).ok()?;
        (!row.channel.is_empty()).then_some(row)
    }

    /// `EXCHANGE:TRADINGSYMBOL`.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.exchange, self.tradingsymbol)
    }

    /// The hash with the newest ticks of its channel, by token.
    pub(crate) fn last_value_key(&self, is_mock: bool) -> String {
        let prefix = self.channel.rsplit_once(':');
        let prefix = prefix.map_or(&*self.channel, |(prefix, _)| prefix);
        format!("{}{prefix}:last", key_start(is_mock))
    }
}

/// What keys of mock accounts begin with.
pub(crate) const fn key_start(is_mock: bool) -> &'static str {
    if is_mock { "mock:" } else { "" }
}

/// Everything that streams.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InstrumentDirectory {
    real: Rows,
    mock: Rows,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Rows {
    by_token: BTreeMap<u32, Arc<StreamedInstrument>>,
    by_name: FxHashMap<String, u32>,
}

impl InstrumentDirectory {
    /// The row of an instrument.
    pub(crate) fn get(&self, id: InstrumentId) -> Option<&Arc<StreamedInstrument>> {
        self.rows(id.is_mock).by_token.get(&id.token)
    }

    /// The instrument that a token stands for: a real one before a mock one, which is found only if `mock`
    /// are wanted.
    pub(crate) fn by_token(&self, token: u32, mock: bool) -> Result<InstrumentId, NotFound> {
        self.find(mock, |rows| {
            rows.by_token.contains_key(&token).then_some(token)
        })
    }

    /// The same by `EXCHANGE:TRADINGSYMBOL`.
    pub(crate) fn by_name(&self, name: &str, mock: bool) -> Result<InstrumentId, NotFound> {
        self.find(mock, |rows| rows.by_name.get(name).copied())
    }

    fn find(
        &self,
        mock: bool,
        find: impl Fn(&Rows) -> Option<u32>,
    ) -> Result<InstrumentId, NotFound> {
        let id = |token, is_mock| InstrumentId { token, is_mock };
        match (find(&self.real), find(&self.mock)) {
            (Some(token), _) => Ok(id(token, false)),
            (None, Some(token)) if mock => Ok(id(token, true)),
            (None, Some(_)) => Err(NotFound::OnlyMock),
            (None, None) => Err(NotFound::Nowhere),
        }
    }

    /// All instruments, real ones first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (InstrumentId, &Arc<StreamedInstrument>)> {
        let rows = [(false, &self.real), (true, &self.mock)];
        rows.into_iter().flat_map(|(is_mock, rows)| {
            rows.by_token.iter().map(move |(token, row)| {
                let token = *token;
                (InstrumentId { token, is_mock }, row)
            })
        })
    }

    /// How many stream.
    pub(crate) fn len(&self) -> usize {
        self.real.by_token.len() + self.mock.by_token.len()
    }

    /// Writes or removes one row.
    pub(crate) fn set(&mut self, id: InstrumentId, row: Option<StreamedInstrument>) {
        let rows = if id.is_mock {
            &mut self.mock
        } else {
            &mut self.real
        };
        if let Some(before) = rows.by_token.remove(&id.token) {
            let name = before.name();
            if rows.by_name.get(&name) == Some(&id.token) {
                rows.by_name.remove(&name);
            }
        }
        if let Some(row) = row
            && rows.by_token.len() < MOST
        {
            rows.by_name.insert(row.name(), id.token);
            rows.by_token.insert(id.token, Arc::new(row));
        }
    }

    const fn rows(&self, is_mock: bool) -> &Rows {
        if is_mock { &self.mock } else { &self.real }
    }
}

/// Why an instrument is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    Nowhere,
    OnlyMock,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, channel: &str) -> StreamedInstrument {
        let text = format!(
            r#"{{"symbol":"NIFTY","tradingsymbol":"{name}","segment":"NFO-OPT","exchange":"NFO","strike":25150.0,
            "expiry":"2026-12-01","type":"PE","lot_size":75,"tick_size":0.05,"channel":"{channel}","set":"s",
            "account":"acct-a","namespace":null,"mode":"full"}}"#
        );
        StreamedInstrument::parse(text.as_bytes()).unwrap()
    }

    const fn id(token: u32, is_mock: bool) -> InstrumentId {
        InstrumentId { token, is_mock }
    }

    #[test]
    fn a_token_that_is_both_is_the_real_one() {
        let mut directory = InstrumentDirectory::default();
        directory.set(id(1, true), Some(row("A", "c:options")));
        assert_eq!(directory.by_token(1, true), Ok(id(1, true)));
        assert_eq!(directory.by_token(1, false), Err(NotFound::OnlyMock));
        directory.set(id(1, false), Some(row("A", "c:options")));
        assert_eq!(directory.by_token(1, true), Ok(id(1, false)));
        assert_eq!(directory.by_name("NFO:A", true), Ok(id(1, false)));
        assert_eq!(directory.by_token(2, true), Err(NotFound::Nowhere));
    }

    #[test]
    fn a_name_that_went_to_another_token_stays_with_it() {
        let mut directory = InstrumentDirectory::default();
        directory.set(id(1, false), Some(row("A", "c:options")));
        directory.set(id(2, false), Some(row("A", "c:options")));
        directory.set(id(1, false), Some(row("B", "c:options")));
        assert_eq!(directory.by_name("NFO:A", true), Ok(id(2, false)));
        directory.set(id(2, false), None);
        assert_eq!(directory.by_name("NFO:A", true), Err(NotFound::Nowhere));
        assert_eq!(directory.len(), 1);
    }

    #[test]
    fn newest_ticks_are_beside_the_channel() {
        let row = row("A", "ticker:nifty:options");
        assert_eq!(row.last_value_key(false), "ticker:nifty:last");
        assert_eq!(row.last_value_key(true), "mock:ticker:nifty:last");
        assert!(StreamedInstrument::parse(b"{}").is_none());
    }
}
