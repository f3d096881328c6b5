//! From a frame to the links, through the stages `accept`, `enrich`, `moves`, `sequence` and `dispatch`.
//!
//! Owns the instruments, the links, the backlog and the counters. Handles every packet at once and
//! never waits: while the links accept nothing, the latest packet of each token is held back. Must
//! not know sockets, and must not allocate, lock or log per packet.

pub(crate) mod accept;
mod backlog;
pub(crate) mod chains;
mod dispatch;
mod enrich;
pub mod instruments;
pub(crate) mod interval;
mod last_values;
pub(crate) mod market;
mod messages;
pub(crate) mod move_gate;
pub(crate) mod moves;
mod open_interest;
mod sequence;
pub(crate) mod stats;
mod unknown_packets;

use std::task::Context;
use std::time::{Duration, Instant};

use kite::frame::{FrameError, raw_packets};
use kite::packet::UnknownLength;
use kite::{Packet, Packets, Token};
use service::clock::Clock;

use accept::TickKind;
use accept::rules::ReceiveTime;
use backlog::Backlog;
use instruments::{AssignedInstruments, InstrumentClass};
use last_values::LastValueWriter;
use market::SessionChange;
use moves::Overlap;
use redis_link::client::RedisClient;
use redis_link::send_queue::CommandKind;
use redis_link::target::Target;
use stats::{AGE_BOUNDS, Stats};
use unknown_packets::UnknownPacketCounter;

/// All chains are looked at this often, whether or not their references tick.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The pipeline of one process.
#[derive(Debug)]
pub struct Pipeline {
    /// The instruments.
    pub(crate) instruments: AssignedInstruments,
    /// The links to Redis.
    pub redis: RedisClient,
    /// The counters.
    pub stats: Stats,
    /// What could not be read.
    pub(crate) unknown_packets: UnknownPacketCounter,
    backlog: Backlog,
    last_values: LastValueWriter,
    clock: Clock,
    batch: usize,
    batch_since: Option<Instant>,
    /// When the chains were last looked at.
    looked: Option<Instant>,
    /// Positions of instruments whose Greeks were renewed just now.
    renewed: Vec<u32>,
    overlaps: Vec<Overlap>,
    session_changes: Vec<SessionChange>,
    /// Messages that are known to be lost.
    lost: u64,
    /// When the newest packet arrived, epoch microseconds.
    newest_us: i64,
    /// Wall time of the last rendering, epoch microseconds.
    stamp: i64,
    /// How many more messages may use it.
    stamps_left: usize,
}

impl Pipeline {
    /// A pipeline without instruments.
    #[must_use]
    pub fn new(redis: RedisClient, clock: Clock) -> Self {
        Self {
            instruments: AssignedInstruments::default(),
            redis,
            stats: Stats::default(),
            unknown_packets: UnknownPacketCounter::default(),
            backlog: Backlog::default(),
            last_values: LastValueWriter::default(),
            clock,
            batch: 0,
            batch_since: None,
            looked: None,
            renewed: Vec::new(),
            overlaps: Vec::new(),
            session_changes: Vec::new(),
            lost: 0,
            newest_us: 0,
            stamp: 0,
            stamps_left: 0,
        }
    }

    /// Replaces the instruments. What is held back for those that stay keeps its order.
    pub fn replace(&mut self, mut instruments: AssignedInstruments) {
        let before = self.instruments.rows().iter();
        let before: Vec<Token> = before.map(|row| row.token).collect();
        let now = self.clock.now();
        let (old, redis) = (&mut self.instruments, &mut self.redis);
        self.last_values.finish(old, &instruments, redis, now);
        self.overlaps
            .extend(instruments.overlaps(&self.instruments));
        instruments.succeed(std::mem::take(&mut self.instruments), now);
        self.instruments = instruments;
        let held = std::iter::from_fn(|| self.backlog.take_oldest());
        let held: Vec<Packet> = held.map(|(_, packet)| packet).collect();
        self.backlog.reset(self.instruments.rows().len());
        for packet in held {
            let row = self.instruments.find(packet.token);
            match row.filter(|row| self.instruments.messages(*row) > 0) {
                Some(row) => {
                    self.instruments.sequence_held(row);
                    self.backlog.hold(row, &packet);
                }
                None => self.stats.conflated += 1,
            }
        }
        self.last_values.replace(&before, &self.instruments, now);
        self.redis.reset_key_rejections();
    }

    /// What was published of instruments after another account had begun to, since the last call.
    pub(crate) fn take_overlaps(&mut self) -> Vec<Overlap> {
        std::mem::take(&mut self.overlaps)
    }

