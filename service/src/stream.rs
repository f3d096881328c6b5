//! A byte stream to a host, plain or through TLS, that notices a dead peer.
//!
//! Owns name resolution, TCP and TLS, through a proxy where one is asked for. Must not know the
//! protocol on top; its errors name neither user nor query.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use crate::address::Address;

use crate::proxy::{Proxy, ProxyError};

/// Keepalive probes start after this long without traffic and are this far apart.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// This many unanswered probes end the stream.
const KEEPALIVE_PROBES: u32 = 3;

/// If a peer does not acknowledge data for this long, the stream ends. It is longer than any pause
/// of a healthy server, because on a new stream everything has to be sent again.
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Why the stream cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No address, or no answer from it.
    #[error("cannot connect to {host}:{port}")]
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// The system's error.
        source: io::Error,
    },
    /// The proxy opens no way to it.
    #[error("no connection to {host}:{port} through the proxy {proxy}")]
    Proxy {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// The proxy.
        proxy: Box<Proxy>,
        /// What it said.
        source: ProxyError,
    },
    /// A name that no certificate can carry.
    #[error("{0:?} is not a host name that TLS can verify")]
    Name(String),
    /// The TLS handshake failed.
    #[error("TLS with {host} failed")]
    Tls {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// The rustls error.
        source: io::Error,
    },
    /// The certificate is for another server.
    #[error("the certificate at {host}:{port} is neither for {host} nor for {other}")]
    Names {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// The other name that it was compared with.
        other: String,
        /// The rustls error, which holds the names of the certificate.
        source: io::Error,
    },
}

impl ConnectError {
    /// Names both names that a certificate was compared with.
    fn with_other(self, other: &str) -> Self {
        match self {
            Self::Tls { host, port, source } if is_about_the_name(&source) => Self::Names {
                host,
                port,
                other: other.to_owned(),
                source,
            },
            error => error,
        }
    }

    /// Whether this name is not one of the certificate, or one that no certificate can carry.
    fn is_about_the_name(&self) -> bool {
        match self {
            Self::Tls { source, .. } => is_about_the_name(source),
            Self::Name(_) => true,
            Self::Tcp { .. } | Self::Proxy { .. } | Self::Names { .. } => false,
        }
    }
}

fn is_about_the_name(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(
        error,
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ))
    )
}

/// An open stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// When the stream ends for any reason, the end of this process included, unsent data is
    /// discarded: the system would otherwise go on sending it for a minute, even after the
    /// handshake of the next stream.
    ///
    /// # Errors
    /// When the system returns an error.
    pub fn forget_when_closed(&self) -> io::Result<()> {
        let tcp = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        SockRef::from(tcp).set_linger(Some(Duration::ZERO))
    }
}

/// Connects. Has no time limit of its own: callers set it.
///
/// # Errors
/// When the name, the host or the certificate cannot be used.
pub async fn connect(address: &Address, tls: &Arc<ClientConfig>) -> Result<Stream, ConnectError> {
    connect_through(None, address, tls).await
}

/// As [`connect`], through a proxy if there is one: the proxy then resolves the name.
///
/// # Errors
/// As [`connect`], and when the proxy opens no tunnel.
pub async fn connect_through(
    proxy: Option<&Proxy>,
    address: &Address,
    tls: &Arc<ClientConfig>,
) -> Result<Stream, ConnectError> {
    let first = connect_as(proxy, address, &address.host, tls).await;
    let other = address.other_name.as_deref();
    let (Err(error), Some(other)) = (&first, other.filter(|other| *other != address.host)) else {
        return first;
    };
    if !error.is_about_the_name() {
        return first;
    }
    let second = connect_as(proxy, address, other, tls).await;
    second.map_err(|error| error.with_other(other))
}

/// Connects to a server whose certificate has to carry `name`.
async fn connect_as(
    proxy: Option<&Proxy>,
    address: &Address,
    name: &str,
    tls: &Arc<ClientConfig>,
) -> Result<Stream, ConnectError> {
    let host = address.host.as_str();
    let stream = match proxy {
        Some(proxy) => tunnel(proxy, address).await?,
        None => open(address).await.map_err(|source| ConnectError::Tcp {
            host: host.to_owned(),
            port: address.port,
            source,
        })?,
    };
    if !address.tls {
        return Ok(Stream::Plain(stream));
    }
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_invalid| ConnectError::Name(name.to_owned()))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    let stream = stream.await.map_err(|source| ConnectError::Tls {
        host: host.to_owned(),
        port: address.port,
        source,
    })?;
    Ok(Stream::Tls(Box::new(stream)))
}

async fn open(address: &Address) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    tune(&stream)?;
    Ok(stream)
}

async fn tunnel(proxy: &Proxy, address: &Address) -> Result<TcpStream, ConnectError> {
    let failed = |source| ConnectError::Proxy {
        host: address.host.clone(),
        port: address.port,
        proxy: Box::new(proxy.clone()),
        source,
    };
    let stream = open(proxy.address()).await;
    let mut stream = stream.map_err(|error| failed(ProxyError::Unreachable(error)))?;
    proxy.tunnel(&mut stream, address).await.map_err(failed)?;
    Ok(stream)
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
