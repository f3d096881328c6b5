//! A connection for commands whose answers are waited for, beside the links that carry ticks.
//!
//! Owns opening it the way every link is opened, and its task, which ends with it.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::greeting::greet;
use super::refusal::GreetError;
use super::target::Single;
use crate::stream::ConnectError;

/// A server that takes longer to answer is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open connection.
#[derive(Debug)]
pub struct Commands {
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
    Greet(#[from] GreetError),
    /// It does, and then not.
    #[error("redis does not take commands")]
    Redis(#[from] RedisError),
}

impl OpenError {
    /// Whether nobody is there.
    pub(super) const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Greet(GreetError::Connect(ConnectError::Tcp { .. }))
        )
    }
}

impl Commands {
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
        let greeted = greet(server, access, name, None).await?;
        greeted
            .stream
            .forget_when_closed()
            .map_err(GreetError::Io)?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        // The first commands are sent by whoever drives, so both are needed at once.
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&info, greeted.stream, config).await?;
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
