//! The task that keeps the directory up to date, and publishes events and order updates.
//!
//! Owns its own connections to Redis beside those that carry ticks, which it never delays. Rows are
//! decided in [`super::listing`], events in [`crate::events`]. What Redis refuses for good is counted,
//! told and tried again at intervals, and holds up nothing else. After a connection that was lost
//! before the answer an event may be sent twice. Events are lost if there is no room for them (these
//! are counted), if they are about instruments and still wait when the process ends, and if they are
//! about rows whose write was never answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use service::clock::Clock;
use service::text::{LONGEST_REASON, printable};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::alive::AliveWriter;
use super::delivery::Delivery;
use super::listing::DirectoryListing;
use super::refusal::{DirectoryHealth, Part};
use super::sender::EventSender;
use super::store::DirectoryStore;
use super::sync::DirectorySync;
use crate::events::EventCounts;
use crate::events::alive::AliveState;
use crate::events::event::AccountEvent;
use crate::events::market::MarketClasses;
use contract::assignment::Account;
use redis_link::access::Access;
use redis_link::connection_pool::{ConnectionPool, PoolError};
use redis_link::retry::RETRY;
use redis_link::target::Target;
use service::address::Address;

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
    ticks_at: watch::Receiver<Option<Address>>,
    counts: Arc<EventCounts>,
    alive: AliveWriter,
    market: watch::Receiver<MarketClasses>,
    sync: DirectorySync,
    /// The Redis and the account that are worked for.
    place: Option<(Target, Account)>,
    /// Events that Redis has not accepted yet, oldest first.
    unpublished: VecDeque<AccountEvent>,
    sender: EventSender,
}

/// How the task is connected to others.
#[derive(Debug)]
pub(crate) struct DirectoryPorts {
    /// The listing to keep.
    pub(crate) listing: watch::Receiver<Option<Arc<DirectoryListing>>>,
    /// The events to publish.
    pub(crate) events: mpsc::Receiver<AccountEvent>,
    /// How the account streams.
    pub(crate) alive: watch::Receiver<Option<AliveState>>,
    /// What each class of its instruments does.
    pub(crate) market: watch::Receiver<MarketClasses>,
    /// The server that gets the ticks, where there is only one.
    pub(crate) ticks_at: watch::Receiver<Option<Address>>,
    /// The counters of events.
    pub(crate) counts: Arc<EventCounts>,
    /// What others may know of it.
    pub(crate) health: watch::Sender<DirectoryHealth>,
}

/// Why a connection is no longer needed.
enum Ended {
    Shutdown,
    Moved,
}

impl DirectoryTask {
    /// A task without a listing yet. `name` is what Redis shows of its connection.
    #[must_use]
    pub(crate) fn new(access: Access, name: String, clock: Clock, ports: DirectoryPorts) -> Self {
        Self {
            access,
            name,
            clock,
            alive: AliveWriter::new(ports.alive, ports.market.clone()),
            market: ports.market,
            listing: ports.listing,
            events: ports.events,
            ticks_at: ports.ticks_at,
            sender: EventSender::new(Arc::clone(&ports.counts), ports.health),
            counts: ports.counts,
            sync: DirectorySync::default(),
            place: None,
            unpublished: VecDeque::new(),
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
            self.enter(&listing);
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

    /// Forgets what is known of another Redis, or of another account, whether there was a connection
    /// when it changed or not.
    fn enter(&mut self, listing: &DirectoryListing) {
        let place = Some((listing.target.clone(), listing.account.clone()));
        let anew = self.place != place;
        if anew {
            self.place = place;
            self.sync = DirectorySync::default();
            self.alive.restart();
        }
        self.sender.on_listing(listing, anew);
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
        self.sender.on_connected();
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
        let mut event_at = self.clock.now();
        // Nothing is known of the directory yet.
        let mut compare_at = None;
        loop {
            let now = self.clock.now();
            // Before the directory, which a user of Redis may have no right to read.
            self.write_alive(store, now).await?;
            compare_at = Some(self.keep_directory(store, compare_at, now).await?);
            self.publish(store).await?;
            if now >= event_at && self.publish_change(store).await? {
                event_at = now + BETWEEN_EVENTS;
            }
            let event = (!self.sync.events.is_empty()).then_some(event_at);
            let refused = self.sender.directory_again().is_some();
            let leaving = self.sync.next().filter(|_| !refused);
            let next = [compare_at, event, leaving, self.alive.due()];
            let next = next.into_iter().flatten().min().unwrap_or(now);
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
                Ok(()) = self.ticks_at.changed() => {
                    // Another server is the master now, and its readers get the events too.
                    let ticks_at = self.ticks_at.borrow_and_update().clone();
                    if ticks_at.is_some() && ticks_at.as_ref() != store.pool.server() {
                        return Ok(Ended::Moved);
                    }
                }
                // What a market does is told at once.
                Ok(()) = self.market.changed() => self.alive.restart(),
                Some(event) = self.events.recv() => self.unpublished.push_back(event),
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }

    /// Compares the directory when it is time: all of it at first and after a refusal, then a part
    /// at a time. Returns when to compare again.
    async fn keep_directory(
        &mut self,
        store: &mut DirectoryStore,
        compare_at: Option<Instant>,
        now: Instant,
    ) -> Result<Instant, PoolError> {
        let refused = self.sender.directory_again().is_some();
        let waits = compare_at.filter(|at| now < *at);
        if let Some(at) = waits.filter(|_| refused) {
            return Ok(at);
        }
        let kept = async {
            match waits {
                Some(_) => {}
                None if refused || compare_at.is_none() => self.sync.read_all(store, now).await?,
                None => self.sync.compare_part(store, now).await?,
            }
            self.sync.clear(store, now).await
        };
        let kept = kept.await;
        self.sender.take_directory(kept, now)?;
        let again = self.sender.directory_again();
        Ok(again.or(waits).unwrap_or(now + COMPARE_EVERY))
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
            return Ok(true);
        }
        self.sender.on_listing(&new, false);
        store.listing = new;
        let now = self.clock.now();
        // While it is refused, all of it is compared at the next try.
        if self.sender.directory_again().is_none() {
            let compared = self.sync.compare_changed(store, now).await;
            self.sender.take_directory(compared, now)?;
        }
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
        if let Some(written) = written {
            let refused = written.err();
            self.sender.take(Part::Alive, refused.as_deref(), now);
        }
        Ok(())
    }

    /// Publishes the oldest event about a row; returns whether anybody is told.
    async fn publish_change(&mut self, store: &mut DirectoryStore) -> Result<bool, PoolError> {
        let Some(event) = self.sync.events.pop_front() else {
            return Ok(false);
        };
        let ts = self.clock.wall_micros() / 1_000_000;
        let message = event.message(&store.listing.account, &store.listing.audience, ts);
        let delivery = Delivery::of(message);
        // Events that nobody is told of need not keep a distance.
        let told = delivery.is_some();
        self.sender.begin(delivery);
        self.sender.send(&mut store.pool, &self.clock).await?;
        Ok(told)
    }

    /// Publishes the waiting events, oldest first.
    async fn publish(&mut self, store: &mut DirectoryStore) -> Result<(), PoolError> {
        loop {
            self.sender.send(&mut store.pool, &self.clock).await?;
            let Some(event) = self.unpublished.pop_front() else {
                return Ok(());
            };
            let delivery = Delivery::of_event(&event, &store.listing);
            self.sender.begin(delivery);
        }
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
        let now = self.clock.now();
        self.sender
            .warn("directory and events are delayed", &error, now);
    }
}

#[cfg(test)]
mod tests;
