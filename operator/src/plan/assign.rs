//! The assignment of each account, as its sets were placed.
//!
//! Owns the document's content. Must not choose where anything goes.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Account, Assignment, Output, Persistence, Row, Shape};
use kite::{Instrument, Mode, Token};

use super::channel;
use super::demand::{Channels, Demand};
use super::input::{Account as Spec, AccountInput, PlanningInput};
use super::place::Outcome;
use super::settle::Settlement;

/// A row while the sets that want it are gathered.
struct Draft<'a> {
    source: Source<'a>,
    mode: Mode,
    sets: Vec<&'a str>,
    outputs: Vec<Destination<'a>>,
}

/// Where a row's ticks go, by name.
struct Destination<'a> {
    channel: &'a str,
    shape: Shape,
    depth: bool,
    keep: Persistence,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Table(&'a Instrument),
    Before(&'a Row),
}

/// What each account should stream, as in [`PlanningInput::accounts`]; nothing for those that stay as they
/// are. Generations are still those of the base, or 0.
pub(crate) fn assignments(
    input: &PlanningInput<'_>,
    demands: &[Demand<'_>],
    settlement: &Settlement<'_>,
    channels: &Channels,
) -> Vec<Option<Assignment>> {
    let mut drafts: Vec<BTreeMap<Token, Draft<'_>>> =
        input.accounts.iter().map(|_| BTreeMap::new()).collect();
    for ((account, fixed), drafts) in input
        .accounts
        .iter()
        .zip(&settlement.fixed)
        .zip(&mut drafts)
    {
        let Some(base) = account.base.filter(|_| !account.eligibility.is_frozen()) else {
            continue;
        };
        for row in fixed.iter().filter_map(|at| base.instruments.get(*at)) {
            drafts.insert(
                row.token,
                kept(base, row, |set| {
                    settlement.standing.contains(&(account.namespace(), set))
                }),
            );
        }
    }
    for ((set, demand), outcomes) in input.sets.iter().zip(demands).zip(&settlement.outcomes) {
        let (Demand::Wanted(wants), Ok(spec)) = (demand, &set.spec) else {
            continue;
        };
        for (want, outcome) in wants.wants.iter().zip(outcomes) {
            let Outcome::Placed(at) = outcome else {
                continue;
            };
            let Some(drafts) = drafts.get_mut(*at) else {
                continue;
            };
            let draft = drafts
                .entry(want.instrument.token)
                .or_insert_with(|| Draft {
                    source: Source::Table(want.instrument),
                    mode: spec.mode,
                    sets: Vec::new(),
                    outputs: Vec::new(),
                });
            draft.source = Source::Table(want.instrument);
            draft.mode = draft.mode.max(spec.mode);
            draft.sets.push(&set.observed.meta.key.name);
            let depth = spec.depth && want.shape == Shape::Contract;
            draft.publish(Destination {
                channel: channels.name(want.channel),
                shape: want.shape,
                depth,
                keep: spec.keep,
            });
        }
    }
    input
        .accounts
        .iter()
        .zip(drafts)
        .map(|(account, drafts)| match &account.spec {
            Ok(spec) if !account.eligibility.is_frozen() => Some(document(account, spec, drafts)),
            _ => None,
        })
        .collect()
}

/// A row that stays: everything that was published of it goes on.
fn kept<'a>(base: &'a Assignment, row: &'a Row, stays: impl Fn(&str) -> bool) -> Draft<'a> {
    let name = |set: &u16| base.sets.get(usize::from(*set)).map(String::as_str);
    let output = |output: &Output| {
        let keep = output
            .keep
            .and_then(|keep| base.keeps.get(usize::from(keep)));
        Some(Destination {
            channel: base.channels.get(usize::from(output.channel))?.as_str(),
            shape: output.shape,
            depth: output.depth,
            keep: keep.copied().unwrap_or_default(),
        })
    };
    Draft {
        source: Source::Before(row),
        mode: row.mode,
        sets: row
            .sets
            .iter()
            .filter_map(name)
            .filter(|set| stays(set))
            .collect(),
        outputs: row.outputs.iter().filter_map(output).collect(),
    }
}

impl<'a> Draft<'a> {
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

    fn row(self, sets: &[&str], channels: &[&str], keeps: &[Persistence]) -> Row {
        let mut row = match self.source {
            Source::Table(instrument) => from_table(instrument),
            Source::Before(row) => row.clone(),
        };
        row.mode = self.mode;
        row.sets = self
            .sets
            .iter()
            .filter_map(|set| position(sets, set))
            .collect();
        row.sets.sort_unstable();
        row.sets.dedup();
        row.outputs = self
            .outputs
            .iter()
            .filter_map(|output| {
                Some(Output {
                    channel: position(channels, &output.channel)?,
                    shape: output.shape,
                    depth: output.depth,
                    keep: position(keeps, &output.keep),
                })
            })
            .collect();
        row.outputs.sort_unstable_by_key(|output| output.channel);
        row
    }
}

fn position<T: Ord>(sorted: &[T], one: &T) -> Option<u16> {
    u16::try_from(sorted.binary_search(one).ok()?).ok()
}

fn from_table(instrument: &Instrument) -> Row {
    Row {
        token: instrument.token,
        mode: Mode::Ltp,
        symbol: channel::symbol(instrument).into_owned(),
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

fn document(
    account: &AccountInput<'_>,
    spec: &Spec,
    drafts: BTreeMap<Token, Draft<'_>>,
) -> Assignment {
    let mut sets = sorted(drafts.values().flat_map(|draft| draft.sets.iter().copied()));
    let mut channels = sorted(
        drafts
            .values()
            .flat_map(|draft| draft.outputs.iter().map(|output| output.channel)),
    );
    let outputs = drafts.values().flat_map(|draft| &draft.outputs);
    let keeps: BTreeSet<Persistence> = outputs.map(|output| output.keep).collect();
    let keeps: Vec<Persistence> = keeps
        .into_iter()
        .filter(|keep| *keep != Persistence::default())
        .collect();
    let set_names: Vec<&str> = sets.iter().map(String::as_str).collect();
    let channel_names: Vec<&str> = channels.iter().map(String::as_str).collect();
    let instruments = drafts
        .into_values()
        .map(|draft| draft.row(&set_names, &channel_names, &keeps))
        .collect();
    let longest = usize::from(u16::MAX) + 1;
    sets.truncate(longest);
    channels.truncate(longest);
    let key = &account.observed.object.meta.key;
    Assignment {
        version: version(
            contract::ASSIGNMENT_VERSIONS,
            account.reads(),
            account.base.map(|base| base.version),
        ),
        generation: account.base.map_or(0, |base| base.generation),
        account: Account {
            name: key.name.clone(),
            namespace: (!key.namespace.is_empty()).then(|| key.namespace.clone()),
            uid: account.uid().to_owned(),
            mock: spec.mock,
        },
        websocket: spec.websocket.clone(),
        redis_url: spec.redis_url.clone(),
        connections: spec.connections,
        tokens_per_connection: spec.tokens_per_connection,
        order_updates: spec.order_updates,
        sets,
        channels,
        keeps,
        instruments,
    }
}

fn sorted<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let distinct: BTreeSet<&str> = names.collect();
    distinct.into_iter().map(str::to_owned).collect()
}

/// The newest of `ours` that the process reads too. Without a report the version that was written
/// last: the process may be one that reads no newer one. Where nothing is common the newest counts,
/// and the account's status says why it is not taken up.
fn version(ours: &[u32], theirs: Option<&[u32]>, last: Option<u32>) -> u32 {
    let fits = |version: &&u32| match theirs {
        Some(theirs) => theirs.contains(version),
        None => last == Some(**version),
    };
    let chosen = ours.iter().filter(fits).max().or(ours.iter().max());
    chosen.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
