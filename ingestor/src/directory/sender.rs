//! Sends events one after another, and remembers what Redis refuses of them and of the directory.
//!
//! Owns the event that is being sent, and what others may know of it. Must not choose events.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use redis_link::server_clock::ServerClock;
use service::text::LineQuota;
use tokio::sync::watch;

use super::delivery::Delivery;
use super::pool::{ConnectionPool, PoolError};
use super::refusal::{self, DirectoryHealth, Outcome, Refusals};
use crate::events::EventCounts;

/// Sends the events of one process.
#[derive(Debug)]
pub(super) struct EventSender {
    delivery: Option<Delivery>,
    refusals: Refusals,
    /// The time of the server that has the log.
    clock: ServerClock,
    counts: Arc<EventCounts>,
    health: watch::Sender<DirectoryHealth>,
    lines: LineQuota,
}

impl EventSender {
    pub(super) fn new(counts: Arc<EventCounts>, health: watch::Sender<DirectoryHealth>) -> Self {
        Self {
            delivery: None,
            refusals: Refusals::default(),
            clock: ServerClock::default(),
            counts,
            health,
            lines: LineQuota::for_reasons(),
        }
    }

    /// Another connection is used from now on, perhaps to another server.
    pub(super) fn on_connected(&mut self) {
        self.clock = ServerClock::default();
    }

    /// Begins with another event; the one before was sent.
    pub(super) fn begin(&mut self, delivery: Option<Delivery>) {
        self.delivery = delivery;
    }

    /// Sends the rest of the event that was begun, if there is one.
    ///
    /// # Errors
    /// When the rest has to wait for another connection.
    pub(super) async fn send(
        &mut self,
        pool: &mut ConnectionPool,
        now: Instant,
    ) -> Result<(), PoolError> {
        let Some(delivery) = &mut self.delivery else {
            return Ok(());
        };
        let left_out = self.refusals.is_log_left_out(now) && delivery.leave_out_log();
        self.counts
            .refused_log
            .fetch_add(u64::from(left_out), Relaxed);
        let outcome = delivery.send(pool, &mut self.clock, now).await?;
        self.delivery = None;
        self.count(&outcome);
        if self.refusals.on_event(&outcome, now) {
            let remarks = self.refusals.remarks().join("; ");
            self.warn("redis refuses parts of events", &remarks, now);
        }
        self.tell();
        Ok(())
    }

    fn count(&self, outcome: &Outcome) {
        let counts = &self.counts;
        let is_published = !outcome.published.is_empty();
        let is_log_refused = outcome.refused_log.is_some();
        let add = |count: &std::sync::atomic::AtomicU64, number: usize| {
            count.fetch_add(number as u64, Relaxed);
        };
        add(&counts.published, usize::from(is_published));
        add(&counts.refused_channels, outcome.refused.len());
        add(&counts.refused_log, usize::from(is_log_refused));
    }

    /// When the directory is tried again; `None` while Redis does not refuse it.
    pub(super) fn directory_again(&self) -> Option<Instant> {
        self.refusals.directory_again()
    }

    /// Takes the result of commands about the directory: a refusal counts as a result.
    ///
    /// # Errors
    /// Those that another connection may mend.
    pub(super) fn take_directory(
        &mut self,
        result: Result<(), PoolError>,
        now: Instant,
    ) -> Result<(), PoolError> {
        let refused = match &result {
            Err(PoolError::Redis(error)) => refusal::text(error),
            _ => None,
        };
        match refused {
            Some(text) => {
                self.counts.refused_directory.fetch_add(1, Relaxed);
                if self.refusals.on_directory(&text, now) {
                    self.warn("redis refuses the directory of instruments", &text, now);
                }
            }
            None => {
                result?;
                self.refusals.on_directory_kept();
            }
        }
        self.tell();
        Ok(())
    }

    /// Writes a warning, unless there were many.
    pub(super) fn warn(&mut self, what: &'static str, error: &str, now: Instant) {
        if let Some(suppressed) = self.lines.take(now) {
            tracing::warn!(error, suppressed, "{what}");
        }
    }

    fn tell(&self) {
        self.health.send_replace(DirectoryHealth {
            remarks: self.refusals.remarks(),
            clock: self.clock,
        });
    }
}
