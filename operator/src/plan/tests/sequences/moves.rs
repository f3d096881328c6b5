//! A placed token moves only for a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{Assignment, Boundary, MovePart};
use crds::condition::{ConditionType, Reason, State};
use crds::rebalance::{RebalanceState, RebalanceStatus};
use kite::Token;

use super::Pass;
use super::invariants::lying_there;
use crate::plan::*;

/// Which accounts stream a token for a set, both in the set's namespace.
type Places<'a> = BTreeMap<(&'a str, &'a str, Token), BTreeSet<&'a Key>>;

/// Nothing of a set that did not change leaves an account that did not change either for another
/// one, unless that account is known to be down or streams nothing any more, an older set has its channel, a rebalance was
/// asked for, or the other one was found to have it.
pub(super) fn have_causes(pass: &Pass<'_>) -> Result<(), String> {
    for (set, token, from) in moved(pass) {
        let Some(account) = find(pass.plan, from) else {
            continue;
        };
        let (Some(old), Some(new)) = (before(pass, from), account.assignment.assignment()) else {
            continue;
        };
        let same = account_is_same(pass, from, old) && set_is_same(pass, &set);
        let fails = pass
            .plan
            .failovers
            .iter()
            .any(|failover| failover.from == *from);
        let elsewhere = fails
            || is_rebalancing(pass.plan, Some(&set), Some(from))
            || is_taken(pass, from, token, old, new)
            || is_found(pass, from, &set.name, token);
        if same && !streams_nothing(account) && !elsewhere {
            return Err(format!("{token:?} of {set} moves away from {from}"));
        }
    }
    Ok(())
}

/// What is withheld on one account is given by another one of the namespace, which gets no other boundary; and what is given
/// by a move is taken by it.
pub(super) fn keep_every_tick(pass: &Pass<'_>) -> Result<(), String> {
    type Parts<'a> = BTreeMap<(&'a str, &'a str, Token), Option<Boundary>>;
    let parts = |part: MovePart, also_frozen: bool| {
        let mut parts = Parts::new();
        for account in &pass.plan.accounts {
            let there = || lying_there(pass.observed, &account.key).filter(|_| also_frozen);
            let decided = account.assignment.assignment();
            let Some(assignment) = decided.map(|it| &**it).or_else(there) else {
                continue;
            };
            for row in &assignment.instruments {
                if let Some(it) = assignment.move_of(row).filter(|it| it.part == part) {
                    let what = (account.key.namespace.as_str(), it.id.as_str(), row.token);
                    parts.insert(what, it.boundary);
                }
            }
        }
        parts
    };
    // What may not be changed is as it was.
    let given = parts(MovePart::From, true);
    for (what, boundary) in parts(MovePart::To, false) {
        match given.get(&what) {
            Some(given) if given.is_none() || *given == boundary => {}
            None if boundary.is_none() && is_published_by_giver(pass, what) => {}
            given => return Err(format!("{what:?} at {boundary:?} is given as {given:?}")),
        }
    }
    let taken = parts(MovePart::To, true);
    for (what, boundary) in parts(MovePart::From, false) {
        // It gives nothing as long as there is no boundary, and there is none while the other account may not be changed. With
        // one, the other's file had it first: somebody else has written over that file.
        let waits = may_not_be_changed(pass, what);
        if !taken.contains_key(&what) && !waits {
            return Err(format!("{what:?} at {boundary:?} is taken by nobody"));
        }
    }
    Ok(())
}

/// Whether nothing is written for the account that a move goes to.
fn may_not_be_changed(pass: &Pass<'_>, (namespace, id, _): (&str, &str, Token)) -> bool {
    let taker = id
        .split_once('>')
        .and_then(|(_, rest)| rest.split_once(':'));
    pass.plan.accounts.iter().any(|account| {
        let is_taker = taker.is_some_and(|(taker, _)| taker == account.key.name);
        let decided = account.assignment.assignment();
        account.key.namespace == namespace && is_taker && decided.is_none()
    })
}

/// Whether the account that an instrument comes from publishes it and was not told of the move.
fn is_published_by_giver(pass: &Pass<'_>, (namespace, id, token): (&str, &str, Token)) -> bool {
    let giver = id.split_once('>').map(|(giver, _)| giver);
    pass.plan.accounts.iter().any(|account| {
        let there = || lying_there(pass.observed, &account.key);
        let decided = account.assignment.assignment().map(|it| &**it);
        let is_giver = account.key.namespace == namespace && Some(&*account.key.name) == giver;
        let rows = decided.or_else(there).into_iter();
        let mut rows = rows.flat_map(|it| &it.instruments);
        is_giver
            && rows.any(|row| {
                let alone = row.move_at.is_none() && !row.handover;
                row.token == token && alone && !row.outputs.is_empty()
            })
    })
}

/// What left the one account that it was on, though another one streams it: how many in all.
pub(super) fn moved<'a>(pass: &Pass<'a>) -> Vec<(Key, Token, &'a Key)> {
    let Some((_, plan)) = pass.before else {
        return Vec::new();
    };
    let (old, new) = (places(plan), places(pass.plan));
    old.iter()
        .filter_map(|(what, from)| {
            let to = new.get(what)?;
            let from = from.first().filter(|_| from.len() == 1)?;
            let (namespace, set, token) = what;
            (!to.contains(from)).then(|| (Key::new(*namespace, *set), *token, *from))
        })
        .collect()
}

