//! Statuses, events, the memory for the next pass, and the time of the next pass.
//!
//! Must not change the placement, nor decide whether an object is ready.

mod account;
mod events;
mod holders;
mod object;
mod outcome;
mod results;
mod set;
mod set_events;
mod silent_markets;
mod status;
mod summary;
mod token_targets;
mod webhooks;

pub(crate) use outcome::SetRelocation;
pub use outcome::{
    AccountPlan, Event, EventReason, Failover, Kind, LoginTarget, Plan, SessionTarget, SetPlan,
    TokenOwner, TokenTarget, WebhookCall, WebhookReason,
};
pub use status::Change;

pub use results::MoveCounts;
pub(crate) use results::{AssignmentCounts, SetResult};
pub(crate) use set_events::SetEventMemory;
pub(crate) use status::LONGEST_MESSAGE;
#[cfg(test)]
pub(crate) use status::find;
pub(crate) use summary::report;
