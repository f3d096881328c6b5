//! Which instruments that the money has left behind keep their places.
//!
//! Pure. Owns that they have them only while nobody else wants them, the nearest to the money first. They never move. Must
//! not know what the money is.

use rustc_hash::{FxHashMap, FxHashSet};

use super::problem::{AccountSlot, Item, Outcome, SetRequest};
use crate::plan::ids::{AccountIx, ChannelId, SetIx, TargetId, TokenIx};

/// The places that are taken.
struct OccupiedPlaces<'a> {
    slots: &'a [AccountSlot],
    tokens: Vec<FxHashSet<TokenIx>>,
    publishers: FxHashMap<(TokenIx, Option<TargetId>, ChannelId), AccountIx>,
}

/// For each retained item of each set the account that keeps it. `outcomes` are those of the other items.
pub(super) fn keep(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    outcomes: &[Vec<Outcome>],
) -> Vec<Vec<Option<AccountIx>>> {
    let none = |request: &SetRequest| vec![None; request.retained.len()];
    let mut kept: Vec<Vec<Option<AccountIx>>> = requests.iter().map(none).collect();
    let mut order = Vec::new();
    for (set, request) in requests.iter().enumerate() {
        let retained = request.retained.iter().enumerate();
        order.extend(retained.map(|(at, (item, distance))| {
            (*distance, -i64::from(request.priority), set, at, item.token)
        }));
    }
    if order.is_empty() {
        return kept;
    }
    order.sort_unstable();
    let before = before(
        slots,
        &order.iter().map(|it| (it.4, SetIx::new(it.2))).collect(),
    );
    let mut taken = OccupiedPlaces::new(slots, requests, outcomes);
    for (_, _, set, at, token) in order {
        let accounts = before.get(&(token, SetIx::new(set)));
        let mut accounts = accounts.into_iter().flatten().copied();
        let item = &requests[set].retained[at].0;
        kept[set][at] =
            accounts.find(|account| requests[set].allows(*account) && taken.take(*account, item));
    }
    kept
}

/// Where sets had these tokens.
fn before(
    slots: &[AccountSlot],
    wanted: &FxHashSet<(TokenIx, SetIx)>,
) -> FxHashMap<(TokenIx, SetIx), Vec<AccountIx>> {
    let mut before: FxHashMap<_, Vec<AccountIx>> = FxHashMap::default();
    for (at, slot) in slots.iter().enumerate() {
        let current = slot.current.iter();
        let current = current.filter_map(|(token, set)| Some((*token, (*set)?)));
        for key in current.filter(|key| wanted.contains(key)) {
            before.entry(key).or_default().push(AccountIx::new(at));
        }
    }
    before
}

impl<'a> OccupiedPlaces<'a> {
    fn new(slots: &'a [AccountSlot], requests: &[SetRequest], outcomes: &[Vec<Outcome>]) -> Self {
        let mut taken = Self {
            slots,
            tokens: vec![FxHashSet::default(); slots.len()],
            publishers: FxHashMap::default(),
        };
        for (at, slot) in slots.iter().enumerate() {
            let account = AccountIx::new(at);
            for (token, channels) in &slot.held_over {
                let channels = channels.iter().map(|it| Some(*it)).chain([None]);
                channels.for_each(|channel| taken.note(account, &Item::new(*token, channel)));
            }
        }
        for (request, outcomes) in requests.iter().zip(outcomes) {
            for (item, outcome) in request.items.iter().zip(outcomes) {
                if let Outcome::Placed(account) = outcome {
                    taken.note(*account, item);
                }
            }
        }
        taken
    }

    fn note(&mut self, account: AccountIx, item: &Item) {
        self.tokens[account.at()].insert(item.token);
        for channel in item.channels() {
            let key = (item.token, self.slots[account.at()].target, channel);
            self.publishers.entry(key).or_insert(account);
        }
    }

    /// Takes a place for the item, if there is one and nobody else publishes it.
    fn take(&mut self, account: AccountIx, item: &Item) -> bool {
        let slot = &self.slots[account.at()];
        let key = item
            .channel
            .map(|channel| (item.token, slot.target, channel));
        let publisher = key.and_then(|key| self.publishers.get(&key));
        let tokens = &self.tokens[account.at()];
        let has_room = tokens.contains(&item.token) || tokens.len() < slot.capacity;
        let takes = has_room && publisher.is_none_or(|publisher| *publisher == account);
        if takes {
            self.note(account, item);
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(token: usize) -> Item {
        Item::new(TokenIx::new(token), Some(ChannelId::new(0)))
    }

    fn request(allowed: &[usize], items: &[usize], retained: &[(usize, u32)]) -> SetRequest {
        SetRequest {
            allowed: allowed.iter().map(|at| AccountIx::new(*at)).collect(),
            items: items.iter().map(|token| item(*token)).collect(),
            retained: retained
                .iter()
                .map(|(token, distance)| (item(*token), *distance))
                .collect(),
            ..SetRequest::default()
        }
    }

    fn slot(capacity: usize, current: &[(usize, usize)]) -> AccountSlot {
        let current = current.iter();
        AccountSlot {
            capacity,
            current: current
                .map(|(token, set)| (TokenIx::new(*token), Some(SetIx::new(*set))))
                .collect(),
            ..AccountSlot::default()
        }
    }

    fn kept(slots: &[AccountSlot], requests: &[SetRequest]) -> Vec<Vec<Option<AccountIx>>> {
        let outcomes = super::super::solver::place(slots, requests);
        keep(slots, requests, &outcomes)
    }

    #[test]
    fn they_keep_their_places_while_nobody_wants_them_and_the_farthest_go_first() {
        let here = Some(AccountIx::new(0));
        let slots = [slot(4, &[(1, 0), (2, 0), (3, 0)])];
        let own = request(&[0], &[1], &[(2, 9), (3, 1)]);
        assert_eq!(kept(&slots, std::slice::from_ref(&own)), [[here, here]]);
        // Another set takes two places, whatever its priority.
        let mut other = request(&[0], &[7, 8], &[]);
        other.priority = -1_000;
        let kept_beside = kept(&slots, &[own.clone(), other.clone()]);
        assert_eq!(kept_beside, [vec![None, here], vec![]]);
        // And the set itself as well.
        let more = request(&[0], &[1, 4, 5, 6], &[(2, 9), (3, 1)]);
        assert_eq!(kept(&slots, &[more]), [[None, None]]);
        // A smaller account.
        let slots = [slot(2, &[(1, 0), (2, 0), (3, 0)])];
        assert_eq!(kept(&slots, &[own]), [[None, here]]);
    }

    #[test]
    fn they_do_not_move_and_are_published_once() {
        let slots = [slot(9, &[(1, 0)]), slot(9, &[(2, 0)])];
        // It may not use the account any more.
        assert_eq!(kept(&slots, &[request(&[1], &[], &[(1, 0)])]), [[None]]);
        // Another account publishes it on the channel.
        let elsewhere = [request(&[1], &[1], &[]), request(&[0, 1], &[], &[(1, 0)])];
        let slots = [slot(9, &[(1, 1)]), slot(9, &[])];
        assert_eq!(kept(&slots, &elsewhere), [vec![], vec![None]]);
        // On the same one it costs nothing.
        let slots = [slot(1, &[(1, 0), (1, 1)])];
        let shared = [request(&[0], &[1], &[]), request(&[0], &[], &[(1, 5)])];
        assert_eq!(
            kept(&slots, &shared),
            [vec![], vec![Some(AccountIx::new(0))]]
        );
    }
}
