//! Second stage: the Greeks of an option, and what a packet says as a reference of chains.
//!
//! Owns which packets count: a first packet that shows an older state is no price. Must not number, render or send anything.

use std::time::Instant;

use greeks::GreeksWord;
use kite::Packet;

use super::accept::TickKind;
use super::accept::rules::ReceiveTime;
use super::chains::{Moment, World};
use super::instruments::AssignedInstruments;
use crate::last_value::chain_hash::{ChainFields, ChainHash};

const MICROS: i64 = 1_000_000;

impl AssignedInstruments {
    /// Computes the Greeks of a packet of `row`, if it is an option of a chain, and notes what it says as a reference of chains.
    /// Returns the word of an option.
    #[inline]
    pub(crate) fn enrich(
        &mut self,
        row: u32,
        packet: &Packet,
        kind: TickKind,
        received: ReceiveTime,
    ) -> Option<GreeksWord> {
        let instrument = &self.rows[row as usize];
        let current = kind.is_tick();
        if let Some(quote) = instrument.quote {
            self.chains.quote(quote, packet, current, received.at);
        }
        let option = instrument.option?;
        let world = World {
            rows: &self.rows,
            market: &self.market,
            moment: Moment {
                at: received.at,
                second: received.us.div_euclid(MICROS),
            },
        };
        Some(self.chains.solve(option, packet, current, &world))
    }

    /// Renews Greeks of chains whose forward has moved, as many as are allowed at once, and passes on the positions of their
    /// instruments.
    pub(crate) fn renew_greeks(&mut self, now: Instant, second: i64, mut note: impl FnMut(u32)) {
        let world = World {
            rows: &self.rows,
            market: &self.market,
            moment: Moment { at: now, second },
        };
        while self.chains.renew(&world, &mut note) {}
    }

    /// When [`AssignedInstruments::renew_greeks`] has something to do.
    pub(crate) fn greeks_deadline(&self) -> Option<Instant> {
        self.chains.deadline()
    }

    /// Passes on the hashes of chains that are due; `write` says whether one was accepted.
    pub(crate) fn write_chain_hashes(
        &mut self,
        now: Instant,
        second: i64,
        write: impl FnMut(&ChainHash, &ChainFields<'_>) -> bool,
    ) {
        let moment = Moment { at: now, second };
        self.chains.write_hashes((&self.rows, moment), write);
    }

    /// Looks at the forward of every chain, whether or not its options tick.
    pub(crate) fn look_at_chains(&mut self, now: Instant, second: i64) {
        let world = World {
            rows: &self.rows,
            market: &self.market,
            moment: Moment { at: now, second },
        };
        for chain in 0..self.chains.chains().len() as u16 {
            self.chains.look(chain, &world);
        }
    }
}

#[cfg(test)]
mod tests;
