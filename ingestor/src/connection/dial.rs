//! One dial: reads the credentials and opens a socket with them.
//!
//! Must not decide when to dial.

use std::sync::Arc;

use kite::session::{DIAL_TIMEOUT, Failure};
use rustls::ClientConfig;
use service::proxy::Proxy;

use crate::connection::socket::{Socket, SocketError, Way};
use crate::input::credential_reader::CredentialReader;
use crate::input::credentials::{CredentialFiles, Credentials};

/// What every dial needs.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    /// The endpoint.
    pub(crate) origin: String,
    /// What it reads the credentials with.
    pub(crate) credentials: CredentialReader,
    /// The TLS configuration.
    pub(crate) tls: Arc<ClientConfig>,
    /// The proxy to dial through.
    pub(crate) proxy: Option<Proxy>,
}

impl Dialler {
    /// Why a dial failed. Whatever is not HTTP is not Kite.
    pub(super) fn failed(&self, error: &DialError) -> String {
        let why = service::exit::chain(error);
        match error {
            DialError::Socket(SocketError::Protocol(_)) => format!(
                "{} does not answer as Kite's ticker does ({why}): check spec.endpoint.websocket",
                self.origin
            ),
            _ => why.to_string(),
        }
    }

    /// Why a dial was given up.
    pub(super) fn timed_out(&self) -> String {
        let (origin, limit) = (&self.origin, DIAL_TIMEOUT.as_secs());
        match &self.proxy {
            None => format!(
                "no connection to {origin} within {limit} s: check the endpoint, and the network to it"
            ),
            Some(proxy) => format!(
                "no connection to {origin} through the proxy {proxy} within {limit} s: check both, and the network to \
                 the proxy"
            ),
        }
    }
}

/// The result of a dial.
pub(super) struct DialOutcome {
    pub(super) credentials: Option<Credentials>,
    pub(super) socket: Result<Socket, DialError>,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("the credentials are incomplete")]
    Incomplete,
    #[error("the credentials cannot be read")]
    Unreadable(#[source] std::io::Error),
}

impl DialError {
    /// The failure as the session sees it.
    pub(super) const fn failure(&self) -> Failure {
        match self {
            Self::Socket(error) => error.failure(),
            Self::Incomplete | Self::Unreadable(_) => Failure::Lost,
        }
    }
}

/// Reads the credentials, and dials with them.
pub(super) async fn dial(dialler: Dialler) -> DialOutcome {
    let reader = dialler.credentials;
    // Reading files may block, and this thread carries ticks.
    let read = tokio::task::spawn_blocking(move || reader.read()).await;
    let failed = |error| DialOutcome {
        credentials: None,
        socket: Err(error),
    };
    match read.unwrap_or_else(|panic| Err(panic.into())) {
        Ok(CredentialFiles::Complete(credentials)) => {
            let way = Way {
                tls: &dialler.tls,
                proxy: dialler.proxy.as_ref(),
            };
            let socket = Socket::dial(&dialler.origin, &credentials, way).await;
            DialOutcome {
                credentials: Some(credentials),
                socket: socket.map_err(DialError::from),
            }
        }
        Ok(CredentialFiles::Missing(_)) => failed(DialError::Incomplete),
        Err(error) => failed(DialError::Unreadable(error)),
    }
}
