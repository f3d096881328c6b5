//! Which account streams which token.
//!
//! Owns capacity, stickiness and the rule of one publisher. Knows accounts, sets and channels only
//! as numbers. A placed token stays on its account as long as it may; a new one goes to an account
//! of its set, else to the one where it fits best; a token without room waits.

mod spread;

use super::by_token::ByToken;
use super::problem::{AccountSlot, Item, Outcome, SetRequest, settled};
use super::turns::Turns;
use crate::plan::ids::{AccountIx, ChannelId, SetIx, TargetId, TokenIx};

/// How many rounds there are at least before the rest is left to the next pass. A further round is needed only if a conflict or
/// a failover freed a place that a waiting item could use, so more than two are hardly ever needed.
const ROUNDS: usize = 8;

/// There may be more rounds while all together have less than so many items: one item that finds a place can free the place of
/// another, and so on.
const ROUND_ITEMS: usize = 400_000;

/// The maximum number of rounds, whatever the number of items.
const MOST_ROUNDS: usize = 256;

/// Decides for every item of every set, in their order.
pub(crate) fn place(slots: &[AccountSlot], requests: &[SetRequest]) -> Vec<Vec<Outcome>> {
    let turns = Turns::new(slots, requests);
    let (mut outcomes, mut given_up) = Round::new(slots, requests, &turns).run(requests);
    let items: usize = requests.iter().map(|request| request.items.len()).sum();
    let rounds = (ROUND_ITEMS / items.max(1)).clamp(ROUNDS, MOST_ROUNDS);
    for _ in 1..rounds {
        let waits = outcomes
            .iter()
            .flatten()
            .any(|outcome| *outcome == Outcome::Waiting);
        if !waits || !given_up {
            break;
        }
        let slots = settled(slots, requests, &outcomes);
        (outcomes, given_up) = Round::new(&slots, requests, &turns).run(requests);
    }
    outcomes
}

struct Round<'a> {
    slots: &'a [AccountSlot],
    turns: &'a Turns,
    /// Free places per account, without those reserved for tokens that remain.
    free: Vec<usize>,
    /// How many tokens that others lost an account may still take over that was never tried.
    trials: Vec<usize>,
    /// Where each token was before, by account.
    before: ByToken<Before>,
    /// How many of them are reserved.
    reserved: usize,
    /// The account of each token placed so far.
    holders: ByToken<AccountIx>,
    /// Who publishes each token, by Redis and channel.
    claims: ByToken<(Option<TargetId>, ChannelId, AccountIx)>,
}

/// An account that streamed a token before.
struct Before {
    account: AccountIx,
    /// A set that it did so for.
    set: Option<SetIx>,
    /// Whether its place there is reserved until its set has its turn.
    reserved: bool,
}

impl<'a> Round<'a> {
    fn new(slots: &'a [AccountSlot], requests: &[SetRequest], turns: &'a Turns) -> Self {
        let current = slots.iter().flat_map(|slot| &slot.current);
        let held_over = slots.iter().flat_map(|slot| &slot.held_over);
        let asked = requests.iter().flat_map(|request| &request.items);
        let all = current.map(|it| it.0).chain(held_over.map(|it| it.0));
        let all = all.chain(asked.map(|item| item.token));
        let tokens = all.max().map_or(0, |last| last.at() + 1);
        let mut round = Self {
            slots,
            turns,
            free: slots.iter().map(|slot| slot.capacity).collect(),
            trials: slots.iter().map(AccountSlot::trials).collect(),
            before: ByToken::new(tokens),
            reserved: 0,
            holders: ByToken::new(tokens),
            claims: ByToken::new(tokens),
        };
        for (at, slot) in slots.iter().enumerate() {
            round.add(AccountIx::new(at), slot);
        }
        for set in &turns.order {
            round.reserve(*set, &requests[set.at()]);
        }
        round
    }

    /// Notes what an account streams, and takes the places and channels of what it retains.
    fn add(&mut self, account: AccountIx, slot: &AccountSlot) {
        for (token, set) in &slot.current {
            let (set, reserved) = (*set, false);
            let before = Before {
                account,
                set,
                reserved,
            };
            self.before.push(*token, before);
        }
        for (token, channels) in &slot.held_over {
            let free = &mut self.free[account.at()];
            *free = free.saturating_sub(1);
            self.holders.push(*token, account);
            for channel in channels {
                self.publish(account, &Item::new(*token, Some(*channel)));
            }
        }
    }

    /// Reserves the places of tokens that a set has already, while there is room: sets that get room
    /// first have precedence if an account became smaller.
    fn reserve(&mut self, set: SetIx, request: &SetRequest) {
        for item in &request.items {
            let Some(account) = self.place_before(set, request, item.token) else {
                continue;
            };
            if !self.has(account, item.token) && self.free[account.at()] > 0 {
                self.free[account.at()] -= 1;
                self.reserved += 1;
                if let Some(place) = self.before.find(item.token, |it| it.account == account) {
                    place.reserved = true;
                }
            }
        }
    }

