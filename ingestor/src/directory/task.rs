//! The task that keeps the directory up to date, and publishes events and order updates.
//!
//! Owns its own connections to Redis beside those that carry ticks, which it never delays. Rows are
//! decided in [`super::listing`], events in [`crate::events`]. After a lost connection an event may
//! be sent twice. Events are lost if there is no room for them (these are counted), if they are
//! about instruments and still wait when the process ends, and if they are about rows whose write
//! was never answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use service::clock::Clock;
use service::text::{LONGEST_REASON, LineQuota, printable};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::alive::AliveWriter;
use super::listing::DirectoryListing;
use super::pool::{ConnectionPool, PoolError};
use super::publish::{publish_event, publish_message};
use super::store::DirectoryStore;
use super::sync::DirectorySync;
use crate::events::EventCounts;
use crate::events::alive::AliveState;
use crate::events::event::AccountEvent;
use redis_link::access::Access;
use redis_link::retry::RETRY;

/// Readers start a backfill for each of these events: they are sent this far apart.
const BETWEEN_EVENTS: Duration = Duration::from_millis(20);

/// How often a part of this account's rows is compared with the directory: others may have changed
/// it. All parts take half a minute at most.
const COMPARE_EVERY: Duration = Duration::from_millis(1_500);

/// How long the last commands may take, at the end or before another Redis is used.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// The task.
#[derive(Debug)]
pub(crate) struct DirectoryTask {
    access: Access,
    name: String,
    clock: Clock,
    listing: watch::Receiver<Option<Arc<DirectoryListing>>>,
    events: mpsc::Receiver<AccountEvent>,
    counts: Arc<EventCounts>,
    alive: AliveWriter,
    sync: DirectorySync,
    /// Events that Redis has not accepted yet, oldest first.
    unpublished: VecDeque<AccountEvent>,
    lines: LineQuota,
}

/// What the data plane tells the task.
#[derive(Debug)]
pub(crate) struct DirectoryInput {
    /// What should be listed.
    pub(crate) listing: watch::Receiver<Option<Arc<DirectoryListing>>>,
    /// What happened.
    pub(crate) events: mpsc::Receiver<AccountEvent>,
    /// How the account streams.
    pub(crate) alive: watch::Receiver<Option<AliveState>>,
}

/// Why a connection is no longer needed.
enum Ended {
    Shutdown,
    Moved,
}

