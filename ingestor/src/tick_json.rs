//! The JSON of a tick.
//!
//! Owns every byte that consumers parse, as pure functions. Must not know sockets or Redis, and must
//! not decide what a packet is.

pub mod decimal;
pub mod render;
pub mod template;
pub mod writer;
