//! First stage: classifies a packet, and updates its instrument.
//!
//! Owns the distinction of ticks, first packets and packets of an earlier session. Must not number,
//! render or send anything.

pub(crate) mod rules;

use kite::Packet;

use super::instruments::AssignedInstruments;
use rules::{ReceiveTime, is_of_another_day, tick_time};

/// The kind of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TickKind {
    /// A tick: to be numbered, and rendered or held.
    Tick,
    /// A tick too, but a first packet: the answer to a subscription.
    Snapshot,
    /// A first packet of an earlier session: it counts as seen and is stored, but is not a tick.
    OldSnapshot,
}

impl AssignedInstruments {
    /// Classifies a packet of `row` and updates the instrument with it.
    #[inline]
    pub(crate) fn accept(&mut self, row: u32, packet: &Packet, received: ReceiveTime) -> TickKind {
        let row = &mut self.rows[row as usize];
        row.state.seen = true;
        let first = row.state.first.take(packet.mode(), row.mode);
        let exchange_time = packet.exchange_time();
        if first && exchange_time.is_some_and(|time| is_of_another_day(time, received.us)) {
            return TickKind::OldSnapshot;
        }
        if let (Some(before), false, false) = (row.state.received, first, row.state.snapshot) {
            row.state
                .interval
                .learn(received.at.saturating_duration_since(before.at));
        }
        row.state.came_us = received.us;
        let moved = exchange_time > row.state.exchange_time;
        if !first || moved || row.state.received.is_none() {
            row.state.received = Some(received);
        }
        row.state.exchange_time = row.state.exchange_time.max(exchange_time);
        row.state.snapshot = first;
        row.state.ts = tick_time(exchange_time, received.us, row.state.ts);
        if first {
            TickKind::Snapshot
        } else {
            TickKind::Tick
        }
    }
}
