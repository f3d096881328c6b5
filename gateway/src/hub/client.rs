//! What one client has, and the order updates that it reads.
//!
//! Owns these questions, and which channels an account's order updates are on. Pure.

use std::sync::Arc;

use kite::Mode;

use super::{ClientId, Hub, HubState};
use crate::instrument::InstrumentId;

impl Hub {
    /// The instruments of a client with their modes, in order.
    pub(crate) fn subscriptions(&self, client: ClientId) -> Vec<(InstrumentId, Mode)> {
        let state = self.lock();
        let Some(entry) = state.clients.get(&client) else {
            return Vec::new();
        };
        let mode = |id: &InstrumentId| {
            let mut listeners = state.instruments.get(id)?.listeners.iter();
            let listener = listeners.find(|it| it.client == client)?;
            Some((*id, listener.mode))
        };
        let mut found: Vec<_> = entry.instruments.iter().filter_map(mode).collect();
        found.sort_unstable();
        found
    }

    /// How many instruments a client is subscribed to.
    pub(crate) fn total(&self, client: ClientId) -> usize {
        let state = self.lock();
        state
            .clients
            .get(&client)
            .map_or(0, |it| it.instruments.len())
    }

    /// Whether a client is subscribed to an instrument.
    pub(crate) fn has(&self, client: ClientId, id: InstrumentId) -> bool {
        let state = self.lock();
        let entry = state.clients.get(&client);
        entry.is_some_and(|it| it.instruments.contains(&id))
    }

    /// Subscribes a client to the order updates of an account.
    pub(crate) fn subscribe_orders(&self, client: ClientId, account: &str) {
        let mut state = self.lock();
        let HubState {
            clients, channels, ..
        } = &mut *state;
        if let Some(entry) = clients.get_mut(&client) {
            for channel in [
                format!("orders:{account}"),
                format!("mock:orders:{account}"),
            ] {
                let channel: Arc<str> = channel.into();
                if entry.orders.insert(Arc::clone(&channel)) {
                    channels.join_orders(channel, account, client, &entry.outbox);
                }
            }
        }
        self.tell_wishes(state);
    }

    /// Ends the order updates of a client that are not of one of `accounts`.
    pub(crate) fn keep_orders(&self, client: ClientId, accounts: &[String]) {
        let mut state = self.lock();
        let HubState {
            clients, channels, ..
        } = &mut *state;
        if let Some(entry) = clients.get_mut(&client) {
            entry.orders.retain(|channel| {
                let orders = channels.orders(channel);
                let stays = orders.is_some_and(|it| accounts.iter().any(|a| **a == *it.account));
                if !stays {
                    channels.leave_orders(channel, client);
                }
                stays
            });
        }
        self.tell_wishes(state);
    }
}
