//! Third stage: whether a packet of an instrument that moves between two accounts is this account's to publish.
//!
//! Owns what a move means for instruments; [`super::move_gate`] decides. Must not number or publish anything.

use std::time::Instant;

use contract::Boundary;
use kite::Packet;

use super::instruments::AssignedInstruments;
use super::move_gate::MoveGate;

/// Ticks of instruments that this account gave away after the other one had begun to publish them: readers may have them
/// twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overlap {
    /// The exchange second from which on the other account publishes.
    pub(crate) from: i64,
    /// The newest second of a tick that this account published.
    pub(crate) to: i64,
    /// The instruments.
    pub(crate) tokens: Vec<u32>,
}

impl AssignedInstruments {
    /// Whether an accepted packet of `row` is this account's to publish.
    #[inline]
    pub(crate) fn passes(&mut self, row: u32, packet: &Packet, now: Instant) -> bool {
        let row = &mut self.rows[row as usize];
        let Some(at) = row.move_at else { return true };
        let gate = &mut self.moves[usize::from(at)];
        let passes = gate.passes(packet.exchange_time(), now);
        if passes && let Some(second) = gate.taken_from() {
            // Readers bucket by it, and have had everything of before.
            row.state.ts = row.state.ts.max(second);
        }
        passes
    }

    /// Whether another account still has the keys of `row`, as far as is known here.
    pub(crate) fn is_awaiting(&self, row: u32, now: Instant) -> bool {
        let gate = self.rows[row as usize].move_at;
        gate.is_some_and(|at| {
            let gate = &self.moves[usize::from(at)];
            !gate.gives() && !gate.is_over(now)
        })
    }

    /// What was published of instruments that are given away, from the second on that the other account publishes; `old` is
    /// the assignment before.
    pub(super) fn overlaps(&self, old: &Self) -> Vec<Overlap> {
        let overlap = |(at, gate): (u16, &MoveGate)| {
            let boundary = gate.boundary.filter(|_| gate.gives())?;
            if old.moves.iter().any(|before| before.is_same(gate)) {
                return None;
            }
            let rows = self.rows.iter().filter(|row| row.move_at == Some(at));
            let late = rows.filter_map(|row| {
                let before = old.find(row.token).map(|found| old.row(found))?;
                let second = before
                    .state
                    .exchange_time
                    .filter(|_| before.is_published())?;
                (second >= boundary.second).then_some((row.token.0, second))
            });
            let late: Vec<(u32, i64)> = late.collect();
            // Where the boundary names no second, it is known of the newest ticks alone.
            let seconds = late.iter().map(|(_, second)| *second);
            let from = match boundary.second {
                Boundary::AT_ONCE => seconds.min()?,
                second => second,
            };
            Some(Overlap {
                from,
                to: late.iter().map(|(_, second)| *second).max()?,
                tokens: late.iter().map(|(token, _)| *token).collect(),
            })
        };
        (0..).zip(&self.moves).filter_map(overlap).collect()
    }
}
