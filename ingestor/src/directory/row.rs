//! One row of the directory.
//!
//! Owns its JSON. Pure.

use contract::assignment::prefix_of;
use contract::{Assignment, Shape};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The content of a row of the directory, whichever account wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DirectoryRow {
    symbol: String,
    tradingsymbol: String,
    segment: String,
    exchange: String,
    strike: Option<f64>,
    expiry: Option<String>,
    /// When an option with Greeks expires, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiry_ts: Option<i64>,
    #[serde(rename = "type")]
    kind: String,
    lot_size: Option<u32>,
    tick_size: Option<f64>,
    pub(super) channel: String,
    set: String,
    /// Which account streams it.
    pub(super) account: String,
    pub(super) namespace: Option<String>,
    mode: String,
}

impl DirectoryRow {
    pub(super) fn new(row: &contract::Row, assignment: &Assignment) -> Self {
        // A share has its own channel, and may be on that of a chain too.
        let mut outputs = row.outputs.iter();
        let own = outputs.find(|output| output.shape == Shape::Contract);
        let channel = own.or(row.outputs.first());
        let channel = channel.map(|output| &assignment.channels[usize::from(output.channel)]);
        let set = row.sets.first();
        let set = set.map(|set| &assignment.sets[usize::from(*set)]);
        Self {
            symbol: row.symbol.to_string(),
            tradingsymbol: row.tradingsymbol.to_string(),
            segment: row.segment.to_string(),
            exchange: row.exchange.to_string(),
            strike: row.strike,
            expiry: row.expiry.map(|day| day.to_string()),
            expiry_ts: assignment.chain_of(row).map(|chain| chain.expiry_ts),
            kind: row.instrument_type.as_str().to_owned(),
            lot_size: row.lot_size,
            tick_size: row.tick_size,
            channel: channel.cloned().unwrap_or_default(),
            set: set.cloned().unwrap_or_default(),
            account: assignment.account.name.clone(),
            namespace: assignment.account.namespace.clone(),
            mode: row.mode.as_str().to_owned(),
        }
    }

    /// Reads a row; `None` if it is not a valid row.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// `EXCHANGE:TRADINGSYMBOL`.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.exchange, self.tradingsymbol)
    }

    /// Prefix of the channel on which it is published.
    #[must_use]
    pub(crate) fn prefix(&self) -> &str {
        prefix_of(&self.channel)
    }

    #[expect(
        clippy::expect_used,
        reason = "strings and numbers always serialise into memory"
    )]
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data serialises")
    }

    /// The properties of a contract, without its token.
    pub(super) fn terms(&self) -> [(&'static str, Value); 5] {
        [
            ("expiry", self.expiry.as_deref().into()),
            ("lot_size", self.lot_size.into()),
            ("strike", self.strike.into()),
            ("tick_size", self.tick_size.into()),
            ("tradingsymbol", self.tradingsymbol.as_str().into()),
        ]
    }

    /// The part of it that events contain.
    pub(super) fn members(&self, token: u32) -> Value {
        json!({
            "instrument_token": token,
            "metadata": {
                "tradingsymbol": self.tradingsymbol,
                "symbol": self.symbol,
                "exchange": self.exchange,
                "expiry": self.expiry,
                "strike": self.strike,
                "type": self.kind,
            },
        })
    }
}
