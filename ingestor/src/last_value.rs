//! What is stored in Redis beside the messages: last values, prices, streams and chains.
//!
//! Owns the names of keys, the commands that write them, and when a last value is due. Must not send
//! anything: the pipeline does.

pub(crate) mod chain_hash;
pub(crate) mod keys;
mod queue;
pub(crate) mod schedule;
