//! Values by token: hardly ever more than one, so that they stand in one list instead of one each.
//!
//! Must not know what they mean.

use crate::plan::ids::TokenIx;

/// After this value of a token no other follows.
const LAST: u32 = u32::MAX;

/// Values by token, each token's in the order in which they came.
pub(super) struct ByToken<T> {
    /// Position of the first value of each token.
    first: Vec<u32>,
    /// The values, each with the position of the next of its token.
    values: Vec<(T, u32)>,
}

impl<T> ByToken<T> {
    /// Without values, for so many tokens.
    pub(super) fn new(tokens: usize) -> Self {
        Self {
            first: vec![LAST; tokens],
            values: Vec::with_capacity(tokens),
        }
    }

    /// Adds a value.
    pub(super) fn push(&mut self, token: TokenIx, value: T) {
        let new = u32::try_from(self.values.len()).unwrap_or(LAST);
        let mut end = &mut self.first[token.at()];
        if *end != LAST {
            let mut last = *end as usize;
            while self.values[last].1 != LAST {
                last = self.values[last].1 as usize;
            }
            end = &mut self.values[last].1;
        }
        *end = new;
        self.values.push((value, LAST));
    }

    /// The values of a token.
    pub(super) fn of(&self, token: TokenIx) -> impl Iterator<Item = &T> + Clone {
        let mut at = self.first[token.at()];
        std::iter::from_fn(move || {
            let (value, next) = self.values.get(at as usize)?;
            at = *next;
            Some(value)
        })
    }

    /// The first value of a token that `fits`, to be changed.
    pub(super) fn find(&mut self, token: TokenIx, fits: impl Fn(&T) -> bool) -> Option<&mut T> {
        let mut at = self.first[token.at()] as usize;
        while !fits(&self.values.get(at)?.0) {
            at = self.values[at].1 as usize;
        }
        Some(&mut self.values[at].0)
    }
}
