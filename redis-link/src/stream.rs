//! The byte stream of an open link; replies do not wake the task unless necessary.
//!
//! Owns the difference between a plain stream and TLS. Answers only confirm commands, and no code
//! waits for one: waking for each of them would cost more than sending. Must not know commands.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use service::stream::Stream;

/// An open stream.
#[derive(Debug)]
pub(super) enum LinkStream {
    /// Plain. Wakes when there is room to write again, and when the peer has ended the stream.
    Plain(AsyncFd<std::net::TcpStream>),
    /// TLS reads by itself, and wakes for everything that arrives.
    Tls(Stream),
}

impl LinkStream {
    /// Takes over a stream at the start of a reply.
    ///
    /// # Errors
    /// When the system cannot deregister or register the socket.
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

    /// Whether unread data may have arrived; arms the waker for the next change. To be called in
    /// each turn before reading and writing, which rely on it.
    ///
    /// # Errors
    /// When readiness can no longer be observed.
    pub(super) fn is_woken(&self, cx: &mut Context<'_>) -> io::Result<bool> {
        match self {
            Self::Plain(stream) => listen(stream, cx),
            Self::Tls(_) => Ok(true),
        }
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// When the stream failed.
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

    /// Flushes data that TLS has buffered.
    ///
    /// # Errors
    /// When the stream failed.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Reads what is available; 0 is the end.
    ///
    /// # Errors
    /// When the stream failed.
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

/// Arms the waker for the next change: clears the known readiness until the system reports it
/// again. Returns whether there was any.
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
