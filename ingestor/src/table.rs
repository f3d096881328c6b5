//! The instruments of the assignment in force.
//!
//! Owns one dense row per instrument, found by token, the text that is the same in every tick, and
//! the numbering of ticks per channel. Built away from the data plane; adopting a new table keeps
//! the state of every instrument that stays. Must not know sockets.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use contract::{Assignment, Shape};
use kite::{InstrumentType, Mode, Packet, Segment, Token};
use rustc_hash::FxHashMap;

use crate::redis::resp::publish_head;
use crate::silence::Usual;
use crate::tick::decimal::Decimals;
use crate::tick::face::{Imprint, write_head};
use crate::tick::render::{self, Look, Tick};
use crate::tick::rules::{
    FirstPackets, Received, is_of_another_day, mode_of, tick_time, volume_of,
};

/// What kind of instrument a row is, as metrics tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An option.
    Option,
    /// A future.
    Future,
    /// A share and the rest.
    Equity,
    /// An index.
    Underlying,
}

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Option, Self::Future, Self::Equity, Self::Underlying];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Option => "option",
            Self::Future => "future",
            Self::Equity => "equity",
            Self::Underlying => "underlying",
        }
    }
}

/// One instrument.
#[derive(Clone, Debug)]
pub struct Row {
    /// Kite's number.
    pub token: Token,
    /// How much of it is wanted.
    pub mode: Mode,
    /// Its kind.
    pub class: Class,
    /// The connection that carries it.
    pub connection: u8,
    /// When the present socket was told to stream it.
    pub subscribed: Option<Instant>,
    /// Whether a packet came by the present socket.
    pub seen: bool,
    /// When its newest tick came.
    pub received: Option<Received>,
    /// The usual time between two of its ticks.
    pub usual: Usual,
    decimals: Decimals,
    first: FirstPackets,
    snapshot: bool,
    ts: i64,
    /// Volume in the last tick that was rendered.
    volume: Option<u32>,
    outputs: Span,
    sets: Span,
}

impl Row {
    /// Whether packets came by the present socket, but none in the mode it was asked for last.
    #[must_use]
    pub const fn owes_mode(&self) -> bool {
        self.seen && self.first.owes_mode()
    }

    fn forget_socket(&mut self) {
        self.subscribed = None;
        self.seen = false;
        self.volume = None;
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Clone, Debug)]
struct Output {
    channel: u16,
    shape: Shape,
    depth: bool,
    head: Span,
    /// Number of the newest tick accepted for it.
    seq: u64,
}

#[derive(Clone, Debug)]
struct Channel {
    name: String,
    publish_head: Vec<u8>,
    seq: u64,
}

/// What was decided about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is a tick: numbered, to be rendered or held.
    Tick,
    /// The same, but it came because it was asked for: a first packet.
    Snapshot,
    /// A first packet of a session that is over: seen, and nothing more.
    OldSnapshot,
}

/// All rows.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    index: FxHashMap<u32, u32>,
    outputs: Vec<Output>,
    heads: Vec<u8>,
    row_sets: Vec<u16>,
    sets: Vec<String>,
    channels: Vec<Channel>,
    imprint: Imprint,
    /// Last numbers of channels that are not in force now: a channel that comes back goes on.
    retired: HashMap<String, u64>,
    scratch: Vec<u8>,
}

impl Table {
    /// Prepares the rows of `assignment`; `epoch` names this process in every tick.
    #[must_use]
    pub fn build(assignment: &Assignment, epoch: &str) -> Self {
        let rows = assignment.instruments.len();
        let mut table = Self {
            rows: Vec::with_capacity(rows),
            index: FxHashMap::with_capacity_and_hasher(rows, Default::default()),
            sets: assignment.sets.clone(),
            channels: assignment
                .channels
                .iter()
                .map(|name| Channel::new(name))
                .collect(),
            imprint: Imprint::new(&assignment.account, epoch),
            ..Self::default()
        };
        for row in &assignment.instruments {
            table.push(row);
        }
        table.heads.shrink_to_fit();
        table
    }

