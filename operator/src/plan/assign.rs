//! The assignment of each account: rows, generation, and since when a set's rows are what they are.
//!
//! Owns the document's content. Must not choose where anything goes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use contract::report::AppliedAssignment;
use contract::{Account, Assignment, Output, Row, Shape};
use kite::{Instrument, Mode, Token};
use rustc_hash::FxHasher;

use super::channel;
use super::demand::{Channels, Demand};
use super::memory::Mark;
use super::place::Outcome;
use super::settle::Settlement;
use super::validate;
use super::world::{AccountView, World};
use super::{Delivery, LastAssignment};

/// A row while the sets that want it are gathered.
struct Draft<'a> {
    source: Source<'a>,
    mode: Mode,
    sets: Vec<&'a str>,
    outputs: Vec<(&'a str, Shape, bool)>,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Table(&'a Instrument),
    Before(&'a Row),
}

/// What each account should stream, as in [`World::accounts`]; nothing for those that stay as they
/// are. Generations are still those of the base, or 0.
pub(crate) fn assignments(
    world: &World<'_>,
    demands: &[Demand<'_>],
    settlement: &Settlement<'_>,
    channels: &Channels,
) -> Vec<Option<Assignment>> {
    let mut drafts: Vec<BTreeMap<Token, Draft<'_>>> = world.accounts.iter().map(|_| BTreeMap::new()).collect();
    for ((account, fixed), drafts) in world.accounts.iter().zip(&settlement.fixed).zip(&mut drafts) {
        let Some(base) = account.base.filter(|_| !account.frozen) else { continue };
        for row in fixed.iter().filter_map(|at| base.instruments.get(*at)) {
            drafts.insert(row.token, kept(base, row, |set| settlement.standing.contains(&(account.namespace(), set))));
        }
    }
    for ((set, demand), outcomes) in world.sets.iter().zip(demands).zip(&settlement.outcomes) {
        let (Demand::Wanted(wants), Ok(spec)) = (demand, &set.spec) else { continue };
        for (want, outcome) in wants.wants.iter().zip(outcomes) {
            let Outcome::Placed(at) = outcome else { continue };
            let Some(drafts) = drafts.get_mut(*at) else { continue };
            let draft = drafts.entry(want.instrument.token).or_insert_with(|| Draft {
                source: Source::Table(want.instrument),
                mode: spec.mode,
                sets: Vec::new(),
                outputs: Vec::new(),
            });
            draft.source = Source::Table(want.instrument);
            draft.mode = draft.mode.max(spec.mode);
            draft.sets.push(&set.observed.meta.key.name);
            let depth = spec.depth && want.shape == Shape::Contract;
            draft.publish(channels.name(want.channel), want.shape, depth);
        }
    }
    world
        .accounts
        .iter()
        .zip(drafts)
        .map(|(account, drafts)| match &account.spec {
            Ok(spec) if !account.frozen => Some(document(account, spec, drafts)),
            _ => None,
        })
        .collect()
}

/// A row that stays: everything that was published of it goes on.
fn kept<'a>(base: &'a Assignment, row: &'a Row, stays: impl Fn(&str) -> bool) -> Draft<'a> {
    let name = |set: &u16| base.sets.get(usize::from(*set)).map(String::as_str);
    let output = |output: &Output| {
        Some((base.channels.get(usize::from(output.channel))?.as_str(), output.shape, output.depth))
    };
    Draft {
        source: Source::Before(row),
        mode: row.mode,
        sets: row.sets.iter().filter_map(name).filter(|set| stays(set)).collect(),
        outputs: row.outputs.iter().filter_map(output).collect(),
    }
}

impl<'a> Draft<'a> {
    fn publish(&mut self, channel: &'a str, shape: Shape, depth: bool) {
        match self.outputs.iter_mut().find(|output| output.0 == channel) {
            Some(output) => output.2 |= depth,
            None => self.outputs.push((channel, shape, depth)),
        }
    }

    fn row(self, sets: &[&str], channels: &[&str]) -> Row {
        let mut row = match self.source {
            Source::Table(instrument) => from_table(instrument),
            Source::Before(row) => row.clone(),
        };
        row.mode = self.mode;
        row.sets = self.sets.iter().filter_map(|set| position(sets, set)).collect();
        row.sets.sort_unstable();
        row.sets.dedup();
        row.outputs = self
            .outputs
            .iter()
            .filter_map(|(channel, shape, depth)| {
                Some(Output { channel: position(channels, channel)?, shape: *shape, depth: *depth })
            })
            .collect();
        row.outputs.sort_unstable_by_key(|output| output.channel);
        row
    }
}

fn position(names: &[&str], name: &str) -> Option<u16> {
    u16::try_from(names.binary_search(&name).ok()?).ok()
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
        strike: instrument.instrument_type.is_option().then_some(instrument.strike),
        expiry: instrument.expiry,
        lot_size: (instrument.lot_size > 0).then_some(instrument.lot_size),
        tick_size: (instrument.tick_size > 0.0).then_some(instrument.tick_size),
        sets: Vec::new(),
        outputs: Vec::new(),
    }
}

