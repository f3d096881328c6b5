//! Turns requests into the numbers that the solver works on, and reads its answer.
//!
//! Must not choose accounts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use contract::Output;
use crds::rebalance::RebalanceState;
use kite::Token;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::channels::{ChannelRegister, SetChannels};
use super::held_over::HeldOver;
use super::moves::{SetMove, moves};
use super::problem::{AccountSlot, Item, LostTokens, Outcome, Refuge, SetRequest};
use super::rebalance::{Placed, Rebalanced, Subject, rebalance};
use super::references::{AccountReferences, ReferenceRequests};
use super::set_placement::{SetPlacement, placement};
use super::{retention, solver};
use crate::plan::ids::{AccountIx, ChannelId, SetIx, TokenIx};
use crate::plan::input::{AccountInput, Key, Lost, Standing};
use crate::plan::selection::{RequestedSet, Resolved};

/// The accounts and sets of a group, ascending.
#[derive(Default)]
pub(super) struct Group {
    pub(super) accounts: Vec<AccountIx>,
    /// Those that are resolved.
    pub(super) sets: Vec<SetIx>,
    /// Those that need prices, resolved or not.
    pub(super) need_prices: Vec<SetIx>,
}

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
    /// By set of the group: what of it moves.
    pub(super) moves: Vec<Vec<SetMove>>,
    /// By account and by set of the group: how far the rebalance is that is asked for, and how many instruments move for it
    /// now, or would.
    pub(super) rebalances: (Vec<Option<Rebalancing>>, Vec<Option<Rebalancing>>),
}

/// How far a rebalance is, and how many instruments move.
pub(super) type Rebalancing = (RebalanceState, u32);

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

/// Numbers the tokens of a group.
struct Tokens(FxHashMap<Token, TokenIx>);

impl Tokens {
    fn number(&mut self, token: Token) -> TokenIx {
        let next = TokenIx::new(self.0.len());
        *self.0.entry(token).or_insert(next)
    }
}

