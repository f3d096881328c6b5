//! Where the instruments of sets are, and what waits.

use std::collections::BTreeMap;

use contract::answer::WaitingInstruments;
use kite::Token;
use rustc_hash::FxHashMap;

use super::{Review, accounts, count, name_of};
use crate::plan::assignment::AssignedAccount;
use crate::plan::input::Key;
use crate::plan::placement::{Outcome, PlacedSet};
use crate::plan::samples::{SHOWN, list};
use crate::plan::selection::{Request, Resolved, RoutedInstrument};

/// The most names of instruments that wait for one reason.
const FIRST: usize = 5;

/// What everything comes to.
#[derive(Debug, Default)]
pub(crate) struct Outlook<'w> {
    pub(crate) sets: BTreeMap<Key, SetOutlook>,
    pub(crate) accounts: BTreeMap<Key, AccountOutlook>,
    /// By namespace and token: the account that streams it; of several the first.
    pub(crate) holders: FxHashMap<(&'w str, Token), &'w str>,
}

/// What a set comes to, with what stays although the money has left it behind.
#[derive(Debug, Default)]
pub(crate) struct SetOutlook {
    pub(crate) selected: u32,
    pub(crate) scheduled: u32,
    pub(crate) waiting: u32,
    /// Why it gets nothing, or not everything.
    pub(crate) problem: Option<String>,
}

/// What an account comes to.
#[derive(Debug, Default)]
pub(crate) struct AccountOutlook {
    pub(crate) instruments: u32,
    pub(crate) capacity: u32,
    /// Why it may not be given instruments.
    pub(crate) problem: Option<String>,
}

/// The instruments of a resolved set with their outcomes: nothing for one that is kept from its channel, or that the money
/// has left behind and that had to go.
pub(super) fn outcomes<'w>(
    placed: &'w PlacedSet<'_>,
) -> impl Iterator<Item = (&'w RoutedInstrument, Option<Outcome>)> {
    let resolved = placed.request.resolved();
    let routed = resolved.map_or(&[][..], |it| &it.lookup.routes.instruments);
    routed.iter().zip(placed.placement.outcomes.iter().copied())
}

/// What accounts stream for a set: by its placement, or what is held over if it cannot be resolved.
pub(super) fn streamed<'w>(
    review: &'w Review<'_>,
    placed: &'w PlacedSet<'_>,
) -> impl Iterator<Item = (Token, &'w AssignedAccount<'w>)> {
    let by_placement = outcomes(placed).filter_map(|(routed, outcome)| match outcome {
        Some(Outcome::Placed(at)) => Some((routed.token, review.accounts().get(at.at())?)),
        _ => None,
    });
    let pending = placed.request.is_pending();
    let accounts = review.accounts().iter();
    let accounts =
        accounts.filter(move |it| pending && it.account.namespace() == placed.set.namespace());
    let held_over = accounts.flat_map(|assigned| {
        let current = assigned.current();
        let sets = current.into_iter().flat_map(|it| &it.sets);
        let at = sets.zip(0_u16..).find(|(set, _)| *set == placed.set.name());
        let rows = accounts::streamed(assigned);
        let rows = rows.filter(move |row| at.is_some_and(|(_, at)| row.sets.contains(&at)));
        rows.map(move |row| (row.token, assigned))
    });
    by_placement.chain(held_over)
}

