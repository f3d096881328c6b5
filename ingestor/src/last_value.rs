//! What Redis holds of ticks beside the messages: last values, prices and streams.
//!
//! Owns the names of keys, when a last value is written, and the commands that write it. Must not
//! publish messages, and never holds one up.

pub mod keys;
pub mod schedule;
pub mod writer;
