//! The links to one Redis: a single one, or one to each master of a cluster.
//!
//! Owns which link is used for a command, and when the slots of a cluster are read again. Plain
//! messages reach the subscribers of every node, so all of them go over one link, the broadcast
//! link, in their order; keys, and messages to sharded channels, go to the owner of their slot.
//! Driven by polling from one task; must not know what a tick is.

mod topology;
mod view;

use std::task::Context;
use std::time::Instant;

use service::text::LineQuota;

use super::access::Access;
use super::counts::LinkCounts;
use super::link::Link;
use super::send_queue::CommandKind;
use super::slots::Slots;
use super::target::{ClusterTarget, ServerTarget, Target};
use super::topology::TopologyFetch;

/// The links to one Redis, a single server or a cluster.
pub struct RedisClient {
    access: Access,
    name: String,
    random: fastrand::Rng,
    target: Option<Target>,
    /// One, or one per master in the order of `slots`.
    links: Vec<Link>,
    /// Links to former masters, until their commands are answered.
    draining: Vec<Link>,
    slots: Slots,
    /// Position of the link that carries plain messages.
    broadcast: usize,
    /// The running request for a slot map.
    topology_fetch: Option<TopologyFetch>,
    /// The time of the next request.
    next_fetch: Option<Instant>,
    topology_error: Option<String>,
    /// A node answered that another one has a key.
    moved: bool,
    /// The value of that flag when the slots were last read.
    asked_for_moved: bool,
    /// A former broadcast link still has unanswered messages; the next one waits for that.
    handover: bool,
    lines: LineQuota,
    /// Counts of links that were closed, and of commands without a link.
    past: LinkCounts,
    /// The part of [`RedisClient::changes`] from closed links and new slot maps.
    changes: u64,
}

