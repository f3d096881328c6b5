//! What would be lost with an account: shown before it happens.

use std::collections::BTreeSet;

use kite::Token;

use super::input::PlacedSet;
use super::solver::Outcome;
use crate::plan::input::AccountInput;

/// For each account, how many of its instruments would find no room on another one. With each comes
/// how many it has.
pub(crate) fn stranded(
    accounts: &[(&AccountInput<'_>, usize)],
    sets: &[PlacedSet<'_>],
) -> Vec<usize> {
    let tied = tied(accounts.len(), sets);
    let free = |(account, taken): &(&AccountInput<'_>, usize)| {
        if account.eligibility.is_frozen() {
            0
        } else {
            account.capacity().saturating_sub(*taken)
        }
    };
    let lost = |(at, tied): (usize, BTreeSet<Token>)| {
        let (account, taken) = accounts[at];
        let others = accounts
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at);
        let room: usize = others
            .filter(|(_, (other, _))| alike(account, other))
            .map(|(_, other)| free(other))
            .sum();
        let tied = tied.len().min(taken);
        tied + (taken - tied).saturating_sub(room)
    };
    tied.into_iter().enumerate().map(lost).collect()
}

/// The instruments on each account of sets that may use no other.
fn tied(accounts: usize, sets: &[PlacedSet<'_>]) -> Vec<BTreeSet<Token>> {
    let mut tied = vec![BTreeSet::new(); accounts];
    for placed in sets {
        let allowed = placed.request.resolved().map(|it| it.allowed.len());
        if allowed != Some(1) {
            continue;
        }
        for it in &placed.instruments {
            if let Outcome::Placed(at, _) = it.outcome
                && let Some(tied) = tied.get_mut(at.at())
            {
                tied.insert(it.instrument.token);
            }
        }
    }
    tied
}

/// Whether one account can stand in for the other.
fn alike(one: &AccountInput<'_>, other: &AccountInput<'_>) -> bool {
    let (Ok(a), Ok(b)) = (&one.spec, &other.spec) else {
        return false;
    };
    one.namespace() == other.namespace()
        && (&a.api, &a.websocket, a.mock, &a.redis_url)
            == (&b.api, &b.websocket, b.mock, &b.redis_url)
}
