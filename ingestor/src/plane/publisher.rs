//! From a frame to the links: packets are looked up, classified, numbered and rendered.
//!
//! Owns the table, the links and what waits for it. Takes every packet at once and never waits:
//! while they take nothing, the latest packet of each token is held back. Must not know
//! sockets, and must not allocate, lock or log per packet.

use std::task::Context;
use std::time::{Duration, Instant};

use kite::frame::FrameError;
use kite::{Packet, Packets, Token};
use service::clock::Clock;

use crate::last_value::writer::LastValueWriter;
use crate::redis::backlog::Backlog;
use crate::redis::links::Links;
use crate::redis::outbox::Kind;
use crate::redis::resp::write_bulk;
use crate::redis::target::Target;
use crate::stats::{AGE_BOUNDS, BATCH_BOUNDS, Stats};
use crate::table::{Class, Table, Verdict};
use crate::tick::rules::Received;

/// So many commands go out even while further frames are readable.
const BATCH: usize = 256;

/// So many messages share one reading of the clock: far less time than `pub_us` can tell.
const STAMP_EVERY: usize = 16;

/// No command waits longer than this for company.
const BATCH_TIME: Duration = Duration::from_millis(1);

/// The pipeline of one process.
#[derive(Debug)]
pub struct Publisher {
    /// The instruments.
    pub table: Table,
    /// The way out.
    pub links: Links,
    /// The counters.
    pub stats: Stats,
    backlog: Backlog,
    last_values: LastValueWriter,
    clock: Clock,
    batch: usize,
    batch_since: Option<Instant>,
    /// Messages that are known to be lost.
    lost: u64,
    /// When the newest packet came, epoch microseconds.
    newest_us: i64,
    /// Wall time of the last rendering, epoch microseconds.
    stamp: i64,
    /// Messages that may still bear it.
    stamps_left: usize,
}

impl Publisher {
    /// A pipeline without instruments.
    #[must_use]
    pub fn new(links: Links, clock: Clock) -> Self {
        Self {
            table: Table::default(),
            links,
            stats: Stats::default(),
            backlog: Backlog::default(),
            last_values: LastValueWriter::default(),
            clock,
            batch: 0,
            batch_since: None,
            lost: 0,
            newest_us: 0,
            stamp: 0,
            stamps_left: 0,
        }
    }

    /// Replaces the instruments. What is held back for those that stay keeps its order.
    pub fn replace(&mut self, mut table: Table) {
        let before: Vec<Token> = self.table.rows().iter().map(|row| row.token).collect();
        table.succeed(std::mem::take(&mut self.table));
        self.table = table;
        let mut held = Vec::with_capacity(self.backlog.len());
        while let Some((_, packet)) = self.backlog.take_oldest() {
            held.push(packet);
        }
        self.backlog.reset(self.table.rows().len());
        for packet in held {
            match self.table.find(packet.token) {
                Some(row) => {
                    self.table.number_held(row);
                    self.backlog.hold(row, &packet);
                }
                None => self.stats.conflated += 1,
            }
        }
        self.last_values
            .replace(&before, &self.table, self.clock.now());
        self.links.forgive_keeping();
    }

    /// Goes to `target`. What an old link leaves unanswered is lost to readers of the new one.
    pub fn set_target(&mut self, target: &Target) {
        self.links.set_target(target);
        self.note_lost();
    }

    /// Takes one binary frame that was read at `now`; whether it held ticks that nobody asked for.
    pub fn on_frame(&mut self, frame: &[u8], now: Instant) -> bool {
        let mut live = false;
        let received = Received {
            at: now,
            us: self.clock.wall_micros(),
        };
        let mut ticks = [0; Class::ALL.len()];
        self.stamps_left = 0;
        for packet in Packets::new(frame) {
            match packet {
                Ok(packet) => live |= self.on_packet(&packet, received, &mut ticks),
                Err(FrameError::Packet(_)) => self.stats.errors.unknown_packet += 1,
                Err(FrameError::Truncated { .. }) => self.stats.errors.truncated_frame += 1,
                Err(FrameError::Trailing(_)) => self.stats.errors.trailing_bytes += 1,
            }
        }
        if ticks != [0; Class::ALL.len()] {
            let elapsed = self.clock.now().saturating_duration_since(now);
            self.stats.observe_frame(&ticks, elapsed);
            self.batch_since.get_or_insert(now);
        }
        live
    }

    /// Whether what was gathered has to go out before another frame is read.
    #[must_use]
    pub fn is_batch_full(&self, now: Instant) -> bool {
        self.batch >= BATCH
            || self
                .batch_since
                .is_some_and(|since| now.saturating_duration_since(since) >= BATCH_TIME)
    }

