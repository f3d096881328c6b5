//! The connection to Redis: one ordered link that carries every message, or one per master of a
//! cluster.
//!
//! And the way back: channels that are subscribed to, and keys that are read.
//!
//! Owns targets, logins, the handshake, Sentinel, slots, the link and its queue, the subscriber and
//! the reader. Must not know Kite, ticks or the contract between operator and pods.

pub mod access;
pub mod client;
pub mod command_connection;
pub mod connection_pool;
pub mod counts;
pub mod error;
pub mod handshake;
pub mod introduction;
pub mod link;
mod probe;
pub mod reader;
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
pub mod subscriber;
pub mod target;
pub mod temporary;
pub mod topology;
