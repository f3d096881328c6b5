//! Turns requests into the numbers that the solver works on, and reads its answer.
//!
//! Must not choose accounts.

use std::collections::HashMap;
use std::sync::Arc;

use contract::Output;
use rustc_hash::FxHashSet;

use super::channels::{ChannelRegister, SetChannels};
use super::held_over::RetainedAccount;
use super::problem::{AccountSlot, Current, Item, Outcome, SetRequest};
use super::solver;
use crate::instruments::RowIx;
use crate::plan::ids::{AccountIx, ChannelId, SetIx};
use crate::plan::input::Key;
use crate::plan::selection::{RequestedSet, Resolved, RoutedInstrument};

/// The accounts and sets of a group, ascending.
#[derive(Default)]
pub(super) struct Group {
    pub(super) accounts: Vec<AccountIx>,
    pub(super) sets: Vec<SetIx>,
}

/// The placement of a group.
#[derive(Debug)]
pub(crate) struct GroupPlacement {
    /// By set of the group, with its key.
    pub(super) sets: Vec<(Key, Arc<SetPlacement>)>,
    /// By account of the group: how many of its tokens belong to sets that may use no other.
    pub(super) tied: Vec<usize>,
}

impl GroupPlacement {
    /// Reuses the unchanged sets of an earlier placement, so that results that depend on them stay
    /// valid.
    pub(super) fn share(&mut self, before: &Self) {
        let before: HashMap<&Key, &Arc<SetPlacement>> =
            before.sets.iter().map(|(key, set)| (key, set)).collect();
        for (key, placement) in &mut self.sets {
            if let Some(known) = before.get(key)
                && ***known == **placement
            {
                *placement = Arc::clone(known);
            }
        }
    }
}

/// The placement of a set's instruments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SetPlacement {
    /// Its instruments, except those that an older set excludes from their channel.
    pub(crate) instruments: Vec<PlacedInstrument>,
    /// The number of excluded instruments, and why the first one is excluded, for people.
    pub(crate) clashes: (u32, Option<String>),
    /// How many instruments find no room.
    pub(crate) waiting: u32,
    /// How many instruments another account publishes for an older set, and the first of them.
    pub(crate) conflicts: (u32, Option<RowIx>),
    /// The accounts that stream some of them, ascending.
    pub(crate) accounts: Vec<AccountIx>,
}

/// An instrument of a set and its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlacedInstrument {
    pub(crate) instrument: RoutedInstrument,
    pub(crate) outcome: Outcome,
}

