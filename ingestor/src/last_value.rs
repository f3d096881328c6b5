//! What is stored in Redis beside the messages: last values, prices and streams.
//!
//! Owns the names of keys, when a last value is written, and the commands that write it. Must not
//! publish messages or delay them.

pub(crate) mod keys;
mod queue;
pub(crate) mod schedule;
pub(crate) mod writer;
