//! One WebSocket to Kite: the I/O around bytes.
//!
//! Owns dial, framing and the texts of errors. Decides nothing: the session decides when to dial
//! and what to send. Errors never hold the address, because it contains the credentials.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{Sink, Stream as _};
use kite::endpoint::{VERSION_HEADER, ticker_url};
use kite::session::Failure;
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use crate::input::credentials::Credentials;
use service::proxy::Proxy;
use service::stream::{Address, ConnectError, Stream, connect_through};

/// Size of the read buffer: a frame of 80 full packets fits into one read. The library zeroes the
/// buffer before each read, so a much larger one would cost more than a second read.
const READ_BUFFER: usize = 16 * 1024;

/// Size of the write buffer. Commands are flushed as soon as they are written.
const WRITE_BUFFER: usize = 16 * 1024;

/// If a server leaves this many bytes of commands unread, the socket is given up. All commands of a
/// full connection (unsubscribe, subscribe, mode) take a tenth of it.
const WRITE_LIMIT: usize = 2 * 1024 * 1024;

/// How long a server may take to answer a Close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What was read from a socket.
#[derive(Debug)]
pub(crate) enum Frame {
    /// Packets, or a heartbeat.
    Binary(Bytes),
    /// A JSON message.
    Text(Utf8Bytes),
    /// Ping or pong; already answered.
    Control,
}

/// Why there is no socket, or why it ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// The endpoint is not a WebSocket origin.
    #[error("the endpoint is not a ws:// or wss:// origin")]
    Endpoint,
    /// Key or token cannot be part of a request.
    #[error("the API key or the access token holds characters that cannot be sent")]
    Credentials,
    /// The connection could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server's answer is not an upgrade.
    #[error("the server answered HTTP {0} instead of opening the socket")]
    Status(u16),
    /// The server closed the socket.
    #[error("the server closed the socket")]
    Closed,
    /// The stream failed.
    #[error("the connection broke: {0}")]
    Broken(std::io::ErrorKind),
    /// The server violated the protocol.
    #[error("websocket protocol error: {0}")]
    Protocol(String),
    /// The server does not read what is sent to it.
    #[error("the server does not read what is sent to it")]
    Stuck,
}

impl SocketError {
    /// The failure as the back-off sees it.
    #[must_use]
    pub(crate) const fn failure(&self) -> Failure {
        match self {
            Self::Status(status) => Failure::from_status(*status),
            _ => Failure::Lost,
        }
    }
}

impl From<tungstenite::Error> for SocketError {
    /// Keeps what is useful and drops everything that may hold the request.
    fn from(error: tungstenite::Error) -> Self {
        use tungstenite::Error;
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Closed,
            Error::Io(error) => Self::Broken(error.kind()),
            Error::Http(response) => Self::Status(response.status().as_u16()),
            Error::Protocol(error) => Self::Protocol(error.to_string()),
            Error::Capacity(error) => Self::Protocol(error.to_string()),
            Error::Utf8(_) => Self::Protocol("text is not UTF-8".to_owned()),
            Error::AttackAttempt => Self::Protocol("the handshake is too long".to_owned()),
            Error::WriteBufferFull(_) => Self::Stuck,
            Error::Url(_) | Error::HttpFormat(_) => Self::Credentials,
            Error::Tls(_) => Self::Protocol("TLS failed".to_owned()),
        }
    }
}

/// How a socket is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    /// The TLS configuration.
    pub(crate) tls: &'a Arc<ClientConfig>,
    /// The proxy.
    pub(crate) proxy: Option<&'a Proxy>,
}

/// An open socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<Stream>,
    unflushed: bool,
}

