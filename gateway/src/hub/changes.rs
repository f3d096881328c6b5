//! What follows when channels come again, when ticks were missed, and when instruments go to other channels.
//!
//! Owns who is told of a gap, and that a new channel is joined before the old one is left. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ClientId, Followed, HubState};
use crate::directory::InstrumentDirectory;
use crate::instrument::InstrumentId;
use crate::outbox::Notice;
use crate::protocol::answer::{self, GapOf};

impl HubState {
    /// Tells clients what was missed, and asks for newest ticks. Returns whether there is something to read or
    /// to leave.
    pub(super) fn on_subscribed(&mut self, channel: &str, now: f64) -> bool {
        let (instruments, lost_at) = self.channels.on_subscribed(channel);
        if let Some(lost_at) = lost_at {
            self.tell_gap(instruments.iter().copied(), lost_at, now, "redis");
        }
        for id in &instruments {
            let Some(followed) = self.instruments.get_mut(id) else {
                continue;
            };
            if followed.next.as_deref() == Some(channel)
                && let Some(next) = followed.next.take()
            {
                let before = followed.move_to(next);
                self.channels.leave(&before, *id);
                self.unread.insert(*id);
                continue;
            }
            if *followed.channel != *channel {
                continue;
            }
            if lost_at.is_some() {
                followed.wait_again();
            }
            if followed.listeners.iter().any(|it| it.waits) {
                self.unread.insert(*id);
            }
        }
        !instruments.is_empty()
    }

    pub(super) fn tell_gap(
        &self,
        instruments: impl Iterator<Item = InstrumentId>,
        from: f64,
        to: f64,
        reason: &str,
    ) {
        let mut clients: BTreeMap<ClientId, Vec<u32>> = BTreeMap::new();
        for id in instruments {
            let followed = self.instruments.get(&id);
            let listeners = followed.map_or(&[][..], |it: &Followed| &it.listeners);
            for listener in listeners {
                clients.entry(listener.client).or_default().push(id.token);
            }
        }
        for (client, tokens) in clients {
            let Some(client) = self.clients.get(&client) else {
                continue;
            };
            let of = if tokens.len() == client.instruments.len() {
                GapOf::All
            } else {
                GapOf::Tokens(&tokens)
            };
            client
                .outbox
                .notice(Notice::Gap, answer::gap(&of, from, to, reason));
        }
    }

    /// Follows instruments that have gone to another channel: the new one is joined before the old one is
    /// left.
    pub(super) fn adopt(&mut self, directory: &InstrumentDirectory) {
        let HubState {
            instruments,
            channels,
            unread,
            ..
        } = self;
        for (id, followed) in instruments {
            let Some(row) = directory.get(*id) else {
                continue;
            };
            let target = followed.next.as_ref().unwrap_or(&followed.channel);
            if *target == row.channel {
                continue;
            }
            if let Some(next) = followed.next.take() {
                channels.leave(&next, *id);
            }
            if followed.channel != row.channel {
                channels.join(&row.channel, *id);
                if channels.is_subscribed(&row.channel) {
                    let before = followed.move_to(Arc::clone(&row.channel));
                    channels.leave(&before, *id);
                    unread.insert(*id);
                } else {
                    followed.next = Some(Arc::clone(&row.channel));
                }
            }
        }
    }
}

impl Followed {
    /// Every listener gets the newest tick again.
    fn wait_again(&mut self) {
        for listener in &mut self.listeners {
            listener.waits = true;
        }
    }

    /// Reads it on another channel, where its ticks have other numbers. Returns the former one.
    fn move_to(&mut self, channel: Arc<str>) -> Arc<str> {
        self.wait_again();
        self.newest = None;
        std::mem::replace(&mut self.channel, channel)
    }
}
