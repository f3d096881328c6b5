//! A span of time in which a market does one thing.
//!
//! Must not know when that is.

use jiff::Timestamp;
use kite::MarketSession;

/// A session that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// What the market does in it.
    pub session: MarketSession,
}

impl Span {
    /// Whether it has this moment.
    #[must_use]
    pub fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}