    /// Switches to `target`. Messages that an old link leaves unanswered are lost for readers of
    /// the new one.
    pub fn set_target(&mut self, target: &Target) {
        self.redis.set_target(target);
        self.note_lost();
    }

    /// Handles one binary frame that was read at `now`; returns whether it held ticks other than
    /// first packets.
    pub fn on_frame(&mut self, frame: &[u8], now: Instant) -> bool {
        let mut live = false;
        let received = ReceiveTime {
            at: now,
            us: self.clock.wall_micros(),
        };
        let mut ticks = [0; InstrumentClass::ALL.len()];
        self.look_at_clock(received.us);
        self.stamps_left = 0;
        let (mut packets, mut unknown) = (0, 0);
        for packet in Packets::new(frame) {
            packets += 1;
            match packet {
                Ok(packet) => live |= self.on_packet(&packet, received, &mut ticks),
                Err(FrameError::Packet(UnknownLength(length))) => {
                    unknown += 1;
                    self.on_unknown_packet(length, frame);
                }
                Err(FrameError::Truncated { .. }) => self.stats.errors.truncated_frame += 1,
                Err(FrameError::Trailing(_)) => self.stats.errors.trailing_bytes += 1,
            }
        }
        self.unknown_packets.observe_frame(packets, unknown, now);
        if ticks != [0; InstrumentClass::ALL.len()] {
            let elapsed = self.clock.now().saturating_duration_since(now);
            self.stats.observe_frame(&ticks, elapsed);
            self.batch_since.get_or_insert(now);
        }
        live
    }

    /// Notes which sessions have begun by this time, epoch microseconds.
    #[inline]
    pub(crate) fn look_at_clock(&mut self, now_us: i64) {
        let changes = self.instruments.market.look(now_us.div_euclid(1_000_000));
        self.session_changes.extend(changes);
    }

    /// Looks at the forwards of all chains once a second, for books grow old without a packet, and writes the hashes that are due.
    fn look_at_chains(&mut self, now: Instant) {
        let recent = |looked: Instant| now.saturating_duration_since(looked) < LOOK_EVERY;
        if self.instruments.chains.chains().is_empty() || self.looked.is_some_and(recent) {
            return;
        }
        self.looked = Some(now);
        let second = self.clock.wall_micros().div_euclid(1_000_000);
        self.instruments.look_at_chains(now, second);
        let redis = &mut self.redis;
        self.instruments
            .write_chain_hashes(now, second, |hash, fields| {
                let can_write = redis.can_write_key_in(hash.slot);
                if can_write {
                    redis.push(CommandKind::Key, hash.slot, |out| hash.write(out, fields));
                    let chain = fields.chain;
                    redis.push(CommandKind::Key, hash.slot, |out| {
                        hash.write_end(out, chain);
                    });
                }
                can_write
            });
    }

    /// The sessions that have begun since the last call.
    pub(crate) fn take_session_changes(&mut self) -> Vec<SessionChange> {
        std::mem::take(&mut self.session_changes)
    }

