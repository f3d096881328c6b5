//! What the hub and its clients did so far.
//!
//! Owns the counts.

use super::{ClientId, Hub};
use crate::outbox::OutboxCounts;

/// Counts over all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HubCounts {
    /// Ticks read from Redis.
    pub(crate) ticks: u64,
    /// Ticks that were not newer than what was known.
    pub(crate) repeated: u64,
    /// Messages that are no ticks.
    pub(crate) invalid: u64,
    /// How often messages of a channel were missed.
    pub(crate) gaps: u64,
    /// Instruments that are wanted now.
    pub(crate) instruments: usize,
    /// Channels that are wanted now.
    pub(crate) channels: usize,
    /// Subscriptions of all clients now.
    pub(crate) subscriptions: usize,
}

/// What one client has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientStats {
    pub(crate) subscriptions: usize,
    pub(crate) counts: OutboxCounts,
}

impl Hub {
    /// The counts so far.
    pub(crate) fn counts(&self) -> HubCounts {
        let state = self.lock();
        let subscriptions = state.clients.values().map(|it| it.instruments.len()).sum();
        HubCounts {
            instruments: state.instruments.len(),
            channels: state.channels.len(),
            subscriptions,
            ..state.counts
        }
    }

    /// What a client has; none if it has left.
    pub(crate) fn client(&self, client: ClientId) -> Option<ClientStats> {
        let state = self.lock();
        let entry = state.clients.get(&client)?;
        Some(ClientStats {
            subscriptions: entry.instruments.len(),
            counts: entry.outbox.counts(),
        })
    }
}
