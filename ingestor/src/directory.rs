//! The directory of streaming instruments in Redis.
//!
//! Owns which rows of it are this account's, keeping them as they should be, and connections of its
//! own beside those that carry ticks, which it never holds up.

pub(crate) mod listing;
pub(crate) mod pool;
mod row;
mod sync;
pub(crate) mod task;