    /// Sends as much as possible now. Returns whether the links, or their states, have changed.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut changed = false;
        self.look_at_chains(now);
        self.renew_greeks(now);
        loop {
            self.count_batch();
            changed |= self.redis.poll(cx, now);
            self.note_lost();
            if !self.drain_backlog(now) && !self.write_last_values(now) {
                return changed;
            }
        }
    }

    /// Renews Greeks of chains whose forward has moved, for the last values alone. Ticks that wait keep what they were given, and
    /// what cannot be written need not be renewed.
    fn renew_greeks(&mut self, now: Instant) {
        let due = self.instruments.greeks_deadline();
        if due.is_none_or(|due| now < due) || !self.may_renew_greeks() {
            return;
        }
        let second = self.clock.wall_micros().div_euclid(1_000_000);
        let renewed = &mut self.renewed;
        self.instruments
            .renew_greeks(now, second, |row| renewed.push(row));
        self.stats.greeks_refreshed += renewed.len() as u64;
        for row in renewed.drain(..) {
            self.last_values.renew(&self.instruments, row, now);
        }
    }

    fn may_renew_greeks(&self) -> bool {
        self.backlog.is_empty() && self.redis.can_write_key()
    }

    /// No tick may have a `volume_delta` against one that was lost.
    fn note_lost(&mut self) {
        let lost = self.redis.counts().lost();
        if std::mem::replace(&mut self.lost, lost) != lost {
            self.instruments.on_messages_lost();
        }
    }

    /// When something has to be done even if no socket wakes the data plane.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // Links that accept nothing wake the data plane when they accept again.
        let kept = self.last_values.deadline();
        let kept = kept.filter(|_| self.redis.can_write_key());
        let greeks = self.instruments.greeks_deadline();
        let greeks = greeks.filter(|_| self.may_renew_greeks());
        let own = kept.into_iter().chain(greeks);
        own.chain(self.redis.deadline()).min()
    }

    /// Writes last values without intervals from now on.
    pub(crate) const fn drain(&mut self) {
        self.last_values.drain();
    }

    /// Whether everything was answered, or can no longer be.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let nothing_left = self.backlog.is_empty() && self.last_values.is_idle();
        self.redis.is_idle() && (nothing_left || !self.redis.is_open())
    }

    /// Counts a packet of this length, and keeps the first as a sample.
    #[cold]
    fn on_unknown_packet(&mut self, length: usize, frame: &[u8]) {
        self.stats.errors.unknown_packet += 1;
        if self.unknown_packets.wants(length) {
            let packet = raw_packets(frame).find(|packet| packet.len() == length);
            self.unknown_packets.sample(packet.unwrap_or_default());
        }
    }

    /// Computes the Greeks of an option, and counts them.
    #[inline]
    fn enrich(&mut self, row: u32, packet: &Packet, kind: TickKind, received: ReceiveTime) {
        let is_sampled = self.stats.is_greeks_sample();
        let start = is_sampled.then(|| self.clock.now());
        let word = self.instruments.enrich(row, packet, kind, received);
        if let Some(word) = word.filter(|_| kind.is_tick()) {
            let took = start.map(|start| self.clock.now().saturating_duration_since(start));
            self.stats.observe_greeks(word, took);
        }
    }

    fn on_packet(&mut self, packet: &Packet, received: ReceiveTime, ticks: &mut [u64]) -> bool {
        let Some(row) = self.instruments.find(packet.token) else {
            self.stats.errors.unknown_token += 1;
            return false;
        };
        let class = self.instruments.row(row).class as usize;
        let kind = self.instruments.accept(row, packet, received);
        self.enrich(row, packet, kind, received);
        let passes = self.instruments.passes(row, packet, received.at);
        if !kind.is_tick() {
            let undated = kind == TickKind::UndatedSnapshot;
            let counts = if undated {
                &mut self.stats.undated_snapshots
            } else {
                &mut self.stats.old_snapshots
            };
            counts[class] += 1;
            let meta = self.instruments.stored_snapshot(row, received);
            if passes {
                self.last_values
                    .note(&self.instruments, row, packet, meta, received.at);
            } else {
                self.last_values.note_unpublished(row, packet, meta);
            }
            return false;
        }
        if let Some(why) = self.instruments.row(row).state.old_price {
            self.stats.old_prices[why as usize] += 1;
        }
        self.newest_us = received.us;
        self.stats.ticks += 1;
        if self.instruments.row(row).state.received == Some(received) {
            self.stats.last_tick_us = received.us;
        }
        self.stats.accepted[class] += 1;
        ticks[class] += 1;
        if let Some(time) = packet.exchange_time() {
            let age = (received.us / 1_000_000 - time) as f64;
            self.stats.exchange_age.observe(&AGE_BOUNDS, age, 1);
        }
        if passes {
            self.instruments.sequence(row);
            self.dispatch(row, packet, received.at);
        } else {
            let meta = self.instruments.newest_meta(row);
            self.last_values.note_unpublished(row, packet, meta);
        }
        kind == TickKind::Tick
    }
}

#[cfg(test)]
mod tests {
    use contract::{Boundary, Move, MovePart};
    use kite::{FrameBuilder, Token};
    use service::tls::Roots;

    use super::*;
    use crate::pipeline::instruments::tests::{NOON, full, sample};
    use redis_link::access::Access;

    fn frame(packet: &Packet) -> Vec<u8> {
        let mut frame = FrameBuilder::default();
        assert!(frame.push(packet));
        frame.finish()
    }

    /// A pipeline without a Redis, at noon.
    fn pipeline() -> (Pipeline, Clock) {
        service::tls::install();
        let access = Access::new(None, Roots::of_machine()).unwrap();
        let clock = Clock::manual("2025-12-01T06:30:00Z".parse().unwrap());
        let redis = RedisClient::new(access, "test".to_owned(), 1);
        let mut pipeline = Pipeline::new(redis, clock.clone());
        pipeline.replace(AssignedInstruments::build(&sample(), "1", false));
        (pipeline, clock)
    }

