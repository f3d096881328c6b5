//! Sends events one after another, and remembers what Redis refuses of them and of the directory.
//!
//! Owns the event that is being sent, and what others may know of it. Must not choose events.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use redis_link::server_clock::ServerClock;
use service::clock::Clock;
use service::text::LineQuota;
use tokio::sync::watch;

use super::delivery::Delivery;
use super::listing::DirectoryListing;
use super::refusal::{self, DirectoryHealth, Part, Refusals};
use crate::events::EventCounts;
use redis_link::connection_pool::{ConnectionPool, PoolError};

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

    /// This is what is written from now on; `anew`: to another Redis, or by another account.
    pub(super) fn on_listing(&mut self, listing: &DirectoryListing, anew: bool) {
        if anew {
            self.refusals = Refusals::default();
        }
        self.refusals.retain(listing);
        self.tell();
    }

    /// A part was written, or refused with a text.
    pub(super) fn take(&mut self, part: Part, refused: Option<&str>, now: Instant) {
        let counts = &self.counts;
        let (count, what) = match part {
            Part::Channel(_) => (&counts.refused_channels, "redis refuses events"),
            Part::Log(_) => (&counts.refused_log, "redis refuses the log of events"),
            Part::Directory => (
                &counts.refused_directory,
                "redis refuses the directory of instruments",
            ),
            Part::Alive => (&counts.refused_alive, "redis refuses the sign of life"),
        };
        count.fetch_add(u64::from(refused.is_some()), Relaxed);
        if self.refusals.set(part, refused, now) {
            let remarks = self.refusals.remarks().join("; ");
            self.warn(what, &remarks, now);
        }
        self.tell();
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
        time: &Clock,
    ) -> Result<(), PoolError> {
        let Some(delivery) = &mut self.delivery else {
            return Ok(());
        };
        let at = (time.now(), time.wall_micros());
        let left_out = self.refusals.is_log_left_out(at.0) && delivery.leave_out_log();
        self.counts
            .refused_log
            .fetch_add(u64::from(left_out), Relaxed);
        let outcome = delivery.send(pool, &mut self.clock, at).await?;
        self.delivery = None;
        let is_published = |(part, refused): &(Part, Option<String>)| {
            matches!(part, Part::Channel(_)) && refused.is_none()
        };
        let published = u64::from(outcome.iter().any(is_published));
        self.counts.published.fetch_add(published, Relaxed);
        for (part, refused) in outcome {
            self.take(part, refused.as_deref(), at.0);
        }
        Ok(())
    }

    /// When the directory is tried again; `None` while Redis does not refuse it.
    pub(super) fn directory_again(&self) -> Option<Instant> {
        self.refusals.directory_again()
    }

    /// Takes the result of commands about the directory: a refusal counts as a result.
    ///
    /// # Errors
    /// What another connection may mend.
    pub(super) fn take_directory(
        &mut self,
        result: Result<(), PoolError>,
        now: Instant,
    ) -> Result<(), PoolError> {
        let refused = match &result {
            Err(PoolError::Redis(error)) => refusal::text(error),
            _ => None,
        };
        if refused.is_none() {
            result?;
        }
        self.take(Part::Directory, refused.as_deref(), now);
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
