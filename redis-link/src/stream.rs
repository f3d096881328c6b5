//! The byte stream of an open link, which wakes nobody for answers where that can be avoided.
//!
//! Owns the difference between a plain stream and TLS. Every answer says no more than "done", and
//! nobody waits for one: to be woken for each flush would cost more than the flush. Must not know
//! commands.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use service::stream::Stream;

/// An open stream.
#[derive(Debug)]
pub(super) enum LinkStream {
    /// Plain. Wakes when there is room to write again, and when the peer is gone.
    Plain(AsyncFd<std::net::TcpStream>),
    /// TLS reads for itself, and wakes for whatever comes.
    Tls(Stream),
}

impl LinkStream {
    /// Takes over a stream at the start of a reply.
    ///
    /// # Errors
    /// When the system does not let it go, or take it again.
    pub(super) fn new(stream: Stream) -> io::Result<Self> {
        stream.forget_when_closed()?;
        match stream {
            Stream::Plain(stream) => {
                let stream = stream.into_std()?;
                #[expect(
                    deprecated,
                    reason = "the successor is unsafe for types that may let go of their descriptor; this one never does"
                )]
                let stream = AsyncFd::with_interest(stream, Interest::WRITABLE)?;
                Ok(Self::Plain(stream))
            }
            stream @ Stream::Tls(_) => Ok(Self::Tls(stream)),
        }
    }

    /// Whether answers may come without a wake.
    #[must_use]
    pub(super) const fn is_quiet(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Whether something may have come that was not looked for; has the next change wake. To be
    /// called in each turn before reading and writing, which rely on it.
    ///
    /// # Errors
    /// When the system does not say any more what changes.
    pub(super) fn is_woken(&self, cx: &mut Context<'_>) -> io::Result<bool> {
        match self {
            Self::Plain(stream) => listen(stream, cx),
            Self::Tls(_) => Ok(true),
        }
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// When the stream broke.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => now_or_later(stream.get_ref().write(bytes)),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Sends what is gathered before it is encrypted.
    ///
    /// # Errors
    /// When the stream broke.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Reads what is there; 0 is the end.
    ///
    /// # Errors
    /// When the stream broke.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => now_or_later(stream.get_ref().read(buffer)),
            Self::Tls(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                let read = Pin::new(stream).poll_read(cx, &mut buffer);
                read.map_ok(|()| buffer.filled().len())
            }
        }
    }
}

/// Has the next change wake: readiness is asked of the system itself, so what is known of it is
/// forgotten until the system speaks again. Whether it had spoken.
fn listen(stream: &AsyncFd<std::net::TcpStream>, cx: &mut Context<'_>) -> io::Result<bool> {
    let mut spoken = false;
    while let Poll::Ready(guard) = stream.poll_write_ready(cx) {
        guard?.clear_ready();
        spoken = true;
    }
    Ok(spoken)
}

fn now_or_later(result: io::Result<usize>) -> Poll<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}
