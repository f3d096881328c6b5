//! Names that rows refer to by position.

use rustc_hash::FxHashMap;

/// Names, each once, while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    known: FxHashMap<&'a str, NameIx>,
}

/// A name, in the order in which names came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameIx(usize);

/// Where each name stands in an assignment.
#[derive(Debug)]
pub(super) struct Positions(Vec<Option<u16>>);

impl<'a> Names<'a> {
    /// The name, gathered now or before.
    pub(super) fn ix(&mut self, name: &'a str) -> NameIx {
        let next = NameIx(self.known.len());
        *self.known.entry(name).or_insert(next)
    }

    /// The names as they stand in an assignment, and where: as many as rows can refer to.
    pub(super) fn sorted(&self) -> (Vec<String>, Positions) {
        let mut names: Vec<(&str, NameIx)> =
            self.known.iter().map(|(name, ix)| (*name, *ix)).collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        let mut positions = vec![None; names.len()];
        for (at, (_, ix)) in names.iter().enumerate() {
            positions[ix.0] = u16::try_from(at).ok();
        }
        names.truncate(usize::from(u16::MAX) + 1);
        let names = names.into_iter().map(|(name, _)| name.to_owned()).collect();
        (names, Positions(positions))
    }
}

impl Positions {
    /// Where the name stands, unless it found no place.
    pub(super) fn of(&self, name: NameIx) -> Option<u16> {
        self.0.get(name.0).copied()?
    }
}
