//! The rows of one account: the merged demands of its sets on each instrument.
//!
//! Owns which of several demands counts. Rows refer to the instruments list by position until they
//! are written. Must not choose accounts.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Assignment, Output, Persistence, Row, Shape};
use kite::{Instrument, Mode, Token};

use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::ids::SetIx;
use crate::plan::placement::{HeldOverSets, PlacedSet, RetainedAccount};
use crate::plan::selection::{RoutedInstrument, symbol};

/// The demand of one set on one instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) instrument: RoutedInstrument,
    pub(super) set: SetIx,
}

/// A row while the sets that select it are gathered.
pub(super) struct Draft<'a> {
    source: Source<'a>,
    mode: Mode,
    sets: Vec<&'a str>,
    outputs: Vec<Destination<'a>>,
}

/// The parts of an assignment that are made from rows.
pub(super) struct Written {
    pub(super) sets: Vec<String>,
    pub(super) channels: Vec<String>,
    pub(super) keeps: Vec<Persistence>,
    pub(super) instruments: Vec<Row>,
}

/// The source of the rest of a row.
#[derive(Clone, Copy)]
enum Source<'a> {
    Table(&'a InstrumentTable, RowIx),
    /// The row stays as it is.
    Base(&'a Row),
}

/// The channels of a row's ticks, by name.
struct Destination<'a> {
    channel: &'a str,
    shape: Shape,
    depth: bool,
    keep: Persistence,
}

/// Merges the rows that stay on an account with the demands of `sets`, by token. In `parts` those
/// of a set are adjacent, in the order of precedence.
pub(super) fn gather<'a>(
    retained: &RetainedAccount<'a>,
    mut parts: Vec<Part>,
    sets: &'a [PlacedSet<'_>],
    held_over: &HeldOverSets<'_>,
) -> BTreeMap<Token, Draft<'a>> {
    let namespace = retained.account.namespace();
    let mut drafts = BTreeMap::new();
    if let Some(base) = retained.account.base {
        let rows = retained.rows.iter();
        for row in rows.filter_map(|at| base.instruments.get(*at)) {
            let stays = |set: &str| held_over.contains(namespace, set);
            drafts.insert(row.token, Draft::kept(base, row, stays));
        }
    }
    // A stable sort: the sets of a token keep their order.
    parts.sort_by_key(|part| part.instrument.token);
    for part in parts {
        let placed = &sets[part.set.at()];
        if let (Some(resolved), Ok(spec)) = (placed.request.resolved(), &placed.set.spec) {
            let draft = drafts.entry(part.instrument.token);
            let source = Source::Table(&resolved.lookup.table, part.instrument.row);
            let draft = draft.or_insert_with(|| Draft::new(source));
            draft.source = source;
            draft.mode = draft.mode.max(spec.mode);
            draft.sets.push(placed.set.name());
            let channels = &resolved.lookup.routes.channels;
            if let Some(route) = channels.get(part.instrument.route.at()) {
                draft.publish(Destination {
                    channel: &route.channel,
                    shape: route.shape,
                    depth: spec.depth && route.shape == Shape::Contract,
                    keep: spec.keep,
                });
            }
        }
    }
    drafts
}

/// The rows, and the lists that they refer to.
pub(super) fn write(drafts: BTreeMap<Token, Draft<'_>>) -> Written {
    let outputs = || drafts.values().flat_map(|draft| &draft.outputs);
    let sets = sorted(drafts.values().flat_map(|draft| draft.sets.iter().copied()));
    let channels = sorted(outputs().map(|output| output.channel));
    let keeps = sorted(outputs().map(|output| output.keep));
    let keeps: Vec<Persistence> = keeps
        .into_iter()
        .filter(|it| *it != Persistence::default())
        .collect();
    let instruments = drafts.into_values();
    let instruments = instruments.filter_map(|draft| draft.row(&sets, &channels, &keeps));
    let instruments = instruments.collect();
    let names = |all: Vec<&str>| {
        let first = all.into_iter().take(usize::from(u16::MAX) + 1);
        first.map(str::to_owned).collect()
    };
    Written {
        sets: names(sets),
        channels: names(channels),
        keeps,
        instruments,
    }
}

impl<'a> Draft<'a> {
    fn new(source: Source<'a>) -> Self {
        Self {
            source,
            mode: Mode::Ltp,
            sets: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// A row that stays: everything that is published for it goes on.
    fn kept(base: &'a Assignment, row: &'a Row, stays: impl Fn(&str) -> bool) -> Self {
        let name = |set: &u16| base.sets.get(usize::from(*set)).map(String::as_str);
        let output = |output: &Output| {
            let keep = output.keep.map(usize::from);
            let keep = keep.and_then(|keep| base.keeps.get(keep));
            Some(Destination {
                channel: base.channels.get(usize::from(output.channel))?,
                shape: output.shape,
                depth: output.depth,
                keep: keep.copied().unwrap_or_default(),
            })
        };
        let sets = row.sets.iter().filter_map(name);
        Self {
            source: Source::Base(row),
            mode: row.mode,
            sets: sets.filter(|set| stays(set)).collect(),
            outputs: row.outputs.iter().filter_map(output).collect(),
        }
    }

    /// Each channel gets one message, with everything that any set demands of it.
    fn publish(&mut self, output: Destination<'a>) {
        let mut known = self.outputs.iter_mut();
        match known.find(|known| known.channel == output.channel) {
            Some(known) => {
                known.depth |= output.depth;
                known.keep = known.keep.or(output.keep);
            }
            None => self.outputs.push(output),
        }
    }

    fn row(self, sets: &[&str], channels: &[&str], keeps: &[Persistence]) -> Option<Row> {
        let mut row = match self.source {
            Source::Table(table, row) => from_table(table.get(row)?),
            Source::Base(row) => row.clone(),
        };
        row.mode = self.mode;
        let names = self.sets.iter();
        row.sets = names.filter_map(|set| position(sets, set)).collect();
        row.sets.sort_unstable();
        row.sets.dedup();
        let output = |output: &Destination<'_>| {
            Some(Output {
                channel: position(channels, &output.channel)?,
                shape: output.shape,
                depth: output.depth,
                keep: position(keeps, &output.keep),
            })
        };
        row.outputs = self.outputs.iter().filter_map(output).collect();
        row.outputs.sort_unstable_by_key(|output| output.channel);
        Some(row)
    }
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let distinct: BTreeSet<T> = all.collect();
    distinct.into_iter().collect()
}

fn position<T: Ord>(sorted: &[T], one: &T) -> Option<u16> {
    u16::try_from(sorted.binary_search(one).ok()?).ok()
}

fn from_table(instrument: &Instrument) -> Row {
    Row {
        token: instrument.token,
        mode: Mode::Ltp,
        symbol: symbol(instrument).into_owned(),
        tradingsymbol: instrument.tradingsymbol.clone().into(),
        exchange: instrument.exchange.as_ref().to_owned(),
        segment: instrument.segment.as_ref().to_owned(),
        instrument_type: instrument.instrument_type,
        strike: instrument
            .instrument_type
            .is_option()
            .then_some(instrument.strike),
        expiry: instrument.expiry,
        lot_size: (instrument.lot_size > 0).then_some(instrument.lot_size),
        tick_size: (instrument.tick_size > 0.0).then_some(instrument.tick_size),
        sets: Vec::new(),
        outputs: Vec::new(),
    }
}