    /// Takes over from `old`: instruments that are in both keep their state, channels their numbers.
    pub fn succeed(&mut self, old: Self) {
        for row in &mut self.rows {
            if let Some(previous) = old.find(row.token).map(|found| &old.rows[found as usize]) {
                // A tick that is held back keeps the numbers it was given.
                for output in &mut self.outputs[row.outputs.range()] {
                    let name = &self.channels[usize::from(output.channel)].name;
                    let same =
                        |before: &&Output| old.channels[usize::from(before.channel)].name == *name;
                    let before = old.outputs[previous.outputs.range()].iter().find(same);
                    output.seq = before.map_or(0, |before| before.seq);
                }
                row.snapshot = previous.snapshot;
                row.connection = previous.connection;
                row.subscribed = previous.subscribed;
                row.seen = previous.seen;
                row.received = previous.received;
                row.usual = previous.usual;
                row.first = previous.first;
                row.ts = previous.ts;
                row.volume = previous.volume;
            }
        }
        self.retired = old.retired;
        for channel in old.channels {
            self.retired.insert(channel.name, channel.seq);
        }
        for channel in &mut self.channels {
            channel.seq = self.retired.remove(&channel.name).unwrap_or_default();
        }
        self.scratch = old.scratch;
    }

    /// Every row.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of `token`.
    #[inline]
    #[must_use]
    pub fn find(&self, token: Token) -> Option<u32> {
        self.index.get(&token.0).copied()
    }

    /// The row at a position that [`Table::find`] gave.
    #[inline]
    #[must_use]
    pub fn row(&self, row: u32) -> &Row {
        &self.rows[row as usize]
    }

    /// Names of the sets.
    #[must_use]
    pub fn sets(&self) -> &[String] {
        &self.sets
    }

    /// Positions of the sets that want `row`.
    #[must_use]
    pub fn sets_of(&self, row: &Row) -> &[u16] {
        &self.row_sets[row.sets.range()]
    }

    /// Messages that one tick of `row` makes.
    #[inline]
    #[must_use]
    pub fn messages(&self, row: u32) -> usize {
        self.rows[row as usize].outputs.range().len()
    }

    /// Judges a packet of `row` and numbers it if it is a tick.
    #[inline]
    pub fn accept(&mut self, row: u32, packet: &Packet, received: Received) -> Verdict {
        let row = &mut self.rows[row as usize];
        row.seen = true;
        let first = row.first.take(mode_of(packet), row.mode);
        let exchange_time = packet.exchange_time();
        if first && exchange_time.is_some_and(|time| is_of_another_day(time, received.us)) {
            return Verdict::OldSnapshot;
        }
        if let (Some(before), false, false) = (row.received, first, row.snapshot) {
            row.usual
                .learn(received.at.saturating_duration_since(before.at));
        }
        row.received = Some(received);
        row.snapshot = first;
        row.ts = tick_time(exchange_time, received.us, row.ts);
        for output in &mut self.outputs[row.outputs.range()] {
            let channel = &mut self.channels[usize::from(output.channel)];
            channel.seq += 1;
            output.seq = channel.seq;
        }
        if first {
            Verdict::Snapshot
        } else {
            Verdict::Tick
        }
    }

    /// Numbers a held tick of `row` on channels that it was not accepted for.
    pub fn number_held(&mut self, row: u32) {
        let range = self.rows[row as usize].outputs.range();
        for output in self.outputs[range]
            .iter_mut()
            .filter(|output| output.seq == 0)
        {
            let channel = &mut self.channels[usize::from(output.channel)];
            channel.seq += 1;
            output.seq = channel.seq;
        }
    }