    /// Moves everything as far as it goes now. Returns whether the links are others, or fare otherwise.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut changed = false;
        loop {
            self.count_batch();
            changed |= self.links.poll(cx, now);
            self.note_lost();
            if !self.drain_backlog(now) && !self.keep(now) {
                return changed;
            }
        }
    }

    /// No tick may claim to follow one that was lost.
    fn note_lost(&mut self) {
        let lost = self.links.counts().lost();
        if std::mem::replace(&mut self.lost, lost) != lost {
            self.table.on_messages_lost();
        }
    }

    /// When something is to be done even if no socket wakes the plane.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        // Links that take nothing wake the plane when they do.
        let kept = self
            .last_values
            .deadline()
            .filter(|_| self.links.can_keep());
        kept.into_iter().chain(self.links.deadline()).min()
    }

    /// Writes what is to be kept without regard to intervals from now on.
    pub const fn drain(&mut self) {
        self.last_values.drain();
    }

    /// Whether everything was answered, or cannot be.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let nothing_left = self.backlog.is_empty() && self.last_values.is_idle();
        self.links.is_idle() && (nothing_left || !self.links.is_open())
    }

    fn on_packet(&mut self, packet: &Packet, received: Received, ticks: &mut [u64]) -> bool {
        let Some(row) = self.table.find(packet.token) else {
            self.stats.errors.unknown_token += 1;
            return false;
        };
        let class = self.table.row(row).class as usize;
        let verdict = self.table.accept(row, packet, received);
        if verdict == Verdict::OldSnapshot {
            self.stats.old_snapshots[class] += 1;
            let old = self.table.old(received);
            self.last_values
                .note(&self.table, row, packet, old, received.at);
            return false;
        }
        self.newest_us = received.us;
        self.stats.ticks += 1;
        if self.table.row(row).received == Some(received) {
            self.stats.last_tick_us = received.us;
        }
        self.stats.accepted[class] += 1;
        ticks[class] += 1;
        if let Some(time) = packet.exchange_time() {
            let age = (received.us / 1_000_000 - time) as f64;
            self.stats.exchange_age.observe(&AGE_BOUNDS, age, 1);
        }
        if self.backlog.is_empty() && self.links.can_take() {
            self.render(row, packet, received.at);
        } else if self.backlog.hold(row, packet) {
            self.stats.conflated += self.table.messages(row) as u64;
        }
        verdict == Verdict::Tick
    }

    #[inline]
    fn render(&mut self, row: u32, packet: &Packet, now: Instant) {
        let messages = self.table.messages(row);
        let published_us = self.stamp(messages);
        let links = &mut self.links;
        let meta = self.table.render(row, packet, published_us, |message| {
            links.push(Kind::Tick, message.slot, |out| {
                out.extend_from_slice(message.head);
                write_bulk(out, message.json);
            });
            if let Some(stream) = message.stream {
                links.push(Kind::Kept, stream.slot, |out| {
                    stream.write(out, message.json, published_us);
                });
            }
        });
        self.last_values.note(&self.table, row, packet, meta, now);
        self.batch += messages;
        self.stats.rendered[self.table.row(row).class as usize] += messages as u64;
    }

    /// Wall time for the next `messages`.
    #[inline]
    fn stamp(&mut self, messages: usize) -> i64 {
        if self.stamps_left == 0 {
            // A wall clock may be set back; a tick is never published before it came.
            self.stamp = self.clock.wall_micros().max(self.newest_us);
            self.stamps_left = STAMP_EVERY;
        }
        self.stamps_left = self.stamps_left.saturating_sub(messages);
        self.stamp
    }

    /// Renders what is held back while the link takes it; whether there was anything.
    fn drain_backlog(&mut self, now: Instant) -> bool {
        if self.backlog.is_empty() || !self.links.can_take() {
            return false;
        }
        self.stamps_left = 0;
        while self.links.can_take()
            && self.batch < BATCH
            && let Some((row, packet)) = self.backlog.take_oldest()
        {
            self.render(row, &packet, now);
        }
        true
    }

    fn keep(&mut self, now: Instant) -> bool {
        if !self.links.can_keep() || !self.last_values.is_due(&self.links, now) {
            return false;
        }
        let now_us = self.clock.wall_micros();
        self.last_values
            .write(&mut self.table, &mut self.links, now, now_us)
    }

    fn count_batch(&mut self) {
        if self.batch > 0 {
            self.stats
                .batches
                .observe(&BATCH_BOUNDS, self.batch as f64, 1);
            self.batch = 0;
        }
        self.batch_since = None;
    }
}

#[cfg(test)]
mod tests {
    use kite::{FrameBuilder, Token};
    use service::tls::Roots;

    use super::*;
    use crate::redis::access::Access;
    use crate::table::tests::{NOON, full, sample};

    fn frame(packet: &Packet) -> Vec<u8> {
        let mut frame = FrameBuilder::default();
        assert!(frame.push(packet));
        frame.finish()
    }

    #[test]
    fn an_old_snapshot_makes_nothing_look_fresh() {
        service::tls::install();
        let access = Access::new(None, Roots::of_machine()).unwrap();
        let clock = Clock::manual("2025-12-01T06:30:00Z".parse().unwrap());
        let links = Links::new(access, "test".to_owned(), 1);
        let mut publisher = Publisher::new(links, clock.clone());
        publisher.replace(Table::build(&sample(), "1", false));
        let token = Token(12_192_002);
        publisher.table.on_subscribe(token, clock.now());

        let yesterday = frame(&full(token.0, 900, NOON - 86_400));
        publisher.on_frame(&yesterday, clock.now());
        let stats = &publisher.stats;
        assert_eq!(stats.old_snapshots[Class::Option as usize], 1);
        assert_eq!((stats.ticks, stats.last_tick_us), (0, 0));
        let row = publisher.table.find(token).unwrap();
        assert!(publisher.table.row(row).seen);

        publisher.on_frame(&frame(&full(token.0, 5, NOON)), clock.now());
        let (stats, now) = (&publisher.stats, clock.wall_micros());
        assert_eq!((stats.ticks, stats.last_tick_us), (1, now));
        let received = publisher.table.row(row).received;
        assert_eq!(received.map(|received| received.us), Some(now));
    }
}
