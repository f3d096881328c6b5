//! Statistics of the exchange.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Exchange, Sent};

/// One open connection.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionStatistics {
    /// Its number.
    pub id: u64,
    /// Its API key.
    pub api_key: String,
    /// Subscribed tokens by mode, unknown ones included.
    pub subscribed: BTreeMap<&'static str, usize>,
    /// Whether it gets no packets because of a fault.
    pub muted: bool,
    /// Bytes that wait for its socket.
    pub queued_bytes: usize,
    /// What was written to its socket.
    pub sent: Sent,
}

/// Totals since the start.
#[derive(Clone, Debug, Serialize)]
pub struct Statistics {
    /// Open connections.
    pub connections: BTreeMap<u64, Sent>,
    /// By API key, ended connections included.
    pub api_keys: BTreeMap<String, Sent>,
    /// Instruments with subscribers.
    pub watched: usize,
    /// Whether the market is paused.
    pub paused: bool,
}

impl Exchange {
    /// Every open connection, oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionStatistics> {
        let report = |connection: &super::ClientConnection| {
            let mut subscribed = BTreeMap::new();
            for subscription in connection.subscriptions.values() {
                *subscribed.entry(subscription.mode.as_str()).or_default() += 1;
            }
            ConnectionStatistics {
                id: connection.handle.id,
                api_key: connection.handle.api_key.to_string(),
                subscribed,
                muted: connection.muted,
                queued_bytes: connection.handle.queued(),
                sent: connection.handle.sent(),
            }
        };
        self.connections.values().map(report).collect()
    }

    /// What was sent so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut api_keys: BTreeMap<String, Sent> = self
            .ended
            .iter()
            .map(|(key, sent)| (key.to_string(), *sent))
            .collect();
        let mut connections = BTreeMap::new();
        for connection in self.connections.values() {
            let sent = connection.handle.sent();
            connections.insert(connection.handle.id, sent);
            let total = api_keys
                .entry(connection.handle.api_key.to_string())
                .or_default();
            *total = total.plus(sent);
        }
        let watched = self
            .watchers
            .iter()
            .filter(|watchers| !watchers.is_empty())
            .count();
        Statistics {
            connections,
            api_keys,
            watched,
            paused: self.paused,
        }
    }
}
