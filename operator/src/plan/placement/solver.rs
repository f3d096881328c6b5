//! Which account streams which token.
//!
//! Owns capacity, stickiness and the rule of one publisher. Knows accounts, sets and channels only
//! as numbers. A placed token stays on its account as long as it may; a new one goes to an account
//! of its set, else to the one where it fits best; a token without room waits.

use kite::Token;
use rustc_hash::{FxHashMap, FxHashSet};

use super::problem::{AccountSlot, Current, Item, Outcome, Reason, SetRequest};
use crate::plan::ids::{AccountIx, ChannelId, SetIx, TargetId};

/// The maximum number of rounds. A further round is needed only if a conflict freed a place that a
/// waiting item could use, so more than two are hardly ever needed.
const ROUNDS: usize = 8;

/// Decides for every item of every set, in their order.
pub(crate) fn place(slots: &[AccountSlot], requests: &[SetRequest]) -> Vec<Vec<Outcome>> {
    let (mut outcomes, mut given_up) = Round::new(slots, requests).run(requests);
    for _ in 1..ROUNDS {
        let waits = outcomes
            .iter()
            .flatten()
            .any(|outcome| *outcome == Outcome::Waiting);
        if !waits || !given_up {
            break;
        }
        let before = outcomes;
        let slots = settled(slots, requests, &before);
        (outcomes, given_up) = Round::new(&slots, requests).run(requests);
        keep_reasons(&before, &mut outcomes);
    }
    outcomes
}

/// Keeps the reasons of an earlier round: in a later round its tokens count as already placed.
fn keep_reasons(before: &[Vec<Outcome>], outcomes: &mut [Vec<Outcome>]) {
    for (before, outcome) in before.iter().flatten().zip(outcomes.iter_mut().flatten()) {
        if let (Outcome::Placed(was, _), Outcome::Placed(is, Reason::Kept)) = (before, &*outcome)
            && was == is
        {
            *outcome = *before;
        }
    }
}

/// The accounts after `outcomes` is applied.
fn settled(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    outcomes: &[Vec<Outcome>],
) -> Vec<AccountSlot> {
    let mut next: Vec<AccountSlot> = slots.iter().map(AccountSlot::without_sets).collect();
    for (at, (request, outcomes)) in requests.iter().zip(outcomes).enumerate() {
        for (item, outcome) in request.items.iter().zip(outcomes) {
            if let Outcome::Placed(account, _) = outcome
                && !next[account.at()].frozen
            {
                next[account.at()].current.push(Current {
                    token: item.token,
                    sets: vec![SetIx::new(at)],
                    fixed: None,
                });
            }
        }
    }
    for slot in &mut next {
        slot.current.sort_by_key(|current| current.token);
        slot.current.dedup_by(|later, first| {
            let same = later.token == first.token;
            if same {
                first.sets.append(&mut later.sets);
            }
            same
        });
    }
    next
}

struct Round<'a> {
    slots: &'a [AccountSlot],
    /// Free places per account, without those reserved for tokens that stay.
    free: Vec<usize>,
    /// Reserved tokens: they stay where they are until their set is placed.
    reserved: FxHashSet<(AccountIx, Token)>,
    /// The earlier account of each token, ascending.
    before: Vec<(Token, AccountIx)>,
    /// The account of each token placed so far.
    holders: FxHashMap<Token, Vec<AccountIx>>,
    /// The publishing account, by Redis, channel and token.
    claims: FxHashMap<(Option<TargetId>, ChannelId, Token), AccountIx>,
}

impl<'a> Round<'a> {
    fn new(slots: &'a [AccountSlot], requests: &[SetRequest]) -> Self {
        let tokens = |(at, slot): (usize, &'a AccountSlot)| {
            let account = AccountIx::new(at);
            slot.current.iter().map(move |it| (it.token, account))
        };
        let mut before: Vec<(Token, AccountIx)> =
            slots.iter().enumerate().flat_map(tokens).collect();
        before.sort_unstable();
        let mut round = Self {
            slots,
            free: slots.iter().map(|slot| slot.capacity).collect(),
            reserved: FxHashSet::default(),
            before,
            holders: FxHashMap::default(),
            claims: FxHashMap::default(),
        };
        round.fix();
        for (at, request) in requests.iter().enumerate() {
            round.reserve(SetIx::new(at), request);
        }
        round
    }

    /// Takes the places and channels of tokens that stay whatever the sets select.
    fn fix(&mut self) {
        for (at, slot) in self.slots.iter().enumerate() {
            let account = AccountIx::new(at);
            for current in &slot.current {
                let Some(channels) = &current.fixed else {
                    continue;
                };
                self.free[at] = self.free[at].saturating_sub(1);
                self.holders.entry(current.token).or_default().push(account);
                for channel in channels {
                    self.claims
                        .entry((slot.target, *channel, current.token))
                        .or_insert(account);
                }
            }
        }
    }

    /// Reserves the places of tokens that a set has already, while there is room: older sets have
    /// precedence if an account became smaller.
    fn reserve(&mut self, set: SetIx, request: &SetRequest) {
        for item in &request.items {
            let mut allowed = self
                .accounts_before(item.token)
                .filter(|account| request.allows(*account));
            let first = allowed.next();
            let own = first
                .into_iter()
                .chain(allowed)
                .find(|account| self.slot(*account).streams_for(item.token, set));
            let Some(account) = own.or(first) else {
                continue;
            };
            let place = (account, item.token);
            let taken = self.reserved.contains(&place) || self.is_placed(account, item.token);
            if !taken && self.free[account.at()] > 0 {
                self.free[account.at()] -= 1;
                self.reserved.insert(place);
            }
        }
    }

