//! Which accounts stream how many instruments of each set, and what their processes report about
//! it.
//!
//! Owns the step from the conditions of accounts to sets. Must not decide readiness.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Assignment;
use rustc_hash::FxHashMap;

use crate::plan::input::{AccountInput, Basis, Mark, Now};
use crate::plan::readiness::{ConditionOutcome, Holder, answers};

/// What is known of an account once its condition is decided; conditions of sets depend on it.
pub(super) struct JudgedAccount<'w> {
    pub(super) account: &'w AccountInput<'w>,
    pub(super) ready: ConditionOutcome,
    pub(super) unasked: bool,
    /// Instruments per set.
    pub(super) counts: SetCounts,
    pub(super) marks: Arc<BTreeMap<String, Mark>>,
    /// All of this that sets are judged by.
    pub(super) basis: Arc<Basis>,
}

/// The number of instruments of each set in an assignment.
pub(crate) type SetCounts = Arc<BTreeMap<String, u32>>;

pub(super) fn per_set(assignment: &Assignment) -> SetCounts {
    let mut counts = vec![0_u32; assignment.sets.len()];
    for set in assignment.instruments.iter().flat_map(|row| &row.sets) {
        if let Some(count) = counts.get_mut(usize::from(*set)) {
            *count += 1;
        }
    }
    Arc::new(assignment.sets.iter().cloned().zip(counts).collect())
}

/// Positions of the accounts that stream instruments of a set.
pub(super) fn holders<'w>(
    judged: &'w [JudgedAccount<'_>],
) -> FxHashMap<(&'w str, &'w str), Vec<usize>> {
    let mut holders: FxHashMap<(&str, &str), Vec<usize>> = FxHashMap::default();
    for (at, judged) in judged.iter().enumerate() {
        for (set, _) in judged.counts.iter().filter(|(_, count)| **count > 0) {
            let of = holders.entry((judged.account.namespace(), set));
            of.or_default().push(at);
        }
    }
    holders
}

/// What the accounts at these positions stream of a set.
pub(super) fn holders_of<'w>(
    judged: &'w [JudgedAccount<'_>],
    at: &[usize],
    set: &str,
    now: Now,
) -> Vec<Holder<'w>> {
    let judged = at.iter().filter_map(|at| judged.get(*at));
    judged.map(|judged| holder(judged, set, now)).collect()
}

fn holder<'w>(judged: &'w JudgedAccount<'_>, set: &str, now: Now) -> Holder<'w> {
    let account = judged.account;
    let answer = account
        .report()
        .filter(|_| answers(&account.observed.scrape, now.monotonic));
    let applied = account.applied();
    let since = judged.marks.get(set).map_or(0, |mark| mark.generation);
    let report = answer.and_then(|report| report.sets.iter().find(|known| known.name == set));
    let instruments = judged.counts.get(set).copied().unwrap_or(0);
    let redis = answer.is_some_and(|report| report.redis.connected);
    let flows = report.is_some_and(|report| {
        let heard = report.streaming.saturating_add(report.silent);
        redis && report.streaming > 0 && heard >= instruments
    });
    Holder {
        name: account.name(),
        ready: &judged.ready,
        unasked: judged.unasked,
        acknowledged: applied.is_some_and(|applied| applied.generation >= since),
        streaming: report.map_or(0, |report| report.streaming),
        silent: report.map_or(0, |report| report.silent),
        flows,
        instruments,
        report,
        at: account.observed.scrape.at,
    }
}
