//! What a market does at a time of the day, and the span of time in which it does so.
//!
//! Must not know when that is.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a market does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// Orders are collected for the opening price.
    PreOpen,
    /// It trades.
    Open,
    /// Orders are collected for the closing price.
    Auction,
    /// It trades at the closing price.
    PostClose,
    /// None of these.
    #[default]
    Closed,
}

impl Session {
    /// The word for it in ticks, files and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreOpen => "pre_open",
            Self::Open => "open",
            Self::Auction => "auction",
            Self::PostClose => "post_close",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A session that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// What the market does in it.
    pub session: Session,
}

impl Span {
    /// Whether it has this moment.
    #[must_use]
    pub fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}
