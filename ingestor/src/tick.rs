//! What becomes of a packet: its time, and whether it is a snapshot.
//!
//! Owns the rules that consumers rely on, as pure functions. Must not know sockets or Redis.

pub mod rules;
