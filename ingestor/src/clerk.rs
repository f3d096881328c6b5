//! Keeps the books in Redis: the directory of what streams, events, and updates of orders.
//!
//! Owns connections of its own beside those that carry ticks, which it never holds up. What
//! the directory has to say and what readers are told is decided in [`crate::books`]. After a lost
//! connection an event may come twice. Lost are those for which there is no room, which are counted,
//! those about instruments that are not told yet when the process ends, and those about rows that
//! were written by a command whose answer never came.

mod desk;
pub(crate) mod ways;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use service::clock::Clock;
use service::text::{LONGEST_REASON, LineQuota, printable};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::books::Books;
use crate::events::event::Event;
use crate::events::publish::{publish_event, publish_message};
use crate::redis::access::Access;
use crate::redis::retry::retry_delay;
use desk::Desk;
use ways::{WayError, Ways};

/// Events that may wait for Redis; more are lost and counted.
pub const EVENT_QUEUE: usize = 10_000;

/// The listener of subscriptions starts a backfill for each: they come this far apart.
const BETWEEN_EVENTS: Duration = Duration::from_millis(20);

/// What this account has in the directory is compared this often: somebody may have changed it.
const COMPARE_EVERY: Duration = Duration::from_secs(300);

/// The last words, at the end or to a Redis that is left, may take this long.
const FAREWELL: Duration = Duration::from_secs(1);

/// What was done, for metrics.
#[derive(Debug, Default)]
pub struct EventCounts {
    /// Events and orders that Redis took.
    pub published: AtomicU64,
    /// Events and orders for which there was no room.
    pub lost: AtomicU64,
    /// Connections that failed.
    pub failures: AtomicU64,
}

/// The clerk.
#[derive(Debug)]
pub struct Clerk {
    access: Access,
    name: String,
    clock: Clock,
    books: watch::Receiver<Option<Arc<Books>>>,
    events: mpsc::Receiver<Event>,
    counts: Arc<EventCounts>,
    desk: Desk,
    /// Events that Redis has not taken yet, oldest first.
    unpublished: VecDeque<Event>,
    lines: LineQuota,
}

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
enum ClerkError {
    #[error(transparent)]
    Way(#[from] WayError),
    #[error("redis closed the connection")]
    Closed,
}

/// Why a connection is not needed any more.
enum Ended {
    Shutdown,
    Moved,
}

impl Clerk {
    /// A clerk without books yet. `name` is what Redis shows of its connection.
    #[must_use]
    pub fn new(
        access: Access,
        name: String,
        clock: Clock,
        books: watch::Receiver<Option<Arc<Books>>>,
        events: mpsc::Receiver<Event>,
        counts: Arc<EventCounts>,
    ) -> Self {
        Self {
            access,
            name,
            clock,
            books,
            events,
            counts,
            desk: Desk::default(),
            unpublished: VecDeque::new(),
            lines: LineQuota::for_reasons(),
        }
    }

    /// Keeps the books until `shutdown`.
    pub async fn keep(mut self, shutdown: CancellationToken) {
        let mut jitter = fastrand::Rng::new();
        let mut failures = 0;
        loop {
            let books = self.books.borrow_and_update().clone();
            let Some(books) = books else {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    changed = self.books.changed() => match changed {
                        Ok(()) => continue,
                        Err(_gone) => return shutdown.cancelled().await,
                    },
                }
            };
            match self.serve(books, &shutdown).await {
                Ok(Ended::Shutdown) => return,
                Ok(Ended::Moved) => failures = 0,
                Err(error) => {
                    failures += 1;
                    self.complain(&error);
                    let wait = retry_delay(failures, jitter.f64());
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
    }

    /// Works on one connection.
    async fn serve(
        &mut self,
        books: Arc<Books>,
        shutdown: &CancellationToken,
    ) -> Result<Ended, ClerkError> {
        let mut ways = tokio::select! {
            () = shutdown.cancelled() => return Ok(Ended::Shutdown),
            ways = Ways::open(&books.target, &self.access, &self.name) => ways?,
        };
        let closed = ways.closed.clone();
        let work = self.work(books, &mut ways, shutdown);
        tokio::select! {
            ended = work => ended,
            () = closed.cancelled() => Err(ClerkError::Closed),
        }
    }

    async fn work(
        &mut self,
        mut books: Arc<Books>,
        ways: &mut Ways,
        shutdown: &CancellationToken,
    ) -> Result<Ended, ClerkError> {
        let start = self.clock.now();
        self.desk.survey(&books, ways, start).await?;
        let (mut compare_at, mut event_at) = (start + COMPARE_EVERY, start);
        loop {
            let now = self.clock.now();
            if now >= compare_at {
                self.desk.compare(&books, true, ways, now).await?;
                compare_at = now + COMPARE_EVERY;
            }
            self.desk.clear(&books, ways, now).await?;
            while let Some(event) = self.unpublished.front() {
                publish_event(event, &books, ways).await?;
                self.unpublished.pop_front();
                self.counts.published.fetch_add(1, Relaxed);
            }
            if now >= event_at
                && let Some(event) = self.desk.events.front()
            {
                let ts = self.clock.wall_micros() / 1_000_000;
                publish_message(&event.message(&books.account, ts), ways).await?;
                self.desk.events.pop_front();
                self.counts.published.fetch_add(1, Relaxed);
                event_at = now + BETWEEN_EVENTS;
            }
            let event = (!self.desk.events.is_empty()).then_some(event_at);
            let next = [event, self.desk.next()].into_iter().flatten();
            let next = next.fold(compare_at, std::time::Instant::min);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    self.farewell(&books, ways).await;
                    return Ok(Ended::Shutdown);
                }
                changed = self.books.changed() => {
                    let Some(new) = changed.ok().and_then(|()| self.books.borrow_and_update().clone()) else {
                        shutdown.cancelled().await;
                        return Ok(Ended::Shutdown);
                    };
                    let place = |books: &Books| (books.target.clone(), books.account.clone());
                    if place(&new) != place(&books) {
                        // What streams elsewhere from now on is not listed here any more.
                        let leaving = self.desk.leave(&books, ways);
                        drop(tokio::time::timeout(FAREWELL, leaving).await);
                        self.desk = Desk::default();
                        return Ok(Ended::Moved);
                    }
                    books = new;
                    let now = self.clock.now();
                    self.desk.compare(&books, false, ways, now).await?;
                }
                Some(event) = self.events.recv() => self.unpublished.push_back(event),
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }

    /// Publishes what is left, bounded.
    async fn farewell(&mut self, books: &Books, ways: &mut Ways) {
        while let Ok(event) = self.events.try_recv() {
            self.unpublished.push_back(event);
        }
        let publishing = async {
            while let Some(event) = self.unpublished.front() {
                publish_event(event, books, ways).await?;
                self.unpublished.pop_front();
            }
            Ok::<(), WayError>(())
        };
        if !matches!(tokio::time::timeout(FAREWELL, publishing).await, Ok(Ok(()))) {
            tracing::warn!("ended before redis took every event");
        }
    }

    fn complain(&mut self, error: &ClerkError) {
        self.counts.failures.fetch_add(1, Relaxed);
        let text = service::exit::chain(error).to_string();
        let error = printable(&text, LONGEST_REASON);
        if let Some(suppressed) = self.lines.take(self.clock.now()) {
            tracing::warn!(error, suppressed, "directory and events have to wait");
        }
    }
}
