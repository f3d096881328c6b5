//! The channels that are wanted, and whether they are subscribed to.
//!
//! Owns when a channel is joined and left, and since when messages on it are missed. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ClientId;
use crate::instrument::InstrumentId;
use crate::outbox::Outbox;

/// A channel that is to be joined (`true`) or left.
pub(super) type Wish = (Arc<str>, bool);

#[derive(Debug, Default)]
pub(super) struct Channels {
    ticks: FxHashMap<Arc<str>, ChannelUse>,
    orders: FxHashMap<Arc<str>, OrderUse>,
    wishes: Vec<Wish>,
}

#[derive(Debug, Default)]
struct ChannelUse {
    instruments: FxHashSet<InstrumentId>,
    is_subscribed: bool,
    /// Since when messages are missed, Unix seconds.
    lost_at: Option<f64>,
}

#[derive(Debug)]
pub(super) struct OrderUse {
    pub(super) account: Box<str>,
    pub(super) clients: Vec<(ClientId, Arc<Outbox>)>,
}

impl Channels {
    pub(super) fn take_wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    pub(super) fn join(&mut self, channel: &Arc<str>, id: InstrumentId) {
        let wishes = &mut self.wishes;
        let entry = self.ticks.entry(Arc::clone(channel)).or_insert_with(|| {
            wishes.push((Arc::clone(channel), true));
            ChannelUse::default()
        });
        entry.instruments.insert(id);
    }

    pub(super) fn leave(&mut self, channel: &Arc<str>, id: InstrumentId) {
        let Some(entry) = self.ticks.get_mut(channel) else {
            return;
        };
        entry.instruments.remove(&id);
        if entry.instruments.is_empty() {
            self.ticks.remove(channel);
            self.wishes.push((Arc::clone(channel), false));
        }
    }

    pub(super) fn join_orders(
        &mut self,
        channel: Arc<str>,
        account: &str,
        client: ClientId,
        outbox: &Arc<Outbox>,
    ) {
        let wishes = &mut self.wishes;
        let entry = self.orders.entry(channel).or_insert_with_key(|channel| {
            wishes.push((Arc::clone(channel), true));
            OrderUse {
                account: account.into(),
                clients: Vec::new(),
            }
        });
        entry.clients.push((client, Arc::clone(outbox)));
    }

    pub(super) fn leave_orders(&mut self, channel: &Arc<str>, client: ClientId) {
        let Some(entry) = self.orders.get_mut(channel) else {
            return;
        };
        entry.clients.retain(|(it, _)| *it != client);
        if entry.clients.is_empty() {
            self.orders.remove(channel);
            self.wishes.push((Arc::clone(channel), false));
        }
    }

    pub(super) fn orders(&self, channel: &str) -> Option<&OrderUse> {
        self.orders.get(channel)
    }

    pub(super) fn is_subscribed(&self, channel: &str) -> bool {
        self.ticks.get(channel).is_some_and(|it| it.is_subscribed)
    }

    /// A channel is subscribed to. Returns its instruments, and since when messages on it were missed.
    pub(super) fn on_subscribed(&mut self, channel: &str) -> (BTreeSet<InstrumentId>, Option<f64>) {
        let Some(entry) = self.ticks.get_mut(channel) else {
            return (BTreeSet::new(), None);
        };
        entry.is_subscribed = true;
        let instruments = entry.instruments.iter().copied().collect();
        (instruments, entry.lost_at.take())
    }

    /// Messages on a channel are missed from now on.
    pub(super) fn on_lost(&mut self, channel: &str, now: f64) {
        if let Some(entry) = self.ticks.get_mut(channel) {
            entry.is_subscribed = false;
            entry.lost_at.get_or_insert(now);
        }
    }

    /// How many channels of ticks are wanted.
    pub(super) fn len(&self) -> usize {
        self.ticks.len()
    }
}
