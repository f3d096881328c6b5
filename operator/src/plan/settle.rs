//! From demands to places: makes the numbers that placement works on and reads its answer.
//!
//! Owns which rows stay although nobody can ask for them now. Must not choose places.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use contract::{Assignment, Row};

use super::Table;
use super::demand::{Channels, Demand, Precedents, Targets, Wanted};
use super::input::{AccountInput, PlanningInput};
use super::place::{self, Held, Outcome, Request, Site};

/// Sets that cannot be asked and keep what they have, by namespace and name.
pub(crate) type Standing<'w> = HashSet<(&'w str, &'w str)>;

/// Where everything is.
pub(crate) struct Settlement<'w> {
    /// Sets that cannot be asked.
    pub(crate) standing: Standing<'w>,
    /// By set as in [`PlanningInput::sets`]; empty for those that want nothing.
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    /// By account as in [`PlanningInput::accounts`]: positions of rows of its base that stay as they are.
    pub(crate) fixed: Vec<Vec<usize>>,
}

/// The rows that stay whatever is asked for. They are settled before any set is asked.
pub(crate) fn fixed_rows(input: &PlanningInput<'_>, standing: &Standing<'_>) -> Vec<Vec<usize>> {
    input
        .accounts
        .iter()
        .map(|account| {
            let goes_on = |base: &&Arc<Assignment>| {
                account.eligibility.suspension().is_none() && is_same_market(account, base)
            };
            let Some(base) = account
                .base
                .filter(|base| account.eligibility.is_frozen() || goes_on(base))
            else {
                return Vec::new();
            };
            let stays: Vec<bool> = base
                .sets
                .iter()
                .map(|set| standing.contains(&(account.namespace(), set.as_str())))
                .collect();
            let stays = |row: &Row| {
                account.eligibility.is_frozen()
                    || (is_current(account, row)
                        && row
                            .sets
                            .iter()
                            .any(|set| stays.get(usize::from(*set)) == Some(&true)))
            };
            let rows = base
                .instruments
                .iter()
                .enumerate()
                .filter(|(_, row)| stays(row))
                .map(|(at, _)| at);
            rows.take(room(account, base)).collect()
        })
        .collect()
}

/// Notes the channels of rows that stay, before younger sets ask for them.
pub(crate) fn note_channels(
    input: &PlanningInput<'_>,
    fixed: &[Vec<usize>],
    channels: &mut Channels,
    targets: &mut Targets,
    precedents: &mut Precedents,
) {
    for (account, fixed) in input.accounts.iter().zip(fixed) {
        let Some(base) = account.base else { continue };
        let target = targets.number(redis_url(account, base));
        for output in fixed
            .iter()
            .filter_map(|at| base.instruments.get(*at))
            .flat_map(|row| &row.outputs)
        {
            if let Some(name) = base.channels.get(usize::from(output.channel)) {
                precedents.note(target, channels.number(name), base.account.mock);
            }
        }
    }
}

/// Places what every set asks for.
pub(crate) fn settle<'w>(
    input: &PlanningInput<'_>,
    demands: &[Demand<'_>],
    standing: Standing<'w>,
    fixed: Vec<Vec<usize>>,
    channels: &mut Channels,
    targets: &mut Targets,
) -> Settlement<'w> {
    let mut requests = Vec::new();
    let mut by_name: HashMap<(&str, &str), usize> = HashMap::with_capacity(demands.len());
    for (set, demand) in input.sets.iter().zip(demands) {
        let Demand::Wanted(wants) = demand else {
            continue;
        };
        let want = |want: &Wanted<'_>| place::Want {
            token: want.instrument.token,
            channel: want.channel,
        };
        let key = &set.observed.meta.key;
        by_name.insert((&key.namespace, &key.name), requests.len());
        requests.push(Request {
            allowed: wants.allowed.clone(),
            wants: wants.wants.iter().map(want).collect(),
        });
    }
    let request_of = |namespace: &str, set: &str| by_name.get(&(namespace, set)).copied();
    let sites: Vec<Site> = input
        .accounts
        .iter()
        .zip(&fixed)
        .map(|(account, fixed)| site(account, fixed, &request_of, channels, targets))
        .collect();
    let mut placed = place::place(&sites, &requests).into_iter();
    let outcomes = demands
        .iter()
        .map(|demand| match demand {
            Demand::Wanted(_) => placed.next().unwrap_or_default(),
            Demand::Refused { .. } | Demand::Held { .. } | Demand::Unreadable(_) => Vec::new(),
        })
        .collect();
    Settlement {
        standing,
        outcomes,
        fixed,
    }
}

fn site(
    account: &AccountInput<'_>,
    fixed: &[usize],
    request_of: &impl Fn(&str, &str) -> Option<usize>,
    channels: &mut Channels,
    targets: &mut Targets,
) -> Site {
    let capacity = account.capacity();
    let Some(base) = account.base else {
        let target = account
            .spec
            .as_ref()
            .map_or(u32::MAX, |spec| targets.number(&spec.redis_url));
        return Site {
            capacity,
            target,
            frozen: account.eligibility.is_frozen(),
            held: Vec::new(),
        };
    };
    let requests: Vec<Option<usize>> = base
        .sets
        .iter()
        .map(|set| request_of(account.namespace(), set))
        .collect();
    let numbers: Vec<u32> = base
        .channels
        .iter()
        .map(|name| channels.number(name))
        .collect();
    let mut held: Vec<Held> = base
        .instruments
        .iter()
        .map(|row| Held {
            token: row.token,
            requests: row
                .sets
                .iter()
                .filter_map(|set| *requests.get(usize::from(*set))?)
                .collect(),
            fixed: None,
        })
        .collect();
    for at in fixed {
        if let (Some(held), Some(row)) = (held.get_mut(*at), base.instruments.get(*at)) {
            let channel =
                |output: &contract::Output| numbers.get(usize::from(output.channel)).copied();
            held.fixed = Some(row.outputs.iter().filter_map(channel).collect());
        }
    }
    held.sort_by_key(|held| held.token);
    held.dedup_by_key(|held| held.token);
    Site {
        capacity,
        target: targets.number(redis_url(account, base)),
        frozen: account.eligibility.is_frozen(),
        held,
    }
}

/// Where its ticks go once the plan is carried out.
fn redis_url<'w>(account: &'w AccountInput<'_>, base: &'w Assignment) -> &'w str {
    match &account.spec {
        Ok(spec) if !account.eligibility.is_frozen() => &spec.redis_url,
        _ => &base.redis_url,
    }
}

fn room(account: &AccountInput<'_>, base: &Assignment) -> usize {
    match &account.spec {
        Ok(spec) if !account.eligibility.is_frozen() => spec.capacity(),
        _ => base.instruments.len(),
    }
}

/// Whether the account still dials what its rows were looked up for: rows of the real market have no
/// business on a simulator, nor its ticks on their channels.
fn is_same_market(account: &AccountInput<'_>, base: &Assignment) -> bool {
    account
        .spec
        .as_ref()
        .is_ok_and(|spec| (&spec.websocket, spec.mock) == (&base.websocket, base.account.mock))
}

/// Whether Kite still means the same instrument by the row's token, as far as is known: tokens are
/// given to other instruments over time.
fn is_current(account: &AccountInput<'_>, row: &Row) -> bool {
    let (Some(Table::Loaded(table)), None) = (account.table, &account.suspect_list) else {
        return true;
    };
    table
        .by_token(row.token)
        .is_some_and(|now| *now.exchange == row.exchange && *now.tradingsymbol == row.tradingsymbol)
}
