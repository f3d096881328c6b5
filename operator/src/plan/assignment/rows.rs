//! The rows of one account: the merged demands of its sets on each instrument.
//!
//! Owns which of several demands counts. Must not choose accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use contract::assignment::prefix_of;
use contract::{Assignment, Output, Persistence, Row, Shape};
use jiff::civil::Date;
use kite::{Instrument, Mode, Token};
use rustc_hash::{FxHashMap, FxHashSet};

use super::former;
use super::listed_row::listed_row;
use super::sessions::AccountSessions;
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::ids::{AccountIx, RouteIx, SetIx};
use crate::plan::placement::{AccountReferences, HeldOver, Outcome, PlacedSet};
use crate::plan::selection::{ChannelRoute, Reference};

/// The mode that has the close of the day before.
const REFERENCE_MODE: Mode = Mode::Quote;

/// The demand of one set on one instrument, for one channel.
struct Part<'a> {
    token: Token,
    table: &'a InstrumentTable,
    row: RowIx,
    mode: Mode,
    set: u16,
    output: Output,
    /// Whether the set wants events on the channels of its prefix.
    events: bool,
    /// The trading day on which the money left it behind.
    retained: Option<Date>,
}

/// The lists that rows refer to, in the order in which they came; some may turn out not to be used.
struct Lists<'a> {
    sets: List<&'a str>,
    channels: List<&'a str>,
    keeps: List<Persistence>,
    /// Names of the classes that trade at the same hours.
    classes: List<&'a str>,
    trades: &'a AccountSessions,
    /// Channels that are published on for a set that wants events.
    with_events: BTreeSet<u16>,
}

/// The assignment of which rows are held over.
struct Base<'a> {
    assignment: &'a Assignment,
    /// Its prefixes without events.
    quiet: FxHashSet<&'a str>,
    /// Which of its sets cannot be resolved now.
    pending: &'a [bool],
    /// Whether prices that were needed are still needed.
    keeps_references: bool,
}

#[derive(Default)]
struct List<T> {
    all: Vec<T>,
    positions: FxHashMap<T, u16>,
}

