//! Which accounts stream how many instruments of each set, and what their processes report about
//! it.
//!
//! Owns the step from the reports of accounts to sets. Must not decide readiness.

use rustc_hash::FxHashMap;

use super::account::ReportedAccount;
use crate::plan::input::{Key, Now};
use crate::plan::readiness::Holder;

/// Positions of the accounts that stream instruments of each set, by its namespace and name.
pub(super) struct Holders<'w>(FxHashMap<(&'w str, &'w str), Vec<usize>>);

impl<'w> Holders<'w> {
    pub(super) fn new(accounts: &'w [ReportedAccount<'_>]) -> Self {
        let mut holders: FxHashMap<(&str, &str), Vec<usize>> = FxHashMap::default();
        for (at, report) in accounts.iter().enumerate() {
            let sets = report.counts.sets.iter();
            for (set, _) in sets.filter(|(_, count)| count.instruments > 0) {
                let of = holders.entry((report.account.namespace(), set));
                of.or_default().push(at);
            }
        }
        Self(holders)
    }

    /// Those of a set.
    pub(super) fn of<'s>(&'s self, set: &'s Key) -> &'s [usize] {
        let of = self.0.get(&(set.namespace.as_str(), set.name.as_str()));
        of.map_or(&[], Vec::as_slice)
    }
}

/// What these accounts stream of a set.
pub(super) fn of_set<'w>(
    accounts: &[&'w ReportedAccount<'_>],
    set: &str,
    now: Now,
) -> Vec<Holder<'w>> {
    let accounts = accounts.iter();
    accounts.map(|report| holder(report, set, now)).collect()
}

fn holder<'w>(of: &'w ReportedAccount<'_>, set: &str, now: Now) -> Holder<'w> {
    let account = of.account;
    let rests = account.rests(now.monotonic);
    let answer = account
        .report()
        .filter(|_| !rests && account.observed.scrape.answers(now.monotonic));
    let applied = account.applied();
    let since = of.memory.marks.get(set).map_or(0, |mark| mark.generation);
    // A later one was never written.
    let written = of.memory.assignment.as_ref().map_or(0, |it| it.generation);
    let report = answer.and_then(|report| report.sets.iter().find(|known| known.name == set));
    let count = of.counts.sets.get(set).copied().unwrap_or_default();
    let instruments = count.instruments;
    let redis = answer.is_some_and(|report| report.redis.connected);
    let flows = report.is_some_and(|report| {
        let heard = report.streaming.saturating_add(report.silent);
        redis && report.streaming > 0 && heard >= instruments
    });
    Holder {
        name: account.name(),
        ready: &of.ready,
        unasked: of.unasked,
        lacks_token: of.lacks_token,
        rests,
        acknowledged: applied.is_some_and(|it| (since..=written).contains(&it.generation)),
        streaming: report.map_or(0, |report| report.streaming),
        silent: report.map_or(0, |report| report.silent),
        flows,
        instruments,
        moving: count.moving,
        without_forward: of.counts.without_forward.get(set).map(String::as_str),
        market: of.market(count.classes, now),
        report,
        at: account.observed.scrape.at,
    }
}