    /// Renders the newest accepted packet of `row`, one message per output. `push` gets
    /// the constant part of its command and the message.
    #[inline]
    pub fn render(
        &mut self,
        row: u32,
        packet: &Packet,
        published_us: i64,
        mut push: impl FnMut(&[u8], &[u8]),
    ) {
        let row = &mut self.rows[row as usize];
        let volume = volume_of(packet);
        let volume_delta = volume
            .zip(row.volume)
            .and_then(|(now, before)| now.checked_sub(before));
        row.volume = volume.or(row.volume);
        for output in &self.outputs[row.outputs.range()] {
            let channel = &self.channels[usize::from(output.channel)];
            let look = Look {
                head: &self.heads[output.head.range()],
                imprint: &self.imprint,
                shape: output.shape,
                decimals: row.decimals,
                option: row.class == Class::Option,
                index: row.class == Class::Underlying,
                depth: output.depth,
            };
            let tick = Tick {
                packet,
                seq: output.seq,
                connection: row.connection,
                ts: row.ts,
                received_us: row.received.map_or(0, |received| received.us),
                published_us,
                volume_delta,
                snapshot: row.snapshot,
            };
            self.scratch.clear();
            render::write(&mut self.scratch, &look, &tick);
            push(&channel.publish_head, &self.scratch);
        }
    }

    /// Says which connection carries which token; one that moves begins anew.
    pub fn set_places(&mut self, places: &BTreeMap<Token, u8>) {
        for row in &mut self.rows {
            let place = places.get(&row.token).copied().unwrap_or_default();
            if row.connection != place {
                row.connection = place;
                row.forget_socket();
            }
        }
    }

    /// A socket was told to stream `token`, for the first time or again.
    pub fn on_subscribe(&mut self, token: Token, now: Instant) {
        if let Some(row) = self.find(token) {
            let row = &mut self.rows[row as usize];
            row.subscribed.get_or_insert(now);
            row.seen = false;
            row.volume = None;
            row.first.on_subscribe();
        }
    }

    /// A socket was told to change the mode of `token`.
    pub fn on_mode_change(&mut self, token: Token) {
        if let Some(row) = self.find(token) {
            self.rows[row as usize].first.on_mode_change();
        }
    }

    /// The socket of `connection` ended: nothing of it counts for the next one.
    pub fn on_socket_end(&mut self, connection: u8) {
        let rows = self.rows.iter_mut();
        for row in rows.filter(|row| row.connection == connection) {
            row.forget_socket();
        }
    }

    /// Messages were lost on the way: no tick may claim to follow the one before it.
    pub fn on_messages_lost(&mut self) {
        for row in &mut self.rows {
            row.volume = None;
        }
    }

    fn push(&mut self, row: &contract::Row) {
        let outputs = self.outputs.len() as u32;
        for output in &row.outputs {
            let start = self.heads.len() as u32;
            write_head(&mut self.heads, output.shape, row);
            let end = self.heads.len() as u32;
            self.outputs.push(Output {
                channel: output.channel,
                shape: output.shape,
                depth: output.depth,
                head: Span { start, end },
                seq: 0,
            });
        }
        let sets = self.row_sets.len() as u32;
        self.row_sets.extend_from_slice(&row.sets);
        self.index.insert(row.token.0, self.rows.len() as u32);
        self.rows.push(Row {
            token: row.token,
            mode: row.mode,
            class: class_of(row),
            connection: 0,
            subscribed: None,
            seen: false,
            received: None,
            usual: Usual::default(),
            decimals: Decimals::new(row.token.segment().decimals()),
            first: FirstPackets::default(),
            snapshot: false,
            ts: 0,
            volume: None,
            outputs: Span {
                start: outputs,
                end: self.outputs.len() as u32,
            },
            sets: Span {
                start: sets,
                end: self.row_sets.len() as u32,
            },
        });
    }
}

impl Channel {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            publish_head: publish_head(name),
            seq: 0,
        }
    }
}

fn class_of(row: &contract::Row) -> Class {
    match row.instrument_type {
        InstrumentType::Call | InstrumentType::Put => Class::Option,
        InstrumentType::Future => Class::Future,
        InstrumentType::Equity if row.token.segment() == Segment::Indices => Class::Underlying,
        InstrumentType::Equity => Class::Equity,
    }
}

#[cfg(test)]
pub(crate) mod tests;
