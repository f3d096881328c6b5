//! From places to the plan: statuses, events, what to remember and when to look again.
//!
//! Must not change where anything is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use contract::Assignment;
use crds::condition::{ConditionType, Reason, State};

use super::announce::tell;
use super::demand::Demand;
use super::input::{AccountInput, PlanningInput, SetInput};
use super::input::{AccountMemory, SetMemory};
use super::place::Outcome;
use super::ready::{PATIENCE, Past};
use super::settle::Settlement;
use super::shares::{Judged, holders, per_set, shares};
use super::status::set::Share;
use super::status::{self, count};
use super::{AccountPlan, Delivery, Kind, LastAssignment, Memory, Now, Plan, SetPlan, spare};

/// Says how everything fares.
pub(crate) fn conclude(
    input: &PlanningInput<'_>,
    demands: &[Demand<'_>],
    settlement: &Settlement<'_>,
    deliveries: Vec<Delivery>,
    now: Now,
) -> Plan {
    let mut plan = Plan {
        accounts: Vec::with_capacity(input.accounts.len()),
        sets: Vec::with_capacity(input.sets.len()),
        events: Vec::new(),
        endpoints: BTreeSet::new(),
        suspect_lists: input.suspect_lists.keys().cloned().collect(),
        memory: Memory {
            suspect_lists: input.suspect_lists.clone(),
            ..Memory::default()
        },
        next: None,
    };
    let current: Vec<Option<Arc<Assignment>>> = input
        .accounts
        .iter()
        .zip(&deliveries)
        .map(|(account, delivery)| delivery.assignment().or(account.base).cloned())
        .collect();
    let taken: Vec<usize> = current
        .iter()
        .map(|current| {
            current
                .as_ref()
                .map_or(0, |current| current.instruments.len())
        })
        .collect();
    let refuge = spare::without_refuge(input, demands, settlement, &taken);
    let mut judged = Vec::with_capacity(input.accounts.len());
    for (((account, delivery), current), without_refuge) in input
        .accounts
        .iter()
        .zip(deliveries)
        .zip(&current)
        .zip(refuge)
    {
        judged.push(judge_account(
            &mut plan,
            input,
            account,
            delivery,
            current.as_deref(),
            without_refuge,
            now,
        ));
    }
    let holders = holders(input, &judged);
    for ((set, demand), outcomes) in input.sets.iter().zip(demands).zip(&settlement.outcomes) {
        let key = &set.observed.meta.key;
        let at = holders.get(&(key.namespace.as_str(), key.name.as_str()));
        let shares = shares(
            input,
            &judged,
            at.map_or(&[], Vec::as_slice),
            &key.name,
            now,
        );
        if judge_set(&mut plan, set, demand, outcomes, &shares, now) == State::Unknown {
            for at in at.into_iter().flatten() {
                plan.accounts[*at].expecting = true;
            }
        }
    }
    plan.sets.sort_by(|a, b| a.key.cmp(&b.key));
    plan.next = next(input, &plan.memory, now.monotonic);
    plan
}

fn judge_account<'w>(
    plan: &mut Plan,
    input: &PlanningInput<'_>,
    account: &AccountInput<'_>,
    delivery: Delivery,
    current: Option<&'w Assignment>,
    without_refuge: usize,
    now: Now,
) -> Judged<'w> {
    let meta = &account.observed.object.meta;
    let previous = account.remembered.map(|known| &known.status).or(account
        .observed
        .object
        .status
        .as_deref());
    let ready = previous.and_then(|status| status::find(&status.conditions, ConditionType::Ready));
    let input = status::account::Input {
        view: account,
        desired: current.map(|current| current.generation),
        assigned: current.map(|current| current.instruments.len()),
        poked: input.poke,
        without_refuge,
        previous,
        past: Past {
            ready,
            generation: meta.generation,
            due: account.remembered.and_then(|known| known.due),
            first: account.remembered.is_none(),
        },
    };
    let (status, judgement, unasked) = status::account::status(&input, now);
    let told = tell(
        plan,
        Kind::Account,
        meta,
        &judgement,
        account.remembered.map(|known| known.told),
        ready,
    );
    if let Ok(spec) = &account.spec {
        plan.endpoints.insert(spec.api.clone());
    }
    let marks = delivery
        .assignment()
        .map(|decided| super::deliver::marks(account, decided))
        .unwrap_or_default();
    plan.memory.accounts.insert(
        meta.key.clone(),
        AccountMemory {
            uid: meta.uid.clone(),
            assignment: delivery.assignment().or(account.base).cloned(),
            due: judgement.due,
            status: status.clone(),
            told,
            key: account.api_key(),
            marks: marks.clone(),
        },
    );
    // What is being deleted loses its objects too: none is made again.
    let delivery = match delivery {
        Delivery::Write(_)
            if meta.deleting && matches!(account.observed.assignment, LastAssignment::Absent) =>
        {
            Delivery::Leave
        }
        delivery => delivery,
    };
    let awaiting = awaits(account, &delivery);
    plan.accounts.push(AccountPlan {
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        expecting: awaiting || judgement.state == State::Unknown,
        awaiting,
        assignment: delivery,
        workload: account
            .spec
            .as_ref()
            .ok()
            .filter(|_| account.observed.foreign.is_empty() && !meta.deleting)
            .map(|spec| spec.workload.clone()),
        change: status::change(account.observed.object.status.as_deref(), &status),
        status,
    });
    Judged {
        judgement,
        unasked,
        shares: current.map(per_set).unwrap_or_default(),
        marks,
    }
}

