//! What became of commands, counted.

/// What went over links since the start. An instrument on two channels makes two messages of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages of ticks answered without an error.
    pub published: u64,
    /// Messages answered with an error.
    pub failed: u64,
    /// Messages written to a link that died before it answered, or left over when the link went to
    /// another server.
    pub unknown: u64,
    /// Commands that keep something of ticks in Redis, answered without an error.
    pub kept: u64,
    /// The same, answered with an error.
    pub unkept: u64,
    /// Links opened after the first.
    pub reconnects: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            published: self.published + other.published,
            failed: self.failed + other.failed,
            unknown: self.unknown + other.unknown,
            kept: self.kept + other.kept,
            unkept: self.unkept + other.unkept,
            reconnects: self.reconnects + other.reconnects,
        }
    }

    /// Messages that readers got nothing of, as far as is known.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.failed + self.unknown
    }
}
