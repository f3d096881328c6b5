//! Reads the messages of channels: over one connection, or in a cluster with sharded channels over one
//! to each master that has a channel.
//!
//! Owns which channels are wanted, over which connection each is read, and when the slots of a cluster
//! are read again. Nothing is queued here: each message is handed to the caller as it is read, and a
//! caller that is slow leaves it in the socket. Driven by polling from one task; must not know what a
//! message says.

mod connection;
mod event;
mod open;
mod push;

use std::collections::BTreeSet;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use service::address::Address;
use service::text::{LONGEST_REASON, LineQuota, printable};

use super::access::Access;
use super::slots::{Slots, slot_of};
use super::target::{ServerTarget, Target};
use super::topology::{TopologyError, TopologyFetch, fetch_topology};
use connection::SubscriberConnection;
pub use event::ChannelEvent;

/// How often the slots are read while something has moved.
const FETCH_SOON: Duration = Duration::from_secs(1);

/// How often they are read in any case: a master that lost the others goes on answering, but no messages of theirs
/// reach it.
const FETCH_EVERY: Duration = Duration::from_secs(10);

/// The subscriptions to channels of one Redis, a single server or a cluster.
pub struct Subscriber {
    access: Access,
    name: String,
    random: fastrand::Rng,
    target: Target,
    wanted: BTreeSet<Box<str>>,
    /// One, or one per master in the order of `slots`.
    connections: Vec<SubscriberConnection>,
    slots: Slots,
    /// Position of the connection that reads plain channels of a cluster: each node has all of them.
    broadcast: usize,
    topology_fetch: Option<TopologyFetch>,
    next_fetch: Option<Instant>,
    topology_error: Option<String>,
    /// Another node has a channel, or a node is away.
    moved: bool,
    lines: LineQuota,
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber")
            .field("target", &self.target)
            .field("wanted", &self.wanted.len())
            .finish_non_exhaustive()
    }
}

impl Subscriber {
    /// Without a channel yet. `name` is that of its connections in CLIENT LIST: without spaces.
    #[must_use]
    pub fn new(target: Target, access: Access, name: String, seed: u64) -> Self {
        let mut subscriber = Self {
            access,
            name,
            random: fastrand::Rng::with_seed(seed),
            target,
            wanted: BTreeSet::new(),
            connections: Vec::new(),
            slots: Slots::default(),
            broadcast: 0,
            topology_fetch: None,
            next_fetch: None,
            topology_error: None,
            moved: false,
            lines: LineQuota::for_reasons(),
        };
        if let Target::Server(server) = &subscriber.target {
            let server = server.clone();
            let connection = subscriber.connection_to(server);
            subscriber.connections.push(connection);
        }
        subscriber
    }

    /// Adds a channel. [`Subscriber::poll`] subscribes to it.
    pub fn want(&mut self, channel: &str) {
        if self.wanted.insert(channel.into())
            && let Some(connection) = self.at(channel)
        {
            self.connections[connection].want(channel);
        }
    }

    /// Removes a channel: no event of it follows.
    pub fn unwant(&mut self, channel: &str) {
        if self.wanted.remove(channel) {
            for connection in &mut self.connections {
                connection.unwant(channel);
            }
        }
    }

    /// The number of wanted channels, and how many of them are subscribed to.
    #[must_use]
    pub fn channels(&self) -> (usize, usize) {
        let connections = self.connections.iter();
        let subscribed = connections.map(SubscriberConnection::subscribed).sum();
        (self.wanted.len(), subscribed)
    }

