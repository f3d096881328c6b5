//! What of each set moves from one account to another, and why.
//!
//! Pure. Owns the causes of a move, and the words for each. Must not choose accounts.

use std::collections::BTreeMap;

use crds::condition::Reason;
use rustc_hash::{FxHashMap, FxHashSet};

use super::by_token::ByToken;
use super::problem::{AccountSlot, Outcome, SetRequest};
use crate::plan::ids::{AccountIx, SetIx, TokenIx};

/// Why instruments of a set leave an account for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RelocationCause {
    /// No socket of the account carries them: a failover.
    Lost,
    /// The account must stream nothing, for this reason.
    Suspended(Reason),
    /// The set may not use the account any more.
    NotAllowed,
    /// The account has room for fewer instruments than it had.
    LessCapacity,
    /// Another account publishes them on the set's channel for an older set.
    OlderSet,
    /// An annotation asks for it.
    Rebalance,
}

impl RelocationCause {
    /// The words in messages, about instruments that leave the account `from`.
    pub(crate) fn message(self, from: &str) -> String {
        match self {
            Self::Lost => format!("the sockets of {from} are down"),
            Self::Suspended(Reason::Paused) => format!("{from} is paused"),
            Self::Suspended(Reason::Terminating) => format!("{from} is being deleted"),
            Self::Suspended(Reason::DuplicateApiKey) => {
                format!("{from} has the API key of an older account")
            }
            Self::Suspended(reason) => format!("{from} is suspended ({})", reason.as_str()),
            Self::NotAllowed => format!("the set may not use {from} any more"),
            Self::LessCapacity => format!("the capacity of {from} was lowered"),
            Self::Rebalance => "the annotation kiteticker.dev/rebalance asks for it".to_owned(),
            Self::OlderSet => {
                "another account publishes for an older set on the same channel".to_owned()
            }
        }
    }
}

/// Instruments of one set that move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relocation {
    pub(crate) from: AccountIx,
    pub(crate) to: AccountIx,
    pub(crate) cause: RelocationCause,
    pub(crate) instruments: u32,
}

/// By request what moves, between accounts by their positions in `slots`. `suspended`: by account, why it must stream
/// nothing; `rebalanced`: what an annotation moves.
pub(super) fn relocations(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    outcomes: &[Vec<Outcome>],
    suspended: &[Option<Reason>],
    rebalanced: &FxHashSet<(TokenIx, SetIx)>,
) -> Vec<Vec<Relocation>> {
    let mut counts: Vec<BTreeMap<(AccountIx, AccountIx, RelocationCause), u32>> =
        vec![BTreeMap::new(); requests.len()];
    let full: Vec<bool> = slots.iter().map(has_too_many).collect();
    for ((token, set, to), from) in relocated(slots, requests, outcomes) {
        let slot = &slots[from.at()];
        let cause = match suspended.get(from.at()).copied().flatten() {
            _ if slot.lost.has(token) => RelocationCause::Lost,
            _ if rebalanced.contains(&(token, set)) => RelocationCause::Rebalance,
            Some(reason) => RelocationCause::Suspended(reason),
            None if !requests[set.at()].allows(from) => RelocationCause::NotAllowed,
            None if full[from.at()] => RelocationCause::LessCapacity,
            None => RelocationCause::OlderSet,
        };
        *counts[set.at()].entry((from, to, cause)).or_default() += 1;
    }
    let of_set = |counts: BTreeMap<(AccountIx, AccountIx, RelocationCause), u32>| {
        let counts = counts.into_iter();
        let relocations = counts.map(|((from, to, cause), instruments)| Relocation {
            from,
            to,
            cause,
            instruments,
        });
        relocations.collect()
    };
    counts.into_iter().map(of_set).collect()
}

/// What a set had on another account than the one where it is placed, and not there as well; and where it had it.
pub(super) fn relocated(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    outcomes: &[Vec<Outcome>],
) -> FxHashMap<(TokenIx, SetIx, AccountIx), AccountIx> {
    let items = requests.iter().flat_map(|request| &request.items);
    let current = slots.iter().flat_map(|slot| &slot.current);
    let tokens = items
        .map(|item| item.token)
        .chain(current.map(|(token, _)| *token));
    let last = tokens.max().map_or(0, |last| last.at() + 1);
    let mut placed: ByToken<(SetIx, AccountIx)> = ByToken::new(last);
    for (set, (request, outcomes)) in requests.iter().zip(outcomes).enumerate() {
        for (item, outcome) in request.items.iter().zip(outcomes) {
            if let Outcome::Placed(account) = outcome {
                placed.push(item.token, (SetIx::new(set), *account));
            }
        }
    }
    let current = slots.iter().enumerate().flat_map(|(at, slot)| {
        let current = slot.current.iter();
        let of_sets = current.filter_map(|(token, set)| Some((*token, (*set)?)));
        of_sets.map(move |(token, set)| (token, set, AccountIx::new(at)))
    });
    let mut moved = FxHashMap::default();
    for (token, set, from) in current.clone() {
        let mut places = placed.of(token);
        if let Some((_, to)) = places.find(|(of, to)| *of == set && *to != from) {
            moved.entry((token, set, *to)).or_insert(from);
        }
    }
    if !moved.is_empty() {
        current.for_each(|there| {
            moved.remove(&there);
        });
    }
    moved
}

