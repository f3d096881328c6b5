//! Last stage: ticks become commands for the links, or wait for them.
//!
//! Owns what is sent at once, and when a batch is large enough. Must not classify or number.

use std::time::{Duration, Instant};

use kite::Packet;

use super::Pipeline;
use super::stats::BATCH_BOUNDS;
use redis_link::resp::write_bulk;
use redis_link::send_queue::CommandKind;

/// From this many commands on a batch is sent even while further frames are readable.
const BATCH: usize = 256;

/// How many messages share one reading of the clock. Rendering them takes far less than a
/// microsecond matters to `pub_us`.
const STAMP_EVERY: usize = 16;

/// No command waits longer than this for others of its batch.
const BATCH_TIME: Duration = Duration::from_millis(1);

impl Pipeline {
    /// Whether the batch has to be sent before another frame is read.
    #[must_use]
    pub(crate) fn is_batch_full(&self, now: Instant) -> bool {
        self.batch >= BATCH
            || self
                .batch_since
                .is_some_and(|since| now.saturating_duration_since(since) >= BATCH_TIME)
    }

    /// Renders a numbered tick, or holds it back while the links accept none or older ones wait. One
    /// without messages has nothing to wait for.
    #[inline]
    pub(super) fn dispatch(&mut self, row: u32, packet: &Packet, now: Instant) {
        let can_send = self.backlog.is_empty() && self.redis.can_take();
        if can_send || self.instruments.messages(row) == 0 {
            self.render(row, packet, now);
        } else if self.backlog.hold(row, packet) {
            self.stats.conflated += self.instruments.messages(row) as u64;
        }
    }

    #[inline]
    fn render(&mut self, row: u32, packet: &Packet, now: Instant) {
        let messages = self.instruments.messages(row);
        let published_us = self.stamp(messages);
        let redis = &mut self.redis;
        let meta = self
            .instruments
            .render(row, packet, published_us, |message| {
                redis.push(CommandKind::Message, message.slot, |out| {
                    out.extend_from_slice(message.head);
                    write_bulk(out, message.json);
                });
                if let Some(stream) = message.stream {
                    let server_millis = redis.server_millis(stream.slot, now, published_us);
                    redis.push(CommandKind::Key, stream.slot, |out| {
                        stream.write(out, message.json, server_millis);
                    });
                }
            });
        self.last_values
            .note(&self.instruments, row, packet, meta, now);
        self.batch += messages;
        self.stats.rendered[self.instruments.row(row).class as usize] += messages as u64;
    }

    /// Wall time for the next `messages`.
    #[inline]
    fn stamp(&mut self, messages: usize) -> i64 {
        if self.stamps_left == 0 {
            // A wall clock may be set back, but a tick is never published before its receive time.
            self.stamp = self.clock.wall_micros().max(self.newest_us);
            self.stamps_left = STAMP_EVERY;
        }
        self.stamps_left = self.stamps_left.saturating_sub(messages);
        self.stamp
    }

    /// Renders held packets while the link accepts them; returns whether there were any.
    pub(super) fn drain_backlog(&mut self, now: Instant) -> bool {
        if self.backlog.is_empty() || !self.redis.can_take() {
            return false;
        }
        self.stamps_left = 0;
        while self.redis.can_take()
            && self.batch < BATCH
            && let Some((row, packet)) = self.backlog.take_oldest()
        {
            self.render(row, &packet, now);
        }
        true
    }

    pub(super) fn write_last_values(&mut self, now: Instant) -> bool {
        if !self.redis.can_write_key() || !self.last_values.is_due(&self.redis, now) {
            return false;
        }
        let now_us = self.clock.wall_micros();
        self.last_values
            .write(&mut self.instruments, &mut self.redis, now, now_us)
    }

    pub(super) fn count_batch(&mut self) {
        if self.batch > 0 {
            self.stats
                .batches
                .observe(&BATCH_BOUNDS, self.batch as f64, 1);
            self.batch = 0;
        }
        self.batch_since = None;
    }
}
