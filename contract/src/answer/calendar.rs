//! When markets trade on a date.

use jiff::civil::Date;
use kite::MarketSession;
use serde::{Deserialize, Serialize};

use super::{Shorten, halve};

/// What the calendar in force says of a date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarAnswer {
    /// The date; nothing in the answer of an operator that knows no calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// The last date whose holidays are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// What is different on that date, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Every class.
    #[serde(default)]
    pub classes: Vec<ClassDay>,
    /// Whether classes are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// The day of a class of instruments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassDay {
    /// The class.
    pub class: String,
    /// Its exchange.
    pub exchange: String,
    /// Its sessions in their order: from when until when, in epoch seconds.
    #[serde(default)]
    pub sessions: Vec<(i64, i64, MarketSession)>,
    /// When contracts end whose date this is, in epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contracts_end: Option<i64>,
}

impl Shorten for CalendarAnswer {
    fn shorten(&mut self) -> bool {
        self.truncated = true;
        halve(&mut self.classes) || halve(&mut self.notes)
    }
}
