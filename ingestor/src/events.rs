//! Events for back ends: what happened to connections, credentials, orders and instruments.
//!
//! Owns when something is an event, its JSON and its channels. Must not send them:
//! the task of [`crate::directory`] does.

pub(crate) mod alive;
pub(crate) mod audience;
pub(crate) mod detect;
pub(crate) mod event;
pub(crate) mod market;
pub(crate) mod message;

use std::sync::atomic::AtomicU64;

/// Events that may wait for Redis; further ones are lost and counted.
pub(crate) const EVENT_QUEUE: usize = 10_000;

/// Counters for metrics.
#[derive(Debug, Default)]
pub(crate) struct EventCounts {
    /// Events and order updates that Redis accepted.
    pub(crate) published: AtomicU64,
    /// Events and order updates that were dropped because too many were waiting.
    pub(crate) lost: AtomicU64,
    /// Channels of events that Redis refused.
    pub(crate) refused_channels: AtomicU64,
    /// Entries in the log of events that Redis refused, and those that were therefore left out.
    pub(crate) refused_log: AtomicU64,
    /// Tries to keep the directory that Redis refused.
    pub(crate) refused_directory: AtomicU64,
    /// Signs of life that Redis refused.
    pub(crate) refused_alive: AtomicU64,
    /// Failed connections.
    pub(crate) failures: AtomicU64,
}
