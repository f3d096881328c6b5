//! Results of the report that the next pass uses again.
//!
//! Owns types only.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::condition::State;

use super::status::Change;
use super::status::set::Validity;

/// The number of instruments of each set in an assignment.
pub(crate) type SetCounts = Arc<BTreeMap<String, u32>>;

/// The part of a set's report that is neither in its status nor remembered of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetResult {
    /// The state of its `Ready`.
    pub(super) state: State,
    pub(super) change: Change,
    /// When the report holds without any news.
    pub(super) validity: Validity,
}
