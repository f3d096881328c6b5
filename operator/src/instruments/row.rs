//! The position of an instrument in a table.

/// Position of an instrument in one table, in the order of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowIx(u32);

impl RowIx {
    pub(super) const fn new(at: u32) -> Self {
        Self(at)
    }

    pub(super) const fn at(self) -> usize {
        self.0 as usize
    }
}
