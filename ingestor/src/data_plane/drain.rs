//! The end: nothing more is read, Redis answers, sockets are closed.
//!
//! Must not take longer than it may.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use super::DataPlane;

/// How long ending may take: for Redis to answer, and for Close frames.
const DRAIN: Duration = Duration::from_secs(2);

impl DataPlane {
    /// Ends everything, bounded.
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
            tracing::warn!("ended before redis answered everything or sockets were closed");
        }
    }
}