/// Places what every set of a group asks for.
pub(super) fn place_group(
    group: &Group,
    accounts: &[HeldOver<'_>],
    all_sets: &[RequestedSet<'_>],
) -> GroupPlacement {
    let accounts: Vec<&HeldOver<'_>> = group.accounts.iter().map(|at| &accounts[at.at()]).collect();
    let sets = group.sets.iter().map(|at| &all_sets[at.at()]);
    let sets: Vec<(&Key, &Resolved)> = sets
        .filter_map(|it| Some((&it.set.observed.meta.key, it.request.resolved()?)))
        .collect();
    let mut register = ChannelRegister::default();
    let asked_for = sets
        .iter()
        .map(|(_, it)| it.lookup.routes.instruments.len());
    let all = FxHashMap::with_capacity_and_hasher(asked_for.sum(), FxBuildHasher);
    let mut tokens = Tokens(all);
    let local = |at: &AccountIx| group.accounts.binary_search(at).ok().map(AccountIx::new);
    let needed = group.need_prices.iter();
    let needed = needed.filter_map(|at| all_sets[at.at()].references.as_ref());
    let references = ReferenceRequests::new(needed, local);
    let mut requests = references.requests(|token| tokens.number(token));
    let first_set = requests.len();
    let numbers = (first_set..).zip(&sets);
    let numbers = numbers.map(|(at, (key, _))| (*key, SetIx::new(at)));
    let numbers: HashMap<&Key, SetIx> = numbers.collect();
    let slots: Vec<AccountSlot> = accounts
        .iter()
        .map(|account| slot(account, &numbers, &mut register, &mut tokens))
        .collect();
    let request = |(_, resolved): &(&Key, &Resolved)| {
        let allowed: Vec<AccountIx> = resolved.allowed.iter().filter_map(local).collect();
        let targets = allowed.iter().filter_map(|at| slots[at.at()].target);
        let channels = register.ask(resolved, targets.collect());
        let (items, retained) = items(resolved, &channels, &mut tokens);
        let priority = resolved.priority;
        let request = SetRequest {
            priority,
            allowed,
            items,
            retained,
            spreads: false,
        };
        (request, channels)
    };
    let (of_sets, channels): (Vec<SetRequest>, Vec<SetChannels>) = sets.iter().map(request).unzip();
    requests.extend(of_sets);
    let outcomes = solver::place(&slots, &requests);
    let mut kept = retention::keep(&slots, &requests, &outcomes);
    let asked = asked(&accounts, group, all_sets, first_set);
    let placed = Placed {
        slots: &slots,
        requests: &requests,
        first_set,
        outcomes,
        kept: &kept,
        leaving: accounts.iter().map(|it| leaving(it)).collect(),
    };
    let Rebalanced {
        mut outcomes,
        progress,
        moved,
    } = rebalance(placed, &asked);
    let mut rebalances = (vec![None; accounts.len()], vec![None; sets.len()]);
    for ((subject, _), progress) in asked.iter().zip(progress) {
        match subject {
            Subject::Account(at) => rebalances.0[at.at()] = Some(progress),
            Subject::Set(at) => rebalances.1[at.at() - first_set] = Some(progress),
        }
    }
    let tied = tied(&requests, &outcomes, accounts.len());
    let failed_over = failed_over(&slots, &requests, &outcomes, &group.accounts);
    let suspended = accounts.iter();
    let suspended = suspended.map(|it| Some(it.account.eligibility.suspension()?.reason()));
    let suspended: Vec<_> = suspended.collect();
    let moves = moves(&slots, &requests, &outcomes, &suspended, &moved).split_off(first_set);
    let moves = moves
        .into_iter()
        .map(|moves| everywhere(moves, &group.accounts));
    let of_sets = outcomes.split_off(first_set);
    let references = references.placed(&outcomes, accounts.len());
    let of_sets = of_sets.into_iter().zip(kept.split_off(first_set));
    let placed = sets.iter().zip(channels).zip(of_sets);
    let placed_references = references.accounts.into_iter().map(Arc::new);
    GroupPlacement {
        references: placed_references.collect(),
        waiting_references: references.waiting,
        failed_over,
        moves: moves.collect(),
        rebalances,
        sets: placed
            .map(|(((key, resolved), channels), outcomes)| {
                let placement = placement(resolved, channels, outcomes, &group.accounts);
                ((*key).clone(), Arc::new(placement))
            })
            .collect(),
        tied,
    }
}

/// Whose instruments are to be placed anew, sets first, and whether nothing may move.
fn asked(
    accounts: &[&HeldOver<'_>],
    group: &Group,
    all_sets: &[RequestedSet<'_>],
    first_set: usize,
) -> Vec<(Subject, bool)> {
    let sets = (first_set..).zip(&group.sets);
    let sets = sets.filter_map(|(at, set)| {
        let is_dry_run = all_sets[set.at()].set.rebalance.asked()?;
        Some((Subject::Set(SetIx::new(at)), is_dry_run))
    });
    let accounts = accounts.iter().enumerate();
    let accounts = accounts.filter(|(_, it)| !it.account.eligibility.is_frozen());
    let accounts = accounts.filter_map(|(at, it)| {
        let is_dry_run = it.account.rebalance.asked()?;
        Some((Subject::Account(AccountIx::new(at)), is_dry_run))
    });
    sets.chain(accounts).collect()
}

/// How many instruments an account goes on with until others have them.
fn leaving(account: &HeldOver<'_>) -> usize {
    let base = account.account.base;
    base.map_or(0, |base| {
        let rows = base.instruments.iter();
        rows.filter(|row| base.gives(row)).count()
    })
}

/// The same moves, between accounts by their positions among all.
fn everywhere(moves: Vec<SetMove>, accounts: &[AccountIx]) -> Vec<SetMove> {
    let moves = moves.into_iter();
    let moves = moves.map(|it| SetMove {
        from: accounts[it.from.at()],
        to: accounts[it.to.at()],
        ..it
    });
    moves.collect()
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

/// What moves away from accounts that lost it, each token once; `accounts` are those of the group.
fn failed_over(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    outcomes: &[Vec<Outcome>],
    accounts: &[AccountIx],
) -> Vec<(AccountIx, AccountIx, u32)> {
    let mut from: FxHashMap<TokenIx, AccountIx> = FxHashMap::default();
    for (at, slot) in slots.iter().enumerate() {
        let lost = slot.current.iter().map(|(token, _)| *token);
        let lost = lost.filter(|token| slot.lost.has(*token));
        from.extend(lost.map(|token| (token, AccountIx::new(at))));
    }
    let mut moved: BTreeMap<(AccountIx, AccountIx), FxHashSet<TokenIx>> = BTreeMap::new();
    if from.is_empty() {
        return Vec::new();
    }
    for (request, outcomes) in requests.iter().zip(outcomes) {
        for (item, outcome) in request.items.iter().zip(outcomes) {
            let (Outcome::Placed(to), Some(from)) = (outcome, from.get(&item.token)) else {
                continue;
            };
            if to != from {
                let moved = moved.entry((accounts[from.at()], accounts[to.at()]));
                moved.or_default().insert(item.token);
            }
        }
    }
    let moved = moved.into_iter();
    let count = |tokens: &FxHashSet<_>| u32::try_from(tokens.len()).unwrap_or(u32::MAX);
    moved
        .map(|((from, to), tokens)| (from, to, count(&tokens)))
        .collect()
}

/// The items that a set selects, and those that the money has left behind, each with its distance.
fn items(
    resolved: &Resolved,
    channels: &SetChannels,
    tokens: &mut Tokens,
) -> (Vec<Item>, Vec<(Item, u32)>) {
    let (mut items, mut retained) = (Vec::new(), Vec::new());
    for routed in &resolved.lookup.routes.instruments {
        let Some((channel, underlying)) = channels.of(routed) else {
            continue;
        };
        let item = Item {
            channel: Some(channel),
            underlying,
            token: tokens.number(routed.token),
        };
        match routed.retained {
            Some(distance) => retained.push((item, distance)),
            None => items.push(item),
        }
    }
    (items, retained)
}

/// An account that was never tried takes over what others lost only until it has so many instruments.
const TRIALS: usize = 100;

fn refuge(account: &AccountInput<'_>) -> Refuge {
    match (&account.outage.lost, account.outage.standing) {
        (Lost::Everything | Lost::Tokens(_), _) => Refuge::Down,
        (Lost::Nothing, Standing::Proven) => Refuge::Proven,
        (Lost::Nothing, Standing::Untried) => Refuge::Untried(TRIALS),
        (Lost::Nothing, Standing::Doubtful) => Refuge::None,
    }
}

fn slot(
    held_over: &HeldOver<'_>,
    sets: &HashMap<&Key, SetIx>,
    register: &mut ChannelRegister,
    tokens: &mut Tokens,
) -> AccountSlot {
    let account = &held_over.account;
    let mut slot = AccountSlot {
        capacity: account.capacity(),
        target: register.target(account),
        frozen: account.eligibility.is_frozen(),
        refuge: refuge(account),
        ..AccountSlot::default()
    };
    let Some(base) = account.base else {
        return slot;
    };
    let number = |set: &String| sets.get(&Key::new(account.namespace(), set)).copied();
    let sets: Vec<Option<SetIx>> = base.sets.iter().map(number).collect();
    slot.current.reserve(base.instruments.len());
    for row in &base.instruments {
        let token = tokens.number(row.token);
        let before = slot.current.len();
        let sets = row
            .sets
            .iter()
            .filter_map(|set| *sets.get(usize::from(*set))?);
        slot.current.extend(sets.map(|set| (token, Some(set))));
        if slot.current.len() == before {
            slot.current.push((token, None));
        }
    }
    slot.lost = match &account.outage.lost {
        Lost::Nothing => LostTokens::None,
        Lost::Tokens(lost) => {
            let lost = lost.iter().map(|token| tokens.number(Token(*token)));
            LostTokens::Some(lost.collect())
        }
        Lost::Everything => LostTokens::All,
    };
    let channels = base.channels.iter();
    let channels: Vec<ChannelId> = channels.map(|name| register.channel(name)).collect();
    let channel = |output: &Output| channels.get(usize::from(output.channel)).copied();
    let rows = held_over.rows.iter().filter_map(|at| {
        let row = base.instruments.get(*at)?;
        let outputs = row.outputs.iter().filter(|_| held_over.publishes(row));
        let channels: Vec<ChannelId> = outputs.filter_map(channel).collect();
        if let Some(target) = slot.target {
            for channel in &channels {
                register.hold_over(target, *channel, base.account.mock);
            }
        }
        Some((tokens.number(row.token), channels))
    });
    slot.held_over = rows.collect();
    slot
}