impl DirectoryTask {
    /// A task without a listing yet. `name` is what Redis shows of its connection.
    #[must_use]
    pub(crate) fn new(
        access: Access,
        name: String,
        clock: Clock,
        input: DirectoryInput,
        counts: Arc<EventCounts>,
    ) -> Self {
        let DirectoryInput {
            listing,
            events,
            alive,
        } = input;
        Self {
            access,
            name,
            clock,
            listing,
            events,
            counts,
            alive: AliveWriter::new(alive),
            sync: DirectorySync::default(),
            unpublished: VecDeque::new(),
            lines: LineQuota::for_reasons(),
        }
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut jitter = fastrand::Rng::new();
        let mut failures = 0;
        loop {
            let listing = self.listing.borrow_and_update().clone();
            let Some(listing) = listing else {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    changed = self.listing.changed() => match changed {
                        Ok(()) => continue,
                        Err(_gone) => return shutdown.cancelled().await,
                    },
                }
            };
            match self.serve(listing, &shutdown).await {
                Ok(Ended::Shutdown) => return,
                Ok(Ended::Moved) => failures = 0,
                Err(error) => {
                    failures += 1;
                    self.complain(&error);
                    let wait = RETRY.delay(failures, jitter.f64());
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
    }

    /// Works with one set of connections.
    async fn serve(
        &mut self,
        listing: Arc<DirectoryListing>,
        shutdown: &CancellationToken,
    ) -> Result<Ended, PoolError> {
        let pool = tokio::select! {
            () = shutdown.cancelled() => return Ok(Ended::Shutdown),
            pool = ConnectionPool::open(&listing.target, &self.access, &self.name) => pool?,
        };
        let closed = pool.closed.clone();
        let mut store = DirectoryStore { listing, pool };
        let work = self.work(&mut store, shutdown);
        tokio::select! {
            ended = work => ended,
            () = closed.cancelled() => Err(PoolError::Closed),
        }
    }

    async fn work(
        &mut self,
        store: &mut DirectoryStore,
        shutdown: &CancellationToken,
    ) -> Result<Ended, PoolError> {
        let start = self.clock.now();
        // Before the directory, which a user of Redis may have no right to read.
        self.write_alive(store, start).await?;
        self.sync.read_all(store, start).await?;
        let (mut compare_at, mut event_at) = (start + COMPARE_EVERY, start);
        loop {
            let now = self.clock.now();
            self.write_alive(store, now).await?;
            if now >= compare_at {
                self.sync.compare_part(store, now).await?;
                compare_at = now + COMPARE_EVERY;
            }
            self.sync.clear(store, now).await?;
            self.publish(store).await?;
            if now >= event_at && self.publish_change(store).await? {
                event_at = now + BETWEEN_EVENTS;
            }
            let event = (!self.sync.events.is_empty()).then_some(event_at);
            let next = [event, self.sync.next(), self.alive.due()];
            let next = next.into_iter().flatten();
            let next = next.fold(compare_at, Instant::min);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    self.finish(store).await;
                    return Ok(Ended::Shutdown);
                }
                changed = self.listing.changed() => {
                    let Some(new) = changed.ok().and_then(|()| self.listing.borrow_and_update().clone()) else {
                        shutdown.cancelled().await;
                        return Ok(Ended::Shutdown);
                    };
                    if self.take_listing(new, store).await? {
                        return Ok(Ended::Moved);
                    }
                }
                Some(event) = self.events.recv() => self.unpublished.push_back(event),
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }

    /// Works with `new` from now on; returns whether it belongs into another directory.
    async fn take_listing(
        &mut self,
        new: Arc<DirectoryListing>,
        store: &mut DirectoryStore,
    ) -> Result<bool, PoolError> {
        let old = &store.listing;
        if new.target != old.target || new.account != old.account {
            // Instruments that stream to another Redis from now on are no longer listed here.
            let leaving = self.sync.leave(store);
            drop(tokio::time::timeout(LAST_WRITES, leaving).await);
            self.sync = DirectorySync::default();
            self.alive.restart();
            return Ok(true);
        }
        store.listing = new;
        let now = self.clock.now();
        self.sync.compare_changed(store, now).await?;
        Ok(false)
    }

    /// Writes the sign of life if it is due.
    async fn write_alive(
        &mut self,
        store: &mut DirectoryStore,
        now: Instant,
    ) -> Result<(), PoolError> {
        let ts = self.clock.wall_micros() / 1_000_000;
        let written = self
            .alive
            .write(&store.listing, &mut store.pool, now, ts)
            .await?;
        if let Some(refused) = written {
            self.complain(&PoolError::Alive(refused));
        }
        Ok(())
    }

    /// Publishes the oldest event about a row; returns whether anybody is told.
    async fn publish_change(&mut self, store: &mut DirectoryStore) -> Result<bool, PoolError> {
        let Some(event) = self.sync.events.front() else {
            return Ok(false);
        };
        let ts = self.clock.wall_micros() / 1_000_000;
        let message = event.message(&store.listing.account, &store.listing.audience, ts);
        let told = publish_message(&message, &mut store.pool).await?;
        self.sync.events.pop_front();
        self.counts.published.fetch_add(told.into(), Relaxed);
        // Events that nobody is told of need not keep a distance.
        Ok(told)
    }

    /// Publishes the waiting events, oldest first.
    async fn publish(&mut self, store: &mut DirectoryStore) -> Result<(), PoolError> {
        while let Some(event) = self.unpublished.front() {
            let told = publish_event(event, &store.listing, &mut store.pool).await?;
            self.unpublished.pop_front();
            self.counts.published.fetch_add(told.into(), Relaxed);
        }
        Ok(())
    }

    /// Publishes the rest, within a time limit.
    async fn finish(&mut self, store: &mut DirectoryStore) {
        while let Ok(event) = self.events.try_recv() {
            self.unpublished.push_back(event);
        }
        let publishing = tokio::time::timeout(LAST_WRITES, self.publish(store));
        if !matches!(publishing.await, Ok(Ok(()))) {
            tracing::warn!("shutdown: some events were not sent to redis");
        }
    }

    fn complain(&mut self, error: &PoolError) {
        self.counts.failures.fetch_add(1, Relaxed);
        let text = service::exit::chain(error).to_string();
        let error = printable(&text, LONGEST_REASON);
        if let Some(suppressed) = self.lines.take(self.clock.now()) {
            tracing::warn!(error, suppressed, "directory and events are delayed");
        }
    }
}
