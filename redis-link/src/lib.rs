//! The connection to Redis: one ordered link that carries every message, or one per master of a
//! cluster.
//!
//! Owns targets, logins, the handshake, Sentinel, slots, the link and its queue. Must not know
//! Kite, ticks or the contract between operator and pods.

pub mod access;
pub mod client;
pub mod command_connection;
pub mod counts;
pub mod error;
pub mod handshake;
pub mod introduction;
pub mod link;
mod probe;
pub mod rejections;
pub mod replies;
pub mod resp;
mod resp_stream;
pub mod retry;
pub mod rights;
mod role;
pub mod send_queue;
mod sentinel;
pub mod server_clock;
pub mod slots;
mod stream;
pub mod target;
pub mod temporary;
pub mod topology;
