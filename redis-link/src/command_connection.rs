//! A connection for commands whose answers are awaited, beside the links that carry messages.
//!
//! Owns opening it in the same way as links, and its task, which ends with it.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::error::HandshakeError;
use super::handshake::establish;
use super::target::ServerTarget;
use service::stream::{Address, ConnectError};

/// How long the server may take to answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// An open connection. Its types are the `redis` crate's on purpose: callers write commands and read
/// replies with that crate, and types of our own would repeat its commands, replies and errors.
#[derive(Debug)]
pub struct CommandConnection {
    /// Sends commands.
    pub connection: MultiplexedConnection,
    /// The server.
    pub address: Address,
    /// Moves the bytes; ends when this is dropped.
    _driver: JoinSet<()>,
}

/// Why it cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server does not accept commands.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// It accepted the login, but then no commands.
    #[error("redis does not accept commands")]
    Redis(#[from] RedisError),
}

impl OpenError {
    /// Whether the server cannot be reached.
    pub(super) const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Handshake(HandshakeError::Connect(ConnectError::Tcp { .. }))
        )
    }
}

impl CommandConnection {
    /// Opens a connection named `name`; `closed` is cancelled when it ends, on either side.
    ///
    /// # Errors
    /// When the server cannot be reached, is not Redis, or does not accept commands.
    pub async fn open(
        server: &ServerTarget,
        access: &Access,
        name: &str,
        closed: CancellationToken,
    ) -> Result<Self, OpenError> {
        let established = establish(server, access, name, None).await?;
        let address = established.address;
        established
            .stream
            .forget_when_closed()
            .map_err(HandshakeError::Io)?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        // The setup sends commands itself, so the driver has to run at the same time.
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&info, established.stream, config).await?;
        let mut driving = JoinSet::new();
        driving.spawn(async move {
            let _ended = closed.drop_guard();
            driver.await;
        });
        Ok(Self {
            connection,
            address,
            _driver: driving,
        })
    }
}
