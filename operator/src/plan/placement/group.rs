//! The placement of one group of accounts and sets: what the solver is asked, and what its answer means.
//!
//! Must not choose accounts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crds::rebalance::RebalanceState;
use kite::Token;
use rustc_hash::FxHashSet;

use super::group_problem::{Group, GroupProblem};
use super::held_over::HeldOver;
use super::problem::{AccountSlot, LostTokens, Outcome, SetRequest};
use super::rebalance::{Placed, Rebalanced, Subject, rebalance};
use super::references::AccountReferences;
use super::relocations::{self, Relocation, relocations};
use super::set_placement::{SetPlacement, placement};
use super::{retention, solver};
use crate::plan::ids::{AccountIx, SetIx, TokenIx};
use crate::plan::input::{Key, RebalanceMode};
use crate::plan::selection::RequestedSet;

/// The placement of a group.
#[derive(Debug)]
pub(crate) struct GroupPlacement {
    /// By set of the group, with its key.
    pub(super) sets: Vec<(Key, Arc<SetPlacement>)>,
    /// By account of the group: how many of its tokens belong to sets that may use no other.
    pub(super) tied: Vec<usize>,
    /// By account of the group: the instruments that it subscribes to for their prices.
    pub(super) references: Vec<Arc<AccountReferences>>,
    /// Those of them that find no room.
    pub(super) waiting_references: FxHashSet<Token>,
    /// How many instruments that no socket carried move from one account to another.
    pub(super) failed_over: Vec<(AccountIx, AccountIx, u32)>,
    /// By set of the group: what of it goes to other accounts.
    pub(super) relocations: Vec<Vec<Relocation>>,
    pub(super) rebalances: Rebalances,
}

/// How far each rebalance is that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Rebalances {
    pub(super) accounts: Vec<Option<Rebalancing>>,
    pub(super) sets: Vec<Option<Rebalancing>>,
}

/// How far a rebalance is, and how many instruments move for it now, or would.
pub(super) type Rebalancing = (RebalanceState, u32);

impl Rebalances {
    /// None, of so many accounts and sets.
    pub(super) fn none(accounts: usize, sets: usize) -> Self {
        Self {
            accounts: vec![None; accounts],
            sets: vec![None; sets],
        }
    }
}

impl GroupPlacement {
    /// Reuses the unchanged sets of an earlier placement, so that results that depend on them stay
    /// valid.
    pub(super) fn share(&mut self, before: &Self) {
        let sets: HashMap<&Key, &Arc<SetPlacement>> =
            before.sets.iter().map(|(key, set)| (key, set)).collect();
        for (key, placement) in &mut self.sets {
            if let Some(known) = sets.get(key)
                && ***known == **placement
            {
                *placement = Arc::clone(known);
            }
        }
        for (references, known) in self.references.iter_mut().zip(&before.references) {
            if references.is_same(known) {
                *references = Arc::clone(known);
            }
        }
    }
}