/// Places the instruments of the sets of a group, all of which are resolved.
pub(super) fn place_group(
    group: &Group,
    accounts: &[RetainedAccount<'_>],
    sets: &[RequestedSet<'_>],
) -> GroupPlacement {
    let accounts: Vec<&RetainedAccount<'_>> =
        group.accounts.iter().map(|at| &accounts[at.at()]).collect();
    let sets: Vec<&RequestedSet<'_>> = group.sets.iter().map(|at| &sets[at.at()]).collect();
    let mut register = ChannelRegister::of(&accounts);
    let local = |at: &AccountIx| group.accounts.binary_search(at).ok().map(AccountIx::new);
    let mut channels = Vec::with_capacity(sets.len());
    let mut requests = Vec::with_capacity(sets.len());
    for it in &sets {
        let Some(resolved) = it.request.resolved() else {
            channels.push(SetChannels::default());
            requests.push(SetRequest::default());
            continue;
        };
        let allowed: Vec<AccountIx> = resolved.allowed.iter().filter_map(local).collect();
        let own = register.ask(resolved, &allowed, &accounts);
        requests.push(request(resolved, allowed, &own));
        channels.push(own);
    }
    let sets_by_name = by_name(&sets);
    let slots: Vec<AccountSlot> = accounts
        .iter()
        .map(|account| slot(account, &sets_by_name, &mut register))
        .collect();
    let outcomes = solver::place(&slots, &requests);
    let tied = tied(&requests, &outcomes, accounts.len());
    let placed = sets.iter().zip(channels).zip(outcomes);
    GroupPlacement {
        sets: placed
            .map(|((it, channels), outcomes)| {
                let placement = placement(it, channels, outcomes, &group.accounts);
                (it.set.observed.meta.key.clone(), Arc::new(placement))
            })
            .collect(),
        tied,
    }
}

/// The tokens on each account of sets that may use no other.
fn tied(requests: &[SetRequest], outcomes: &[Vec<Outcome>], accounts: usize) -> Vec<usize> {
    let mut tied = vec![FxHashSet::default(); accounts];
    let single = requests.iter().zip(outcomes);
    for (request, outcomes) in single.filter(|(request, _)| request.allowed.len() == 1) {
        for (item, outcome) in request.items.iter().zip(outcomes) {
            if let Outcome::Placed(at, _) = outcome {
                tied[at.at()].insert(item.token);
            }
        }
    }
    tied.iter().map(FxHashSet::len).collect()
}

/// The sets whose instruments are placed, by namespace and name.
type ByName<'s> = HashMap<(&'s str, &'s str), SetIx>;

fn by_name<'s>(sets: &[&'s RequestedSet<'_>]) -> ByName<'s> {
    sets.iter()
        .enumerate()
        .map(|(at, it)| ((it.set.namespace(), it.set.name()), SetIx::new(at)))
        .collect()
}

fn request(resolved: &Resolved, allowed: Vec<AccountIx>, channels: &SetChannels) -> SetRequest {
    let item = |routed: &RoutedInstrument| {
        Some(Item {
            token: routed.token,
            channel: channels.id(routed)?,
        })
    };
    let instruments = resolved.lookup.routes.instruments.iter();
    SetRequest {
        allowed,
        items: instruments.filter_map(item).collect(),
    }
}

/// The placement of a set; `accounts` are those of the group, by their positions among all.
fn placement(
    it: &RequestedSet<'_>,
    channels: SetChannels,
    outcomes: Vec<Outcome>,
    accounts: &[AccountIx],
) -> SetPlacement {
    let all = match it.request.resolved() {
        Some(resolved) => resolved.lookup.routes.instruments.as_slice(),
        None => &[],
    };
    let mut placement = SetPlacement::default();
    placement.instruments.reserve_exact(outcomes.len());
    let known = all.iter().filter(|routed| channels.id(routed).is_some());
    for (instrument, outcome) in known.zip(outcomes) {
        let outcome = match outcome {
            Outcome::Placed(at, reason) => {
                let account = accounts[at.at()];
                if placement.accounts.last() != Some(&account) {
                    placement.accounts.push(account);
                }
                Outcome::Placed(account, reason)
            }
            Outcome::Waiting => {
                placement.waiting += 1;
                outcome
            }
            Outcome::Conflict => {
                placement.conflicts.0 += 1;
                placement.conflicts.1.get_or_insert(instrument.row);
                outcome
            }
        };
        placement.instruments.push(PlacedInstrument {
            instrument: *instrument,
            outcome,
        });
    }
    placement.accounts.sort_unstable();
    placement.accounts.dedup();
    let clashes = all.len() - placement.instruments.len();
    placement.clashes = (u32::try_from(clashes).unwrap_or(u32::MAX), channels.clash);
    placement
}

fn slot(
    retained: &RetainedAccount<'_>,
    sets: &ByName<'_>,
    register: &mut ChannelRegister,
) -> AccountSlot {
    let account = &retained.account;
    let mut slot = AccountSlot {
        capacity: account.capacity(),
        target: register.target(account),
        frozen: account.eligibility.is_frozen(),
        current: Vec::new(),
    };
    let Some(base) = account.base else {
        return slot;
    };
    let numbers: Vec<Option<SetIx>> = base
        .sets
        .iter()
        .map(|set| sets.get(&(account.namespace(), set.as_str())).copied())
        .collect();
    let channels: Vec<ChannelId> = base
        .channels
        .iter()
        .map(|name| register.channel(name))
        .collect();
    let rows = base.instruments.iter();
    slot.current = rows
        .map(|row| Current {
            token: row.token,
            sets: row
                .sets
                .iter()
                .filter_map(|set| *numbers.get(usize::from(*set))?)
                .collect(),
            fixed: None,
        })
        .collect();
    for at in &retained.rows {
        if let (Some(current), Some(row)) = (slot.current.get_mut(*at), base.instruments.get(*at)) {
            let channel = |output: &Output| channels.get(usize::from(output.channel)).copied();
            current.fixed = Some(row.outputs.iter().filter_map(channel).collect());
        }
    }
    slot.current.sort_by_key(|current| current.token);
    slot.current.dedup_by_key(|current| current.token);
    slot
}