    /// The outcomes, and whether a reserved place has become free after all.
    fn run(mut self, requests: &[SetRequest]) -> (Vec<Vec<Outcome>>, bool) {
        let outcomes = requests
            .iter()
            .enumerate()
            .map(|(at, request)| self.serve(SetIx::new(at), request))
            .collect();
        (outcomes, !self.reserved.is_empty())
    }

    fn serve(&mut self, set: SetIx, request: &SetRequest) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Waiting; request.items.len()];
        let mut fresh = Vec::new();
        for (position, item) in request.items.iter().enumerate() {
            match self.present(set, request, item) {
                Some((account, reason)) => {
                    self.take(account, item);
                    outcomes[position] = Outcome::Placed(account, reason);
                }
                None => fresh.push(position),
            }
        }
        self.spread(request, fresh, &mut outcomes);
        outcomes
    }

    /// An account that streams the token and may do so for this set: first the one that already
    /// does, then one chosen in this round, then one for which the token is reserved.
    fn present(
        &self,
        set: SetIx,
        request: &SetRequest,
        item: &Item,
    ) -> Option<(AccountIx, Reason)> {
        let kept = |account: &AccountIx| {
            self.is_placed(*account, item.token) || self.reserved.contains(&(*account, item.token))
        };
        let own = |account: &AccountIx| {
            let slot = self.slot(*account);
            let may = slot.frozen || request.allows(*account);
            slot.streams_for(item.token, set) && may && kept(account)
        };
        let placed = || self.holders.get(&item.token).into_iter().flatten().copied();
        let may_publish = |(account, _): &(AccountIx, Reason)| {
            self.claim(*account, item)
                .is_none_or(|publisher| publisher == *account)
        };
        let shared = placed().filter(|account| request.allows(*account)).chain(
            self.accounts_before(item.token)
                .filter(|account| request.allows(*account) && kept(account)),
        );
        self.accounts_before(item.token)
            .filter(own)
            .map(|account| (account, Reason::Kept))
            .chain(shared.map(|account| (account, Reason::Shared)))
            .find(may_publish)
    }

    /// Places new tokens: with the rest of their set, else where they fit best.
    fn spread(&mut self, request: &SetRequest, mut fresh: Vec<usize>, outcomes: &mut [Outcome]) {
        let mut open = request.allowed.clone();
        while !fresh.is_empty() {
            open.retain(|account| self.free[account.at()] > 0 && !self.slot(*account).frozen);
            let Some(best) = self.best(&open, outcomes, fresh.len()) else {
                break;
            };
            open.retain(|account| *account != best);
            fresh.retain(|position| {
                let item = &request.items[*position];
                let fits = self.free[best.at()] > 0 && self.claim(best, item).is_none();
                if fits {
                    self.take(best, item);
                    outcomes[*position] = Outcome::Placed(best, Reason::Room);
                }
                !fits
            });
        }
        for position in fresh {
            outcomes[position] = self.refusal(request, &request.items[position]);
        }
    }

    /// The account with most of the set; else the fullest one that has room for `needed`; else the
    /// one with most room.
    fn best(&self, open: &[AccountIx], outcomes: &[Outcome], needed: usize) -> Option<AccountIx> {
        let mut shares: FxHashMap<AccountIx, usize> = FxHashMap::default();
        for outcome in outcomes {
            if let Outcome::Placed(account, _) = outcome {
                *shares.entry(*account).or_default() += 1;
            }
        }
        open.iter().copied().min_by_key(|account| {
            let free = self.free[account.at()];
            let share = shares.get(account).copied().unwrap_or(0);
            let fit = if free >= needed {
                (0, free)
            } else {
                (1, usize::MAX - free)
            };
            (usize::MAX - share, fit, *account)
        })
    }

    /// Why an item is waiting.
    fn refusal(&self, request: &SetRequest, item: &Item) -> Outcome {
        let published = |account: &AccountIx| self.claim(*account, item).is_some();
        if !request.allowed.is_empty() && request.allowed.iter().all(published) {
            Outcome::Conflict
        } else {
            Outcome::Waiting
        }
    }

    fn take(&mut self, account: AccountIx, item: &Item) {
        let holders = self.holders.entry(item.token).or_default();
        if !holders.contains(&account) {
            holders.push(account);
            if !self.reserved.remove(&(account, item.token)) {
                self.free[account.at()] = self.free[account.at()].saturating_sub(1);
            }
        }
        self.claims.insert(
            (self.slot(account).target, item.channel, item.token),
            account,
        );
    }

    /// Which account publishes the item to this account's Redis.
    fn claim(&self, account: AccountIx, item: &Item) -> Option<AccountIx> {
        self.claims
            .get(&(self.slot(account).target, item.channel, item.token))
            .copied()
    }

    fn is_placed(&self, account: AccountIx, token: Token) -> bool {
        self.holders
            .get(&token)
            .is_some_and(|holders| holders.contains(&account))
    }

    fn accounts_before(&self, token: Token) -> impl Iterator<Item = AccountIx> + '_ {
        let first = self.before.partition_point(|entry| entry.0 < token);
        self.before[first..]
            .iter()
            .take_while(move |entry| entry.0 == token)
            .map(|entry| entry.1)
    }

    fn slot(&self, account: AccountIx) -> &'a AccountSlot {
        &self.slots[account.at()]
    }
}

#[cfg(test)]
mod tests;
