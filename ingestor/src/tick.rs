//! What becomes of a packet: its time, whether it is a snapshot, and its JSON.
//!
//! Owns the rules that consumers rely on, as pure functions. Must not know sockets or Redis.

pub mod decimal;
pub mod face;
pub mod pen;
pub mod render;
pub mod rules;
