//! The clients: WebSockets, each with its own task.
//!
//! Owns letting them in, what they ask, and how they are closed. A client that reads slowly waits in its own
//! task, and delays no other one.

pub(crate) mod admission;
mod conversation;
mod frames;
pub(crate) mod kite;
mod orders;
pub(crate) mod quota;
mod subscriptions;
mod timers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use service::clock::Clock;
use service::text::LineQuota;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::directory::sync::KnownDirectory;
use crate::hub::{ClientId, Hub};
use crate::rights::Rights;
use quota::Connections;

/// What every client is limited to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimits {
    pub(crate) tokens: usize,
    pub(crate) commands_per_s: u32,
    pub(crate) frame: usize,
    /// A client that takes nothing for this long is closed.
    pub(crate) slow_after: Duration,
    /// Over how long clients are closed when the process ends.
    pub(crate) drain: Duration,
}

impl ClientLimits {
    /// How many instruments a client of these rights may have.
    fn tokens_of(&self, rights: &Rights) -> usize {
        self.tokens.min(rights.max_tokens.unwrap_or(usize::MAX))
    }

    /// The quota of one client's commands.
    fn commands(&self) -> LineQuota {
        let commands = self.commands_per_s.max(1);
        LineQuota::new(commands, Duration::from_secs(1) / commands)
    }

    fn too_many_commands(&self) -> String {
        let most = self.commands_per_s;
        format!("too many commands: at most {most} a second")
    }
}

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) hub: Arc<Hub>,
    pub(crate) authenticator: Authenticator,
    pub(crate) directory: watch::Receiver<KnownDirectory>,
    /// What each class of instruments does now, as accounts say it.
    pub(crate) market: watch::Receiver<Arc<Map<String, Value>>>,
    /// The answer of `GET /health`.
    pub(crate) health: watch::Receiver<Arc<Value>>,
    pub(crate) connections: Connections,
    pub(crate) limits: ClientLimits,
    /// Pages from which browsers may connect, beside those of this host.
    pub(crate) origins: Vec<String>,
    pub(crate) clock: Clock,
    pub(crate) shutdown: CancellationToken,
    pub(crate) next_client: AtomicU64,
}

impl Gateway {
    fn new_client(&self) -> ClientId {
        self.next_client.fetch_add(1, Ordering::Relaxed)
    }
}
