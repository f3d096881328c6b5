//! The directory of streaming instruments in Redis.
//!
//! Owns this account's rows of it, and its own connections to Redis beside those that carry ticks,
//! which it never delays.

pub(crate) mod listing;
pub(crate) mod pool;
mod row;
mod store;
mod sync;
pub(crate) mod task;
