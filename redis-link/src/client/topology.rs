//! The slots of a cluster: when they are read, and what follows from the answer.
//!
//! Must not disturb links to masters that stay.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use service::text::{LONGEST_REASON, printable};

use super::RedisClient;
use crate::link::Link;
use crate::slots::Slots;
use crate::target::{ServerTarget, Target};
use crate::topology::{TopologyError, fetch_topology};
use service::address::Address;

/// How often the slots are read while something has moved.
const FETCH_EVERY: Duration = Duration::from_secs(1);

impl RedisClient {
    pub(super) fn poll_topology(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.topology_fetch.is_none()
            && self.next_fetch.is_none_or(|next| now >= next)
            && self.is_map_doubtful(Some(now))
        {
            self.asked_for_moved = std::mem::take(&mut self.moved);
            let fetch = fetch_topology(self.known_nodes(), self.access.clone(), self.name.clone());
            self.topology_fetch = Some(Box::pin(fetch));
        }
        let fetch = self.topology_fetch.as_mut();
        let Some(Poll::Ready(answer)) = fetch.map(|fetch| fetch.as_mut().poll(cx)) else {
            return false;
        };
        self.topology_fetch = None;
        self.next_fetch = Some(now + FETCH_EVERY);
        match answer {
            Ok(slots) => self.adopt(slots, now),
            Err(error) => {
                // The last request is still open.
                self.moved = true;
                self.complain(&error, now);
            }
        }
        true
    }

    /// The nodes to ask: the known masters, then those that the target names.
    fn known_nodes(&self) -> Vec<Address> {
        let mut nodes = self.slots.masters().to_vec();
        if let Some(Target::Cluster(cluster)) = &self.target {
            let seeds = cluster.nodes.iter();
            let others = seeds.filter(|seed| !self.slots.masters().contains(seed));
            nodes.extend(others.cloned());
        }
        nodes
    }

    /// Whether the slots should be read: they are not known, another node has a key, or a master is
    /// away or, at `now`, silent.
    pub(super) fn is_map_doubtful(&self, now: Option<Instant>) -> bool {
        let well = |link: &Link| link.is_open() && !now.is_some_and(|now| link.is_silent(now));
        matches!(self.target, Some(Target::Cluster(_)))
            && (self.moved || !self.slots.is_whole() || !self.links.iter().all(well))
    }

    /// Takes over a slot map. Links to masters that stay are not disturbed.
    fn adopt(&mut self, slots: Slots, now: Instant) {
        self.topology_error = None;
        let broadcast = self.slots.masters().get(self.broadcast).cloned();
        let before = std::mem::replace(&mut self.slots, slots);
        let links = std::mem::take(&mut self.links).into_iter();
        let mut old: Vec<(Address, Link)> = before.masters().iter().cloned().zip(links).collect();
        for master in self.slots.masters().to_vec() {
            let known = old.iter().position(|(address, _)| *address == master);
            let link = match known {
                Some(at) => old.swap_remove(at).1,
                None => self.link_to(&ServerTarget::node(master), true),
            };
            self.links.push(link);
        }
        for (_, link) in old {
            // A stopped master that was replaced must not get old commands any more.
            if link.is_silent(now) {
                self.retire(link);
            } else {
                self.draining.push(link);
            }
        }
        // A new broadcast link could overtake messages of the old one: it waits until those are
        // answered.
        let stays = broadcast
            .and_then(|broadcast| self.slots.masters().iter().position(|it| *it == broadcast));
        self.handover = stays.is_none() && !self.draining.is_empty();
        self.broadcast = stays.or_else(|| self.slots.owner(0)).unwrap_or_default();
        // Keys that were rejected because another node has them are written again, with any map.
        if self.asked_for_moved || self.slots != before {
            self.changes += 1;
        }
    }

    fn complain(&mut self, error: &TopologyError, now: Instant) {
        let text = service::exit::chain(error).to_string();
        let text = printable(&text, LONGEST_REASON);
        // Logged once per reason, not once per try.
        if self.topology_error.as_ref() != Some(&text)
            && let Some(suppressed) = self.lines.take(now)
        {
            tracing::warn!(error = %text, suppressed, "the slots of the redis cluster cannot be read, retrying");
        }
        self.topology_error = Some(text);
    }
}
