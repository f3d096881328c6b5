//! From the placement to the plan: statuses, events, the memory and the time of the next pass.
//!
//! Must not change the placement.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crds::condition::{ConditionType, State};

use super::change::{Change, SetResult};
use super::events::tell;
use super::holders::{JudgedAccount, SetCounts, holders, holders_of, per_set};
use super::outcome::{AccountPlan, Kind, Plan, SetPlan};
use super::status::{self, Status};
use crate::plan::assignment::{self, AssignedAccount, AssignmentChange};
use crate::plan::input::{
    AccountInput, AccountMemory, Basis, LastAssignment, Memo, Now, Object, ObjectMemory,
    Remembered, SuspectLists,
};
use crate::plan::memory::{Memory, StepResults};
use crate::plan::placement::{PlacedSet, Taken, stranded};
use crate::plan::readiness::{ConditionOutcome, GRACE, History, answers};

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
    let mut reports = Memo::new(&last.set_reports, &mut next.set_reports);
    let mut plan = Plan {
        accounts: Vec::with_capacity(accounts.len()),
        sets: Vec::with_capacity(sets.len()),
        events: Vec::new(),
        endpoints: BTreeSet::new(),
        suspect_lists: suspect_lists.keys().cloned().collect(),
        memory: Memory {
            remembered: Remembered {
                suspect_lists,
                ..Remembered::default()
            },
            results: StepResults::default(),
        },
        next: None,
    };
    let stranded = stranded(&taken(accounts));
    let judged: Vec<JudgedAccount<'_>> = accounts
        .iter()
        .zip(stranded)
        .map(|(account, stranded)| {
            judge_account(&mut plan, account, &mut counts, poke, stranded, now)
        })
        .collect();
    let holders = holders(&judged);
    for placed in sets {
        let at = holders.get(&(placed.set.namespace(), placed.set.name()));
        let at = at.map_or(&[][..], Vec::as_slice);
        if judge_set(&mut plan, placed, &judged, at, &mut reports, now) == State::Unknown {
            for at in at {
                plan.accounts[*at].expecting = true;
            }
        }
    }
    plan.memory.results = next;
    plan.sets.sort_by(|a, b| a.key.cmp(&b.key));
    plan.next = next_pass(accounts, &plan.memory.remembered, now.monotonic);
    plan
}

fn taken<'w>(accounts: &'w [AssignedAccount<'w>]) -> Vec<Taken<'w>> {
    let taken = accounts.iter().map(|it| Taken {
        account: &it.account,
        instruments: it.current().map_or(0, |it| it.instruments.len()),
        tied: it.tied,
    });
    taken.collect()
}

/// Takes what `status` says of an object and tells users of it. With it comes what else `status`
/// returns.
fn judge<Spec, S: Status, Rest>(
    plan: &mut Plan,
    kind: Kind,
    object: &Object<Spec, S>,
    known: Option<&ObjectMemory<S>>,
    status: impl FnOnce(Option<&S>, &History<'_>) -> (S, ConditionOutcome, Rest),
) -> (ObjectMemory<S>, Change, ConditionOutcome, Rest) {
    let meta = &object.meta;
    let previous = known.map(|known| &known.status).or(object.status.as_ref());
    let ready = previous.and_then(|it| status::find(it.conditions(), ConditionType::Ready));
    let history = History {
        ready,
        generation: meta.generation,
        due: known.and_then(|known| known.due),
        warning: known.and_then(|known| known.warning.as_deref()),
        first: known.is_none(),
    };
    let (status, outcome, rest) = status(previous.map(Arc::as_ref), &history);
    // What says the same stays the same data, so that what rests on it stays too.
    let same = previous.filter(|previous| ***previous == status).cloned();
    let memory = ObjectMemory {
        uid: meta.uid.clone(),
        due: outcome.due,
        status: same.unwrap_or_else(|| Arc::new(status)),
        warning: status::warning(&outcome),
        told: tell(plan, kind, meta, &outcome, known.map(|it| it.told), ready),
    };
    let change = status::change(object.status.as_deref(), &*memory.status);
    (memory, change, outcome, rest)
}

fn judge_account<'w>(
    plan: &mut Plan,
    assigned: &'w AssignedAccount<'w>,
    memo: &mut Memo<'_, SetCounts>,
    poke: bool,
    stranded: usize,
    now: Now,
) -> JudgedAccount<'w> {
    let AssignedAccount {
        account, change, ..
    } = assigned;
    let current = assigned.current();
    let (object, scrape) = (&account.observed.object, &account.observed.scrape);
    let (meta, known) = (&object.meta, account.remembered.map(|known| &known.object));
    let status = |previous: Option<&_>, history: &History<'_>| {
        let current = current.map(Arc::as_ref);
        status::account::status(account, current, poke, stranded, previous, history, now)
    };
    let (memory, status_change, ready, unasked) = judge(plan, Kind::Account, object, known, status);
    if let Ok(spec) = &account.spec {
        plan.endpoints.insert(spec.api.clone());
    }
    let marks = change
        .assignment()
        .map(|decided| assignment::marks(account, decided))
        .unwrap_or_default();
    let mut basis = Basis::default()
        .value((&meta.key, &meta.uid, &ready, unasked))
        .value((scrape.at, answers(scrape, now.monotonic)))
        .shared(&marks);
    if let Some(report) = &scrape.report {
        basis = basis.shared(report);
    }
    let counts = current.map(|current| {
        basis = std::mem::take(&mut basis).shared(current);
        let own = Basis::default().shared(current);
        memo.get_or(&meta.key, own, || per_set(current))
    });
    // An account that is being deleted loses its objects: they are not created again.
    let delivery = match change {
        AssignmentChange::Write(_)
            if meta.deleting && matches!(account.observed.assignment, LastAssignment::Absent) =>
        {
            AssignmentChange::None
        }
        change => change.clone(),
    };
    let awaiting = awaits(account, &delivery);
    let workload = account.spec.as_ref().map(|spec| spec.workload.clone());
    plan.accounts.push(AccountPlan {
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        expecting: awaiting || ready.state == State::Unknown,
        awaiting,
        assignment: delivery,
        workload: workload
            .ok()
            .filter(|_| account.observed.foreign.is_empty() && !meta.deleting),
        change: status_change,
        status: Arc::clone(&memory.status),
        warning: memory.warning.clone(),
    });
    let memory = AccountMemory {
        object: memory,
        assignment: current.cloned(),
        key: account.api_key(),
        marks: Arc::clone(&marks),
    };
    let remembered = &mut plan.memory.remembered.accounts;
    remembered.insert(meta.key.clone(), memory);
    JudgedAccount {
        ready,
        unasked,
        account,
        counts: counts.unwrap_or_default(),
        marks,
        basis: Arc::new(basis),
    }
}

