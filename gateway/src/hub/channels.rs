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
    /// What is to be joined and left; what is left is forgotten.
    pub(super) fn take_wishes(&mut self) -> Vec<Wish> {
        let wishes = std::mem::take(&mut self.wishes);
        for (channel, _) in wishes.iter().filter(|(_, wanted)| !wanted) {
            self.ticks.remove(channel);
        }
        wishes
    }

    pub(super) const fn has_wishes(&self) -> bool {
        !self.wishes.is_empty()
    }

    pub(super) fn join(&mut self, channel: &Arc<str>, id: InstrumentId) {
        let wishes = &mut self.wishes;
        let entry = self.ticks.entry(Arc::clone(channel)).or_default();
        if entry.instruments.is_empty() {
            wish(wishes, channel, true);
            // Who comes now has missed nothing.
            entry.lost_at = None;
        }
        entry.instruments.insert(id);
    }

    pub(super) fn leave(&mut self, channel: &Arc<str>, id: InstrumentId) {
        let Some(entry) = self.ticks.get_mut(channel) else {
            return;
        };
        // It is kept until it has been left: if somebody joins before, it is still subscribed to.
        if entry.instruments.remove(&id)
            && entry.instruments.is_empty()
            && wish(&mut self.wishes, channel, false)
        {
            self.ticks.remove(channel);
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
            wish(wishes, channel, true);
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
            wish(&mut self.wishes, channel, false);
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
        let channels = self.ticks.values();
        channels.filter(|it| !it.instruments.is_empty()).count()
    }
}

/// Adds a wish. Returns whether it only took back the opposite one.
fn wish(wishes: &mut Vec<Wish>, channel: &Arc<str>, wanted: bool) -> bool {
    let opposite = wishes
        .iter()
        .position(|(it, before)| it == channel && *before != wanted);
    match opposite {
        Some(at) => {
            wishes.remove(at);
        }
        None => wishes.push((Arc::clone(channel), wanted)),
    }
    opposite.is_some()
}
