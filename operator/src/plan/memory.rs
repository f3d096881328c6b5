//! What one pass leaves to the next.
//!
//! Owns no decision. Without the results of its steps the planner returns the very same plan. With an
//! empty memory it reaches the same assignments from what was observed, except that an instruments
//! list that was accepted after an hour of suspicion is suspected again, and that the API key of an
//! account whose Secret cannot be read at present is unknown.

use std::sync::Arc;

use super::input::Kept;
use super::input::{Lacking, Remembered};
use super::placement::GroupPlacement;
use super::report::{SetCounts, SetResult};
use super::selection::Lookup;

/// What one pass leaves to the next; start with the default.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub(crate) remembered: Remembered,
    pub(crate) results: Results,
}

/// The results of a pass's steps, so that the next pass need not go through every instrument again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    /// By account: how many of its streaming instruments the instruments list lacks.
    pub(crate) lacking: Kept<Lacking>,
    /// By set: the instruments that its selectors select.
    pub(crate) lookups: Kept<Arc<Lookup>>,
    /// By the first account of a group: the placement of the group.
    pub(crate) placements: Kept<Arc<GroupPlacement>>,
    /// The accounts whose base already is what they should stream.
    pub(crate) unchanged: Kept<()>,
    /// By account: how many instruments of each set it has.
    pub(crate) set_counts: Kept<SetCounts>,
    /// By set: how what it says of itself differs from what stands there.
    pub(crate) set_reports: Kept<SetResult>,
}
