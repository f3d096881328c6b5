//! The instruments of the assignment in force.
//!
//! Owns one dense row per instrument, found by token, the constant text of its ticks, and the
//! newest number of each channel. Built outside the data plane; a new assignment keeps the state of
//! every instrument that stays. Must not know sockets.

mod build;
pub(crate) mod instrument;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Shape;
use contract::assignment::prefix_of;
use greeks::GreeksWord;
use kite::Token;
use kite::session::Unconfirmed;
use rustc_hash::FxHashMap;

use crate::last_value::keys::{LastValueKeys, OutputKeys};
use crate::pipeline::chains::OptionChains;
use crate::pipeline::market::MarketSessions;
use crate::pipeline::move_gate::MoveGate;
use crate::tick_json::decimal;
use crate::tick_json::template::JsonTemplate;
use instrument::Span;
pub(crate) use instrument::{AssignedInstrument, InstrumentClass};

#[derive(Clone, Debug)]
pub(super) struct AssignedOutput {
    pub(super) channel: u16,
    pub(super) shape: Shape,
    pub(super) depth: bool,
    pub(super) greeks: bool,
    pub(super) head: Span,
    /// Number of the newest tick accepted for it.
    pub(super) seq: u64,
    /// Position of its instrument.
    pub(super) row: u32,
    /// Position in [`AssignedInstruments::keys`], if it has keys.
    pub(super) keys: Option<u16>,
    /// Position of its interval, if the newest tick is stored.
    pub(super) interval: Option<u16>,
}

/// All rows.
#[derive(Debug, Default)]
pub struct AssignedInstruments {
    pub(super) rows: Vec<AssignedInstrument>,
    pub(super) index: FxHashMap<u32, u32>,
    pub(super) outputs: Vec<AssignedOutput>,
    pub(super) heads: Vec<u8>,
    pub(super) row_sets: Vec<u16>,
    pub(super) sets: Vec<String>,
    pub(super) channels: Vec<Channel>,
    pub(super) keys: Vec<OutputKeys>,
    pub(super) intervals: Vec<Duration>,
    pub(super) moves: Vec<MoveGate>,
    pub(super) template: JsonTemplate,
    pub(crate) market: MarketSessions,
    pub(crate) chains: OptionChains,
    /// Last numbers of channels that are not in use now: a channel that comes back goes on from
    /// there.
    pub(super) retired: HashMap<String, u64>,
    /// Room for the longest tick.
    pub(super) scratch: Vec<u8>,
    /// Room for a price.
    pub(super) price: [u8; decimal::LONGEST],
}

impl AssignedInstruments {
    /// Takes over from `old` at `now`: instruments in both keep their state, channels their numbers, and moves their time.
    pub(crate) fn succeed(&mut self, old: Self, now: Instant) {
        self.market.succeed(&old.market);
        self.chains.succeed_chains(&old.chains);
        for gate in &mut self.moves {
            let before = old.moves.iter().find(|before| before.id == gate.id);
            gate.succeed(before, now);
        }
        for row in &mut self.rows {
            if let Some(previous) = old.find(row.token).map(|found| &old.rows[found as usize]) {
                // A tick that is held back keeps its numbers.
                for output in &mut self.outputs[row.outputs.range()] {
                    let name = &self.channels[usize::from(output.channel)].name;
                    let same = |before: &&AssignedOutput| {
                        old.channels[usize::from(before.channel)].name == *name
                    };
                    let before = old.outputs[previous.outputs.range()].iter().find(same);
                    output.seq = before.map_or(0, |before| before.seq);
                }
                self.chains.succeed_instrument(row, &old.chains, previous);
                row.state = previous.state;
                if !previous.is_published() {
                    // Readers have seen none of its ticks.
                    row.state.volume = None;
                }
            }
        }
        self.retired = old.retired;
        for channel in old.channels {
            self.retired.insert(channel.name, channel.seq);
        }
        for channel in &mut self.channels {
            channel.seq = self.retired.remove(&channel.name).unwrap_or_default();
        }
    }

    /// Every row.
    #[must_use]
    pub(crate) fn rows(&self) -> &[AssignedInstrument] {
        &self.rows
    }

    /// The row of `token`.
    #[inline]
    #[must_use]
    pub(crate) fn find(&self, token: Token) -> Option<u32> {
        self.index.get(&token.0).copied()
    }

    /// The row at a position that [`AssignedInstruments::find`] gave.
    #[inline]
    #[must_use]
    pub(crate) fn row(&self, row: u32) -> &AssignedInstrument {
        &self.rows[row as usize]
    }

    /// The moves by which instruments go to another account or come from it, each with its instruments.
    pub(crate) fn moves(
        &self,
    ) -> impl Iterator<Item = (&MoveGate, impl Iterator<Item = &AssignedInstrument> + Clone)> {
        (0_u16..).zip(&self.moves).map(|(at, gate)| {
            let rows = self.rows.iter();
            (gate, rows.filter(move |row| row.move_at == Some(at)))
        })
    }

    /// This process stood still for so long: the time of moves did not pass.
    pub(crate) fn on_standstill(&mut self, lasted: Duration) {
        for gate in &mut self.moves {
            gate.on_standstill(lasted);
        }
    }

    /// Names of the sets.
    #[must_use]
    pub(crate) fn sets(&self) -> &[String] {
        &self.sets
    }

