//! The connections over which the directory is written: one, or one to each master of a cluster
//! that has one of its keys.
//!
//! Owns which connection is used for a key. If one ends, or a key has moved, all are closed: the
//! task starts again and reads the directory again.

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use redis_link::access::Access;
use redis_link::command_connection::{CommandConnection, OpenError};
use redis_link::slots::{Slots, slot_of};
use redis_link::target::{ServerTarget, Target};
use redis_link::topology::{TopologyError, fetch_topology};
use service::address::Address;

/// The open connections.
pub(crate) struct ConnectionPool {
    access: Access,
    name: String,
    /// Cancelled when one of them ends.
    pub(crate) closed: CancellationToken,
    /// Which master has which key; without slots it is the one server.
    slots: Slots,
    /// By position of the master.
    open: Vec<Option<CommandConnection>>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error("redis does not accept a command about the directory")]
    Redis(#[from] RedisError),
    #[error("no node of the redis cluster owns slot {0}")]
    Nobody(u16),
    #[error("redis closed the connection")]
    Closed,
}

impl ConnectionPool {
    pub(crate) async fn open(
        target: &Target,
        access: &Access,
        name: &str,
    ) -> Result<Self, PoolError> {
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
    pub(crate) fn server(&self) -> Option<&Address> {
        let is_single = self.slots.masters().is_empty();
        let one = self.open.first().filter(|_| is_single)?;
        one.as_ref().map(|one| &one.address)
    }

    /// The connection for commands about `key`.
    pub(crate) async fn to(&mut self, key: &str) -> Result<&mut MultiplexedConnection, PoolError> {
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
