//! Accepts sockets and survives errors of accept(2): they must neither end the server nor make it
//! spin.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use crate::backoff::Backoff;
use crate::text::LineQuota;

const PAUSES: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));

#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    failures: u32,
    lines: LineQuota,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            failures: 0,
            lines: LineQuota::for_reasons(),
        }
    }

    /// Waits for the next connection, however long errors last. Safe to cancel.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.failures = 0;
                    return accepted;
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    let pause = pause_after(&error, self.failures);
                    if !pause.is_zero() {
                        #[expect(clippy::disallowed_methods, reason = "how often to say so")]
                        if let Some(suppressed) = self.lines.take(Instant::now()) {
                            tracing::warn!(%error, ?pause, suppressed, "cannot accept connections");
                        }
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
    }
}

/// No pause for a client that left before it was accepted; a growing pause for errors of this
/// process (no descriptors, no memory), because the waiting client makes the listener ready again
/// at once.
fn pause_after(error: &Error, failures: u32) -> Duration {
    match error.kind() {
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted => {
            Duration::ZERO
        }
        _ => PAUSES.delay(failures, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_departed_clients_cost_none() {
        // EMFILE is 24 on Linux.
        let exhausted = Error::from_raw_os_error(24);
        let pauses = [1, 2, 7, 8, u32::MAX].map(|n| pause_after(&exhausted, n).as_millis());
        assert_eq!(pauses, [10, 20, 640, 1_000, 1_000]);
        let gone = Error::from(ErrorKind::ConnectionAborted);
        assert_eq!(pause_after(&gone, 9), Duration::ZERO);
    }
}
