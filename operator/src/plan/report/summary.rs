//! From the placement to the plan: the reports of all objects, put together.
//!
//! Owns the time of the next pass. Must not change the placement.

use std::collections::BTreeSet;
use std::time::Instant;

use crds::condition::State;
use rustc_hash::FxHashSet;

use super::account::{self, AccountReport};
use super::holders::Holders;
use super::outcome::{AccountPlan, Plan};
use super::set::{self, SetReport};
use crate::plan::assignment::AssignedAccount;
use crate::plan::input::{Memo, Now, Remembered, SuspectLists};
use crate::plan::memory::{Memory, StepResults};
use crate::plan::placement::{PlacedSet, Taken, stranded};
use crate::plan::readiness::GRACE;

/// Makes the plan. `results`: those of the steps in the last pass, and those for the next.
pub(crate) fn report(
    accounts: &[AssignedAccount<'_>],
    sets: &[PlacedSet<'_>],
    poke: bool,
    suspect_lists: SuspectLists,
    results: (&StepResults, StepResults),
    now: Now,
) -> Plan {
    let (last, mut next) = results;
    let mut counts = Memo::new(&last.set_counts, &mut next.set_counts);
    let reports = accounts.iter().zip(stranded(&taken(accounts)));
    let reports =
        reports.map(|(it, stranded)| account::report(it, poke, stranded, &mut counts, now));
    let accounts: Vec<AccountReport<'_>> = reports.collect();

    let holders = Holders::new(&accounts);
    let mut results = Memo::new(&last.set_results, &mut next.set_results);
    let reports = sets.iter().map(|placed| {
        let at = holders.of(&placed.set.observed.meta.key).iter();
        let of_set: Vec<&AccountReport<'_>> = at.map(|at| &accounts[*at]).collect();
        set::report(placed, &of_set, &mut results, now)
    });
    let sets: Vec<SetReport> = reports.collect();

    // The next reports of its accounts decide the state of a set that is unknown.
    let unknown = sets.iter().filter(|it| it.state == State::Unknown);
    let expecting: FxHashSet<usize> = unknown
        .flat_map(|it| holders.of(&it.plan.key).iter().copied())
        .collect();
    assemble(accounts, &expecting, sets, suspect_lists, next, now)
}

fn taken<'w>(accounts: &'w [AssignedAccount<'w>]) -> Vec<Taken<'w>> {
    let taken = accounts.iter().map(|it| Taken {
        account: &it.account,
        instruments: it.current().map_or(0, |it| it.instruments.len()),
        tied: it.tied,
    });
    taken.collect()
}

/// The plan and the memory that these reports make. `expecting`: positions of accounts whose next
/// reports are waited for.
fn assemble(
    accounts: Vec<AccountReport<'_>>,
    expecting: &FxHashSet<usize>,
    sets: Vec<SetReport>,
    suspect_lists: SuspectLists,
    results: StepResults,
    now: Now,
) -> Plan {
    let mut plan = Plan {
        accounts: Vec::with_capacity(accounts.len()),
        sets: Vec::with_capacity(sets.len()),
        events: Vec::new(),
        endpoints: endpoints(&accounts),
        suspect_lists: suspect_lists.keys().cloned().collect(),
        memory: Memory {
            remembered: Remembered {
                suspect_lists,
                ..Remembered::default()
            },
            results,
        },
        next: None,
    };
    let grace = grace_ends(&accounts);
    let remembered = &mut plan.memory.remembered;
    for (at, report) in accounts.into_iter().enumerate() {
        let key = report.plan.key.clone();
        remembered.accounts.insert(key, report.memory);
        plan.events.extend(report.event);
        plan.accounts.push(AccountPlan {
            expecting: report.plan.expecting || expecting.contains(&at),
            ..report.plan
        });
    }
    for report in sets {
        let key = report.plan.key.clone();
        remembered.sets.insert(key, report.memory);
        plan.events.extend(report.event);
        plan.sets.push(report.plan);
    }
    plan.sets.sort_by(|a, b| a.key.cmp(&b.key));
    let accounts = remembered.accounts.values();
    let due = accounts.filter_map(|known| known.object.due);
    let due = due.chain(remembered.sets.values().filter_map(|known| known.due));
    let due = due.chain(grace).filter(|due| *due > now.monotonic);
    plan.next = due.min();
    plan
}

fn endpoints(accounts: &[AccountReport<'_>]) -> BTreeSet<String> {
    let specs = accounts
        .iter()
        .filter_map(|it| it.account.spec.as_ref().ok());
    specs.map(|spec| spec.api.clone()).collect()
}

/// When each process that does not answer counts as not answering, however often it was asked.
fn grace_ends(accounts: &[AccountReport<'_>]) -> Vec<Instant> {
    let scrapes = accounts.iter().map(|it| &it.account.observed.scrape);
    let failing = scrapes.filter_map(|scrape| scrape.failing.as_ref());
    failing.map(|failing| failing.since + GRACE).collect()
}
