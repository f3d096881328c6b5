//! Connections for commands about keys: one, or one to each master of a cluster that has one of them.
//!
//! Owns which connection is used for a key. If one ends, or a key has moved, all are to be opened again:
//! the pool does not heal itself, because its owner may have to read what it knew again. Must not know
//! what is stored.

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::command_connection::{CommandConnection, OpenError};
use super::slots::{Slots, slot_of};
use super::target::{ServerTarget, Target};
use super::topology::{TopologyError, fetch_topology};
use service::address::Address;

/// The open connections of one owner.
#[derive(Debug)]
pub struct ConnectionPool {
    access: Access,
    name: String,
    /// Cancelled when one of them ends.
    pub closed: CancellationToken,
    /// Which master has which key; without slots it is the one server.
    slots: Slots,
    /// By position of the master.
    open: Vec<Option<CommandConnection>>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A connection cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The slots of the cluster cannot be read.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A command was refused, or its connection broke.
    #[error("redis does not accept a command")]
    Redis(#[from] RedisError),
    /// A slot without a master.
    #[error("no node of the redis cluster owns slot {0}")]
    Nobody(u16),
    /// A connection has ended.
    #[error("redis closed the connection")]
    Closed,
}

impl ConnectionPool {
    /// Opens the connection to a server; those to masters of a cluster are opened when they are needed.
    ///
    /// # Errors
    /// When the server accepts no commands, or no node reports the slots.
    pub async fn open(target: &Target, access: &Access, name: &str) -> Result<Self, PoolError> {
        let mut pool = Self {
            access: access.clone(),
            name: name.to_owned(),
            closed: CancellationToken::new(),
            slots: Slots::default(),
            open: Vec::new(),
        };
        match target {
            Target::Server(server) => pool.open.push(Some(pool.connect(server).await?)),
            Target::Cluster(cluster) => {
                let (nodes, name) = (cluster.nodes.clone(), name.to_owned());
                pool.slots = fetch_topology(nodes, access.clone(), name).await?;
                pool.open.resize_with(pool.slots.masters().len(), || None);
            }
        }
        Ok(pool)
    }

    /// The one server; none of a cluster.
    #[must_use]
    pub fn server(&self) -> Option<&Address> {
        let is_single = self.slots.masters().is_empty();
        let one = self.open.first().filter(|_| is_single)?;
        one.as_ref().map(|one| &one.address)
    }

    /// The connection for commands about `key`.
    ///
    /// # Errors
    /// When its master is not known, or accepts no commands.
    pub async fn to(&mut self, key: &str) -> Result<&mut MultiplexedConnection, PoolError> {
        let at = if self.slots.masters().is_empty() {
            0
        } else {
            let slot = slot_of(key.as_bytes());
            self.slots.owner(slot).ok_or(PoolError::Nobody(slot))?
        };
        let commands = match self.open[at].take() {
            Some(commands) => commands,
            None => {
                let server = ServerTarget::node(self.slots.masters()[at].clone());
                self.connect(&server).await?
            }
        };
        Ok(&mut self.open[at].insert(commands).connection)
    }

    async fn connect(&self, server: &ServerTarget) -> Result<CommandConnection, OpenError> {
        CommandConnection::open(server, &self.access, &self.name, self.closed.clone()).await
    }
}
