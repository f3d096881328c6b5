//! Events for back ends: what happened to connections, credentials, orders and instruments.
//!
//! Owns when something is an event, its JSON, the channels it goes to and the commands that publish
//! it. Must not wait for Redis on the data plane's thread.

pub(crate) mod detect;
pub(crate) mod event;
pub(crate) mod message;
pub(crate) mod publish;

use std::sync::atomic::AtomicU64;

/// Events that may wait for Redis; more are lost and counted.
pub(crate) const EVENT_QUEUE: usize = 10_000;

/// What was done, for metrics.
#[derive(Debug, Default)]
pub(crate) struct EventCounts {
    /// Events and orders that Redis took.
    pub(crate) published: AtomicU64,
    /// Events and orders for which there was no room.
    pub(crate) lost: AtomicU64,
    /// Connections that failed.
    pub(crate) failures: AtomicU64,
}