/// Whether the process has not applied the decided assignment yet.
fn awaits(account: &AccountInput<'_>, delivery: &AssignmentChange) -> bool {
    let applied = account.applied();
    match delivery {
        AssignmentChange::None => false,
        AssignmentChange::Write(_) => true,
        AssignmentChange::AlreadyWritten(assignment) => {
            applied.is_none_or(|applied| applied.generation != assignment.generation)
        }
    }
}

/// Judges a set by its holders, the judged accounts `at` these positions; what nothing has changed of
/// is taken from the last pass.
fn judge_set(
    plan: &mut Plan,
    placed: &PlacedSet<'_>,
    judged: &[JudgedAccount<'_>],
    at: &[usize],
    memo: &mut Memo<'_, SetResult>,
    now: Now,
) -> State {
    let set = &placed.set;
    let key = &set.observed.meta.key;
    let basis = basis(placed, at.iter().map(|at| &judged[*at]));
    let known = basis.as_ref().and_then(|basis| memo.get(key, basis));
    let known = known.filter(|it| it.until.is_none_or(|until| now.monotonic <= until));
    let (memory, report) = match (known, set.remembered) {
        (Some(known), Some(memory)) => (memory.clone(), *known),
        _ => {
            let holders = holders_of(judged, at, &key.name, now);
            let status = |previous: Option<&_>, history: &History<'_>| {
                status::set::status(placed, &holders, previous, history, now)
            };
            let (memory, change, outcome, until) =
                judge(plan, Kind::Set, set.observed, set.remembered, status);
            let state = outcome.state;
            let report = SetResult {
                state,
                change,
                until,
            };
            (memory, report)
        }
    };
    if let Some(basis) = basis {
        memo.put(key, basis, report);
    }
    plan.sets.push(SetPlan {
        key: key.clone(),
        uid: memory.uid.clone(),
        change: report.change,
        status: Arc::clone(&memory.status),
        warning: memory.warning.clone(),
    });
    plan.memory.remembered.sets.insert(key.clone(), memory);
    report.state
}

/// Everything that a set is judged by, but for the time. Not of one that may fail by time alone.
fn basis<'w>(
    placed: &PlacedSet<'_>,
    holders: impl Iterator<Item = &'w JudgedAccount<'w>>,
) -> Option<Basis> {
    let resolved = placed.request.resolved()?;
    let known = placed.set.remembered.filter(|it| it.due.is_none())?;
    let observed = placed.set.observed;
    let basis = Basis::default()
        .shared(observed.status.as_ref()?)
        .shared(&known.status)
        .shared(&resolved.lookup)
        .shared(&placed.placement)
        .value((observed.meta.generation, resolved.allowed.len()))
        .value(&resolved.matching);
    Some(holders.fold(basis, |basis, holder| basis.with(&holder.basis)))
}

/// The next time at which a grace time ends.
fn next_pass(
    accounts: &[AssignedAccount<'_>],
    memory: &Remembered,
    now: Instant,
) -> Option<Instant> {
    let due = memory
        .accounts
        .values()
        .filter_map(|known| known.object.due);
    let sets = memory.sets.values().filter_map(|known| known.due);
    let failing = accounts
        .iter()
        .filter_map(|it| it.account.observed.scrape.failing.as_ref());
    let grace = failing.map(|failing| failing.since + GRACE);
    due.chain(sets).chain(grace).filter(|due| *due > now).min()
}
