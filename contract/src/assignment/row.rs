//! One instrument of an assignment.
//!
//! Owns the row: everything that is published about an instrument. Must not know where it goes.

use std::sync::Arc;

use jiff::civil::Date;
use kite::{InstrumentType, Mode, Token};
use serde::{Deserialize, Serialize};

use super::output::Output;

/// One instrument to stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Kite's number for it today.
    pub token: Token,
    /// The mode in which it streams.
    pub mode: Mode,
    /// Normalised underlying, or the tradingsymbol without one: `symbol` of the tick.
    #[serde(with = "crate::text")]
    pub symbol: Arc<str>,
    /// The exchange's symbol.
    #[serde(with = "crate::text")]
    pub tradingsymbol: Arc<str>,
    /// Exchange, such as `NFO`.
    #[serde(with = "crate::text")]
    pub exchange: Arc<str>,
    /// Segment by name, such as `NFO-OPT`.
    #[serde(with = "crate::text")]
    pub segment: Arc<str>,
    /// Kind of contract.
    #[serde(rename = "type")]
    pub instrument_type: InstrumentType,
    /// Strike in rupees, for options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strike: Option<f64>,
    /// Day of expiry, for derivatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Date>,
    /// Quantity of one lot, if the list has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_size: Option<u32>,
    /// Smallest price step in rupees, if the list has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_size: Option<f64>,
    /// When it trades, as a position in [`Assignment::sessions`](super::Assignment::sessions).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<u16>,
    /// The chain of an option that has Greeks, as a position in [`Assignment::chains`](super::Assignment::chains).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<u16>,
    /// The sets that select it, as positions in [`Assignment::sets`](super::Assignment::sets).
    pub sets: Vec<u16>,
    /// The outputs of its ticks; one message each.
    pub outputs: Vec<Output>,
    /// Whether its price is reported to the operator, which needs it to choose other instruments. A row that nothing else
    /// needs has no sets and no outputs, like one that only a [`Chain`](super::Chain) names, whose price the operator does not
    /// need. A process that does not know this member reports nothing: its report lacks
    /// [`FEATURE_REFERENCES`](crate::report::FEATURE_REFERENCES).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reference: bool,
    /// Whether another account takes it over: its ticks say `handover: true`, and its keys and its entry of the directory are
    /// the other's. A process that does not know this member publishes it as any other row.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handover: bool,
    /// The move by which it goes to another account or comes from it, as a position in
    /// [`Assignment::moves`](super::Assignment::moves).
    #[serde(rename = "move", default, skip_serializing_if = "Option::is_none")]
    pub move_at: Option<u16>,
    /// The trading day on which the money left it behind, if a set has it for that alone. For the operator; ingest processes do
    /// not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<Date>,
    /// What it was called, where that still matters. For the operator; ingest processes do not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Box<Former>>,
}

/// Names that an instruments list has given to another contract, or to none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Names by which sets ask for this instrument, as `EXCHANGE:TRADINGSYMBOL`: the list has them no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The token that this instrument's name meant before; it has another name now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}
