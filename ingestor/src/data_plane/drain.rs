//! Shutdown: nothing more is read, Redis answers, sockets are closed.
//!
//! Must end within its time limit.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use super::DataPlane;

/// Time limits of the shutdown: for the answers of Redis, and for Close frames.
const DRAIN: Duration = Duration::from_secs(2);

impl DataPlane {
    /// Ends everything, within a time limit.
    pub(super) async fn drain(mut self) {
        self.pipeline.drain();
        for connection in &mut self.connections {
            connection.close();
        }
        let mut alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
        let ended = poll_fn(|cx| {
            let now = self.setup.clock.now();
            while self.pipeline.poll(cx, now) {}
            while let Some(deadline) = self.pipeline.deadline() {
                alarm.as_mut().reset(deadline.into());
                if alarm.as_mut().poll(cx).is_pending() {
                    break;
                }
                self.pipeline.poll(cx, self.setup.clock.now());
            }
            let mut ended = self.pipeline.is_drained();
            for connection in &mut self.connections {
                ended &= connection.poll_closed(cx).is_ready();
            }
            if ended {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        if tokio::time::timeout(DRAIN, ended).await.is_err() {
            tracing::warn!("shutdown: redis or a socket did not finish in time");
        }
    }
}
