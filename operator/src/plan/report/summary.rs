//! From the placement to the plan: statuses, events, the memory and the time of the next pass.
//!
//! Must not change the placement.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crds::condition::{ConditionType, Reason, State};

use super::events::tell;
use super::holders::{JudgedAccount, SetCounts, holders, holders_of, per_set};
use super::outcome::{AccountPlan, Kind, Plan, SetPlan};
use super::status::{self, count};
use crate::plan::assignment::{self, AssignedAccount, AssignmentChange};
use crate::plan::input::{AccountInput, AccountMemory, LastAssignment, Now, Remembered, SetMemory};
use crate::plan::input::{Basis, Kept};
use crate::plan::memory::Memory;
use crate::plan::placement::{PlacedSet, Taken, stranded};
use crate::plan::readiness::{GRACE, History, Holder};
use crate::plan::selection::Request;

/// Makes the plan. `tied`: for each account, how many of its instruments belong to sets that may
/// use no other; `memory`: the step results for the next pass.
pub(crate) fn summary(
    accounts: &[AssignedAccount<'_>],
    sets: &[PlacedSet<'_>],
    tied: &[usize],
    poke: bool,
    before: &Kept<SetCounts>,
    memory: Memory,
    now: Now,
) -> Plan {
    let suspect_lists = &memory.remembered.suspect_lists;
    let mut plan = Plan {
        accounts: Vec::with_capacity(accounts.len()),
        sets: Vec::with_capacity(sets.len()),
        events: Vec::new(),
        endpoints: BTreeSet::new(),
        suspect_lists: suspect_lists.keys().cloned().collect(),
        memory,
        next: None,
    };
    let stranded = stranded(&taken(accounts, tied));
    let judged: Vec<JudgedAccount<'_>> = accounts
        .iter()
        .zip(stranded)
        .map(|(account, stranded)| judge_account(&mut plan, account, before, poke, stranded, now))
        .collect();
    let holders_by_set = holders(&judged);
    for placed in sets {
        let key = &placed.set.observed.meta.key;
        let at = holders_by_set.get(&(key.namespace.as_str(), key.name.as_str()));
        let holders = holders_of(&judged, at.map_or(&[], Vec::as_slice), &key.name, now);
        if judge_set(&mut plan, placed, &holders, now) == State::Unknown {
            for at in at.into_iter().flatten() {
                plan.accounts[*at].expecting = true;
            }
        }
    }
    plan.sets.sort_by(|a, b| a.key.cmp(&b.key));
    plan.next = next(accounts, &plan.memory.remembered, now.monotonic);
    plan
}

fn taken<'w>(accounts: &'w [AssignedAccount<'w>], tied: &[usize]) -> Vec<Taken<'w>> {
    let taken = accounts.iter().zip(tied).map(|(it, tied)| Taken {
        account: &it.account,
        instruments: it.current().map_or(0, |it| it.instruments.len()),
        tied: *tied,
    });
    taken.collect()
}

fn judge_account<'w>(
    plan: &mut Plan,
    assigned: &'w AssignedAccount<'w>,
    before: &Kept<SetCounts>,
    poke: bool,
    stranded: usize,
    now: Now,
) -> JudgedAccount<'w> {
    let AssignedAccount { account, change } = assigned;
    let current = assigned.current();
    let meta = &account.observed.object.meta;
    let previous = account
        .remembered
        .map(|known| known.status.as_ref())
        .or(account.observed.object.status.as_deref());
    let ready = previous.and_then(|status| status::find(&status.conditions, ConditionType::Ready));
    let input = status::account::Input {
        view: account,
        desired: current.map(|current| current.generation),
        assigned: current.map(|current| current.instruments.len()),
        poked: poke,
        stranded,
        previous,
        history: History {
            ready,
            generation: meta.generation,
            due: account.remembered.and_then(|known| known.due),
            warning: account
                .remembered
                .and_then(|known| known.warning.as_deref()),
            first: account.remembered.is_none(),
        },
    };
    let (status, outcome, unasked) = status::account::status(&input, now);
    let status = Arc::new(status);
    let warning = status::warning(&outcome);
    let told = tell(
        plan,
        Kind::Account,
        meta,
        &outcome,
        account.remembered.map(|known| known.told),
        ready,
    );
    if let Ok(spec) = &account.spec {
        plan.endpoints.insert(spec.api.clone());
    }
    let marks = change
        .assignment()
        .map(|decided| assignment::marks(account, decided))
        .unwrap_or_default();
    plan.memory.remembered.accounts.insert(
        meta.key.clone(),
        AccountMemory {
            uid: meta.uid.clone(),
            assignment: current.cloned(),
            due: outcome.due,
            status: Arc::clone(&status),
            warning: warning.clone(),
            told,
            key: account.api_key(),
            marks: marks.clone(),
        },
    );
    let counts = current.map(|current| {
        let basis = Basis::default().shared(current);
        let kept = &mut plan.memory.results.set_counts;
        kept.again(before, &meta.key, basis, || per_set(current))
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
    plan.accounts.push(AccountPlan {
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        expecting: awaiting || outcome.state == State::Unknown,
        awaiting,
        assignment: delivery,
        workload: account
            .spec
            .as_ref()
            .ok()
            .filter(|_| account.observed.foreign.is_empty() && !meta.deleting)
            .map(|spec| spec.workload.clone()),
        change: status::change(account.observed.object.status.as_deref(), &*status),
        status,
        warning,
    });
    JudgedAccount {
        ready: outcome,
        unasked,
        account,
        counts: counts.unwrap_or_default(),
        marks,
    }
}

/// Whether the process has not applied the decided assignment yet.
fn awaits(account: &AccountInput<'_>, delivery: &AssignmentChange) -> bool {
    let applied = account
        .report()
        .and_then(|report| report.assignment.as_ref());
    match delivery {
        AssignmentChange::None => false,
        AssignmentChange::Write(_) => true,
        AssignmentChange::AlreadyWritten(assignment) => {
            applied.is_none_or(|applied| applied.generation != assignment.generation)
        }
    }
}

fn judge_set(plan: &mut Plan, placed: &PlacedSet<'_>, holders: &[Holder<'_>], now: Now) -> State {
    let set = &placed.set;
    let meta = &set.observed.meta;
    let previous = set
        .remembered
        .map(|known| known.status.as_ref())
        .or(set.observed.status.as_deref());
    let ready = previous.and_then(|status| status::find(&status.conditions, ConditionType::Ready));
    let (conflicts, example) = conflicts(placed);
    let input = status::set::Input {
        view: set,
        request: &placed.request,
        waiting: waiting(placed),
        conflicts: (conflicts, &example),
        holders,
        previous,
        history: History {
            ready,
            generation: meta.generation,
            due: set.remembered.and_then(|known| known.due),
            warning: set.remembered.and_then(|known| known.warning.as_deref()),
            first: set.remembered.is_none(),
        },
    };
    let (status, outcome) = status::set::status(&input, now);
    let status = Arc::new(status);
    let warning = status::warning(&outcome);
    let told = tell(
        plan,
        Kind::Set,
        meta,
        &outcome,
        set.remembered.map(|known| known.told),
        ready,
    );
    plan.memory.remembered.sets.insert(
        meta.key.clone(),
        SetMemory {
            uid: meta.uid.clone(),
            due: outcome.due,
            status: Arc::clone(&status),
            warning: warning.clone(),
            told,
        },
    );
    plan.sets.push(SetPlan {
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        change: status::change(set.observed.status.as_deref(), &*status),
        status,
        warning,
    });
    outcome.state
}

fn waiting(placed: &PlacedSet<'_>) -> u32 {
    match &placed.request {
        Request::Resolved(_) => placed.placement.waiting,
        // A paused or deleted account does not wait for anything.
        Request::Denied {
            reason: Reason::Paused | Reason::Terminating,
            ..
        } => 0,
        Request::Denied { .. } => placed
            .set
            .spec
            .as_ref()
            .map_or(0, |spec| count(spec.names())),
        Request::Pending { .. } | Request::Unreadable(_) => 0,
    }
}

/// How many instruments an older set excludes from their channel, with an example.
fn conflicts(placed: &PlacedSet<'_>) -> (u32, String) {
    let Some(resolved) = placed.request.resolved() else {
        return (0, String::new());
    };
    let (clashes, clash) = &placed.placement.clashes;
    let (conflicts, first) = placed.placement.conflicts;
    let count = clashes.saturating_add(conflicts);
    let example = clash.clone().or_else(|| {
        let instrument = resolved.lookup.table.get(first?)?;
        Some(format!(
            "{}:{} is already published on this channel by another account for an older set: use that account, \
             or another publish.channelPrefix",
            instrument.exchange, instrument.tradingsymbol
        ))
    });
    (count, example.unwrap_or_default())
}

/// The next time at which a grace time ends.
fn next(accounts: &[AssignedAccount<'_>], memory: &Remembered, now: Instant) -> Option<Instant> {
    let due = memory.accounts.values().filter_map(|known| known.due);
    let sets = memory.sets.values().filter_map(|known| known.due);
    let failing = accounts
        .iter()
        .filter_map(|it| it.account.observed.scrape.failing.as_ref());
    let grace = failing.map(|failing| failing.since + GRACE);
    due.chain(sets).chain(grace).filter(|due| *due > now).min()
}
