//! Builds the instruments of an assignment.
//!
//! Owns positions, and the texts that are rendered once. Must not know the previous instruments.

use std::collections::BTreeMap;

use contract::{Assignment, MovePart, Persistence};
use rustc_hash::FxHashMap;

use super::instrument::{AssignedInstrument, InstrumentClass, InstrumentState, Span};
use super::{AssignedInstruments, AssignedOutput, Channel};
use crate::last_value::keys::{OutputKeys, price_fronts};
use crate::pipeline::chains::OptionChains;
use crate::pipeline::market::MarketSessions;
use crate::pipeline::move_gate::MoveGate;
use crate::tick_json::decimal::Decimals;
use crate::tick_json::render;
use crate::tick_json::template::{JsonTemplate, write_head};
use redis_link::resp::publish_head;
use redis_link::slots::slot_of;

/// Positions of keys, by channel and storage settings.
type Numbers = BTreeMap<(u16, Persistence), Option<u16>>;

impl AssignedInstruments {
    /// Prepares the rows of `assignment`; `epoch` identifies this process in every tick; `sharded`:
    /// whether ticks go to sharded channels.
    #[must_use]
    pub fn build(assignment: &Assignment, epoch: &str, sharded: bool) -> Self {
        let rows = assignment.instruments.len();
        let channels = assignment.channels.iter();
        let mut instruments = Self {
            rows: Vec::with_capacity(rows),
            index: FxHashMap::with_capacity_and_hasher(rows, Default::default()),
            sets: assignment.sets.clone(),
            channels: channels.map(|name| Channel::new(name, sharded)).collect(),
            moves: assignment.moves.iter().map(MoveGate::new).collect(),
            template: JsonTemplate::new(&assignment.account, epoch),
            market: MarketSessions::new(assignment),
            ..Self::default()
        };
        let mut numbers = BTreeMap::new();
        for row in &assignment.instruments {
            instruments.push(row, assignment, &mut numbers);
        }
        instruments.chains = OptionChains::build(assignment, &mut instruments.rows);
        instruments.heads.shrink_to_fit();
        let outputs = instruments.outputs.iter();
        let longest = outputs.map(|output| output.head.range().len()).max();
        instruments.scratch =
            vec![0; render::max_len(longest.unwrap_or_default(), &instruments.template)];
        instruments
    }

    fn push(&mut self, row: &contract::Row, assignment: &Assignment, numbers: &mut Numbers) {
        let outputs = self.outputs.len() as u32;
        let outputs_here = if assignment.withholds(row) {
            &[][..]
        } else {
            &row.outputs
        };
        for output in outputs_here {
            self.push_output(output, row, assignment, numbers);
        }
        let outputs = Span::since(outputs, &self.outputs);
        let is_stored = self.outputs[outputs.range()]
            .iter()
            .any(|output| output.interval.is_some());
        let fronts = if is_stored {
            price_fronts(row, assignment.account.mock)
        } else {
            Default::default()
        };
        let prices = fronts.map(|(front, slot)| {
            let span = span(&mut self.heads, |heads| heads.extend(front));
            (span, slot)
        });
        let sets = self.row_sets.len() as u32;
        self.row_sets.extend_from_slice(&row.sets);
        self.index.insert(row.token.0, self.rows.len() as u32);
        self.rows.push(AssignedInstrument {
            token: row.token,
            mode: row.mode,
            class: InstrumentClass::of(row),
            decimals: Decimals::new(row.token.segment().decimals()),
            market_class: row.class,
            reference: row.reference,
            handover: row.handover,
            move_at: row.move_at,
            leaves: assignment
                .move_of(row)
                .is_some_and(|it| it.part == MovePart::From),
            option: None,
            quote: None,
            outputs,
            sets: Span::since(sets, &self.row_sets),
            prices,
            state: InstrumentState::default(),
        });
    }

    /// Prepares an output of `row`, which is pushed after its outputs.
    fn push_output(
        &mut self,
        output: &contract::Output,
        row: &contract::Row,
        assignment: &Assignment,
        numbers: &mut Numbers,
    ) {
        let head = span(&mut self.heads, |heads| {
            write_head(heads, output.shape, row);
        });
        let keep = output
            .keep
            .and_then(|keep| assignment.keeps.get(usize::from(keep)));
        let keys = keep.and_then(|keep| {
            let number = numbers.entry((output.channel, *keep));
            *number.or_insert_with(|| {
                let name = &assignment.channels[usize::from(output.channel)];
                let keys = OutputKeys::new(name, keep, assignment.account.mock);
                self.keys.push(keys);
                u16::try_from(self.keys.len() - 1).ok()
            })
        });
        let interval = keys.and_then(|at| self.interval(at));
        self.outputs.push(AssignedOutput {
            channel: output.channel,
            shape: output.shape,
            depth: output.depth,
            greeks: output.greeks,
            head,
            seq: 0,
            row: self.rows.len() as u32,
            keys,
            interval,
        });
    }

    /// The position of the interval of these keys.
    fn interval(&mut self, keys: u16) -> Option<u16> {
        let last = self.keys[usize::from(keys)].last.as_ref()?;
        let known = self.intervals.iter().position(|one| *one == last.interval);
        let at = known.unwrap_or_else(|| {
            self.intervals.push(last.interval);
            self.intervals.len() - 1
        });
        u16::try_from(at).ok()
    }
}

/// What `write` appends.
fn span(text: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Span {
    let start = text.len() as u32;
    write(text);
    Span::since(start, text)
}

impl Channel {
    fn new(name: &str, sharded: bool) -> Self {
        Self {
            name: name.to_owned(),
            publish_head: publish_head(name, sharded),
            slot: slot_of(name.as_bytes()),
            seq: 0,
        }
    }
}
