//! The rows of one account: what its sets want of each instrument, put together.
//!
//! Owns which of several wishes counts. Rows refer to the instruments list by position until they are
//! written down. Must not choose where anything is.

use std::collections::BTreeSet;

use contract::{Assignment, Output, Persistence, Row, Shape};
use kite::{Instrument, Mode, Token};

use super::names::{NameIx, Names};
use crate::instruments::RowIx;
use crate::plan::ids::SetIx;
use crate::plan::placement::{HeldOverSets, PlacedSet, RetainedAccount};
use crate::plan::selection::{RoutedInstrument, symbol};

/// What one set wants of one instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) instrument: RoutedInstrument,
    pub(super) set: SetIx,
}

/// The rows of an account before they are written down, by token.
pub(super) struct Drafts<'a> {
    sets: &'a [PlacedSet<'a>],
    base: Option<&'a Assignment>,
    drafts: Vec<Draft>,
    /// The sets of all drafts, one draft's after the other's.
    wanted_by: Vec<NameIx>,
    /// The outputs of all drafts, likewise.
    outputs: Vec<Destination>,
    set_names: Names<'a>,
    channel_names: Names<'a>,
}

/// The parts of an assignment that rows make.
pub(super) struct Written {
    pub(super) sets: Vec<String>,
    pub(super) channels: Vec<String>,
    pub(super) keeps: Vec<Persistence>,
    pub(super) instruments: Vec<Row>,
}

/// A row while the sets that want it are gathered.
struct Draft {
    source: Source,
    mode: Mode,
    /// Where its sets and its outputs begin.
    wanted_by: usize,
    outputs: usize,
}

/// Where the rest of a row comes from.
#[derive(Clone, Copy)]
enum Source {
    /// A row of the table in which this set is looked up.
    Table(SetIx, RowIx),
    /// Position in the base: the row stays.
    Base(usize),
}

/// Where a row's ticks go.
#[derive(Clone, Copy)]
struct Destination {
    channel: NameIx,
    shape: Shape,
    depth: bool,
    keep: Persistence,
}