    /// A tick that nobody reads must not come when its instrument is published later.
    #[test]
    fn only_what_is_published_waits_for_redis() {
        let (mut pipeline, clock) = pipeline();
        let (share, option) = (Token(408_065), Token(12_192_002));
        let assign = |pipeline: &mut Pipeline, unread: &[Token]| {
            let mut assignment = sample();
            let rows = assignment.instruments.iter_mut();
            for row in rows.filter(|row| unread.contains(&row.token)) {
                row.outputs.clear();
            }
            pipeline.replace(AssignedInstruments::build(&assignment, "1", false));
        };
        assign(&mut pipeline, &[share]);
        for token in [share, option, share] {
            pipeline.on_frame(&frame(&full(token.0, 5, NOON)), clock.now());
        }
        assign(&mut pipeline, &[]);
        assert_eq!((pipeline.stats.ticks, pipeline.stats.conflated), (3, 0));
        let held = pipeline.backlog.take_oldest();
        assert_eq!(held.map(|(_, packet)| packet.token), Some(option));
        assert!(pipeline.backlog.is_empty());

        // It waits, and meanwhile nobody reads it any more.
        pipeline.on_frame(&frame(&full(option.0, 6, NOON)), clock.now());
        assign(&mut pipeline, &[option]);
        assert!(pipeline.backlog.is_empty());
        assert_eq!(pipeline.stats.conflated, 1);
    }

    #[test]
    fn an_old_snapshot_makes_nothing_look_fresh() {
        let (mut pipeline, clock) = pipeline();
        let token = Token(12_192_002);
        pipeline.instruments.on_subscribe(token, clock.now());

        let yesterday = frame(&full(token.0, 900, NOON - 86_400));
        pipeline.on_frame(&yesterday, clock.now());
        let stats = &pipeline.stats;
        assert_eq!(stats.old_snapshots[InstrumentClass::Option as usize], 1);
        assert_eq!((stats.ticks, stats.last_tick_us), (0, 0));
        let row = pipeline.instruments.find(token).unwrap();
        assert!(pipeline.instruments.row(row).state.seen);

        pipeline.on_frame(&frame(&full(token.0, 5, NOON)), clock.now());
        let (stats, now) = (&pipeline.stats, clock.wall_micros());
        assert_eq!((stats.ticks, stats.last_tick_us), (1, now));
        let received = pipeline.instruments.row(row).state.received;
        assert_eq!(received.map(|received| received.us), Some(now));
    }

    /// The one account gives an instrument away and the other one takes it over: each packet is numbered by one of them.
    #[test]
    fn a_boundary_divides_the_packets_of_two_accounts() {
        let token = Token(12_192_002);
        let moving = |part: MovePart, second: Option<i64>| {
            let mut assignment = sample();
            let boundary = second.map(|second| Boundary {
                second,
                within_s: 10,
            });
            let id = "a:1".to_owned();
            assignment.moves.push(Move { id, part, boundary });
            let rows = assignment.instruments.iter_mut();
            for row in rows.filter(|row| row.token == token) {
                row.move_at = Some(0);
            }
            AssignedInstruments::build(&assignment, "1", false)
        };
        let come = |pipeline: &mut Pipeline, clock: &Clock, seconds: std::ops::Range<u32>| {
            for second in seconds {
                let packet = full(token.0, 5 + second, NOON + second);
                pipeline.on_frame(&frame(&packet), clock.now());
            }
            let channels = pipeline.instruments.channels.iter();
            channels.map(|channel| channel.seq).sum::<u64>()
        };
        let boundary = i64::from(NOON) + 3;
        for (part, numbers) in [(MovePart::From, [3, 5]), (MovePart::To, [0, 2])] {
            let (mut pipeline, clock) = pipeline();
            pipeline.replace(moving(part, None));
            assert_eq!(come(&mut pipeline, &clock, 0..3), numbers[0], "{part:?}");
            pipeline.replace(moving(part, Some(boundary)));
            assert_eq!(come(&mut pipeline, &clock, 1..5), numbers[1], "{part:?}");
            assert_eq!(pipeline.take_overlaps(), []);
        }

        // The file with the boundary comes too late.
        let (mut late, clock) = pipeline();
        late.replace(moving(MovePart::From, None));
        come(&mut late, &clock, 0..6);
        late.replace(moving(MovePart::From, Some(boundary)));
        let (from, to) = (boundary, boundary + 2);
        let tokens = vec![token.0];
        assert_eq!(late.take_overlaps(), [Overlap { from, to, tokens }]);
    }
}
