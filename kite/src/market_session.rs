//! What a market does at a time of the day.
//!
//! Owns the words for it in ticks, files and tables. Must not know when that is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a market does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum MarketSession {
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

impl MarketSession {
    /// The word for it.
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

impl fmt::Display for MarketSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