impl<'a> Drafts<'a> {
    /// Puts together what stays of an account and what `sets` want of it; of `parts` each set's are
    /// together, in the order of precedence.
    pub(super) fn of(
        retained: &'a RetainedAccount<'_>,
        mut parts: Vec<Part>,
        sets: &'a [PlacedSet<'a>],
        held_over: &HeldOverSets<'_>,
    ) -> Self {
        let mut drafts = Self {
            sets,
            base: retained.account.base.map(AsRef::as_ref),
            drafts: Vec::new(),
            wanted_by: Vec::new(),
            outputs: Vec::new(),
            set_names: Names::default(),
            channel_names: Names::default(),
        };
        let stays = |set: &str| held_over.contains(retained.account.namespace(), set);
        let mut kept = drafts.kept(&retained.rows).into_iter().peekable();
        // Stable: the sets of a token stay in their order.
        parts.sort_by_key(|part| part.instrument.token);
        for parts in parts.chunk_by(|a, b| a.instrument.token == b.instrument.token) {
            let Some(first) = parts.first() else { continue };
            while let Some((_, at)) = kept.next_if(|(token, _)| *token < first.instrument.token) {
                drafts.keep(at, stays);
            }
            match kept.next_if(|(token, _)| *token == first.instrument.token) {
                Some((_, at)) => drafts.keep(at, stays),
                None => drafts.open(first.source(), Mode::Ltp),
            }
            for part in parts {
                drafts.add(part);
            }
        }
        for (_, at) in kept {
            drafts.keep(at, stays);
        }
        drafts
    }

    /// The rows of the base at these positions, by token; of several with one token the last.
    fn kept(&self, rows: &[usize]) -> Vec<(Token, usize)> {
        let instruments = self.base.map_or(&[][..], |base| &base.instruments);
        let token = |at: &usize| Some((instruments.get(*at)?.token, *at));
        let mut kept: Vec<_> = rows.iter().filter_map(token).collect();
        kept.sort_by_key(|(token, at)| (*token, std::cmp::Reverse(*at)));
        kept.dedup_by_key(|(token, _)| *token);
        kept
    }

    fn open(&mut self, source: Source, mode: Mode) {
        self.drafts.push(Draft {
            source,
            mode,
            wanted_by: self.wanted_by.len(),
            outputs: self.outputs.len(),
        });
    }

    /// Begins with a row that stays: everything that was published of it goes on.
    fn keep(&mut self, at: usize, stays: impl Fn(&str) -> bool) {
        let Some(base) = self.base else { return };
        let Some(row) = base.instruments.get(at) else {
            return;
        };
        self.open(Source::Base(at), row.mode);
        let names = row.sets.iter();
        for name in names.filter_map(|set| base.sets.get(usize::from(*set))) {
            if stays(name) {
                self.wanted_by.push(self.set_names.ix(name));
            }
        }
        for output in &row.outputs {
            let Some(channel) = base.channels.get(usize::from(output.channel)) else {
                continue;
            };
            let keep = output.keep.map(usize::from);
            let keep = keep.and_then(|keep| base.keeps.get(keep));
            self.outputs.push(Destination {
                channel: self.channel_names.ix(channel),
                shape: output.shape,
                depth: output.depth,
                keep: keep.copied().unwrap_or_default(),
            });
        }
    }

    /// Adds what a set wants of the row that was begun last: the richest mode counts, and each
    /// channel gets one message.
    fn add(&mut self, part: &Part) {
        let sets = self.sets;
        let placed = sets.get(part.set.at());
        let known =
            placed.and_then(|it| Some((it, it.request.resolved()?, it.set.spec.as_ref().ok()?)));
        let (Some((placed, resolved, spec)), Some(draft)) = (known, self.drafts.last_mut()) else {
            return;
        };
        let Some(route) = resolved.routes.channels.get(part.instrument.route.at()) else {
            return;
        };
        draft.source = part.source();
        draft.mode = draft.mode.max(spec.mode);
        self.wanted_by.push(self.set_names.ix(placed.set.name()));
        let output = Destination {
            channel: self.channel_names.ix(&route.channel),
            shape: route.shape,
            depth: spec.depth && route.shape == Shape::Contract,
            keep: spec.keep,
        };
        let known = self.outputs.get_mut(draft.outputs..).unwrap_or_default();
        match known.iter_mut().find(|it| it.channel == output.channel) {
            Some(known) => {
                known.depth |= output.depth;
                known.keep = known.keep.or(output.keep);
            }
            None => self.outputs.push(output),
        }
    }

    /// The rows, and the lists that they refer to.
    pub(super) fn write(self) -> Written {
        let (sets, set_positions) = self.set_names.sorted();
        let (channels, channel_positions) = self.channel_names.sorted();
        let keeps: BTreeSet<Persistence> = self.outputs.iter().map(|output| output.keep).collect();
        let keeps: Vec<Persistence> = keeps
            .into_iter()
            .filter(|keep| *keep != Persistence::default())
            .collect();
        let keep_position =
            |keep: &Persistence| u16::try_from(keeps.binary_search(keep).ok()?).ok();
        let output = |it: &Destination| {
            Some(Output {
                channel: channel_positions.of(it.channel)?,
                shape: it.shape,
                depth: it.depth,
                keep: keep_position(&it.keep),
            })
        };
        let mut ends = self.drafts.iter().skip(1);
        let mut instruments = Vec::with_capacity(self.drafts.len());
        for draft in &self.drafts {
            let (wanted_by, outputs) = match ends.next() {
                Some(next) => (
                    &self.wanted_by[draft.wanted_by..next.wanted_by],
                    &self.outputs[draft.outputs..next.outputs],
                ),
                None => (
                    &self.wanted_by[draft.wanted_by..],
                    &self.outputs[draft.outputs..],
                ),
            };
            let Some(mut row) = self.row(draft.source) else {
                continue;
            };
            row.mode = draft.mode;
            row.sets = wanted_by
                .iter()
                .filter_map(|set| set_positions.of(*set))
                .collect();
            row.sets.sort_unstable();
            row.sets.dedup();
            row.outputs = outputs.iter().filter_map(output).collect();
            row.outputs.sort_unstable_by_key(|output| output.channel);
            instruments.push(row);
        }
        Written {
            sets,
            channels,
            keeps,
            instruments,
        }
    }

    fn row(&self, source: Source) -> Option<Row> {
        match source {
            Source::Table(set, row) => {
                let resolved = self.sets.get(set.at())?.request.resolved()?;
                Some(from_table(resolved.table.get(row)?))
            }
            Source::Base(at) => self.base?.instruments.get(at).cloned(),
        }
    }
}

impl Part {
    fn source(&self) -> Source {
        Source::Table(self.set, self.instrument.row)
    }
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
