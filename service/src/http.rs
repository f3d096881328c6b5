//! Accepts HTTP/1.1 connections for a router, each within limits, and drains them at shutdown.
//!
//! Owns sockets and their time-outs; the router owns routes, bodies and the protocol of upgraded
//! sockets. It never logs a request, because URLs may carry tokens.

mod accept;
mod connection;
mod listen;
mod peers;
mod port_file;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use port_file::{PortFileError, read_port_file, write_port_file};

use crate::text::LineQuota;
use accept::Acceptor;
use connection::CountedSocket;
use peers::Peers;

/// A listening address could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: name another address with {option}")]
pub struct BindError {
    addr: SocketAddr,
    option: &'static str,
    source: io::Error,
}

/// What one server allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections, upgraded ones included. Further clients wait in the kernel's backlog.
    pub connections: usize,
    /// Open connections of one address, so that other addresses need not wait: a further one takes the
    /// place of the oldest without a request in flight, or is closed if there is none.
    pub per_peer: usize,
    /// Time for a request head: from the connection's start, or the end of the previous answer, to
    /// the last header. It also limits how long an unused kept-alive connection stays open.
    pub header_read: Duration,
    /// Time without a byte in either direction, from the start until the connection ends or is
    /// upgraded. Handlers must answer faster.
    pub idle: Duration,
    /// Time for requests in flight and upgraded sockets to end after shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_peer: 64,
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

/// A bound listener that does not accept yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    limits: Limits,
}

impl Server {
    /// Listens on `addr`; port 0 selects a free port. `0.0.0.0` and `[::]` mean every address of
    /// this machine, IPv4 and IPv6.
    ///
    /// # Errors
    /// When the address is in use, is not an address of this machine, or is not permitted.
    pub fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        Self::bind_as(addr, "--listen")
    }

    /// As [`Server::bind`], for an address that this command line option names.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn bind_as(addr: SocketAddr, option: &'static str) -> Result<Self, BindError> {
        let fail = |source| BindError {
            addr,
            option,
            source,
        };
        let listener = listen::listen(addr).map_err(fail)?;
        Ok(Self {
            addr: listener.local_addr().map_err(fail)?,
            listener,
            limits: Limits::default(),
        })
    }

    /// The address listened on, with the actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Replaces the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Serves until `shutdown`, then stops accepting, lets requests in flight end and returns after
    /// [`Limits::drain`] at the latest.
    ///
    /// Handlers find the peer as the extension `ConnectInfo<SocketAddr>`. Upgraded sockets count as
    /// connections until they are dropped; their handlers must watch the same token.
    pub async fn serve(self, router: Router, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let (peers, mut lines) = (Arc::new(Peers::default()), LineQuota::for_reasons());
        let mut acceptor = Acceptor::new(self.listener);
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (acceptor.accept().await, permit)
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(_ended) = connections.join_next() => {}
                ((stream, peer), Ok(permit)) = next => {
                    let Some(peer_permit) = peers.admit(peer.ip(), self.limits.per_peer) else {
                        #[expect(clippy::disallowed_methods, reason = "how often to say so")]
                        if let Some(suppressed) = lines.take(Instant::now()) {
                            tracing::warn!(%peer, suppressed, "connection closed: the limit of this peer is reached");
                        }
                        continue;
                    };
                    let socket = CountedSocket::new(stream, permit, peer_permit);
                    let (router, stop) = (router.clone(), shutdown.clone());
                    connections.spawn(connection::serve(socket, peer, router, self.limits, stop));
                }
            }
        }
        drop(acceptor);
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        if tokio::time::timeout(self.limits.drain, permits.acquire_many(all))
            .await
            .is_err()
        {
            let open = self.limits.connections - permits.available_permits();
            tracing::warn!(
                open,
                "connections still open after the drain time are closed"
            );
        }
        connections.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
