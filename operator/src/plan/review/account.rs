//! Why an account has what it has.

use std::collections::BTreeMap;

use contract::answer::{AccountExplanation, AccountShareExplanation};

use super::{Review, accounts, count, ready};
use crate::plan::assignment::AssignedAccount;
use crate::plan::input::Process;

pub(super) fn explanation(
    review: &Review<'_>,
    assigned: &AssignedAccount<'_>,
) -> AccountExplanation {
    let account = &assigned.account;
    let key = &account.observed.object.meta.key;
    let current = assigned.current();
    let usable = accounts::usable(assigned);
    let rows: Vec<_> = accounts::streamed(assigned).collect();
    let remembered = review.memory.remembered.accounts.get(key);
    let conditions = remembered.map(|it| &it.object.status.conditions);
    let report = account.report();
    let scraped = account.observed.scrape.at.filter(|_| report.is_some());
    let spec = account.observed.object.spec.as_ref().ok();
    AccountExplanation {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ready: conditions.and_then(|conditions| ready(conditions)),
        usable: usable.is_ok(),
        why: usable.err().or_else(|| {
            let lost = accounts::lost(assigned);
            let lost = lost.map(|lost| format!("{lost}: it gets new instruments last"));
            let full = rows.len() >= account.capacity();
            lost.or_else(|| full.then(|| "it is full".to_owned()))
        }),
        capacity: count(account.capacity()),
        headroom_connections: spec.map_or(0, |spec| spec.headroom_connections),
        used: count(rows.len()),
        references: count(rows.iter().filter(|row| row.sets.is_empty()).count()),
        leaving: count(current.map_or(0, |current| {
            let rows = current.instruments.iter();
            rows.filter(|row| accounts::is_leaving(row)).count()
        })),
        standing: accounts::standing(account.outage.standing).to_owned(),
        lost: accounts::lost(assigned),
        process: process(&account.observed.process),
        generation: current.map(|current| current.generation),
        acknowledged: account.applied().map(|applied| applied.generation),
        report_age_ms: scraped.map(|at| review.age_ms(at)),
        connections: report.map_or_else(Vec::new, |report| {
            report
                .connections
                .iter()
                .map(accounts::connection)
                .collect()
        }),
        sets: sets(assigned),
        moves: review.journal.moves_at(key),
        truncated: false,
    }
}

/// The name of a pod or process, with what is wrong with it.
pub(crate) fn process(process: &Process) -> Option<String> {
    match process {
        Process::Unknown => None,
        Process::Absent => Some("none".to_owned()),
        Process::Present { name, trouble, .. } => Some(match trouble {
            Some(trouble) => format!("{name} ({trouble})"),
            None => name.clone(),
        }),
    }
}

/// Its sets, the largest first.
fn sets(assigned: &AssignedAccount<'_>) -> Vec<AccountShareExplanation> {
    let Some(current) = assigned.current() else {
        return Vec::new();
    };
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for row in accounts::streamed(assigned) {
        for set in &row.sets {
            if let Some(name) = current.sets.get(usize::from(*set)) {
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    super::largest_first(counts)
}
