//! Accounts that have to be placed together, because a set may use several of them or because they
//! publish to one Redis; independent accounts are placed separately.
//!
//! Owns when an earlier placement can be reused. Must not choose accounts.

use std::collections::HashMap;
use std::sync::Arc;

use crds::condition::Reason;
use crds::rebalance::RebalanceStatus;
use kite::Token;
use rustc_hash::FxHashSet;

use super::channels::redis_url;
use super::group::{GroupPlacement, Rebalances, place_group};
use super::group_problem::Group;
use super::held_over::HeldOver;
use super::references::AccountReferences;
use super::relocations::Relocation;
use super::set_placement::SetPlacement;
use crate::plan::ids::{AccountIx, SetIx};
use crate::plan::input::{Basis, Memo, SetInput};
use crate::plan::selection::{MoneyChains, Request, RequestedSet};

/// An account once every set is placed.
pub(crate) struct PlacedAccount<'a> {
    pub(crate) held_over: HeldOver<'a>,
    /// How many of its instruments belong to sets that may use no other.
    pub(crate) tied: usize,
    /// The instruments that it subscribes to for their prices.
    pub(crate) references: Arc<AccountReferences>,
    /// Where how many of its instruments move that no socket carried.
    pub(crate) failed_over: Vec<(AccountIx, u32)>,
    /// What its status says of a rebalance.
    pub(crate) rebalance: Option<RebalanceStatus>,
}

/// A set, its request and its placement.
pub(crate) struct PlacedSet<'a> {
    pub(crate) set: SetInput<'a>,
    pub(crate) request: Request,
    /// The chains that it selects by the money, if there are any and they are known.
    pub(crate) chains: Option<Arc<MoneyChains>>,
    pub(crate) placement: Arc<SetPlacement>,
    /// What of it moves from one account to another.
    pub(crate) relocations: Vec<Relocation>,
    /// What its status says of a rebalance.
    pub(crate) rebalance: Option<RebalanceStatus>,
}

/// Places the instruments of every set; groups in which nothing changed keep their placement.
pub(crate) fn place<'a>(
    accounts: Vec<HeldOver<'a>>,
    mut sets: Vec<RequestedSet<'a>>,
    mut memo: Memo<'_, Arc<GroupPlacement>>,
) -> (Vec<PlacedAccount<'a>>, Vec<PlacedSet<'a>>) {
    let mut tied = vec![0; accounts.len()];
    let mut references = vec![Arc::default(); accounts.len()];
    let mut failed_over: Vec<Vec<(AccountIx, u32)>> = vec![Vec::new(); accounts.len()];
    let mut placements = vec![(Arc::default(), Vec::new()); sets.len()];
    let mut rebalances = Rebalances::none(accounts.len(), sets.len());
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
        for (at, of_account) in group.accounts.iter().zip(&placed.references) {
            references[at.at()] = Arc::clone(of_account);
        }
        for (from, to, count) in &placed.failed_over {
            failed_over[from.at()].push((*to, *count));
        }
        for at in &group.need_prices {
            say_what_waits(&mut sets[at.at()], &placed.waiting_references);
        }
        let of_sets = placed.sets.iter().zip(&placed.relocations);
        for (at, ((_, placement), relocations)) in group.sets.iter().zip(of_sets) {
            placements[at.at()] = (Arc::clone(placement), relocations.clone());
        }
        for (at, decided) in group.accounts.iter().zip(&placed.rebalances.accounts) {
            rebalances.accounts[at.at()] = *decided;
        }
        for (at, decided) in group.sets.iter().zip(&placed.rebalances.sets) {
            rebalances.sets[at.at()] = *decided;
        }
    }
    let placed = tied.into_iter().zip(references).zip(failed_over);
    let accounts = accounts.into_iter().zip(placed).zip(rebalances.accounts);
    let accounts = accounts.map(
        |((held_over, ((tied, references), failed_over)), decided)| PlacedAccount {
            rebalance: held_over.account.rebalance.status(decided),
            held_over,
            tied,
            references,
            failed_over,
        },
    );
    let sets = sets.into_iter().zip(placements).zip(rebalances.sets);
    let sets = sets.map(
        |((requested, (placement, relocations)), decided)| PlacedSet {
            rebalance: requested.set.rebalance.status(decided),
            set: requested.set,
            request: requested.request,
            chains: requested.references.map(|it| it.chains),
            placement,
            relocations,
        },
    );
    (accounts.collect(), sets.collect())
}

/// A set that waits for a price waits for room if the instrument has none.
fn say_what_waits(set: &mut RequestedSet<'_>, waiting: &FxHashSet<Token>) {
    let (Request::Pending { reason, message }, Some(needed)) = (&mut set.request, &set.references)
    else {
        return;
    };
    let mut references = needed.chains.references.iter();
    let first = references.find(|it| waiting.contains(&it.token));
    let first = first.and_then(|it| needed.table.get(it.row));
    if let (Reason::WaitingForPrice, Some(first)) = (*reason, first) {
        *message = format!(
            "{message}; no account that the set may use has room for {}:{}: add one or remove instruments",
            first.exchange, first.tradingsymbol
        );
    }
}

/// Everything that the placement of a group depends on.
fn basis(group: &Group, accounts: &[HeldOver<'_>], sets: &[RequestedSet<'_>]) -> Basis {
    let mut basis = Basis::default();
    for at in &group.accounts {
        let HeldOver { account, rows, .. } = &accounts[at.at()];
        let frozen = account.eligibility.is_frozen();
        basis = basis.value((at, account.capacity(), frozen, redis_url(account), rows));
        basis = basis.value((&account.outage.lost, account.outage.standing));
        basis = basis.value(account.rebalance.asked());
        if let Some(base) = account.base {
            basis = basis.shared(base);
        }
    }
    for at in &group.need_prices {
        if let Some(needed) = &sets[at.at()].references {
            basis = basis.shared(&needed.chains).value(&needed.allowed);
        }
    }
    for at in &group.sets {
        let it = &sets[at.at()];
        if let Some(resolved) = it.request.resolved() {
            basis = basis.shared(&resolved.lookup);
            basis = basis.value((&it.set.observed.meta.key, resolved.mock, &resolved.allowed));
            basis = basis.value(it.set.rebalance.asked());
        }
    }
    basis
}

/// The groups, each with its resolved sets.
fn groups(accounts: &[HeldOver<'_>], sets: &[RequestedSet<'_>]) -> Vec<Group> {
    let mut group_of: Vec<usize> = (0..accounts.len()).collect();
    let mut by_namespace: HashMap<&str, usize> = HashMap::new();
    let mut by_redis: HashMap<Option<&str>, usize> = HashMap::new();
    for (at, held_over) in accounts.iter().enumerate() {
        let namespace = *by_namespace
            .entry(held_over.account.namespace())
            .or_insert(at);
        let redis = *by_redis.entry(redis_url(&held_over.account)).or_insert(at);
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
        let Some(of) = of else { continue };
        let group = &mut groups[first(&group_of, *of)];
        if it.request.resolved().is_some() {
            group.sets.push(SetIx::new(at));
        }
        if it.references.is_some() {
            group.need_prices.push(SetIx::new(at));
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
