//! Who wants which instrument, and what is known of each.
//!
//! Owns the way of a tick from its channel to the outboxes of the clients that want it: which channels are
//! wanted, the newest tick of each instrument, and what clients are told when messages were missed. A client
//! that subscribes gets the newest tick first, and then only newer ones. Its parts do I/O; this file does
//! none, and holds its lock for moments only.

mod changes;
mod channels;
mod client;
pub(crate) mod snapshots;
mod stats;
pub(crate) mod task;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kite::Mode;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;

use crate::instrument::InstrumentId;
use crate::outbox::Outbox;
use crate::tick::Tick;
use channels::Channels;
pub(crate) use stats::HubCounts;

/// A connection, in the order of their beginning.
pub(crate) type ClientId = u64;

/// Everything that clients want.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<HubState>,
    /// Channels are to be subscribed to, or left.
    pub(crate) wishes: Notify,
    /// Newest ticks are to be read.
    pub(crate) unread: Notify,
}

#[derive(Debug, Default)]
struct HubState {
    instruments: FxHashMap<InstrumentId, Followed>,
    channels: Channels,
    clients: FxHashMap<ClientId, Client>,
    /// Instruments whose newest tick is to be read from Redis, because a client waits for it.
    unread: BTreeSet<InstrumentId>,
    counts: HubCounts,
}

/// An instrument that at least one client wants.
#[derive(Debug)]
struct Followed {
    channel: Arc<str>,
    /// The channel that it has gone to, until that is subscribed to.
    next: Option<Arc<str>>,
    listeners: Vec<Listener>,
    newest: Option<Arc<Tick>>,
}

#[derive(Debug)]
struct Listener {
    client: ClientId,
    outbox: Arc<Outbox>,
    mode: Mode,
    /// It has not had a tick since it subscribed, or since messages were missed.
    waits: bool,
}

#[derive(Debug)]
struct Client {
    outbox: Arc<Outbox>,
    instruments: FxHashSet<InstrumentId>,
    orders: BTreeSet<Arc<str>>,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the task that joins and leaves channels, if there is something for it: who asks for nothing new
    /// must not keep it from reading.
    fn tell_wishes(&self, state: MutexGuard<'_, HubState>) {
        let has_wishes = state.channels.has_wishes();
        drop(state);
        if has_wishes {
            self.wishes.notify_one();
        }
    }

    /// Adds a client without a subscription.
    pub(crate) fn connect(&self, client: ClientId, outbox: Arc<Outbox>) {
        let client_state = Client {
            outbox,
            instruments: FxHashSet::default(),
            orders: BTreeSet::new(),
        };
        self.lock().clients.insert(client, client_state);
    }

    /// Removes a client with its subscriptions.
    pub(crate) fn disconnect(&self, client: ClientId) {
        let mut state = self.lock();
        let Some(gone) = state.clients.remove(&client) else {
            return;
        };
        for id in gone.instruments {
            state.leave(client, id);
        }
        for channel in gone.orders {
            state.channels.leave_orders(&channel, client);
        }
        self.tell_wishes(state);
    }

    /// Subscribes a client to an instrument on `channel`, or changes the mode. Returns whether it is new.
    pub(crate) fn subscribe(
        &self,
        client: ClientId,
        (id, channel): (InstrumentId, &Arc<str>),
        mode: Mode,
        now: Instant,
    ) -> bool {
        let mut state = self.lock();
        let is_new = state.subscribe(client, (id, channel), mode, now);
        let waits = state.unread.contains(&id);
        self.tell_wishes(state);
        if waits {
            self.unread.notify_one();
        }
        is_new
    }

    /// Ends a subscription. Returns whether there was one.
    pub(crate) fn unsubscribe(&self, client: ClientId, id: InstrumentId) -> bool {
        let mut state = self.lock();
        let Some(entry) = state.clients.get_mut(&client) else {
            return false;
        };
        let was = entry.instruments.remove(&id);
        if was {
            entry.outbox.forget(id);
            state.leave(client, id);
        }
        self.tell_wishes(state);
        was
    }

    /// Hands a tick of `channel` to those who want it.
    pub(crate) fn deliver(&self, channel: &str, tick: Tick, now: Instant) {
        let mut state = self.lock();
        state.counts.ticks += 1;
        let Some(followed) = state.instruments.get_mut(&tick.id) else {
            return;
        };
        // A share may be on the channel of a chain besides.
        if *followed.channel != *channel {
            return;
        }
        if let Some(newest) = &followed.newest
            && !tick.order.is_after(&newest.order)
        {
            state.counts.repeated += 1;
            return;
        }
        let tick = Arc::new(tick);
        for listener in &mut followed.listeners {
            // One that comes before the newest was read is the first that the client gets.
            let is_first = std::mem::take(&mut listener.waits);
            listener.outbox.push(&tick, listener.mode, is_first, now);
        }
        followed.newest = Some(tick);
    }
}

impl HubState {
    fn subscribe(
        &mut self,
        client: ClientId,
        (id, channel): (InstrumentId, &Arc<str>),
        mode: Mode,
        now: Instant,
    ) -> bool {
        let Some(entry) = self.clients.get_mut(&client) else {
            return false;
        };
        let is_new = entry.instruments.insert(id);
        let outbox = Arc::clone(&entry.outbox);
        let followed = self.instruments.entry(id).or_insert_with(|| {
            self.channels.join(channel, id);
            Followed {
                channel: Arc::clone(channel),
                next: None,
                listeners: Vec::new(),
                newest: None,
            }
        });
        let known = followed.listeners.iter_mut().find(|it| it.client == client);
        let listener = match known {
            Some(listener) if listener.mode == mode => return is_new,
            Some(listener) => {
                listener.mode = mode;
                listener
            }
            None => {
                followed.listeners.push(Listener {
                    client,
                    outbox,
                    mode,
                    waits: true,
                });
                let last = followed.listeners.len() - 1;
                &mut followed.listeners[last]
            }
        };
        match &followed.newest {
            Some(newest) => {
                listener.outbox.push(newest, mode, true, now);
                listener.waits = false;
            }
            None => {
                listener.waits = true;
                if self.channels.is_subscribed(&followed.channel) {
                    self.unread.insert(id);
                }
            }
        }
        is_new
    }

    /// One listener fewer; without any, nothing is kept of the instrument.
    fn leave(&mut self, client: ClientId, id: InstrumentId) {
        let Some(followed) = self.instruments.get_mut(&id) else {
            return;
        };
        followed.listeners.retain(|it| it.client != client);
        if followed.listeners.is_empty()
            && let Some(gone) = self.instruments.remove(&id)
        {
            self.channels.leave(&gone.channel, id);
            if let Some(next) = gone.next {
                self.channels.leave(&next, id);
            }
            self.unread.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
