//! First stage: classifies a packet, and updates its instrument.
//!
//! Owns the distinction of ticks, first packets, and those that may be of an earlier time. Must not
//! number, render or send anything.

pub(crate) mod age;
pub(crate) mod rules;

use kite::Packet;

use super::instruments::AssignedInstruments;
use age::{FirstPacketAge, NewestPacket, first_packet_age, old_price};
use rules::{ReceiveTime, tick_time};

/// The kind of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TickKind {
    /// A tick: to be numbered, and rendered or held.
    Tick,
    /// A tick too, but a first packet: the answer to a subscription.
    Snapshot,
    /// A first packet of an earlier session: it counts as seen and is stored, but is not a tick.
    OldSnapshot,
    /// The same, of a first packet that says nothing about its age.
    UndatedSnapshot,
}

impl TickKind {
    /// Whether it is a tick: what is not is stored as the last value, and not published.
    #[must_use]
    pub(crate) const fn is_tick(self) -> bool {
        matches!(self, Self::Tick | Self::Snapshot)
    }
}

impl AssignedInstruments {
    /// Classifies a packet of `row` and updates the instrument with it.
    #[inline]
    pub(crate) fn accept(&mut self, row: u32, packet: &Packet, received: ReceiveTime) -> TickKind {
        let row = &mut self.rows[row as usize];
        row.state.session = self.market.session(row.market_class);
        row.state.seen = true;
        let first = row.state.first.take(packet.mode(), row.mode);
        let before = row.state.newest;
        let newest = NewestPacket::new(packet, received.us).after(before.as_ref());
        row.state.newest = Some(newest);
        row.state
            .open_interest
            .take(packet, received.us.div_euclid(1_000_000));
        if first {
            match first_packet_age(packet, received.us, &newest, before.as_ref()) {
                FirstPacketAge::Today | FirstPacketAge::Newer => {}
                // The price stays what it was.
                FirstPacketAge::Repeated => return TickKind::UndatedSnapshot,
                FirstPacketAge::Unknown => {
                    row.state.price_is_current = false;
                    return TickKind::UndatedSnapshot;
                }
                FirstPacketAge::AnotherDay => {
                    row.state.price_is_current = false;
                    return TickKind::OldSnapshot;
                }
            }
        }
        row.state.old_price = old_price(packet, received.us);
        row.state.price_is_current = row.state.old_price.is_none();
        let exchange_time = packet.exchange_time();
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
        row.state.ticks += 1;
        row.state.ts = tick_time(exchange_time, received.us, row.state.ts);
        if first {
            TickKind::Snapshot
        } else {
            TickKind::Tick
        }
    }
}