    /// Where a set had a token, else where another had it that the set may use.
    fn place_before(&self, set: SetIx, request: &SetRequest, token: TokenIx) -> Option<AccountIx> {
        let before = self.before.of(token);
        let mut allowed = before.filter(|before| request.allows(before.account));
        let first = allowed.clone().next();
        let own = allowed.find(|before| before.set == Some(set));
        Some(own.or(first)?.account)
    }

    /// The outcomes, and whether a reserved place has become free after all.
    fn run(mut self, requests: &[SetRequest]) -> (Vec<Vec<Outcome>>, bool) {
        let waiting = |request: &SetRequest| vec![Outcome::Waiting; request.items.len()];
        let mut outcomes: Vec<Vec<Outcome>> = requests.iter().map(waiting).collect();
        let mut contested = vec![Vec::new(); requests.len()];
        for set in &self.turns.order {
            let items = &requests[set.at()].items;
            let (later, now) =
                (0..items.len()).partition(|at| self.turns.is_contested(&items[*at]));
            self.serve(*set, &requests[set.at()], now, &mut outcomes[set.at()]);
            contested[set.at()] = later;
        }
        for (at, positions) in contested.into_iter().enumerate() {
            self.serve(SetIx::new(at), &requests[at], positions, &mut outcomes[at]);
        }
        (outcomes, self.reserved > 0)
    }

    /// Serves these positions of a set's items.
    fn serve(
        &mut self,
        set: SetIx,
        request: &SetRequest,
        mut positions: Vec<usize>,
        outcomes: &mut [Outcome],
    ) {
        let mut lost = Vec::new();
        positions.retain(|position| {
            let item = &request.items[*position];
            let present = self.present(set, request, item);
            match present {
                Some(account) if self.slots[account.at()].lost.has(item.token) => {
                    lost.push((*position, account));
                }
                Some(account) => {
                    self.take(account, item);
                    outcomes[*position] = Outcome::Placed(account);
                }
                None => {}
            }
            present.is_none()
        });
        if !lost.is_empty() {
            self.fail_over(request, lost, outcomes);
        }
        if !positions.is_empty() {
            self.spread(request, positions, outcomes);
        }
    }

    /// An account that streams the token and may do so for this set: first the one that already
    /// does, then one chosen in this round, then one for which the token is reserved.
    fn present(&self, set: SetIx, request: &SetRequest, item: &Item) -> Option<AccountIx> {
        let before = self.before.of(item.token);
        let own = before.clone().filter(|before| {
            let may = self.slots[before.account.at()].frozen || request.allows(before.account);
            before.set == Some(set) && may && self.has(before.account, item.token)
        });
        let had = before.filter(|before| self.has(before.account, item.token));
        let placed = self.holders.of(item.token).copied();
        let shared = placed.chain(had.map(|before| before.account));
        let shared = shared.filter(|account| request.allows(*account));
        own.map(|before| before.account)
            .chain(shared)
            .find(|account| {
                let publisher = self.publisher(*account, item);
                publisher.is_none_or(|publisher| publisher == *account)
            })
    }

    fn take(&mut self, account: AccountIx, item: &Item) {
        if !self.is_placed(account, item.token) {
            self.holders.push(item.token, account);
            let reserved = |it: &Before| it.account == account && it.reserved;
            if let Some(place) = self.before.find(item.token, reserved) {
                place.reserved = false;
                self.reserved -= 1;
            } else {
                let free = &mut self.free[account.at()];
                *free = free.saturating_sub(1);
            }
        }
        self.publish(account, item);
    }

    /// The account publishes the token on its channels, unless another does in its Redis.
    fn publish(&mut self, account: AccountIx, item: &Item) {
        let target = self.slots[account.at()].target;
        for channel in item.channels() {
            if self.publisher_on(channel, account, item.token).is_none() {
                self.claims.push(item.token, (target, channel, account));
            }
        }
    }

    /// Which account publishes the item to this account's Redis; another one, if there is one.
    fn publisher(&self, account: AccountIx, item: &Item) -> Option<AccountIx> {
        let channels = item.channels();
        let mut publishers =
            channels.filter_map(|channel| self.publisher_on(channel, account, item.token));
        let other = publishers.clone().find(|publisher| *publisher != account);
        other.or_else(|| publishers.next())
    }

    /// Which account publishes the token on a channel of this account's Redis.
    fn publisher_on(
        &self,
        channel: ChannelId,
        account: AccountIx,
        token: TokenIx,
    ) -> Option<AccountIx> {
        let target = self.slots[account.at()].target;
        let mut claims = self.claims.of(token);
        let claim = claims.find(|claim| (claim.0, claim.1) == (target, channel))?;
        Some(claim.2)
    }

    fn is_placed(&self, account: AccountIx, token: TokenIx) -> bool {
        self.holders.of(token).any(|holder| *holder == account)
    }

    /// Whether the token is placed on the account, or its place there is reserved.
    fn has(&self, account: AccountIx, token: TokenIx) -> bool {
        let mut before = self.before.of(token);
        before.any(|it| it.account == account && it.reserved) || self.is_placed(account, token)
    }
}

#[cfg(test)]
mod tests;
