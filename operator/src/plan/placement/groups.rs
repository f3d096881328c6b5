//! Accounts that have to be placed together, because a set may use several of them or because they
//! publish to one Redis; independent accounts are placed separately.
//!
//! Owns when an earlier placement can be reused. Must not choose accounts.

use std::collections::HashMap;
use std::sync::Arc;

use super::channels::redis_url;
use super::group::{Group, GroupPlacement, SetPlacement, place_group};
use super::retained::RetainedAccount;
use crate::plan::ids::{AccountIx, SetIx};
use crate::plan::input::{Basis, Memo, SetInput};
use crate::plan::selection::{Request, RequestedSet};

/// An account once every set is placed.
pub(crate) struct PlacedAccount<'a> {
    pub(crate) retained: RetainedAccount<'a>,
    /// How many of its instruments belong to sets that may use no other.
    pub(crate) tied: usize,
}

/// A set, its request and its placement.
pub(crate) struct PlacedSet<'a> {
    pub(crate) set: SetInput<'a>,
    pub(crate) request: Request,
    pub(crate) placement: Arc<SetPlacement>,
}

/// Places the instruments of every set; groups in which nothing changed keep their placement.
pub(crate) fn place<'a>(
    accounts: Vec<RetainedAccount<'a>>,
    sets: Vec<RequestedSet<'a>>,
    mut memo: Memo<'_, Arc<GroupPlacement>>,
) -> (Vec<PlacedAccount<'a>>, Vec<PlacedSet<'a>>) {
    let mut tied = vec![0; accounts.len()];
    let mut placements = vec![Arc::default(); sets.len()];
    for group in groups(&accounts, &sets) {
        let Some(first) = group.accounts.first() else {
            continue;
        };
        let key = &accounts[first.at()].account.observed.object.meta.key;
        let basis = basis(&group, &accounts, &sets);
        let last = memo.last(key);
        let placed = memo.get_or(key, basis, || {
            let mut placed = place_group(&group, &accounts, &sets);
            if let Some(last) = last {
                placed.share(last);
            }
            Arc::new(placed)
        });
        for (at, tokens) in group.accounts.iter().zip(&placed.tied) {
            tied[at.at()] = *tokens;
        }
        for (at, (_, placement)) in group.sets.iter().zip(&placed.sets) {
            placements[at.at()] = Arc::clone(placement);
        }
    }
    let accounts = accounts.into_iter().zip(tied);
    let accounts = accounts.map(|(retained, tied)| PlacedAccount { retained, tied });
    let sets = sets.into_iter().zip(placements);
    let sets = sets.map(|(RequestedSet { set, request }, placement)| PlacedSet {
        set,
        request,
        placement,
    });
    (accounts.collect(), sets.collect())
}

/// Everything that the placement of a group depends on.
fn basis(group: &Group, accounts: &[RetainedAccount<'_>], sets: &[RequestedSet<'_>]) -> Basis {
    let mut basis = Basis::default();
    for at in &group.accounts {
        let RetainedAccount { account, rows, .. } = &accounts[at.at()];
        let frozen = account.eligibility.is_frozen();
        basis = basis.value((at, account.capacity(), frozen, redis_url(account), rows));
        if let Some(base) = account.base {
            basis = basis.shared(base);
        }
    }
    for at in &group.sets {
        let it = &sets[at.at()];
        if let Some(resolved) = it.request.resolved() {
            basis = basis.shared(&resolved.lookup);
            basis = basis.value((&it.set.observed.meta.key, resolved.mock, &resolved.allowed));
        }
    }
    basis
}

/// The groups, each with its resolved sets.
fn groups(accounts: &[RetainedAccount<'_>], sets: &[RequestedSet<'_>]) -> Vec<Group> {
    let mut group_of: Vec<usize> = (0..accounts.len()).collect();
    let mut by_namespace: HashMap<&str, usize> = HashMap::new();
    let mut by_redis: HashMap<Option<&str>, usize> = HashMap::new();
    for (at, retained) in accounts.iter().enumerate() {
        let namespace = *by_namespace
            .entry(retained.account.namespace())
            .or_insert(at);
        let redis = *by_redis.entry(redis_url(&retained.account)).or_insert(at);
        for other in [namespace, redis] {
            let (a, b) = (first(&group_of, at), first(&group_of, other));
            group_of[a.max(b)] = a.min(b);
        }
    }
    let mut groups: Vec<Group> = accounts.iter().map(|_| Group::default()).collect();
    for at in 0..accounts.len() {
        groups[first(&group_of, at)]
            .accounts
            .push(AccountIx::new(at));
    }
    for (at, it) in sets.iter().enumerate() {
        let of = by_namespace.get(it.set.namespace());
        if let (Some(of), Some(_)) = (of, it.request.resolved()) {
            groups[first(&group_of, *of)].sets.push(SetIx::new(at));
        }
    }
    groups.retain(|group| !group.accounts.is_empty());
    groups
}

/// The first account of the group that an account is in.
fn first(group_of: &[usize], mut at: usize) -> usize {
    while group_of[at] != at {
        at = group_of[at];
    }
    at
}
