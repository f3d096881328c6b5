//! Positions and numbers that one pass gives, each with a type of its own.
//!
//! Owns no meaning beyond which list a number counts in. None of them outlives the pass.

/// Position of an account in the order of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountIx(u32);

impl AccountIx {
    /// The account at this position; there are fewer than 2³² of them.
    pub(crate) fn new(at: usize) -> Self {
        Self(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// The position.
    pub(crate) fn at(self) -> usize {
        self.0 as usize
    }
}
