//! Statuses, events, the memory for the next pass, and the time of the next pass.
//!
//! Must not change the placement, nor decide whether an object is ready.

mod change;
mod events;
mod holders;
mod outcome;
mod status;
mod summary;

pub use change::Change;
pub use outcome::{AccountPlan, Event, Kind, Plan, SetPlan};

pub(crate) use change::SetResult;
pub(crate) use holders::SetCounts;
#[cfg(test)]
pub(crate) use status::find;
pub(crate) use summary::report;