/// Merges the held over rows of an account with the demands of its sets, as rows of `document`.
pub(super) fn write(
    document: &mut Assignment,
    at: AccountIx,
    (account, references, trades): (&HeldOver<'_>, &AccountReferences, &AccountSessions),
    sets_of: &[SetIx],
    sets: &[PlacedSet<'_>],
) {
    let mut lists = Lists {
        sets: List::default(),
        channels: List::default(),
        keeps: List::default(),
        classes: List::default(),
        trades,
        with_events: BTreeSet::new(),
    };
    let mut held_over = BTreeMap::new();
    if let Some(base) = account.account.base {
        let rows = account.rows.iter();
        let rows = rows.filter_map(|at| base.instruments.get(*at));
        let base = Base {
            assignment: base,
            quiet: base.quiet_prefixes.iter().map(String::as_str).collect(),
            pending: &account.pending,
            keeps_references: account.keeps_references,
        };
        held_over.extend(rows.map(|row| (row.token, lists.held_over(&base, row))));
    }
    let mut parts = Vec::new();
    for set in sets_of {
        lists.parts(at, &sets[set.at()], &mut parts);
    }
    // A stable sort: the sets of a token keep their order.
    parts.sort_by_key(|part| part.token);
    let mut rows: Vec<Row> = Vec::with_capacity(parts.len() + held_over.len());
    for part in parts {
        match rows.last_mut() {
            Some(row) if row.token == part.token => lists.add(row, &part),
            _ => rows.extend(lists.row(&part, held_over.remove(&part.token))),
        }
    }
    if !held_over.is_empty() {
        rows.extend(held_over.into_values());
        rows.sort_unstable_by_key(|row| row.token);
    }
    lists.note_references(&mut rows, references);
    let lookups = sets_of
        .iter()
        .filter_map(|set| sets[set.at()].request.resolved());
    for resolved in lookups {
        former::note(&mut rows, &resolved.lookup);
    }
    lists.write(rows, document, account.account.base.map(|it| &**it));
}

impl<'a> Lists<'a> {
    /// A held over row: everything that is published for it goes on.
    fn held_over(&mut self, base: &Base<'a>, row: &Row) -> Row {
        let Base {
            assignment: base,
            quiet,
            pending,
            keeps_references,
        } = base;
        let sets = row.sets.iter().map(|set| usize::from(*set));
        let sets = sets.filter(|set| pending.get(*set) == Some(&true));
        let sets: Vec<u16> = sets
            .filter_map(|set| self.sets.position(base.sets.get(set)?))
            .collect();
        // A row that stays for its price alone is published for nobody.
        let outputs = if sets.is_empty() {
            &[][..]
        } else {
            &row.outputs
        };
        let output = |output: &Output| {
            let keep = output
                .keep
                .and_then(|keep| base.keeps.get(usize::from(keep)));
            let name = base.channels.get(usize::from(output.channel))?;
            let channel = self.channels.position(name)?;
            if !quiet.contains(prefix_of(name)) {
                self.with_events.insert(channel);
            }
            Some(Output {
                channel,
                keep: keep.and_then(|keep| self.keeps.position(*keep)),
                ..*output
            })
        };
        Row {
            outputs: outputs.iter().filter_map(output).collect(),
            sets,
            reference: row.reference && *keeps_references,
            // What it takes over it has, unless the account that gives still goes on.
            move_at: None,
            // And what it gives is added where it still gives it.
            handover: false,
            class: base
                .sessions_of(row)
                .and_then(|it| self.classes.position(&*it.class)),
            ..row.clone()
        }
    }

    /// Adds what a set wants of the account `at`.
    fn parts(&mut self, at: AccountIx, placed: &'a PlacedSet<'_>, parts: &mut Vec<Part<'a>>) {
        let (Some(resolved), Ok(spec)) = (placed.request.resolved(), &placed.set.spec) else {
            return;
        };
        let routes = &resolved.lookup.routes;
        let output = |route: &'a ChannelRoute| {
            Some(Output {
                channel: self.channels.position(&route.channel)?,
                shape: route.shape,
                depth: spec.depth && route.shape == Shape::Contract,
                greeks: false,
                keep: self.keep(spec.keep),
            })
        };
        let outputs: Vec<Option<Output>> = routes.channels.iter().map(output).collect();
        let Some(set) = self.sets.position(placed.set.name()) else {
            return;
        };
        let all = routes.instruments.iter().zip(&placed.placement.outcomes);
        let here = all.filter(
            |(_, outcome)| matches!(outcome, Some(Outcome::Placed(account)) if *account == at),
        );
        let prefix = |route: RouteIx| {
            let route = routes.channels.get(route.at());
            route.map(|route| prefix_of(&route.channel))
        };
        let greeks = |row: RowIx| {
            let instrument = resolved.lookup.table.get(row).filter(|_| spec.greeks);
            instrument.is_some_and(|it| it.instrument_type.is_option())
        };
        parts.extend(here.flat_map(|(routed, _)| {
            let greeks = greeks(routed.row);
            let part = |route: RouteIx| {
                let mut output = (*outputs.get(route.at())?)?;
                output.greeks = greeks;
                // Keys are by prefix and token: they hold what is on the instrument's own channel.
                if route != routed.route && prefix(route) == prefix(routed.route) {
                    output.keep = None;
                }
                Some(Part {
                    token: routed.token,
                    table: &resolved.lookup.table,
                    row: routed.row,
                    mode: spec.mode,
                    set,
                    output,
                    events: spec.events,
                    retained: routed.retained.map(|_| resolved.lookup.day),
                })
            };
            let routes = [Some(routed.route), routed.underlying];
            routes.map(|route| part(route?)).into_iter().flatten()
        }));
    }

    /// The row of a first part, with what is held over of it.
    fn row(&mut self, part: &Part<'_>, held_over: Option<Row>) -> Option<Row> {
        let mut row = self.listed(part.table.get(part.row)?, part.table);
        match held_over {
            Some(old) => {
                (row.mode, row.sets, row.outputs) = (old.mode, old.sets, old.outputs);
                (row.former, row.reference) = (old.former, old.reference);
                row.retained = old.retained;
                self.add(&mut row, part);
            }
            None => {
                (row.mode, row.sets, row.outputs) = (part.mode, vec![part.set], vec![part.output]);
                row.retained = part.retained;
                self.note_events(part);
            }
        }
        Some(row)
    }

    /// Each channel gets one message, with everything that any set demands of it.
    fn add(&mut self, row: &mut Row, part: &Part<'_>) {
        row.mode = row.mode.max(part.mode);
        row.sets.push(part.set);
        row.retained = row.retained.max(part.retained);
        self.note_events(part);
        let mut known = row.outputs.iter_mut();
        match known.find(|known| known.channel == part.output.channel) {
            Some(known) => {
                let keep = |keep: Option<u16>| keep.map(|keep| self.keeps.all[usize::from(keep)]);
                let [one, other] =
                    [known.keep, part.output.keep].map(|it| keep(it).unwrap_or_default());
                known.depth |= part.output.depth;
                known.greeks |= part.output.greeks;
                known.keep = self.keep(one.or(other));
            }
            None => row.outputs.push(part.output),
        }
    }

    /// Each prefix gets events if any set of it wants them.
    fn note_events(&mut self, part: &Part<'_>) {
        if part.events {
            self.with_events.insert(part.output.channel);
        }
    }

    fn keep(&mut self, keep: Persistence) -> Option<u16> {
        let keep = Some(keep).filter(|keep| *keep != Persistence::default());
        self.keeps.position(keep?)
    }

    /// Marks the rows whose prices are needed, and adds those that nothing else needs.
    fn note_references(&mut self, rows: &mut Vec<Row>, references: &AccountReferences) {
        let Some(table) = &references.table else {
            return;
        };
        let mut more = Vec::new();
        for Reference { token, row } in &references.instruments {
            match rows.binary_search_by_key(token, |row| row.token) {
                Ok(at) => {
                    let row = &mut rows[at];
                    (row.reference, row.mode) = (true, row.mode.max(REFERENCE_MODE));
                }
                Err(_) => more.extend(table.get(*row).map(|row| Row {
                    mode: REFERENCE_MODE,
                    reference: true,
                    ..self.listed(row, table)
                })),
            }
        }
        if !more.is_empty() {
            rows.extend(more);
            rows.sort_unstable_by_key(|row| row.token);
        }
    }

    fn listed(&mut self, instrument: &Instrument, table: &InstrumentTable) -> Row {
        let class = self.trades.class(instrument, table);
        let class = class.and_then(|class| self.classes.position(class));
        listed_row(instrument, table, class)
    }

    /// The rows with what they refer to in order.
    fn write(self, mut rows: Vec<Row>, document: &mut Assignment, base: Option<&Assignment>) {
        let with_events = self.with_events.iter();
        let with_events = with_events.map(|at| prefix_of(self.channels.all[usize::from(*at)]));
        let with_events: BTreeSet<&str> = with_events.collect();
        let outputs = || rows.iter().flat_map(|row| &row.outputs);
        let (sets, set_ranks) = self
            .sets
            .ranked(rows.iter().flat_map(|row| row.sets.iter().copied()));
        let (channels, channel_ranks) =
            self.channels.ranked(outputs().map(|output| output.channel));
        let (keeps, keep_ranks) = self
            .keeps
            .ranked(outputs().filter_map(|output| output.keep));
        let (classes, class_ranks) = self.classes.ranked(rows.iter().filter_map(|row| row.class));
        for row in &mut rows {
            row.class = row.class.map(|class| class_ranks[usize::from(class)]);
            for set in &mut row.sets {
                *set = set_ranks[usize::from(*set)];
            }
            row.sets.sort_unstable();
            row.sets.dedup();
            for output in &mut row.outputs {
                output.channel = channel_ranks[usize::from(output.channel)];
                output.keep = output.keep.map(|keep| keep_ranks[usize::from(keep)]);
            }
            row.outputs.sort_unstable_by_key(|output| output.channel);
        }
        let prefixes = channels.iter().map(|channel| prefix_of(channel));
        let quiet: BTreeSet<&str> = prefixes.filter(|it| !with_events.contains(it)).collect();
        document.quiet_prefixes = quiet.into_iter().map(str::to_owned).collect();
        document.sets = sets.into_iter().map(str::to_owned).collect();
        document.channels = channels.into_iter().map(str::to_owned).collect();
        document.keeps = keeps;
        document.sessions = self.trades.of(&classes, base);
        document.instruments = rows;
    }
}

impl<T: Copy + Eq + Hash + Ord> List<T> {
    /// The position of `one`, unless there are too many.
    fn position(&mut self, one: T) -> Option<u16> {
        if let Some(known) = self.positions.get(&one) {
            return Some(*known);
        }
        let new = u16::try_from(self.all.len()).ok()?;
        self.all.push(one);
        self.positions.insert(one, new);
        Some(new)
    }

    /// What is used of the list, sorted, and where each is in it then.
    fn ranked(self, used: impl Iterator<Item = u16>) -> (Vec<T>, Vec<u16>) {
        let mut is_used = vec![false; self.all.len()];
        used.for_each(|at| is_used[usize::from(at)] = true);
        let mut order: Vec<(T, u16)> = self.all.into_iter().zip(0..=u16::MAX).collect();
        order.retain(|(_, at)| is_used[usize::from(*at)]);
        order.sort_unstable();
        let mut ranks = vec![0; is_used.len()];
        for ((_, at), rank) in order.iter().zip(0..=u16::MAX) {
            ranks[usize::from(*at)] = rank;
        }
        (order.into_iter().map(|(one, _)| one).collect(), ranks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_position_for_every_index_and_none_for_more() {
        let mut list = List::default();
        let all: Vec<Option<u16>> = (0..=65_536_u32).rev().map(|at| list.position(at)).collect();
        assert_eq!(
            (all[0], all[65_535], all[65_536]),
            (Some(0), Some(65_535), None)
        );
        let (all, ranks) = list.ranked(0..=u16::MAX);
        assert_eq!((all.len(), all[0]), (65_536, 1));
        assert_eq!((ranks[0], ranks[65_535]), (65_535, 0));
    }
}
