//! Instruments by words.

use jiff::civil::Date;
use kite::InstrumentType;
use serde::{Deserialize, Serialize};

use super::{Shorten, halve};

/// The instruments that match a query, best first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FindAnswer {
    /// At most [`MOST_FOUND`](super::MOST_FOUND).
    #[serde(default)]
    pub instruments: Vec<FoundInstrument>,
    /// How many more match.
    #[serde(default)]
    pub more: u32,
    /// If none matches: what may have been meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similar: Option<String>,
    /// Instruments lists that could not be searched, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_lists: Vec<String>,
    /// Whether instruments are left out beyond those that `more` counts, or sets that select one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One instrument of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundInstrument {
    /// `EXCHANGE:TRADINGSYMBOL`, as a set names it.
    pub symbol: String,
    /// Kite's number for it today.
    pub token: u32,
    /// Company or underlying, as the list has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Kind of contract.
    #[serde(rename = "type")]
    pub instrument_type: InstrumentType,
    /// Segment, such as `NFO-OPT`.
    #[serde(default)]
    pub segment: String,
    /// Day of expiry, for derivatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Date>,
    /// Strike in rupees, for options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strike: Option<f64>,
    /// Quantity of one lot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_size: Option<u32>,
    /// Smallest price step in rupees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_size: Option<f64>,
    /// The sets that select it.
    #[serde(default)]
    pub used_by: Vec<InstrumentUse>,
}

/// A set that selects an instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentUse {
    /// Namespace of the set; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// The set.
    pub set: String,
    /// The account that streams it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Why none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
}

impl Shorten for FindAnswer {
    fn shorten(&mut self) -> bool {
        let mut found = self.instruments.iter_mut();
        let shorter = match found.len() {
            // One that very many sets select.
            1 => found.any(|it| halve(&mut it.used_by)),
            _ => halve(&mut self.instruments),
        };
        self.truncated |= shorter;
        shorter
    }
}
