//! How everything fares: statuses, events, what to remember and when to look again.
//!
//! Must not change where anything is, nor decide whether an object is ready.

mod events;
mod holders;
mod outcome;
mod status;
mod summary;

pub use outcome::{AccountPlan, Change, Event, Kind, Plan, SetPlan};

pub(crate) use holders::SetCounts;
#[cfg(test)]
pub(crate) use status::find;
pub(crate) use summary::summary;
