//! Beside the stages: writes the newest ticks to Redis, at the pace of [`crate::last_value`].
//!
//! Owns when everything has to be written again, and how many ticks one command holds. Must not
//! know sockets, and never waits: what the link does not accept stays due.

use std::time::{Duration, Instant};

use kite::{Packet, Token};

use super::instruments::AssignedInstruments;
use super::messages::StoredTick;
use crate::last_value::keys;
use crate::last_value::schedule::{LastTick, TickMeta, WriteSchedule};
use redis_link::client::RedisClient;
use redis_link::resp::write_bulk;
use redis_link::send_queue::CommandKind;

/// The maximum number of ticks in one command: between two commands Redis serves other clients.
const TICKS: usize = 16;

/// An unchanged price is written again after this part of its expiry time. Most ticks in full mode
/// change only the book.
const RENEWED_IN: u32 = 10;

/// Due writes wait this long for a turn with another cause before they cause one.
const SLACK: Duration = Duration::from_millis(10);

/// How many ticks are written between two checks of the links.
const TURN: usize = 64;

/// Writes the last values of one process.
#[derive(Debug, Default)]
pub(crate) struct LastValueWriter {
    schedule: WriteSchedule,
    /// [`RedisClient::changes`] when everything was last marked as due: a new server may have no keys.
    changes: u64,
    /// The price in each row's keys, and since when.
    prices: Vec<Option<(i32, Instant)>>,
    /// The command for which ticks are gathered.
    pending: PendingWrite,
    /// Outputs whose keys cannot be written now.
    waiting: Vec<u32>,
}

#[derive(Debug, Default)]
struct PendingWrite {
    keys: u16,
    ticks: usize,
    fields: Vec<u8>,
}

impl LastValueWriter {
    /// Stores the newest tick of a row. That of a row that is not published is stored too, because a
    /// later assignment may publish it and the instrument may be quiet then: its price, like that of a
    /// first packet, is written with its next tick.
    #[inline]
    pub(crate) fn note(
        &mut self,
        instruments: &AssignedInstruments,
        row: u32,
        packet: &Packet,
        meta: TickMeta,
        now: Instant,
    ) {
        let outputs = instruments.stored_outputs(row);
        if instruments.row(row).is_stored() {
            self.schedule.note(row, packet, meta, outputs, now);
        } else if !instruments.row(row).is_published() {
            let meta = meta.unpublished();
            self.schedule.note(row, packet, meta, outputs, now);
        }
    }

    /// Writes the newest tick of a row again, for something beside its packet has changed.
    pub(crate) fn renew(&mut self, instruments: &AssignedInstruments, row: u32, now: Instant) {
        if self.schedule.newest(row).is_some() && !instruments.is_awaiting(row, now) {
            self.schedule.mark(instruments.stored_outputs(row), now);
        }
    }

    /// Remembers the newest tick of a row that another account publishes: it is written once this account has the row, and
    /// may be old then.
    pub(crate) fn note_unpublished(&mut self, row: u32, packet: &Packet, meta: TickMeta) {
        self.schedule.remember(row, packet, meta.unpublished());
    }

    /// Writes prices that are still due of instruments without keys in `next`: nothing else would
    /// correct them until they expire. Their newest ticks are removed soon.
    pub(crate) fn finish(
        &mut self,
        instruments: &mut AssignedInstruments,
        next: &AssignedInstruments,
        redis: &mut RedisClient,
        now: Instant,
    ) {
        for (row, known) in (0_u32..).zip(&mut self.prices) {
            let stays = next.find(instruments.row(row).token);
            let output = instruments.stored_outputs(row).next();
            if let (Some(newest), Some((output, _))) = (self.schedule.newest(row), output)
                && !stays.is_some_and(|stays| next.row(stays).is_stored())
                && known.is_none_or(|(price, _)| price != newest.packet.last_price)
                && let Some(kept) = instruments.render_last_value(output, newest, 0)
            {
                write_price(redis, &kept, newest.packet.last_price, known, now);
            }
        }
    }

    /// Switches to `instruments`; `before` are the tokens of the previous assignment. Values of
    /// instruments that stay are written again, because their keys may have changed.
    pub(crate) fn replace(
        &mut self,
        before: &[Token],
        instruments: &AssignedInstruments,
        now: Instant,
    ) {
        let known = self.schedule.take_all();
        let rows = instruments.rows().len();
        self.prices.clear();
        self.prices.resize(rows, None);
        self.schedule
            .reset(rows, instruments.outputs(), instruments.intervals());
        for (token, newest) in before.iter().zip(known) {
            if let (Some(row), Some(mut newest)) = (instruments.find(*token), newest) {
                if !instruments.row(row).is_published() {
                    newest.meta = newest.meta.unpublished();
                }
                self.schedule.restore(row, newest);
            }
        }
        self.mark_all(instruments, now);
    }

