//! What one client is to be sent: answers of the hub first, then ticks, in the order of their instruments.
//!
//! Owns the bounds: a client that reads slowly has at most a few ticks of each of its instruments waiting;
//! then older ones are dropped, it is told of the gap, and gets the newest. With a rate it has one, the
//! newest. Time is an argument.

mod frames;
mod pace;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::ws::Utf8Bytes;
use kite::Mode;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use crate::instrument::InstrumentId;
use crate::protocol::answer;
use crate::tick::Tick;
pub(crate) use frames::KiteFrames;
pub(crate) use pace::Pace;

/// Ticks of one instrument that may wait for a client without a rate.
const WAITING: usize = 4;

/// Ticks of one batch.
const BATCH: usize = 500;

/// Ticks that a client without batches is handed at once.
const AT_ONCE: usize = 64;

/// Notices that may wait; then the oldest are dropped, which a client that reads nothing does not notice.
const NOTICES: usize = 256;

/// The way to one client.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<Waiting>,
    /// Something was added.
    pub(crate) filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    pace: Pace,
    notices: VecDeque<(Notice, Utf8Bytes)>,
    /// Instruments with ticks, one entry per tick at most.
    order: VecDeque<InstrumentId>,
    ticks: FxHashMap<InstrumentId, Queue>,
    count: usize,
    /// When the first of the waiting ticks came.
    since: Option<Instant>,
    flushed: Option<Instant>,
    /// Ticks that were dropped: from the receipt of the first to that of the last.
    gaps: BTreeMap<u32, (f64, f64)>,
    counts: OutboxCounts,
}

#[derive(Debug, Default)]
struct Queue {
    ticks: VecDeque<Entry>,
    /// Its entries in `order`.
    listed: usize,
}

#[derive(Debug)]
struct Entry {
    tick: Arc<Tick>,
    mode: Mode,
    as_snapshot: bool,
}

/// A message that is no tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Ticks were missed.
    Gap,
    /// An order update.
    Order,
}

/// What one client was sent, and what it was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutboxCounts {
    /// Ticks.
    pub(crate) sent: u64,
    /// Ticks that a newer one of the same instrument replaced, because of the client's rate.
    pub(crate) conflated: u64,
    /// Ticks that were dropped because the client reads too slowly.
    pub(crate) dropped: u64,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the rate; what waits stays.
    pub(crate) fn set_pace(&self, pace: Pace) {
        self.lock().pace = pace;
        self.filled.notify_one();
    }

    /// Appends a message that is no tick.
    pub(crate) fn notice(&self, kind: Notice, text: Utf8Bytes) {
        let mut waiting = self.lock();
        if waiting.notices.len() == NOTICES {
            waiting.notices.pop_front();
        }
        waiting.notices.push_back((kind, text));
        drop(waiting);
        self.filled.notify_one();
    }

    /// Appends a tick.
    pub(crate) fn push(&self, tick: &Arc<Tick>, mode: Mode, as_snapshot: bool, now: Instant) {
        let entry = Entry {
            tick: Arc::clone(tick),
            mode,
            as_snapshot,
        };
        let wake = self.lock().push(entry, now);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Forgets the ticks of an instrument that the client no longer wants.
    pub(crate) fn forget(&self, id: InstrumentId) {
        let mut waiting = self.lock();
        let Waiting {
            ticks, count, gaps, ..
        } = &mut *waiting;
        if let Some(queue) = ticks.get_mut(&id) {
            *count -= queue.ticks.len();
            queue.ticks.clear();
        }
        gaps.remove(&id.token);
    }

    /// Moves what may be sent at `now` to `messages`. Returns when to ask again, if something waits for its
    /// time.
    pub(crate) fn take(&self, now: Instant, messages: &mut Vec<Utf8Bytes>) -> Option<Instant> {
        self.lock().take(now, messages)
    }

    /// The counts so far.
    pub(crate) fn counts(&self) -> OutboxCounts {
        self.lock().counts
    }
}

