//! A connection for commands whose answers are waited for, beside the links that carry messages.
//!
//! Owns opening it the way every link is opened, and its task, which ends with it.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::error::HandshakeError;
use super::handshake::establish;
use super::target::Single;
use service::stream::ConnectError;

/// A server that takes longer to answer is given up.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// An open connection.
#[derive(Debug)]
pub struct CommandConnection {
    /// What commands are sent with.
    pub connection: MultiplexedConnection,
    /// Moves the bytes; ends when this is dropped.
    _driver: JoinSet<()>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server does not take commands.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// It does, and then not.
    #[error("redis does not take commands")]
    Redis(#[from] RedisError),
}

impl OpenError {
    /// Whether nobody is there.
    pub(super) const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Handshake(HandshakeError::Connect(ConnectError::Tcp { .. }))
        )
    }
}

impl CommandConnection {
    /// Opens a connection named `name`; `closed` is cancelled when it ends, whoever ended it.
    ///
    /// # Errors
    /// When the server is not there, is no Redis, or does not take commands.
    pub async fn open(
        server: &Single,
        access: &Access,
        name: &str,
        closed: CancellationToken,
    ) -> Result<Self, OpenError> {
        let established = establish(server, access, name, None).await?;
        established
            .stream
            .forget_when_closed()
            .map_err(HandshakeError::Io)?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        // The first commands are sent by whoever drives, so both are needed at once.
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&info, established.stream, config).await?;
        let mut driving = JoinSet::new();
        driving.spawn(async move {
            let _ended = closed.drop_guard();
            driver.await;
        });
        Ok(Self {
            connection,
            _driver: driving,
        })
    }
}
