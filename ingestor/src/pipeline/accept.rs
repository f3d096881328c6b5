//! First stage: what a packet is, and what it says of its instrument.
//!
//! Owns telling ticks, first packets and packets of a session that is over apart. Must not number,
//! render or send anything.

pub(crate) mod rules;

use kite::Packet;

use super::instruments::AssignedInstruments;
use rules::{ReceiveTime, is_of_another_day, tick_time};

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TickKind {
    /// A tick: to be numbered, and rendered or held.
    Tick,
    /// The same, but it came because it was asked for: a first packet.
    Snapshot,
    /// A first packet of a session that is over: seen and kept, and no tick.
    OldSnapshot,
}

impl AssignedInstruments {
    /// Classifies a packet of `row` and takes over what it says of the instrument.
    #[inline]
    pub(crate) fn accept(&mut self, row: u32, packet: &Packet, received: ReceiveTime) -> TickKind {
        let row = &mut self.rows[row as usize];
        row.seen = true;
        let first = row.first.take(packet.mode(), row.mode);
        let exchange_time = packet.exchange_time();
        if first && exchange_time.is_some_and(|time| is_of_another_day(time, received.us)) {
            return TickKind::OldSnapshot;
        }
        if let (Some(before), false, false) = (row.received, first, row.snapshot) {
            row.interval
                .learn(received.at.saturating_duration_since(before.at));
        }
        row.came_us = received.us;
        let moved = exchange_time > row.exchange_time;
        if !first || moved || row.received.is_none() {
            row.received = Some(received);
        }
        row.exchange_time = row.exchange_time.max(exchange_time);
        row.snapshot = first;
        row.ts = tick_time(exchange_time, received.us, row.ts);
        if first {
            TickKind::Snapshot
        } else {
            TickKind::Tick
        }
    }
}