fn places(plan: &Plan) -> Places<'_> {
    let mut places = Places::new();
    for account in &plan.accounts {
        let Some(assignment) = account.assignment.assignment() else {
            continue;
        };
        for row in &assignment.instruments {
            for set in &row.sets {
                let set = assignment.sets[usize::from(*set)].as_str();
                let what = (account.key.namespace.as_str(), set, row.token);
                places.entry(what).or_default().insert(&account.key);
            }
        }
    }
    places
}

fn find<'a>(plan: &'a Plan, key: &Key) -> Option<&'a AccountPlan> {
    plan.accounts.iter().find(|account| account.key == *key)
}

fn before<'a>(pass: &Pass<'a>, key: &Key) -> Option<&'a Assignment> {
    let (_, plan) = pass.before?;
    let assignment = find(plan, key)?.assignment.assignment()?;
    Some(assignment)
}

/// Whether the account is as it was, and known to stream what was decided.
fn account_is_same(pass: &Pass<'_>, key: &Key, decided: &Assignment) -> bool {
    let seen = |observed: &Observed| {
        let account = observed
            .accounts
            .iter()
            .find(|account| account.object.meta.key == *key)?;
        let object = &account.object;
        let there = match &account.assignment {
            LastAssignment::Readable { assignment, .. } => Some(Arc::clone(assignment)),
            LastAssignment::Absent | LastAssignment::Unreadable { .. } => None,
        };
        let it = (
            object.meta.clone(),
            object.spec.clone(),
            account.foreign.clone(),
        );
        Some((it, there))
    };
    let Some((observed, _)) = pass.before else {
        return false;
    };
    let (Some((old, _)), Some((new, there))) = (seen(observed), seen(pass.observed)) else {
        return false;
    };
    let known = if pass.remembers {
        there.is_none_or(|there| there.generation <= decided.generation)
    } else {
        // That of another account may lie there, of the same generation.
        there.is_some_and(|there| *there == *decided)
    };
    old == new && observed.settings == pass.observed.settings && known
}

/// Whether the set is as it was, and what it had was placed: what it had while it could not be
/// asked may be where it could not go.
fn set_is_same(pass: &Pass<'_>, key: &Key) -> bool {
    let seen = |observed: &Observed| {
        let set = observed.sets.iter().find(|set| set.meta.key == *key)?;
        Some((set.meta.clone(), set.spec.clone()))
    };
    let Some((observed, plan)) = pass.before else {
        return false;
    };
    let asked = plan.sets.iter().any(|set| {
        let mut conditions = set.status.conditions.iter();
        set.key == *key
            && conditions.any(|condition| {
                condition.type_ == ConditionType::Scheduled.as_str()
                    && condition.status != State::Unknown.as_str()
            })
    });
    asked && seen(observed).is_some() && seen(observed) == seen(pass.observed)
}

/// Whether instruments of this set, of this account, or of any that is not said move because an annotation asks for it.
pub(super) fn is_rebalancing(plan: &Plan, set: Option<&Key>, account: Option<&Key>) -> bool {
    let moves = |status: &Option<RebalanceStatus>| {
        let state = status.as_ref().and_then(|it| it.state);
        state == Some(RebalanceState::Moving)
    };
    let mut sets = plan.sets.iter();
    let mut accounts = plan.accounts.iter();
    sets.any(|it| set.is_none_or(|set| *set == it.key) && moves(&it.status.rebalance))
        || accounts.any(|it| {
            account.is_none_or(|account| *account == it.key) && moves(&it.status.rebalance)
        })
}

/// Whether the account must stream nothing.
fn streams_nothing(account: &AccountPlan) -> bool {
    let conditions = &account.status.conditions;
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str());
    let off = [Reason::Paused, Reason::Terminating, Reason::DuplicateApiKey];
    ready.is_some_and(|ready| off.iter().any(|reason| reason.as_str() == ready.reason))
}

/// Whether another account publishes the token where the account did: as planned, or as found where
/// nothing may be changed.
fn is_taken(pass: &Pass<'_>, from: &Key, token: Token, old: &Assignment, new: &Assignment) -> bool {
    let had = channels(old, token);
    let others = pass.plan.accounts.iter().filter(|other| other.key != *from);
    let mut others = others.flat_map(|other| match other.assignment.assignment() {
        Some(planned) => [Some(&**planned), None],
        None => [
            lying_there(pass.observed, &other.key),
            before(pass, &other.key),
        ],
    });
    others.any(|other| {
        other.is_some_and(|other| {
            other.redis_url == new.redis_url && !channels(other, token).is_disjoint(&had)
        })
    })
}

/// Whether another account of the namespace was found to stream the token for the set already, or for any if nothing may
/// be changed there.
fn is_found(pass: &Pass<'_>, from: &Key, set: &str, token: Token) -> bool {
    let others = pass.plan.accounts.iter();
    let mut others =
        others.filter(|other| other.key != *from && other.key.namespace == from.namespace);
    others.any(|other| {
        let is_frozen = other.assignment.assignment().is_none();
        lying_there(pass.observed, &other.key).is_some_and(|there| {
            let mut rows = there.instruments.iter();
            let row = rows.find(|row| row.token == token);
            let of = |at: &u16| there.sets[usize::from(*at)] == set;
            row.is_some_and(|row| is_frozen || row.sets.iter().any(of))
        })
    })
}

fn channels(assignment: &Assignment, token: Token) -> BTreeSet<&str> {
    let rows = assignment.instruments.iter();
    let outputs = rows
        .filter(|row| row.token == token)
        .flat_map(|row| &row.outputs);
    outputs
        .map(|output| assignment.channels[usize::from(output.channel)].as_str())
        .collect()
}
