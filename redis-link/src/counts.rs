//! Counts of commands by their result.

/// Counts over all links since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Messages answered without an error.
    pub published: u64,
    /// Messages answered with an error.
    pub failed: u64,
    /// Messages written to a link that ended before it answered, or left over when the link
    /// switched to another server.
    pub unknown: u64,
    /// Commands that write keys, answered without an error.
    pub keys_written: u64,
    /// Commands that write keys, answered with an error.
    pub keys_refused: u64,
    /// Links opened after the first.
    pub reconnects: u64,
}

impl LinkCounts {
    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            published: self.published + other.published,
            failed: self.failed + other.failed,
            unknown: self.unknown + other.unknown,
            keys_written: self.keys_written + other.keys_written,
            keys_refused: self.keys_refused + other.keys_refused,
            reconnects: self.reconnects + other.reconnects,
        }
    }

    /// Messages that, as far as is known, did not reach readers.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.failed + self.unknown
    }
}