impl Socket {
    /// Opens a socket at `origin`. Has no time limit of its own: the session sets it.
    ///
    /// # Errors
    /// When the connection fails, or the server does not upgrade it.
    pub(crate) async fn dial(
        origin: &str,
        credentials: &Credentials,
        way: Way<'_>,
    ) -> Result<Self, SocketError> {
        let address = address_of(origin)?;
        let url = ticker_url(
            origin,
            credentials.api_key.expose_secret(),
            credentials.access_token.expose_secret(),
        )
        .map_err(|_invalid| SocketError::Endpoint)?;
        let mut request = url.into_client_request()?;
        request.headers_mut().insert(
            HeaderName::from_bytes(VERSION_HEADER.0.as_bytes())
                .map_err(|_invalid| SocketError::Endpoint)?,
            HeaderValue::from_static(VERSION_HEADER.1),
        );
        let stream = connect_through(way.proxy, &address, way.tls).await?;
        let (stream, _response) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(limits())).await?;
        Ok(Self {
            stream,
            unflushed: false,
        })
    }

    /// The next frame that is available.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, SocketError>> {
        Pin::new(&mut self.stream)
            .poll_next(cx)
            .map(|message| match message {
                Some(Ok(Message::Binary(bytes))) => Ok(Frame::Binary(bytes)),
                Some(Ok(Message::Text(text))) => Ok(Frame::Text(text)),
                Some(Ok(Message::Close(_))) | None => Err(SocketError::Closed),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    Ok(Frame::Control)
                }
                Some(Err(error)) => Err(error.into()),
            })
    }

    /// Queues a text frame. To be followed by [`Socket::poll_flush`].
    ///
    /// # Errors
    /// When the server has left too much unread.
    pub(crate) fn send(&mut self, text: String) -> Result<(), SocketError> {
        self.unflushed = true;
        Ok(Pin::new(&mut self.stream).start_send(Message::text(text))?)
    }

    /// Queues a ping. To be followed by [`Socket::poll_flush`].
    ///
    /// # Errors
    /// When the server has left too much unread.
    pub(crate) fn ping(&mut self) -> Result<(), SocketError> {
        self.unflushed = true;
        Ok(Pin::new(&mut self.stream).start_send(Message::Ping(Bytes::new()))?)
    }

    /// Writes what is queued, as far as possible now.
    ///
    /// # Errors
    /// When the stream failed.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<(), SocketError> {
        if self.unflushed
            && let Poll::Ready(result) = Pin::new(&mut self.stream).poll_flush(cx)
        {
            result?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Sends a Close frame and waits for the answer, for a bounded time. The server then frees a
    /// connection of the API key.
    pub(crate) async fn close(mut self) {
        let closing = async {
            self.stream.close(None).await?;
            while let Some(frame) = futures::StreamExt::next(&mut self.stream).await {
                frame?;
            }
            Ok::<(), tungstenite::Error>(())
        };
        // In any case the socket is dropped.
        drop(tokio::time::timeout(CLOSE_TIMEOUT, closing).await);
    }
}

fn address_of(origin: &str) -> Result<Address, SocketError> {
    let origin = kite::endpoint::check_origin(origin).map_err(|_invalid| SocketError::Endpoint)?;
    let (authority, port, tls) = match origin.strip_prefix("wss://") {
        Some(authority) => (authority, 443, true),
        None => (origin.strip_prefix("ws://").unwrap_or(origin), 80, false),
    };
    Address::parse(authority, port, tls).ok_or(SocketError::Endpoint)
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_LIMIT)
        .max_message_size(Some(kite::limits::LARGEST_FRAME))
        .max_frame_size(Some(kite::limits::LARGEST_FRAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_become_addresses() {
        let address = address_of("wss://ws.kite.trade/").unwrap();
        assert_eq!(
            (address.host.as_str(), address.port, address.tls),
            ("ws.kite.trade", 443, true)
        );
        let address = address_of("ws://127.0.0.1:7070").unwrap();
        assert_eq!((address.port, address.tls), (7070, false));
        assert!(address_of("http://x").is_err());
        assert!(address_of("ws://x:y").is_err());
    }

    #[tokio::test]
    async fn errors_hold_no_credentials() {
        service::tls::install();
        let credentials = Credentials {
            api_key: "fake-key".into(),
            access_token: "fake-token".into(),
        };
        let tls = service::tls::client_config().unwrap();
        // Port 1 on loopback: nobody listens.
        for origin in ["ws://127.0.0.1:1", "ws://", "wss://exa mple"] {
            let way = Way {
                tls: &tls,
                proxy: None,
            };
            let error = Socket::dial(origin, &credentials, way).await.unwrap_err();
            let shown = format!("{error:?} {}", service::exit::chain(&error));
            assert!(!shown.contains("fake-"), "{shown}");
        }
    }
}
