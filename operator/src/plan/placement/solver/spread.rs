//! Where items go that have no place, or whose place no socket carries.
//!
//! Owns the choice among accounts with room. Must not move what streams.

use super::Round;
use crate::plan::ids::AccountIx;
use crate::plan::placement::problem::{Item, Outcome, Refuge, SetRequest};

/// Which accounts are open to items.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Those that are known to work.
    Proven,
    /// Those of which that is not known: for a few.
    Untried,
    /// Those that are not known to be down.
    Up,
    Any,
}

impl Open {
    fn has(self, refuge: Refuge) -> bool {
        match self {
            Self::Proven => refuge == Refuge::Proven,
            Self::Untried => matches!(refuge, Refuge::Untried(_)),
            Self::Up => refuge != Refuge::Down,
            Self::Any => true,
        }
    }
}

impl Round<'_> {
    /// Places new tokens: with the rest of their set, else where they fit best.
    pub(super) fn spread(
        &mut self,
        request: &SetRequest,
        fresh: Vec<usize>,
        outcomes: &mut [Outcome],
    ) {
        let fresh = self.spread_over(Open::Up, request, fresh, outcomes);
        let fresh = self.spread_over(Open::Any, request, fresh, outcomes);
        for position in fresh {
            outcomes[position] = self.refusal(request, &request.items[position]);
        }
    }

    /// Places items on such accounts. Returns those that find no room.
    fn spread_over(
        &mut self,
        which: Open,
        request: &SetRequest,
        mut fresh: Vec<usize>,
        outcomes: &mut [Outcome],
    ) -> Vec<usize> {
        let mut open = request.allowed.clone();
        open.retain(|account| which.has(self.slots[account.at()].refuge));
        while !fresh.is_empty() {
            open.retain(|account| self.free[account.at()] > 0 && !self.slots[account.at()].frozen);
            let Some(best) = self.best(&open, request, outcomes, fresh.len()) else {
                break;
            };
            open.retain(|account| *account != best);
            fresh.retain(|position| {
                let item = &request.items[*position];
                let may = which != Open::Untried || self.trials[best.at()] > 0;
                let fits = may && self.free[best.at()] > 0 && self.publisher(best, item).is_none();
                if fits {
                    if which == Open::Untried {
                        self.trials[best.at()] -= 1;
                    }
                    self.take(best, item);
                    outcomes[*position] = Outcome::Placed(best);
                }
                !fits
            });
        }
        fresh
    }

    /// The account with most of the set; else the fullest one that has room for `needed`, unless the set spreads; else the
    /// one with most room.
    fn best(
        &self,
        open: &[AccountIx],
        request: &SetRequest,
        outcomes: &[Outcome],
        needed: usize,
    ) -> Option<AccountIx> {
        let mut shares = vec![0; self.slots.len()];
        for outcome in outcomes {
            if let Outcome::Placed(account) = outcome {
                shares[account.at()] += 1;
            }
        }
        open.iter().copied().min_by_key(|account| {
            let free = self.free[account.at()];
            let fit = if free >= needed && !request.spreads {
                (0, free)
            } else {
                (1, usize::MAX - free)
            };
            (usize::MAX - shares[account.at()], fit, *account)
        })
    }

    /// Why an item is waiting.
    fn refusal(&self, request: &SetRequest, item: &Item) -> Outcome {
        let published = |account: &AccountIx| self.publisher(*account, item).is_some();
        if !request.allowed.is_empty() && request.allowed.iter().all(published) {
            Outcome::Conflict
        } else {
            Outcome::Waiting
        }
    }

    /// Moves items that no socket carries to accounts that take them over. Those without room stay where they are.
    pub(super) fn fail_over(
        &mut self,
        request: &SetRequest,
        lost: Vec<(usize, AccountIx)>,
        outcomes: &mut [Outcome],
    ) {
        let mut left: Vec<usize> = lost.iter().map(|(position, _)| *position).collect();
        left.retain(|position| {
            let item = &request.items[*position];
            let other = self.carrier(request, item);
            if let Some(account) = other {
                self.take(account, item);
                outcomes[*position] = Outcome::Placed(account);
            }
            other.is_none()
        });
        let left = self.spread_over(Open::Proven, request, left, outcomes);
        let left = self.spread_over(Open::Untried, request, left, outcomes);
        for (position, account) in lost {
            if left.contains(&position) {
                self.take(account, &request.items[position]);
                outcomes[position] = Outcome::Placed(account);
            }
        }
    }

    /// An account that carries the token on a socket and may do so for this request.
    fn carrier(&self, request: &SetRequest, item: &Item) -> Option<AccountIx> {
        let had = self.before.of(item.token).map(|before| before.account);
        let had = had.filter(|account| self.has(*account, item.token));
        let mut carriers = self.holders.of(item.token).copied().chain(had);
        carriers.find(|account| {
            let publisher = self.publisher(*account, item);
            request.allows(*account)
                && self.slots[account.at()].refuge != Refuge::Down
                && publisher.is_none_or(|publisher| publisher == *account)
        })
    }
}