fn document(
    account: &AccountView<'_>,
    spec: &validate::Account,
    drafts: BTreeMap<Token, Draft<'_>>,
) -> Assignment {
    let mut sets = sorted(drafts.values().flat_map(|draft| draft.sets.iter().copied()));
    let mut channels = sorted(drafts.values().flat_map(|draft| draft.outputs.iter().map(|output| output.0)));
    let set_names: Vec<&str> = sets.iter().map(String::as_str).collect();
    let channel_names: Vec<&str> = channels.iter().map(String::as_str).collect();
    let instruments = drafts.into_values().map(|draft| draft.row(&set_names, &channel_names)).collect();
    let longest = usize::from(u16::MAX) + 1;
    sets.truncate(longest);
    channels.truncate(longest);
    let key = &account.observed.object.meta.key;
    Assignment {
        version: version(account),
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
        sets,
        channels,
        instruments,
    }
}

fn sorted<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let distinct: BTreeSet<&str> = names.collect();
    distinct.into_iter().map(str::to_owned).collect()
}

/// The newest version that the process reads too; without a report the one it was given last.
fn version(account: &AccountView<'_>) -> u32 {
    let ours = contract::ASSIGNMENT_VERSIONS;
    let newest = ours.last().copied().unwrap_or(1);
    match (account.report(), account.base) {
        (Some(report), _) => {
            ours.iter().rev().find(|version| report.assignment_versions.contains(version)).copied().unwrap_or(newest)
        }
        (None, Some(base)) if ours.contains(&base.version) => base.version,
        (None, _) => newest,
    }
}

/// What is to be done so that `wanted` is in force: a new generation when its content is new, or
/// when the process would refuse the old one because it has seen a later or another one.
pub(crate) fn deliver(account: &AccountView<'_>, mut wanted: Assignment) -> Delivery {
    let uid = account.uid();
    let there = match &account.observed.assignment {
        LastAssignment::Readable { assignment, sha256 } if assignment.account.uid == uid => {
            Some((assignment, sha256))
        }
        LastAssignment::Readable { .. } | LastAssignment::Absent | LastAssignment::Unreadable { .. } => None,
    };
    let applied = account.report().and_then(|report| report.assignment.as_ref());
    let status = account.observed.object.status.as_deref().and_then(|status| status.assignment_generation);
    let newest = [
        account.base.map(|base| base.generation),
        there.map(|(assignment, _)| assignment.generation),
        applied.map(|applied| applied.generation),
        status.and_then(|generation| generation.desired),
    ]
    .into_iter()
    .flatten()
    .max();
    if let Some(base) = account.base.filter(|base| base.same_content(&wanted) && Some(base.generation) == newest) {
        match there {
            Some((assignment, _)) if assignment.generation == base.generation && !assignment.same_content(base) => {}
            Some((assignment, sha256)) if assignment.generation == base.generation => {
                if !contradicts(applied, assignment.generation, sha256) {
                    return Delivery::InPlace(Arc::clone(assignment));
                }
            }
            _ => return Delivery::Write(Arc::clone(base)),
        }
    }
    wanted.generation = newest.map_or(1, |newest| newest.saturating_add(1));
    Delivery::Write(Arc::new(wanted))
}

/// Whether the process runs something else under the same generation.
fn contradicts(applied: Option<&AppliedAssignment>, generation: u64, sha256: &str) -> bool {
    applied.is_some_and(|applied| applied.generation == generation && applied.sha256 != sha256.trim())
}

/// Since which generation the rows of each set are what they are.
pub(crate) fn marks(account: &AccountView<'_>, decided: &Assignment) -> BTreeMap<String, Mark> {
    let known = account.remembered.map(|known| &known.marks);
    if let (Some(known), Some(base)) = (known, account.base)
        && base.generation == decided.generation
    {
        return known.clone();
    }
    let before: BTreeMap<&str, u64> = account.base.map(|base| fingerprints(base)).unwrap_or_default();
    fingerprints(decided)
        .into_iter()
        .map(|(set, fingerprint)| {
            let since = match known.and_then(|known| known.get(set)) {
                Some(mark) if mark.fingerprint == fingerprint => mark.generation,
                _ if before.get(set) == Some(&fingerprint) => {
                    account.base.map_or(decided.generation, |base| base.generation)
                }
                _ => decided.generation,
            };
            (set.to_owned(), Mark { fingerprint, generation: since })
        })
        .collect()
}

/// What the rows of each set say, in one number per set. Not kept beyond this process.
fn fingerprints(assignment: &Assignment) -> BTreeMap<&str, u64> {
    let channels: Vec<u64> = assignment.channels.iter().map(|name| hash(name)).collect();
    let mut hashers: Vec<FxHasher> = assignment.sets.iter().map(|_| FxHasher::default()).collect();
    for row in &assignment.instruments {
        let mut outputs = FxHasher::default();
        (row.token, row.mode, &row.tradingsymbol).hash(&mut outputs);
        for output in &row.outputs {
            let channel = channels.get(usize::from(output.channel));
            (channel, output.shape == Shape::Underlying, output.depth).hash(&mut outputs);
        }
        for set in &row.sets {
            if let Some(hasher) = hashers.get_mut(usize::from(*set)) {
                hasher.write_u64(outputs.finish());
            }
        }
    }
    assignment.sets.iter().map(String::as_str).zip(hashers.iter().map(Hasher::finish)).collect()
}

fn hash(name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
