//! Where the instruments of sets are, and what waits.

use std::collections::BTreeMap;

use contract::answer::WaitingInstruments;
use kite::Token;

use super::{Review, accounts, count, name_of};
use crate::plan::assignment::AssignedAccount;
use crate::plan::input::Key;
use crate::plan::placement::{Outcome, PlacedSet};
use crate::plan::selection::{Request, Resolved, RoutedInstrument};

/// The most names of instruments that wait for one reason.
const FIRST: usize = 5;

/// What everything comes to.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    pub(crate) sets: BTreeMap<Key, SetOutlook>,
    pub(crate) accounts: BTreeMap<Key, AccountOutlook>,
    /// By namespace and token: the account that streams it; of several the first.
    pub(crate) holders: BTreeMap<(String, Token), String>,
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

/// The instruments of a set that nobody streams for it, by the reason.
pub(super) fn waiting(review: &Review<'_>, placed: &PlacedSet<'_>) -> Vec<WaitingInstruments> {
    let Some(resolved) = placed.request.resolved() else {
        return Vec::new();
    };
    let mut groups: Vec<WaitingInstruments> = Vec::new();
    for (routed, outcome) in outcomes(placed) {
        let Some(why) = why_waiting(review, placed, resolved, routed, outcome) else {
            continue;
        };
        let at = groups.iter().position(|group| group.why == why);
        let at = at.unwrap_or_else(|| {
            groups.push(WaitingInstruments {
                why,
                ..WaitingInstruments::default()
            });
            groups.len() - 1
        });
        let group = &mut groups[at];
        group.instruments += 1;
        if group.first.len() < FIRST {
            group
                .first
                .extend(resolved.lookup.table.get(routed.row).map(name_of));
        }
    }
    groups
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
        Some(Outcome::Waiting) => Some(no_room(review, resolved)),
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

fn no_room(review: &Review<'_>, resolved: &Resolved) -> String {
    if resolved.allowed.is_empty() {
        return format!(
            "none of the matching accounts ({}) can be used: see why below each of them",
            resolved.matching
        );
    }
    let allowed = resolved.allowed.iter();
    let allowed = allowed.filter_map(|at| review.accounts().get(at.at()));
    let rooms = allowed.map(|it| {
        let (used, capacity) = (accounts::streamed(it).count(), it.account.capacity());
        format!("{} has {used} of {capacity}", it.account.name())
    });
    let rooms: Vec<String> = rooms.collect();
    format!(
        "no account that the set may use has room ({}): add an account, or remove instruments",
        crate::plan::samples::list(&rooms)
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

pub(super) fn outlook(review: &Review<'_>) -> Outlook {
    let mut outlook = Outlook::default();
    for placed in review.sets() {
        let mut scheduled = 0;
        for (token, account) in streamed(review, placed) {
            scheduled += 1;
            let holder = (placed.set.namespace().to_owned(), token);
            let name = || account.account.name().to_owned();
            outlook.holders.entry(holder).or_insert_with(name);
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
    for assigned in review.accounts() {
        let account = AccountOutlook {
            instruments: count(accounts::streamed(assigned).count()),
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
            crate::plan::samples::list(&selection.samples)
        )
    })
}
