//! The way to Redis: one ordered link that carries every tick, or one per master of a cluster.
//!
//! Owns the protocol, the link and what waits for it. Must not know what a tick is.

pub mod access;
pub mod commands;
pub mod counts;
pub mod greeting;
pub mod link;
pub mod links;
pub mod outbox;
mod probe;
pub mod refusal;
pub mod refusing;
pub mod resp;
pub mod retry;
mod sentinel;
pub mod slots;
pub mod survey;
pub mod target;
mod wire;