impl Waiting {
    /// Whether the client has to be woken.
    fn push(&mut self, mut entry: Entry, now: Instant) -> bool {
        let id = entry.tick.id;
        let most = if self.pace.is_conflated() { 1 } else { WAITING };
        let queue = self.ticks.entry(id).or_default();
        if queue.ticks.len() >= most {
            self.count -= queue.ticks.len();
            let dropped = queue.ticks.len() as u64;
            if most == 1 {
                self.counts.conflated += dropped;
                // What replaces the first one is the first that the client gets.
                entry.as_snapshot |= queue.ticks.iter().any(|it| it.as_snapshot);
            } else {
                self.counts.dropped += dropped;
                let first = queue.ticks.front().map_or(0.0, |it| it.tick.received);
                let last = entry.tick.received;
                let gap = self.gaps.entry(id.token).or_insert((first, last));
                gap.1 = last;
                entry.as_snapshot = true;
            }
            queue.ticks.clear();
        }
        queue.ticks.push_back(entry);
        if queue.listed < queue.ticks.len() {
            queue.listed += 1;
            self.order.push_back(id);
        }
        self.count += 1;
        let was_empty = self.since.is_none();
        self.since.get_or_insert(now);
        was_empty || self.count == BATCH
    }

    fn take(&mut self, now: Instant, messages: &mut Vec<Utf8Bytes>) -> Option<Instant> {
        messages.extend(self.notices.drain(..).map(|(_, text)| text));
        if !self.gaps.is_empty() {
            messages.push(self.gap());
        }
        let since = self.since?;
        let full = self.count >= BATCH;
        let due = self.pace.due(since, self.flushed);
        if due > now && !(full && self.pace.batch && !self.pace.is_conflated()) {
            return Some(due);
        }
        if self.pace.batch {
            while let Some(batch) = self.batch() {
                messages.push(batch);
                if !self.pace.is_conflated() {
                    break;
                }
            }
        } else {
            // With a rate all go in one write; without, the socket decides how many.
            let most = if self.pace.is_conflated() {
                usize::MAX
            } else {
                AT_ONCE
            };
            let mut taken = 0;
            while taken < most
                && let Some(entry) = self.pop()
            {
                messages.push(entry.tick.message(entry.mode, entry.as_snapshot));
                taken += 1;
            }
        }
        self.flushed = Some(now);
        if self.count == 0 {
            self.clear();
            return None;
        }
        self.since = Some(now);
        Some(self.pace.due(now, self.flushed))
    }

    /// Nothing waits.
    fn clear(&mut self) {
        self.since = None;
        // Entries of instruments whose ticks were forgotten.
        self.order.clear();
        self.ticks.clear();
    }

    fn pop(&mut self) -> Option<Entry> {
        while let Some(id) = self.order.pop_front() {
            let Some(queue) = self.ticks.get_mut(&id) else {
                continue;
            };
            queue.listed -= 1;
            if let Some(entry) = queue.ticks.pop_front() {
                self.count -= 1;
                self.counts.sent += 1;
                return Some(entry);
            }
        }
        None
    }

    fn batch(&mut self) -> Option<Utf8Bytes> {
        let mut text = String::new();
        for _ in 0..BATCH {
            let Some(entry) = self.pop() else { break };
            let message = entry.tick.message(entry.mode, entry.as_snapshot);
            text.push(if text.is_empty() { '[' } else { ',' });
            text.push_str(Tick::object(&message));
        }
        (!text.is_empty()).then(|| answer::ticks(&text))
    }

    /// One message about everything that was dropped.
    fn gap(&mut self) -> Utf8Bytes {
        let gaps = std::mem::take(&mut self.gaps);
        let tokens: Vec<u32> = gaps.keys().copied().collect();
        let from = gaps.values().map(|it| it.0).fold(f64::INFINITY, f64::min);
        let to = gaps.values().map(|it| it.1).fold(0.0, f64::max);
        answer::gap(&answer::GapOf::Tokens(&tokens), from, to, "slow")
    }
}

#[cfg(test)]
mod tests;
