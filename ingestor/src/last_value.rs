//! What is stored in Redis beside the messages: last values, prices and streams.
//!
//! Owns the names of keys, the commands that write them, and when a last value is due. Must not send
//! anything: the pipeline does.

pub(crate) mod keys;
mod queue;
pub(crate) mod schedule;
