//! Whether an account's assignment must be written, under which generation, and since which
//! generation the rows of each set are unchanged.
//!
//! Must not change the content.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use contract::report::AppliedAssignment;
use contract::{Assignment, Shape};
use rustc_hash::{FxBuildHasher, FxHashSet, FxHasher};

use super::change::AssignmentChange;
use crate::plan::input::{AccountInput, Mark};

/// Larger generations are ignored: they were written by hand or reported wrongly. The API server
/// keeps 63 bits, and JSON readers 53.
const LARGEST_GENERATION: u64 = 1 << 53;

/// The generation, unless it is too large to be accepted.
pub(crate) fn in_range(generation: u64) -> Option<u64> {
    (generation < LARGEST_GENERATION).then_some(generation)
}

/// The change that puts the result of `build` in force: a new generation if its content is new, or
/// if the process would refuse the old one because it has seen a later or a different one. Also
/// returns whether the base says the same, which may be `known` without building anything.
pub(super) fn change(
    account: &AccountInput<'_>,
    known: bool,
    build: impl Fn() -> Assignment,
) -> (AssignmentChange, bool) {
    let built = (!known).then(&build);
    let is_new = |base: &Assignment| built.as_ref().is_some_and(|it| !base.same_content(it));
    let same = account.base.filter(|base| !is_new(base));
    if let Some(change) = same.and_then(|base| in_force(account, base)) {
        return (change, true);
    }
    let mut wanted = built.unwrap_or_else(build);
    wanted.generation = newest(account).map_or(1, |newest| newest.saturating_add(1));
    (AssignmentChange::Write(Arc::new(wanted)), same.is_some())
}

/// The change that puts the base in force; `None` if that needs a new generation.
fn in_force(account: &AccountInput<'_>, base: &Arc<Assignment>) -> Option<AssignmentChange> {
    if Some(base.generation) != newest(account) {
        return None;
    }
    let applied = account.applied();
    match stored(account) {
        Some((assignment, sha256)) if assignment.generation == base.generation => {
            let same = Arc::ptr_eq(assignment, base) || assignment.same_content(base);
            let fits = same && !contradicts(applied, assignment.generation, sha256);
            fits.then(|| AssignmentChange::AlreadyWritten(Arc::clone(assignment)))
        }
        _ => Some(AssignmentChange::Write(Arc::clone(base))),
    }
}

/// This account's assignment as stored for its process, and its hash.
fn stored<'a>(account: &AccountInput<'a>) -> Option<(&'a Arc<Assignment>, &'a str)> {
    let readable = account.observed.assignment.readable();
    readable.filter(|(assignment, _)| assignment.account.uid == account.uid())
}

/// The newest generation in any source: storage, memory or report.
fn newest(account: &AccountInput<'_>) -> Option<u64> {
    let applied = account.applied();
    let status = account
        .observed
        .object
        .status
        .as_deref()
        .and_then(|status| status.assignment_generation);
    [
        account.base.map(|base| base.generation),
        stored(account).map(|(assignment, _)| assignment.generation),
        applied.map(|applied| applied.generation),
        status.and_then(|generation| generation.desired),
    ]
    .into_iter()
    .flatten()
    .filter_map(in_range)
    .max()
}

/// Whether the process runs other content under the same generation.
fn contradicts(applied: Option<&AppliedAssignment>, generation: u64, sha256: &str) -> bool {
    applied
        .is_some_and(|applied| applied.generation == generation && applied.sha256 != sha256.trim())
}

/// Since which generation the rows of each set are unchanged.
pub(crate) fn marks(
    account: &AccountInput<'_>,
    decided: &Assignment,
) -> Arc<BTreeMap<String, Mark>> {
    let known = account.remembered.map(|known| &known.marks);
    if let (Some(known), Some(base)) = (known, account.base)
        && base.generation == decided.generation
    {
        return Arc::clone(known);
    }
    let before = account
        .base
        .map(|base| (fingerprints(base), base.generation));
    let before = |set: &str, fingerprint: &u64| {
        let (before, generation) = before.as_ref()?;
        (before.get(set) == Some(fingerprint)).then_some(*generation)
    };
    let marks = fingerprints(decided)
        .into_iter()
        .map(|(set, fingerprint)| {
            let known = known.and_then(|known| known.get(set));
            let known = known.filter(|mark| mark.fingerprint == fingerprint);
            let since = known.map(|mark| mark.generation);
            let since = since.or_else(|| before(set, &fingerprint));
            let generation = since.unwrap_or(decided.generation);
            let mark = Mark {
                fingerprint,
                generation,
            };
            (set.to_owned(), mark)
        })
        .collect();
    Arc::new(marks)
}

/// One hash per set over its rows. Not kept beyond this process.
fn fingerprints(assignment: &Assignment) -> BTreeMap<&str, u64> {
    let quiet: FxHashSet<&str> = assignment
        .quiet_prefixes
        .iter()
        .map(String::as_str)
        .collect();
    let channels: Vec<u64> = assignment
        .channels
        .iter()
        .map(|name| {
            let quiet = quiet.contains(contract::assignment::prefix_of(name));
            FxBuildHasher.hash_one((name, quiet))
        })
        .collect();
    let mut hashers = vec![FxHasher::default(); assignment.sets.len()];
    for row in &assignment.instruments {
        let mut outputs = FxHasher::default();
        (row.token, row.mode, &row.tradingsymbol).hash(&mut outputs);
        for output in &row.outputs {
            let channel = channels.get(usize::from(output.channel));
            let keep = output
                .keep
                .and_then(|keep| assignment.keeps.get(usize::from(keep)));
            let underlying = output.shape == Shape::Underlying;
            (channel, underlying, output.depth, keep).hash(&mut outputs);
        }
        for set in &row.sets {
            if let Some(hasher) = hashers.get_mut(usize::from(*set)) {
                hasher.write_u64(outputs.finish());
            }
        }
    }
    assignment
        .sets
        .iter()
        .map(String::as_str)
        .zip(hashers.iter().map(Hasher::finish))
        .collect()
}

#[cfg(test)]
mod tests;
