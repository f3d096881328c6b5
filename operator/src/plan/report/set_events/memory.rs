//! What is remembered of the events of sets.
//!
//! Owns types only.

use rustc_hash::FxHashMap;

use super::paced::Paced;
use super::relocations::Relocations;
use super::roll::Roll;
use crate::plan::input::Key;

/// What was sent lately, and what waits to be sent, by set. Sets of which nothing was sent lately are not in it.
pub(crate) type SetEventMemory = FxHashMap<Key, SetEvents>;

/// That of one set.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetEvents {
    /// Identity of the set.
    pub(super) uid: String,
    pub(super) relocations: Paced<Relocations>,
    pub(super) roll: Paced<Roll>,
}