    /// Writes what is due, a part at a time; returns whether there was anything.
    pub(crate) fn write(
        &mut self,
        instruments: &mut AssignedInstruments,
        redis: &mut RedisClient,
        now: Instant,
        now_us: i64,
    ) -> bool {
        if self.changes != redis.changes() {
            self.changes = redis.changes();
            self.prices.fill(None);
            self.mark_all(instruments, now);
        }
        let mut written = 0;
        while written < TURN
            && redis.can_write_key()
            && let Some(output) = self.schedule.take(now)
        {
            written += 1;
            let row = instruments.row_of(output);
            if let Some(newest) = self.schedule.newest(row) {
                let price = &mut self.prices[row as usize];
                let times = (now, now_us);
                if !self
                    .pending
                    .add(instruments, redis, output, newest, price, times)
                {
                    self.waiting.push(output);
                }
            }
        }
        self.pending.send(instruments, redis);
        self.wait(instruments, redis, now);
        written > 0
    }

    /// Whether [`LastValueWriter::write`] has something to do.
    #[must_use]
    pub(crate) fn is_due(&self, redis: &RedisClient, now: Instant) -> bool {
        self.changes != redis.changes() || self.schedule.is_due(now)
    }

    /// Marks failed writes as due again after their interval. At shutdown they are dropped: there
    /// is no wait for a server that accepts no writes.
    fn wait(&mut self, instruments: &AssignedInstruments, redis: &RedisClient, now: Instant) {
        if self.schedule.is_draining() && redis.can_write_key() {
            self.waiting.clear();
        }
        for output in self.waiting.drain(..) {
            let kept = instruments.stored_outputs(instruments.row_of(output));
            self.schedule
                .mark(kept.filter(|(other, _)| *other == output), now);
        }
    }

    /// Writes everything without intervals from now on.
    pub(crate) const fn drain(&mut self) {
        self.schedule.drain();
    }

    /// Whether nothing is left to write.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.schedule.is_idle()
    }

    /// When a turn is needed for due writes.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.schedule.deadline().map(|due| due + SLACK)
    }

    fn mark_all(&mut self, instruments: &AssignedInstruments, now: Instant) {
        for row in 0..instruments.rows().len() as u32 {
            if self.schedule.newest(row).is_some() && !instruments.is_awaiting(row, now) {
                self.schedule.mark(instruments.stored_outputs(row), now);
            }
        }
    }
}

impl PendingWrite {
    /// Adds the tick of one output; its price is sent at once. Returns whether all of it was
    /// accepted: in a cluster each key may be on another server.
    fn add(
        &mut self,
        instruments: &mut AssignedInstruments,
        redis: &mut RedisClient,
        output: u32,
        newest: &LastTick,
        known: &mut Option<(i32, Instant)>,
        (now, now_us): (Instant, i64),
    ) -> bool {
        let Some(keys) = instruments.keys_of(output) else {
            return true;
        };
        if self.ticks == TICKS || self.keys != keys {
            self.send(instruments, redis);
            self.keys = keys;
        }
        let Some(kept) = instruments.render_last_value(output, newest, now_us) else {
            return true;
        };
        let whole = write_price(redis, &kept, newest.packet.last_price, known, now);
        if !redis.can_write_key_in(kept.last.slot) {
            return false;
        }
        write_bulk(
            &mut self.fields,
            itoa::Buffer::new().format(kept.token.0).as_bytes(),
        );
        write_bulk(&mut self.fields, kept.json);
        self.ticks += 1;
        whole
    }

    fn send(&mut self, instruments: &AssignedInstruments, redis: &mut RedisClient) {
        if self.ticks > 0
            && let Some(last) = instruments.last(self.keys)
        {
            redis.push(CommandKind::Key, last.slot, |out| {
                last.write_ticks(out, self.ticks, &self.fields);
            });
        }
        self.ticks = 0;
        self.fields.clear();
    }
}

/// Sends the price of a tick, `price`, if it differs from `known` or `known` is old; returns whether
/// all of it was accepted.
fn write_price(
    redis: &mut RedisClient,
    kept: &StoredTick<'_>,
    price: i32,
    known: &mut Option<(i32, Instant)>,
    now: Instant,
) -> bool {
    let ttl_s = kept.price.map_or(u32::MAX, |price| price.ttl_s);
    let renewed = Duration::from_secs(u64::from(ttl_s / RENEWED_IN));
    let is_known = known.is_some_and(|(known, since)| {
        known == price && now.saturating_duration_since(since) < renewed
    });
    let mut whole = true;
    if let Some(stored) = kept.price.filter(|_| !is_known) {
        for (front, slot) in stored.fronts {
            if redis.can_write_key_in(slot) {
                redis.push(CommandKind::Key, slot, |out| {
                    keys::write_price(out, front, stored.text, stored.ttl_s);
                });
            } else {
                whole = false;
            }
        }
        *known = whole.then_some((price, now));
    }
    whole
}
