//! From requests to places: makes the numbers that the solver works on and reads its answer.
//!
//! Must not choose places.

use std::collections::HashMap;

use contract::Output;

use super::channels::{ChannelRegister, SetChannels};
use super::held_over::RetainedAccount;
use super::solver::{self, AccountSlot, Current, Item, Outcome, SetRequest};
use crate::plan::ids::{ChannelId, SetIx};
use crate::plan::input::SetInput;
use crate::plan::selection::{Request, RequestedSet, RoutedInstrument};

/// A set, what it asks for and what became of that.
pub(crate) struct PlacedSet<'a> {
    pub(crate) set: SetInput<'a>,
    pub(crate) request: Request<'a>,
    /// Its instruments, but for those that an older set keeps from their channel.
    pub(crate) instruments: Vec<PlacedInstrument>,
    /// How many these are, whoever streams them, and why the first of them is, for people.
    pub(crate) clashes: (u32, Option<String>),
}

/// An instrument of a set and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedInstrument {
    pub(crate) instrument: RoutedInstrument,
    pub(crate) outcome: Outcome,
}

/// Places what every set asks for.
pub(crate) fn place<'a>(
    accounts: &[RetainedAccount<'_>],
    sets: Vec<RequestedSet<'a>>,
    register: &mut ChannelRegister,
) -> Vec<PlacedSet<'a>> {
    let channels: Vec<SetChannels> = sets
        .iter()
        .map(|it| match it.request.resolved() {
            Some(resolved) => register.ask(resolved, accounts),
            None => SetChannels::default(),
        })
        .collect();
    let requests: Vec<SetRequest> = sets.iter().zip(&channels).map(request).collect();
    let sets_by_name = by_name(&sets);
    let slots: Vec<AccountSlot> = accounts
        .iter()
        .map(|account| slot(account, &sets_by_name, register))
        .collect();
    let outcomes = solver::place(&slots, &requests);
    sets.into_iter()
        .zip(channels)
        .zip(outcomes)
        .map(|((it, channels), outcomes)| placed(it, channels, outcomes))
        .collect()
}

/// The sets whose instruments are placed, by namespace and name.
type ByName<'s> = HashMap<(&'s str, &'s str), SetIx>;

fn by_name<'s>(sets: &'s [RequestedSet<'_>]) -> ByName<'s> {
    sets.iter()
        .enumerate()
        .filter(|(_, it)| it.request.resolved().is_some())
        .map(|(at, it)| ((it.set.namespace(), it.set.name()), SetIx::new(at)))
        .collect()
}

fn request((it, channels): (&RequestedSet<'_>, &SetChannels)) -> SetRequest {
    let Some(resolved) = it.request.resolved() else {
        return SetRequest::default();
    };
    let item = |routed: &RoutedInstrument| {
        Some(Item {
            token: routed.token,
            channel: channels.id(routed)?,
        })
    };
    let instruments = resolved.routes.instruments.iter();
    SetRequest {
        allowed: resolved.allowed.clone(),
        items: instruments.filter_map(item).collect(),
    }
}

fn placed<'a>(
    RequestedSet { set, request }: RequestedSet<'a>,
    channels: SetChannels,
    outcomes: Vec<Outcome>,
) -> PlacedSet<'a> {
    let all = match request.resolved() {
        Some(resolved) => resolved.routes.instruments.as_slice(),
        None => &[],
    };
    let instruments: Vec<PlacedInstrument> = all
        .iter()
        .filter(|routed| channels.id(routed).is_some())
        .zip(outcomes)
        .map(|(instrument, outcome)| PlacedInstrument {
            instrument: *instrument,
            outcome,
        })
        .collect();
    let clashes = u32::try_from(all.len() - instruments.len()).unwrap_or(u32::MAX);
    PlacedSet {
        set,
        request,
        instruments,
        clashes: (clashes, channels.clash),
    }
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
