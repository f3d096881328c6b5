//! Turns the requests of a group into the numbers that the solver works on.
//!
//! Must not choose accounts.

use std::collections::HashMap;

use contract::Output;
use kite::Token;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::channels::{ChannelRegister, SetChannels};
use super::held_over::HeldOver;
use super::problem::{AccountSlot, Item, LostTokens, Refuge, SetRequest};
use super::references::ReferenceRequests;
use crate::plan::ids::{AccountIx, ChannelId, SetIx, TokenIx};
use crate::plan::input::{AccountInput, Key, Lost, Standing, is_for_chain_alone};
use crate::plan::selection::{RequestedSet, Resolved};

/// An account that was never tried takes over what others lost only until it has so many instruments.
const TRIALS: usize = 100;

/// The accounts and sets of a group, ascending.
#[derive(Default)]
pub(super) struct Group {
    pub(super) accounts: Vec<AccountIx>,
    /// Those that are resolved.
    pub(super) sets: Vec<SetIx>,
    /// Those that need prices, resolved or not.
    pub(super) need_prices: Vec<SetIx>,
}

/// What the solver is asked for a group.
pub(super) struct GroupProblem<'w, 'a> {
    pub(super) accounts: Vec<&'w HeldOver<'a>>,
    /// By account.
    pub(super) slots: Vec<AccountSlot>,
    /// Those of instruments whose prices are needed, and then those of sets.
    pub(super) requests: Vec<SetRequest>,
    /// The position of the first request of a set.
    pub(super) first_set: usize,
    pub(super) references: ReferenceRequests<'w>,
    /// By set.
    pub(super) sets: Vec<AskedSet<'w>>,
}

/// A set that asks for its instruments.
pub(super) struct AskedSet<'w> {
    pub(super) key: &'w Key,
    pub(super) resolved: &'w Resolved,
    pub(super) channels: SetChannels,
}

/// Numbers the tokens of a group.
struct Tokens(FxHashMap<Token, TokenIx>);

impl Tokens {
    fn number(&mut self, token: Token) -> TokenIx {
        let next = TokenIx::new(self.0.len());
        *self.0.entry(token).or_insert(next)
    }
}

impl<'w, 'a> GroupProblem<'w, 'a> {
    pub(super) fn new(
        group: &Group,
        accounts: &'w [HeldOver<'a>],
        all_sets: &'w [RequestedSet<'_>],
    ) -> Self {
        let accounts = group.accounts.iter().map(|at| &accounts[at.at()]);
        let accounts: Vec<&HeldOver<'_>> = accounts.collect();
        let sets = group.sets.iter().map(|at| &all_sets[at.at()]);
        let sets = sets.filter_map(|it| Some((&it.set.observed.meta.key, it.request.resolved()?)));
        let sets: Vec<(&Key, &Resolved)> = sets.collect();
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
        let slots = accounts.iter();
        let slots = slots.map(|account| slot(account, &numbers, &mut register, &mut tokens));
        let slots: Vec<AccountSlot> = slots.collect();
        let asked = sets.into_iter().map(|(key, resolved)| {
            let allowed: Vec<AccountIx> = resolved.allowed.iter().filter_map(local).collect();
            let targets = allowed.iter().filter_map(|at| slots[at.at()].target);
            let channels = register.ask(resolved, targets.collect());
            let (items, retained) = items(resolved, &channels, &mut tokens);
            requests.push(SetRequest {
                priority: resolved.priority,
                allowed,
                items,
                retained,
                spreads: false,
            });
            AskedSet {
                key,
                resolved,
                channels,
            }
        });
        let sets = asked.collect();
        Self {
            accounts,
            slots,
            requests,
            first_set,
            references,
            sets,
        }
    }
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
    // Where something streams for a chain alone draws nothing there, and takes no place.
    let rows = base.instruments.iter();
    for row in rows.filter(|row| !is_for_chain_alone(row)) {
        let token = tokens.number(row.token);
        let before = slot.current.len();
        let sets = row
            .sets
            .iter()
            .filter_map(|set| *sets.get(usize::from(*set))?);
        slot.current.extend(sets.map(|set| (token, Some(set))));
        // What leaves is where it goes to.
        let leaves = base.gives(row);
        slot.leaving += usize::from(leaves);
        if slot.current.len() == before && !leaves {
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