/// Places what every set of a group asks for.
pub(super) fn place_group(
    group: &Group,
    accounts: &[HeldOver<'_>],
    all_sets: &[RequestedSet<'_>],
) -> GroupPlacement {
    let problem = GroupProblem::new(group, accounts, all_sets);
    let (slots, requests) = (&problem.slots, &problem.requests);
    let first_set = problem.first_set;
    let outcomes = solver::place(slots, requests);
    let mut kept = retention::keep(slots, requests, &outcomes);
    let asked = asked(&problem.accounts, group, all_sets, first_set);
    let placed = Placed {
        slots,
        requests,
        first_set,
        outcomes,
        kept: &kept,
        leaving: slots.iter().map(|it| it.leaving).collect(),
    };
    let Rebalanced {
        mut outcomes,
        progress,
        moved,
    } = rebalance(placed, &asked);
    let tied = tied(requests, &outcomes, slots.len());
    let failed_over = failed_over(slots, requests, &outcomes, &group.accounts);
    let suspended = problem.accounts.iter();
    let suspended = suspended.map(|it| Some(it.account.eligibility.suspension()?.reason()));
    let suspended: Vec<_> = suspended.collect();
    let relocations =
        relocations(slots, requests, &outcomes, &suspended, &moved).split_off(first_set);
    let relocations = relocations
        .into_iter()
        .map(|relocations| everywhere(relocations, &group.accounts));
    let relocations = relocations.collect();
    let mut rebalances = Rebalances::none(slots.len(), group.sets.len());
    for ((subject, _), progress) in asked.iter().zip(progress) {
        match subject {
            Subject::Account(at) => rebalances.accounts[at.at()] = Some(progress),
            Subject::Set(at) => rebalances.sets[at.at() - first_set] = Some(progress),
        }
    }
    let of_sets = outcomes.split_off(first_set);
    let references = problem.references.placed(&outcomes, slots.len());
    let of_sets = of_sets.into_iter().zip(kept.split_off(first_set));
    let sets = problem.sets.into_iter().zip(of_sets);
    let sets = sets.map(|(asked, outcomes)| {
        let placement = placement(asked.resolved, asked.channels, outcomes, &group.accounts);
        (asked.key.clone(), Arc::new(placement))
    });
    GroupPlacement {
        sets: sets.collect(),
        references: references.accounts.into_iter().map(Arc::new).collect(),
        waiting_references: references.waiting,
        failed_over,
        relocations,
        rebalances,
        tied,
    }
}

/// Whose instruments are to be placed anew, sets first.
fn asked(
    accounts: &[&HeldOver<'_>],
    group: &Group,
    all_sets: &[RequestedSet<'_>],
    first_set: usize,
) -> Vec<(Subject, RebalanceMode)> {
    let sets = (first_set..).zip(&group.sets);
    let sets = sets.filter_map(|(at, set)| {
        let mode = all_sets[set.at()].set.rebalance.asked()?;
        Some((Subject::Set(SetIx::new(at)), mode))
    });
    let accounts = accounts.iter().enumerate();
    let accounts = accounts.filter(|(_, it)| !it.account.eligibility.is_frozen());
    let accounts = accounts.filter_map(|(at, it)| {
        let mode = it.account.rebalance.asked()?;
        Some((Subject::Account(AccountIx::new(at)), mode))
    });
    sets.chain(accounts).collect()
}

/// The same relocations, between accounts by their positions among all.
fn everywhere(relocations: Vec<Relocation>, accounts: &[AccountIx]) -> Vec<Relocation> {
    let relocations = relocations.into_iter();
    let relocations = relocations.map(|it| Relocation {
        from: accounts[it.from.at()],
        to: accounts[it.to.at()],
        ..it
    });
    relocations.collect()
}

/// The tokens on each account of sets that may use no other.
fn tied(requests: &[SetRequest], outcomes: &[Vec<Outcome>], accounts: usize) -> Vec<usize> {
    let mut tied = vec![FxHashSet::default(); accounts];
    let single = requests.iter().zip(outcomes);
    for (request, outcomes) in single.filter(|(request, _)| request.allowed.len() == 1) {
        for (item, outcome) in request.items.iter().zip(outcomes) {
            if let Outcome::Placed(at) = outcome {
                tied[at.at()].insert(item.token);
            }
        }
    }
    tied.iter().map(FxHashSet::len).collect()
}

/// What moves away from accounts that lost it, each token once; `accounts` are those of the group. What stays there for a
/// set that may use no other account moves nowhere.
fn failed_over(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    outcomes: &[Vec<Outcome>],
    accounts: &[AccountIx],
) -> Vec<(AccountIx, AccountIx, u32)> {
    if slots.iter().all(|slot| slot.lost == LostTokens::None) {
        return Vec::new();
    }
    let mut moved: BTreeMap<(AccountIx, AccountIx), FxHashSet<TokenIx>> = BTreeMap::new();
    for ((token, _, to), from) in relocations::relocated(slots, requests, outcomes) {
        if slots[from.at()].lost.has(token) {
            let moved = moved.entry((accounts[from.at()], accounts[to.at()]));
            moved.or_default().insert(token);
        }
    }
    let moved = moved.into_iter();
    let count = |tokens: &FxHashSet<_>| u32::try_from(tokens.len()).unwrap_or(u32::MAX);
    moved
        .map(|((from, to), tokens)| (from, to, count(&tokens)))
        .collect()
}
