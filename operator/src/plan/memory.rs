//! What one pass leaves to the next.
//!
//! Owns no decision: with an empty memory the planner reaches the same assignments from what was
//! observed, and without the results of its steps the very same plan.

use std::sync::Arc;

use super::input::Kept;
use super::input::{Lacking, Remembered};
use super::placement::GroupPlacement;
use super::report::SetCounts;
use super::selection::Lookup;

/// What one pass leaves to the next; start with the default.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub(crate) remembered: Remembered,
    pub(crate) results: Results,
}

/// What the steps of a pass came to, so that the next need not go through every instrument again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    /// By account: how much of what streams its instruments list lacks.
    pub(crate) lacking: Kept<Lacking>,
    /// By set: what its selectors mean.
    pub(crate) lookups: Kept<Arc<Lookup>>,
    /// By the first account of a group: where everything of the group is.
    pub(crate) placements: Kept<Arc<GroupPlacement>>,
    /// The accounts whose base says what they should stream.
    pub(crate) unchanged: Kept<()>,
    /// By account: how many instruments of each set it has.
    pub(crate) set_counts: Kept<SetCounts>,
}