/// The instruments of a set that nobody streams for it, by the reason. Of those with one outcome the first says why: each
/// by itself would take too long for thousands.
pub(super) fn waiting(review: &Review<'_>, placed: &PlacedSet<'_>) -> Vec<WaitingInstruments> {
    let Some(resolved) = placed.request.resolved() else {
        return Vec::new();
    };
    let mut groups: Vec<(Option<Outcome>, WaitingInstruments)> = Vec::new();
    for (routed, outcome) in outcomes(placed) {
        let is_missed = outcome.is_some() || routed.retained.is_none();
        if matches!(outcome, Some(Outcome::Placed(_))) || !is_missed {
            continue;
        }
        let at = groups.iter().position(|(of, _)| *of == outcome);
        let at = at.unwrap_or_else(|| {
            let why = why_waiting(review, placed, resolved, routed, outcome);
            let group = WaitingInstruments {
                why: why.unwrap_or_default(),
                ..WaitingInstruments::default()
            };
            groups.push((outcome, group));
            groups.len() - 1
        });
        let group = &mut groups[at].1;
        group.instruments += 1;
        if group.first.len() < FIRST {
            let row = resolved.lookup.table.get(routed.row);
            group.first.extend(row.map(name_of));
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Why nobody streams an instrument for a set; `None` if an account does, or if nobody misses it.
pub(super) fn why_waiting(
    review: &Review<'_>,
    placed: &PlacedSet<'_>,
    resolved: &Resolved,
    routed: &RoutedInstrument,
    outcome: Option<Outcome>,
) -> Option<String> {
    match outcome {
        Some(Outcome::Placed(_)) => None,
        Some(Outcome::Waiting) => Some(no_room(review, placed, resolved)),
        Some(Outcome::Conflict) => {
            let other = publisher(review, placed, routed.token);
            let other = other.map(|(set, account)| format!(": set {set} on {account}"));
            Some(format!(
                "another account publishes it on the same channel for an older set{}; set publish.channelPrefix, or let \
                 both sets use the same accounts",
                other.unwrap_or_default()
            ))
        }
        None if routed.retained.is_some() => None,
        None => {
            Some(
                placed.placement.clashes.1.clone().unwrap_or_else(|| {
                    "its channel is taken: set publish.channelPrefix".to_owned()
                }),
            )
        }
    }
}

fn no_room(review: &Review<'_>, placed: &PlacedSet<'_>, resolved: &Resolved) -> String {
    if resolved.allowed.is_empty() {
        let matched = placed.set.matched.iter();
        let whys = matched.filter_map(|at| {
            let assigned = review.accounts().get(at.at())?;
            let why = accounts::usable(assigned).err()?;
            Some(format!("{}: {why}", assigned.account.name()))
        });
        let whys: Vec<String> = whys.take(SHOWN + 1).collect();
        return format!(
            "no account that the set may use can be used ({})",
            list(&whys)
        );
    }
    let allowed = resolved.allowed.iter();
    let rooms = allowed.filter_map(|at| {
        let account = &review.accounts().get(at.at())?.account;
        let (used, capacity) = (review.used.get(at.at())?, account.capacity());
        Some(format!("{} has {used} of {capacity}", account.name()))
    });
    let rooms: Vec<String> = rooms.take(SHOWN + 1).collect();
    format!(
        "no account that the set may use has room ({}): add an account, or remove instruments",
        list(&rooms)
    )
}

/// Another set that a token streams for, and where.
fn publisher<'w>(
    review: &'w Review<'_>,
    placed: &PlacedSet<'_>,
    token: Token,
) -> Option<(&'w str, &'w str)> {
    let mine = &placed.set.observed.meta.key;
    let others = review.sets().iter();
    let mut others = others.filter(|it| it.set.observed.meta.key != *mine);
    others.find_map(|it| {
        let mut placed = outcomes(it).filter(|(routed, _)| routed.token == token);
        placed.find_map(|(_, outcome)| match outcome {
            Some(Outcome::Placed(at)) => Some((
                it.set.name(),
                review.accounts().get(at.at())?.account.name(),
            )),
            _ => None,
        })
    })
}

pub(super) fn outlook<'w>(review: &'w Review<'_>) -> Outlook<'w> {
    let mut outlook = Outlook::default();
    for placed in review.sets() {
        let mut scheduled = 0;
        for (token, account) in streamed(review, placed) {
            scheduled += 1;
            let holder = outlook.holders.entry((placed.set.namespace(), token));
            holder.or_insert(account.account.name());
        }
        let waiting = waiting(review, placed);
        let problem = match &placed.request {
            Request::Denied { message, .. } | Request::Pending { message, .. } => {
                Some(message.clone())
            }
            Request::Resolved(resolved) => {
                let first = waiting.first().map(|it| it.why.clone());
                first.or_else(|| missing(resolved))
            }
        };
        let selected = placed.request.resolved().map_or(0, Resolved::selected);
        let set = SetOutlook {
            selected: selected + placed.placement.retained,
            scheduled,
            waiting: waiting.iter().map(|it| it.instruments).sum(),
            problem,
        };
        let key = placed.set.observed.meta.key.clone();
        outlook.sets.insert(key, set);
    }
    for (assigned, used) in review.accounts().iter().zip(&review.used) {
        let account = AccountOutlook {
            instruments: count(*used),
            capacity: count(assigned.account.capacity()),
            problem: accounts::usable(assigned).err(),
        };
        let key = assigned.account.observed.object.meta.key.clone();
        outlook.accounts.insert(key, account);
    }
    outlook
}

/// What the set asks for and the list lacks.
fn missing(resolved: &Resolved) -> Option<String> {
    let selection = &resolved.lookup.selection;
    (selection.unresolved > 0).then(|| {
        format!(
            "not in the instruments list: {} ({})",
            selection.unresolved,
            list(&selection.samples)
        )
    })
}
