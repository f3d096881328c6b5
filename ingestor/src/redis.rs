//! The way to Redis: one ordered link that carries every tick.
//!
//! Owns the protocol, the link and what waits for it. Must not know what a tick is.

pub mod access;
pub mod backlog;
pub mod greeting;
pub mod link;
pub mod outbox;
pub mod refusal;
pub mod refusing;
pub mod resp;
pub mod retry;
mod sentinel;
pub mod target;
mod wire;