impl std::fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisClient")
            .field("target", &self.target)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl RedisClient {
    /// Links without a target yet. `name` is their name in CLIENT LIST: without spaces, and unique
    /// to this process.
    #[must_use]
    pub fn new(access: Access, name: String, seed: u64) -> Self {
        Self {
            access,
            name,
            random: fastrand::Rng::with_seed(seed),
            target: None,
            links: Vec::new(),
            draining: Vec::new(),
            slots: Slots::default(),
            broadcast: 0,
            topology_fetch: None,
            next_fetch: None,
            topology_error: None,
            moved: false,
            asked_for_moved: false,
            handover: false,
            lines: LineQuota::for_reasons(),
            past: LinkCounts::default(),
            changes: 0,
        }
    }

    /// Switches to `target`; does nothing if the links already lead there.
    pub fn set_target(&mut self, target: &Target) {
        if self.target.as_ref() == Some(target) {
            return;
        }
        let before = self.target.replace(target.clone());
        match (before, target) {
            (Some(Target::Server(_)), Target::Server(server)) => {
                for link in &mut self.links {
                    link.set_target(server);
                }
            }
            (_, target) => {
                let links = std::mem::take(&mut self.links);
                let draining = std::mem::take(&mut self.draining);
                for link in links.into_iter().chain(draining) {
                    self.retire(link);
                }
                self.slots = Slots::default();
                self.broadcast = 0;
                self.moved = false;
                self.topology_fetch = None;
                self.next_fetch = None;
                self.topology_error = None;
                if let Target::Server(server) = target {
                    let link = self.link_to(server, false);
                    self.links.push(link);
                }
            }
        }
    }

    /// Whether one more message may be pushed now.
    #[inline]
    #[must_use]
    pub fn can_take(&self) -> bool {
        let links = self.tick_links();
        !self.handover && !links.is_empty() && links.iter().all(Link::can_take)
    }

    /// Whether any key may be pushed now.
    #[inline]
    #[must_use]
    pub fn can_write_key(&self) -> bool {
        self.links.iter().any(Link::can_take)
    }

    /// Whether a key of `slot` may be pushed now.
    #[inline]
    #[must_use]
    pub fn can_write_key_in(&self, slot: u16) -> bool {
        let at = self.at(CommandKind::Key, slot);
        at.is_some_and(|at| self.links.get(at).is_some_and(Link::can_take))
    }

    /// Appends one command about a key or channel of `slot`. Messages are to be pushed only while
    /// [`RedisClient::can_take`]. A stream's entry is pushed with its message, but its master may be
    /// another one, away or stopped: an entry that it cannot take counts as not kept.
    #[inline]
    pub fn push(&mut self, kind: CommandKind, slot: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.at(kind, slot);
        // No node owns the slot, which is a temporary state of a cluster.
        self.moved |= at.is_none();
        // With one link, messages wait for it, so that it is never much too full.
        let many = self.links.len() > 1;
        let link = at.and_then(|at| self.links.get_mut(at));
        match link.filter(|link| link.has_room() || (!many && link.is_open())) {
            Some(link) => link.push(kind, write),
            None if kind == CommandKind::Message => self.past.failed += 1,
            None => self.past.keys_refused += 1,
        }
    }

    /// Position of the link for a command, if any node owns the slot.
    #[inline]
    fn at(&self, kind: CommandKind, slot: u16) -> Option<usize> {
        match &self.target {
            Some(Target::Cluster(cluster)) => match kind {
                CommandKind::Message if !cluster.sharded => Some(self.broadcast),
                CommandKind::Message | CommandKind::Key | CommandKind::Question => {
                    self.slots.owner(slot)
                }
            },
            Some(Target::Server(_)) | None => Some(0),
        }
    }

    /// Changes whenever a server may have lost the keys written before.
    #[must_use]
    pub fn changes(&self) -> u64 {
        let links = self.links.iter().chain(&self.draining);
        links.fold(self.changes, |sum, link| sum + link.forgotten())
    }

    /// Whether messages are accepted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let links = self.tick_links();
        !links.is_empty() && links.iter().all(Link::is_open)
    }

    /// Whether every command was answered, or can no longer be.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let mut links = self.links.iter().chain(&self.draining);
        links.all(Link::is_idle)
    }

    /// The counts over all links.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        let links = self.links.iter().chain(&self.draining);
        links.fold(self.past, |sum, link| sum.plus(link.counts()))
    }

    /// Why messages are not accepted at `now`; `None` while they are.
    #[must_use]
    pub fn messages_error(&self, now: Instant) -> Option<String> {
        if self.links.is_empty() {
            let error = self.topology_error.clone();
            return Some(error.unwrap_or_else(|| "not connected yet".to_owned()));
        }
        let mut links = self.tick_links().iter();
        let trouble = links.find_map(|link| link.messages_error(now));
        let sharded = self.target.as_ref().is_some_and(Target::is_sharded);
        trouble.or_else(|| self.holes().filter(|_| sharded))
    }

    /// The message about slots without a master.
    fn holes(&self) -> Option<String> {
        let clustered = matches!(self.target, Some(Target::Cluster(_)));
        let holes = clustered && !self.slots.is_whole();
        holes.then(|| "some slots of the redis cluster have no master: assign them".to_owned())
    }

    /// Why keys are not written at `now`.
    #[must_use]
    pub fn keys_error(&self, now: Instant) -> Option<String> {
        let refused = self.links.iter().find_map(|link| link.keys_error(now));
        refused.or_else(|| self.holes()).or_else(|| {
            let mut links = self.links.iter();
            let away = links.find_map(|link| link.messages_error(now))?;
            let ticks_flow = self.messages_error(now).is_none();
            ticks_flow.then(|| format!("a master of the redis cluster accepts no writes: {away}"))
        })
    }

    /// Forgets rejections of keys, because other keys, or none, are written from now on.
    pub fn reset_key_rejections(&mut self) {
        self.links.iter_mut().for_each(Link::reset_key_rejections);
    }

    /// When [`RedisClient::poll`] has to be called even if no socket wakes it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let links = self.links.iter().chain(&self.draining);
        let fetch = self
            .next_fetch
            .filter(|_| self.topology_fetch.is_none() && self.is_map_doubtful(None));
        links.filter_map(Link::deadline).chain(fetch).min()
    }

    /// Reads and writes as far as possible now; connects when it is time. Returns whether a link
    /// was opened or lost, or an attempt to read the slots of a cluster ended.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut changed = false;
        for link in self.links.iter_mut().chain(&mut self.draining) {
            changed |= link.poll(cx, now);
            self.moved |= link.take_moved();
        }
        let over = |link: &mut Link| link.is_idle() || link.is_silent(now);
        let gone = self.draining.extract_if(.., over);
        for link in gone.collect::<Vec<_>>() {
            self.retire(link);
        }
        self.handover &= !self.draining.is_empty();
        changed | self.poll_topology(cx, now)
    }

    fn tick_links(&self) -> &[Link] {
        match &self.target {
            Some(Target::Cluster(ClusterTarget { sharded: false, .. })) => self
                .links
                .get(self.broadcast..=self.broadcast)
                .unwrap_or_default(),
            _ => &self.links,
        }
    }

    fn link_to(&mut self, server: &ServerTarget, clustered: bool) -> Link {
        let seed = self.random.u64(..);
        let mut link = Link::new(self.access.clone(), self.name.clone(), seed, clustered);
        link.set_target(server);
        link
    }

    fn retire(&mut self, mut link: Link) {
        link.abandon();
        self.past = self.past.plus(link.counts());
        self.changes += link.forgotten();
    }
}
