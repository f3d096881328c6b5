//! The directory of streaming instruments in Redis, and the events for readers.
//!
//! Owns this account's rows of the directory, and connections to Redis beside those that carry
//! ticks, which it never delays: over them it writes the rows and publishes the events. Must not
//! decide what is an event, except of its rows.

mod alive;
mod delivery;
pub(crate) mod listing;
pub(crate) mod refusal;
mod row;
mod sender;
mod store;
mod sync;
pub(crate) mod task;