/// Whether the process has yet to take up what is decided.
fn awaits(account: &AccountInput<'_>, delivery: &Delivery) -> bool {
    let applied = account
        .report()
        .and_then(|report| report.assignment.as_ref());
    match delivery {
        Delivery::Leave => false,
        Delivery::Write(_) => true,
        Delivery::InPlace(assignment) => {
            applied.is_none_or(|applied| applied.generation != assignment.generation)
        }
    }
}

fn judge_set(
    plan: &mut Plan,
    set: &SetInput<'_>,
    demand: &Demand<'_>,
    outcomes: &[Outcome],
    shares: &[Share<'_>],
    now: Now,
) -> State {
    let meta = &set.observed.meta;
    let previous = set
        .remembered
        .map(|known| &known.status)
        .or(set.observed.status.as_deref());
    let ready = previous.and_then(|status| status::find(&status.conditions, ConditionType::Ready));
    let (conflicts, example) = conflicts(demand, outcomes);
    let input = status::set::Input {
        view: set,
        demand,
        waiting: waiting(set, demand, outcomes),
        conflicts: (conflicts, &example),
        shares,
        previous,
        past: Past {
            ready,
            generation: meta.generation,
            due: set.remembered.and_then(|known| known.due),
            first: set.remembered.is_none(),
        },
    };
    let (status, judgement) = status::set::status(&input, now);
    let told = tell(
        plan,
        Kind::Set,
        meta,
        &judgement,
        set.remembered.map(|known| known.told),
        ready,
    );
    plan.memory.sets.insert(
        meta.key.clone(),
        SetMemory {
            uid: meta.uid.clone(),
            due: judgement.due,
            status: status.clone(),
            told,
        },
    );
    plan.sets.push(SetPlan {
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        change: status::change(set.observed.status.as_deref(), &status),
        status,
    });
    judgement.state
}

fn waiting(set: &SetInput<'_>, demand: &Demand<'_>, outcomes: &[Outcome]) -> u32 {
    match demand {
        Demand::Wanted(_) => count(
            outcomes
                .iter()
                .filter(|outcome| **outcome == Outcome::Waiting)
                .count(),
        ),
        // What is paused or ends does not wait.
        Demand::Refused {
            reason: Reason::Paused | Reason::Terminating,
            ..
        } => 0,
        Demand::Refused { .. } => set
            .spec
            .as_ref()
            .map_or(0, |spec| count(spec.tokens.len() + spec.symbols.len())),
        Demand::Held { .. } | Demand::Unreadable(_) => 0,
    }
}

/// How many instruments an older set keeps from their channel, with an example.
fn conflicts(demand: &Demand<'_>, outcomes: &[Outcome]) -> (u32, String) {
    let Demand::Wanted(wants) = demand else {
        return (0, String::new());
    };
    let mut placed = wants
        .wants
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| **outcome == Outcome::Conflict);
    let first = placed.next();
    let count = wants
        .clashes
        .count
        .saturating_add(count(placed.count() + usize::from(first.is_some())));
    let example = wants.clashes.example.clone().or_else(|| {
        let (want, _) = first?;
        Some(format!(
            "{}:{} is published on its channel by another account for an older set: use that account or another \
             publish.channelPrefix",
            want.instrument.exchange, want.instrument.tradingsymbol
        ))
    });
    (count, example.unwrap_or_default())
}

/// The next time at which patience ends.
fn next(input: &PlanningInput<'_>, memory: &Memory, now: Instant) -> Option<Instant> {
    let accounts = memory.accounts.values().filter_map(|known| known.due);
    let sets = memory.sets.values().filter_map(|known| known.due);
    let failing = input
        .accounts
        .iter()
        .filter_map(|account| account.observed.scrape.failing.as_ref());
    let patience = failing.map(|failing| failing.since + PATIENCE);
    accounts
        .chain(sets)
        .chain(patience)
        .filter(|due| *due > now)
        .min()
}