    /// Positions of the sets that select `row`.
    #[must_use]
    pub(crate) fn sets_of(&self, row: &AssignedInstrument) -> &[u16] {
        &self.row_sets[row.sets.range()]
    }

    /// The word of the newest Greeks of `row`, if it is an option whose readers get them and they were computed.
    #[must_use]
    pub(crate) fn greeks_word(&self, row: &AssignedInstrument) -> Option<GreeksWord> {
        let outputs = &self.outputs[row.outputs.range()];
        let shown = outputs.iter().any(|output| output.greeks);
        let newest = self.chains.option(row.option.filter(|_| shown)?).newest();
        newest.at.map(|_| newest.evaluation.word)
    }

    /// The number of messages of one tick of `row`.
    #[inline]
    #[must_use]
    pub(crate) fn messages(&self, row: u32) -> usize {
        self.rows[row as usize].outputs.range().len()
    }

    /// The outputs of `row` for which its newest tick is stored, each with the position of its
    /// interval in [`AssignedInstruments::intervals`].
    #[inline]
    pub(crate) fn stored_outputs(&self, row: u32) -> impl Iterator<Item = (u32, u16)> + '_ {
        let outputs = self.rows[row as usize].outputs;
        let outputs = outputs.start..outputs.end;
        outputs.filter_map(|at| Some((at, self.outputs[at as usize].interval?)))
    }

    /// What outputs with the same storage settings share.
    #[must_use]
    pub(crate) fn keys_of(&self, output: u32) -> Option<u16> {
        self.outputs[output as usize].keys
    }

    /// How their newest ticks are stored.
    #[must_use]
    pub(crate) fn last(&self, keys: u16) -> Option<&LastValueKeys> {
        self.keys.get(usize::from(keys))?.last.as_ref()
    }

    /// The position of an output's instrument.
    #[must_use]
    pub(crate) fn row_of(&self, output: u32) -> u32 {
        self.outputs[output as usize].row
    }

    /// How many outputs there are.
    #[must_use]
    pub(crate) const fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// The intervals at which newest ticks are stored, each once.
    #[must_use]
    pub(crate) fn intervals(&self) -> &[Duration] {
        &self.intervals
    }

    /// Sets which connection carries which token; the state of a token that moves is reset.
    pub(crate) fn set_allocation(&mut self, allocation: &BTreeMap<Token, u8>) {
        for row in &mut self.rows {
            let index = allocation.get(&row.token).copied().unwrap_or_default();
            if row.state.connection != index {
                row.state.connection = index;
                row.forget_socket();
            }
        }
    }

    /// A socket was told to stream `token`, for the first time or again.
    pub(crate) fn on_subscribe(&mut self, token: Token, now: Instant) {
        if let Some(row) = self.find(token) {
            let row = &mut self.rows[row as usize];
            row.state.subscribed.get_or_insert(now);
            row.state.seen = false;
            row.state.volume = None;
            row.state.first.on_subscribe();
        }
    }

    /// A socket was told to change the mode of `token`.
    pub(crate) fn on_mode_change(&mut self, token: Token) {
        if let Some(row) = self.find(token) {
            self.rows[row as usize].state.first.on_mode_change();
        }
    }

    /// The socket of `connection` ended: the next socket starts without its state.
    pub(crate) fn on_socket_end(&mut self, connection: u8) {
        let rows = self.rows.iter_mut();
        for row in rows.filter(|row| row.state.connection == connection) {
            row.forget_socket();
        }
    }

    /// Tokens that `connection` carries and readers get ticks of.
    #[must_use]
    pub(crate) fn published_tokens(&self, connection: u8) -> Vec<u32> {
        let rows = self.carried_by(connection);
        let published = rows.filter(|row| row.is_published());
        published.map(|row| row.token.0).collect()
    }

    /// The prefixes under which an instrument is published, ascending; none if it is not.
    #[must_use]
    pub(crate) fn prefixes(&self, token: u32) -> Vec<Arc<str>> {
        let row = self.find(Token(token)).map(|row| &self.rows[row as usize]);
        let outputs = row.map_or(&[][..], |row| &self.outputs[row.outputs.range()]);
        let names = outputs
            .iter()
            .map(|it| &self.channels[usize::from(it.channel)].name);
        let prefixes: BTreeSet<&str> = names.map(|name| prefix_of(name)).collect();
        prefixes.into_iter().map(Arc::from).collect()
    }

    /// Tokens of `connection` that have not confirmed the last command.
    #[must_use]
    pub(crate) fn unconfirmed(&self, connection: u8) -> Unconfirmed {
        let unseen = self.carried_by(connection).filter(|row| !row.state.seen);
        let other_mode = self.carried_by(connection).filter(|row| row.owes_mode());
        Unconfirmed {
            unseen: unseen.map(|row| row.token).collect(),
            other_mode: other_mode.map(|row| row.token).collect(),
        }
    }

    /// The rows that `connection` carries.
    pub(crate) fn carried_by(
        &self,
        connection: u8,
    ) -> impl Iterator<Item = &AssignedInstrument> + Clone {
        let rows = self.rows.iter();
        rows.filter(move |row| row.state.connection == connection)
    }

    /// Messages were lost on the way: the next tick must not have a `volume_delta`.
    pub(crate) fn on_messages_lost(&mut self) {
        for row in &mut self.rows {
            row.state.volume = None;
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) publish_head: Vec<u8>,
    pub(super) slot: u16,
    pub(super) seq: u64,
}

#[cfg(test)]
pub(crate) mod tests;
