//! What would be lost with an account: shown before it happens.

use std::collections::BTreeSet;

use kite::Token;

use super::demand::Demand;
use super::input::{AccountInput, PlanningInput};
use super::place::Outcome;
use super::settle::Settlement;

/// For each account, how many of its instruments would find no room on another one. `taken` is the
/// number of instruments each has.
pub(crate) fn without_refuge(
    input: &PlanningInput<'_>,
    demands: &[Demand<'_>],
    settlement: &Settlement<'_>,
    taken: &[usize],
) -> Vec<usize> {
    let mut tied: Vec<BTreeSet<Token>> = input.accounts.iter().map(|_| BTreeSet::new()).collect();
    for (demand, outcomes) in demands.iter().zip(&settlement.outcomes) {
        let Demand::Wanted(wants) = demand else {
            continue;
        };
        if wants.allowed.len() != 1 {
            continue;
        }
        for (want, outcome) in wants.wants.iter().zip(outcomes) {
            if let Outcome::Placed(at) = outcome
                && let Some(tied) = tied.get_mut(*at)
            {
                tied.insert(want.instrument.token);
            }
        }
    }
    let free = |at: usize| {
        let capacity = input.accounts[at].capacity();
        if input.accounts[at].eligibility.is_frozen() {
            0
        } else {
            capacity.saturating_sub(taken[at])
        }
    };
    let lost = |at: usize| {
        let others = (0..input.accounts.len()).filter(|other| *other != at);
        let room: usize = others
            .filter(|other| alike(&input.accounts[at], &input.accounts[*other]))
            .map(free)
            .sum();
        let tied = tied[at].len().min(taken[at]);
        tied + (taken[at] - tied).saturating_sub(room)
    };
    (0..input.accounts.len()).map(lost).collect()
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