fn has_too_many(slot: &AccountSlot) -> bool {
    if slot.current.len() <= slot.capacity {
        return false;
    }
    let tokens = slot.current.iter().map(|(token, _)| *token);
    tokens.collect::<FxHashSet<_>>().len() > slot.capacity
}

#[cfg(test)]
mod tests {
    use super::super::problem::{Item, LostTokens};
    use super::*;

    fn at(account: usize) -> AccountIx {
        AccountIx::new(account)
    }

    fn slot(capacity: usize, current: &[usize]) -> AccountSlot {
        let current = current.iter();
        AccountSlot {
            capacity,
            current: current
                .map(|token| (TokenIx::new(*token), Some(SetIx::new(0))))
                .collect(),
            ..AccountSlot::default()
        }
    }

    fn request(allowed: &[usize], tokens: &[usize]) -> SetRequest {
        let item = |token: &usize| Item::new(TokenIx::new(*token), None);
        SetRequest {
            allowed: allowed.iter().map(|account| at(*account)).collect(),
            items: tokens.iter().map(item).collect(),
            ..SetRequest::default()
        }
    }

    /// What moves of a set of these tokens, all placed on account 1.
    fn relocated(first: &AccountSlot, second: &AccountSlot, allowed: &[usize]) -> Vec<Relocation> {
        let slots = [first.clone(), second.clone()];
        let requests = [request(allowed, &[0, 1])];
        let outcomes = [vec![Outcome::Placed(at(1)); 2]];
        relocations(
            &slots,
            &requests,
            &outcomes,
            &[None, None],
            &FxHashSet::default(),
        )
        .remove(0)
    }

    #[test]
    fn each_move_has_its_cause() {
        let (both, empty) = (slot(9, &[0, 1]), slot(9, &[]));
        let cause = |first: &AccountSlot, allowed: &[usize]| {
            let relocations = relocated(first, &empty, allowed);
            assert_eq!(
                (
                    relocations.len(),
                    relocations[0].from,
                    relocations[0].to,
                    relocations[0].instruments
                ),
                (1, at(0), at(1), 2)
            );
            relocations[0].cause
        };
        assert_eq!(cause(&both, &[0, 1]), RelocationCause::OlderSet);
        assert_eq!(cause(&both, &[1]), RelocationCause::NotAllowed);
        assert_eq!(
            cause(&slot(1, &[0, 1]), &[0, 1]),
            RelocationCause::LessCapacity
        );
        let lost = AccountSlot {
            lost: LostTokens::All,
            ..both.clone()
        };
        assert_eq!(cause(&lost, &[0, 1]), RelocationCause::Lost);
        let requests = [request(&[1], &[0, 1])];
        let outcomes = [vec![Outcome::Placed(at(1)); 2]];
        let slots = [slot(0, &[0, 1]), empty.clone()];
        let paused = [Some(Reason::Paused), None];
        let found =
            relocations(&slots, &requests, &outcomes, &paused, &FxHashSet::default()).remove(0);
        assert_eq!(found[0].cause, RelocationCause::Suspended(Reason::Paused));
        let slots = [both, empty];
        let asked = [0, 1].map(|token| (TokenIx::new(token), SetIx::new(0)));
        let asked = FxHashSet::from_iter(asked);
        let found = relocations(&slots, &requests, &outcomes, &[None, None], &asked).remove(0);
        assert_eq!(found[0].cause, RelocationCause::Rebalance);
    }

    #[test]
    fn what_the_other_account_has_already_does_not_move() {
        let both = slot(9, &[0, 1]);
        assert_eq!(relocated(&slot(9, &[]), &both, &[0, 1]), []);
        assert_eq!(relocated(&both, &both, &[0, 1]), []);
        let relocations = relocated(&both, &slot(9, &[1]), &[0, 1]);
        assert_eq!((relocations.len(), relocations[0].instruments), (1, 1));
    }
}
