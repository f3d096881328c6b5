//! Serves one accepted socket and closes it when it is idle.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::Limits;
use super::peers::PeerPermit;

/// Largest request head, and the size of a connection's buffer. hyper's default is 400 KiB.
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves requests until the client leaves, a limit is reached, the socket is upgraded, a newer one of
/// its peer takes its place, or `stop` is cancelled; then the request in flight is the last one.
pub(super) async fn serve(
    socket: CountedSocket,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let moved = Arc::clone(&socket.moved);
    let occupancy = Arc::clone(&socket.peer_permit.occupancy);
    let close = occupancy.close.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        occupancy.busy.store(true, Ordering::Relaxed);
        let (answer, occupancy) = (router.clone().oneshot(request), Arc::clone(&occupancy));
        async move {
            let answer = answer.await?;
            let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
            occupancy.busy.store(upgraded, Ordering::Relaxed);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut stalled = pin!(stalled(&moved, limits.idle));
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return;
            }
            () = &mut stalled => {
                tracing::debug!(%peer, "idle connection closed");
                return;
            }
            () = close.cancelled() => {
                tracing::debug!(%peer, "connection closed for a newer one of this peer");
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Completes when `moved` has not changed for a whole `idle`; notices that within twice that time.
async fn stalled(moved: &AtomicU64, idle: Duration) {
    let mut before = None;
    loop {
        let count = moved.load(Ordering::Relaxed);
        if before.replace(count) == Some(count) {
            return;
        }
        tokio::time::sleep(idle).await;
    }
}

/// A socket that counts the reads and writes that moved bytes, and holds its connection permit and
/// its peer permit until it is dropped, upgraded or not.
#[derive(Debug)]
pub(super) struct CountedSocket {
    stream: TcpStream,
    moved: Arc<AtomicU64>,
    // In this order, so that the peer permit is free when the connection permit is.
    peer_permit: PeerPermit,
    _permit: OwnedSemaphorePermit,
}

impl CountedSocket {
    pub(super) fn new(
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        peer_permit: PeerPermit,
    ) -> Self {
        // Fails only on a dead socket, which the first read reports.
        drop(stream.set_nodelay(true));
        Self {
            stream,
            moved: Arc::default(),
            _permit: permit,
            peer_permit,
        }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
        written
    }
}

impl AsyncRead for CountedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for CountedSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
