//! The JSON of a tick.
//!
//! Owns every byte that consumers parse, as pure functions. Must not know sockets or Redis, and must
//! not decide what a packet is.

pub(crate) mod decimal;
pub(crate) mod greeks;
pub(crate) mod render;
pub(crate) mod template;
pub(crate) mod writer;