    /// Why a wanted channel is not subscribed to; `None` while all are.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let mut errors = self.connections.iter().filter_map(|it| it.error());
        let error = errors.next().map(str::to_owned);
        let error = error.or_else(|| self.topology_error.clone());
        let (wanted, subscribed) = self.channels();
        error.or_else(|| {
            (subscribed < wanted).then(|| "not subscribed to every channel yet".to_owned())
        })
    }

    /// When [`Subscriber::poll`] has to be called even if no socket wakes it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let connections = self.connections.iter();
        let fetch = self.next_fetch.filter(|_| self.topology_fetch.is_none());
        connections
            .filter_map(SubscriberConnection::deadline)
            .chain(fetch)
            .min()
    }

    /// Reads and writes as far as possible now, connects and subscribes when it is time, and hands what
    /// happened to `emit`. The caller is woken when there is more to do.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        emit: &mut dyn FnMut(ChannelEvent<'_>),
    ) {
        self.poll_topology(cx, now, emit);
        for connection in &mut self.connections {
            connection.poll(cx, now, emit);
        }
        let clustered = matches!(self.target, Target::Cluster(_));
        let mut failed = false;
        for (at, connection) in self.connections.iter_mut().enumerate() {
            let lost = clustered && connection.take_doubt();
            self.moved |= lost;
            failed |= lost && at == self.broadcast;
        }
        // Every node has the plain channels, so that the next one is as good.
        if failed && !self.target.is_sharded() {
            self.broadcast = (self.broadcast + 1) % self.connections.len().max(1);
            self.assign(emit);
            cx.waker().wake_by_ref();
        }
        if self.moved && self.topology_fetch.is_none() {
            let soon = now + FETCH_SOON;
            self.next_fetch = Some(self.next_fetch.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Position of the connection over which `channel` is read.
    fn at(&self, channel: &str) -> Option<usize> {
        let at = match &self.target {
            Target::Server(_) => Some(0),
            Target::Cluster(cluster) if cluster.sharded => {
                self.slots.owner(slot_of(channel.as_bytes()))
            }
            Target::Cluster(_) => Some(self.broadcast),
        };
        at.filter(|at| *at < self.connections.len())
    }

    /// Gives every wanted channel to the connection over which it is read.
    fn assign(&mut self, emit: &mut dyn FnMut(ChannelEvent<'_>)) {
        let places: Vec<Option<usize>> = self.wanted.iter().map(|it| self.at(it)).collect();
        for (at, connection) in self.connections.iter_mut().enumerate() {
            let owned = self.wanted.iter().zip(&places);
            let owned = owned.filter(|(_, place)| **place == Some(at));
            connection.want_only(owned.map(|(channel, _)| channel), emit);
        }
    }

    fn poll_topology(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        emit: &mut dyn FnMut(ChannelEvent<'_>),
    ) {
        let Target::Cluster(cluster) = &self.target else {
            return;
        };
        if self.topology_fetch.is_none() && self.next_fetch.is_none_or(|next| now >= next) {
            self.moved = false;
            let nodes = nodes_to_ask(self.slots.masters(), self.broadcast, &cluster.nodes);
            let fetch = fetch_topology(nodes, self.access.clone(), self.name.clone());
            self.topology_fetch = Some(Box::pin(fetch));
        }
        let fetch = self.topology_fetch.as_mut();
        let Some(Poll::Ready(answer)) = fetch.map(|fetch| fetch.as_mut().poll(cx)) else {
            return;
        };
        self.topology_fetch = None;
        match answer {
            Ok(slots) => {
                let wait = if slots.is_whole() {
                    FETCH_EVERY
                } else {
                    FETCH_SOON
                };
                self.next_fetch = Some(now + wait);
                self.topology_error = None;
                self.adopt(slots, emit);
            }
            Err(error) => {
                self.next_fetch = Some(now + FETCH_SOON);
                self.complain(&error, now);
            }
        }
    }

    /// Takes over a slot map. Connections to masters that stay are not disturbed.
    fn adopt(&mut self, slots: Slots, emit: &mut dyn FnMut(ChannelEvent<'_>)) {
        let broadcast = self.slots.masters().get(self.broadcast).cloned();
        let before = std::mem::replace(&mut self.slots, slots);
        let connections = std::mem::take(&mut self.connections).into_iter();
        let mut old: Vec<(Address, SubscriberConnection)> =
            before.masters().iter().cloned().zip(connections).collect();
        for master in self.slots.masters().to_vec() {
            let known = old.iter().position(|(address, _)| *address == master);
            let connection = match known {
                Some(at) => old.swap_remove(at).1,
                None => self.connection_to(ServerTarget::node(master)),
            };
            self.connections.push(connection);
        }
        let masters = self.slots.masters();
        let stays = broadcast.and_then(|it| masters.iter().position(|other| *other == it));
        self.broadcast = stays.unwrap_or_default();
        for (_, mut connection) in old {
            connection.want_only(std::iter::empty(), emit);
        }
        self.assign(emit);
    }

    fn connection_to(&mut self, server: ServerTarget) -> SubscriberConnection {
        let sharded = self.target.is_sharded();
        let seed = self.random.u64(..);
        let (access, name) = (self.access.clone(), self.name.clone());
        SubscriberConnection::new(server, access, name, seed, sharded)
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

/// The nodes to ask for the map: the known masters, the one in use last, which may be cut off from the
/// others; then those that the target names.
fn nodes_to_ask(masters: &[Address], in_use: usize, seeds: &[Address]) -> Vec<Address> {
    let mut nodes = masters.to_vec();
    if in_use < nodes.len() {
        nodes.rotate_left(in_use + 1);
    }
    let others = seeds.iter().filter(|seed| !masters.contains(seed));
    nodes.extend(others.cloned());
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_in_use_is_asked_after_the_other_masters() {
        let address = |port| Address::parse("h", port, false).unwrap();
        let masters: Vec<Address> = [1, 2, 3].map(address).to_vec();
        let nodes = nodes_to_ask(&masters, 1, &[address(3), address(9)]);
        let ports: Vec<u16> = nodes.iter().map(|node| node.port).collect();
        assert_eq!(ports, [3, 1, 2, 9]);
        assert_eq!(nodes_to_ask(&[], 0, &[address(9)]), [address(9)]);
    }
}
