//! What moves because an annotation asks for it.
//!
//! Pure. Owns how many move at a time, and that nothing is pushed out for it: an instrument moves only into a free place, and
//! together with every other use of it on its account. The solver says where they would go if they were new.

use std::collections::BTreeMap;

use crds::rebalance::RebalanceState;
use rustc_hash::{FxHashMap, FxHashSet};

use super::problem::{AccountSlot, Item, LostTokens, Outcome, Refuge, SetRequest, settled};
use super::solver;
use crate::plan::ids::{AccountIx, SetIx, TokenIx};
use crate::plan::input::RebalanceMode;

/// How many instruments of a group move at a time, for all its requests together.
pub(super) const AT_A_TIME: usize = 500;

/// Whose instruments are to be placed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Those of a set, as if the set were new.
    Set(SetIx),
    /// What an account has, as if its sets were new there: each goes to the account with most room.
    Account(AccountIx),
}

/// A placement without any request.
pub(super) struct Placed<'a> {
    pub(super) slots: &'a [AccountSlot],
    pub(super) requests: &'a [SetRequest],
    /// The first request of a set; those before are of prices, which nobody publishes.
    pub(super) first_set: usize,
    pub(super) outcomes: Vec<Vec<Outcome>>,
    /// Where the retained items of each request stay.
    pub(super) kept: &'a [Vec<Option<AccountIx>>],
    /// By account, how many instruments it goes on with until others have them.
    pub(super) leaving: Vec<usize>,
}

/// What became of the requests.
pub(super) struct Rebalanced {
    pub(super) outcomes: Vec<Vec<Outcome>>,
    /// By request: how far it is, and how many instruments move now, or would.
    pub(super) progress: Vec<(RebalanceState, u32)>,
    /// What moves.
    pub(super) moved: FxHashSet<(TokenIx, SetIx)>,
}

/// All uses of a token on one account that would move together.
struct Unit {
    token: TokenIx,
    from: AccountIx,
    to: AccountIx,
    /// Requests, and positions among their items.
    uses: Vec<(usize, usize)>,
}

/// Decides on each request; of those that are no dry run only the first that is not done moves anything.
pub(super) fn rebalance(placed: Placed<'_>, asked: &[(Subject, RebalanceMode)]) -> Rebalanced {
    let moving: usize = placed.leaving.iter().sum();
    let mut progress = Vec::with_capacity(asked.len());
    let mut now: Option<Vec<Unit>> = None;
    for (subject, mode) in asked {
        if *mode == RebalanceMode::DryRun {
            let wanted = placed.wanted(*subject).len();
            progress.push((RebalanceState::Planned, count(wanted)));
        } else if now.is_some() {
            progress.push((RebalanceState::Planned, 0));
        } else {
            let wanted = placed.wanted(*subject);
            let unsettled = placed.unsettled();
            let (wanted, put_off): (Vec<_>, Vec<_>) = wanted
                .into_iter()
                .partition(|unit| !unsettled.contains(&unit.token));
            let units = placed.possible(wanted, AT_A_TIME.saturating_sub(moving));
            if units.is_empty() && put_off.is_empty() && moving == 0 {
                progress.push((RebalanceState::Done, 0));
            } else {
                progress.push((RebalanceState::Moving, count(units.len())));
                now = Some(units);
            }
        }
    }
    let mut outcomes = placed.outcomes;
    let mut moved = FxHashSet::default();
    for unit in now.into_iter().flatten() {
        for (set, position) in unit.uses {
            outcomes[set][position] = Outcome::Placed(unit.to);
            moved.insert((unit.token, SetIx::new(set)));
        }
    }
    Rebalanced {
        outcomes,
        progress,
        moved,
    }
}

fn count(units: usize) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

impl Placed<'_> {
    /// What would be elsewhere if the subject's instruments were new and everything else as it is.
    fn wanted(&self, subject: Subject) -> Vec<Unit> {
        let is_subject = |set: usize, item: &Item, outcome: Outcome| {
            let Outcome::Placed(at) = outcome else {
                return false;
            };
            let is_named = match subject {
                Subject::Set(of) => of.at() == set,
                Subject::Account(of) => of == at && set >= self.first_set,
            };
            is_named && self.may_leave(at, item)
        };
        let (slots, requests, positions) = self.anew(subject, is_subject);
        let anew = solver::place(&slots, &requests);
        let mut units: BTreeMap<(TokenIx, AccountIx), Vec<_>> = BTreeMap::new();
        for (set, positions) in positions.iter().enumerate().skip(self.first_set) {
            for (position, outcome) in positions.iter().zip(&anew[set]) {
                let item = &self.requests[set].items[*position];
                let Outcome::Placed(from) = self.outcomes[set][*position] else {
                    continue;
                };
                let to = match outcome {
                    Outcome::Placed(to) if is_subject(set, item, Outcome::Placed(from)) => *to,
                    _ => from,
                };
                let uses = units.entry((item.token, from)).or_default();
                uses.push((set, *position, to));
            }
        }
        let stays = self.stays();
        let units = units.into_iter().filter_map(|((token, from), uses)| {
            let to = uses.first()?.2;
            let moves = to != from && uses.iter().all(|it| it.2 == to);
            (moves && !stays.contains(&(token, from))).then(|| Unit {
                token,
                from,
                to,
                uses: uses.iter().map(|(set, at, _)| (*set, *at)).collect(),
            })
        });
        let mut units: Vec<Unit> = units.collect();
        // In the order of sets, so that one is complete before the next begins.
        units.sort_by_key(|unit| unit.uses[0]);
        without_exchanges(units)
    }

    /// Nothing leaves an account that may not change, and what no socket carries has its own way.
    fn may_leave(&self, account: AccountIx, item: &Item) -> bool {
        let slot = &self.slots[account.at()];
        !slot.frozen && !slot.lost.has(item.token)
    }

    /// The problem with the subject's instruments as new, and with nothing that waits; and where its items are among
    /// those of this one.
    fn anew(
        &self,
        subject: Subject,
        is_subject: impl Fn(usize, &Item, Outcome) -> bool,
    ) -> (Vec<AccountSlot>, Vec<SetRequest>, Vec<Vec<usize>>) {
        let mut fixed = self.outcomes.clone();
        let mut requests = Vec::with_capacity(self.requests.len());
        let mut positions = Vec::with_capacity(self.requests.len());
        for (set, request) in self.requests.iter().enumerate() {
            let items = request.items.iter().enumerate();
            let placed = items.filter(|(at, _)| matches!(fixed[set][*at], Outcome::Placed(_)));
            let placed: Vec<usize> = placed.map(|(at, _)| at).collect();
            let mut request = SetRequest {
                items: placed.iter().map(|at| request.items[*at]).collect(),
                retained: Vec::new(),
                ..request.clone()
            };
            request.spreads = matches!(subject, Subject::Account(_));
            requests.push(request);
            positions.push(placed);
        }
        for (set, request) in self.requests.iter().enumerate() {
            for (at, item) in request.items.iter().enumerate() {
                if is_subject(set, item, fixed[set][at]) {
                    fixed[set][at] = Outcome::Waiting;
                }
            }
        }
        let mut slots = settled(self.slots, self.requests, &fixed);
        for slot in &mut slots {
            // What is lost has its place until it fails over.
            slot.lost = LostTokens::None;
        }
        for (request, kept) in self.requests.iter().zip(self.kept) {
            for ((item, _), account) in request.retained.iter().zip(kept) {
                if let Some(account) = account {
                    let channels = item.channels().collect();
                    slots[account.at()].held_over.push((item.token, channels));
                }
            }
        }
        (slots, requests, positions)
    }

    /// Instruments that a set loses where it had them, for another cause. They wait for the next pass: if what a set lost its
    /// channel to moved on at once, the set would have left for nothing, and nobody could see why.
    fn unsettled(&self) -> FxHashSet<TokenIx> {
        let slots = self.slots.iter().enumerate();
        let current = slots
            .filter(|(_, slot)| !slot.frozen)
            .flat_map(|(at, slot)| {
                let current = slot.current.iter();
                current
                    .filter_map(move |(token, set)| Some(((*token, (*set)?), AccountIx::new(at))))
            });
        let mut lost: FxHashSet<((TokenIx, SetIx), AccountIx)> = current.collect();
        let mut wanted = FxHashSet::default();
        for (set, (request, outcomes)) in self.requests.iter().zip(&self.outcomes).enumerate() {
            for (item, outcome) in request.items.iter().zip(outcomes) {
                let use_ = (item.token, SetIx::new(set));
                wanted.insert(use_);
                if let Outcome::Placed(account) = outcome {
                    lost.remove(&(use_, *account));
                }
            }
        }
        let lost = lost.into_iter().filter(|(use_, _)| wanted.contains(use_));
        lost.map(|((token, _), _)| token).collect()
    }

    /// What stays on an account whatever sets ask for.
    fn stays(&self) -> FxHashSet<(TokenIx, AccountIx)> {
        let mut stays = FxHashSet::default();
        for (at, slot) in self.slots.iter().enumerate() {
            let held_over = slot.held_over.iter();
            stays.extend(held_over.map(|(token, _)| (*token, AccountIx::new(at))));
        }
        for (request, kept) in self.requests.iter().zip(self.kept) {
            let retained = request.retained.iter().zip(kept);
            stays.extend(retained.filter_map(|((item, _), at)| Some((item.token, (*at)?))));
        }
        stays
    }

    /// Those that find a place now on an account that is not known to be down, at most so many. Places that others leave
    /// meanwhile are not free yet, and a channel on which another account publishes the instrument is not either.
    fn possible(&self, wanted: Vec<Unit>, most: usize) -> Vec<Unit> {
        let mut tokens: FxHashMap<AccountIx, FxHashSet<TokenIx>> = FxHashMap::default();
        let mut publishers: FxHashMap<_, Vec<AccountIx>> = FxHashMap::default();
        for (account, item) in self.uses() {
            tokens.entry(account).or_default().insert(item.token);
            for channel in item.channels() {
                let target = self.slots[account.at()].target;
                let of_channel = publishers.entry((item.token, target, channel));
                of_channel.or_default().push(account);
            }
        }
        let mut units = wanted;
        let mut left = most;
        units.retain(|unit| {
            let slot = &self.slots[unit.to.at()];
            let uses = unit.uses.iter();
            let items = uses.map(|(set, at)| &self.requests[*set].items[*at]);
            let channels = items.flat_map(Item::channels);
            let channels = channels.map(|channel| (unit.token, slot.target, channel));
            let is_taken = channels.clone().any(|channel| {
                let mut known = publishers.get(&channel).into_iter().flatten();
                known.any(|publisher| ![unit.from, unit.to].contains(publisher))
            });
            let there = tokens.entry(unit.to).or_default();
            let taken = there.len() + self.leaving[unit.to.at()];
            let has_room = there.contains(&unit.token) || taken < slot.capacity;
            let is_up = slot.refuge != Refuge::Down;
            let fits = left > 0 && is_up && has_room && !is_taken;
            if fits {
                left -= 1;
                there.insert(unit.token);
                for channel in channels {
                    publishers.entry(channel).or_default().push(unit.to);
                }
            }
            fits
        });
        units
    }

    /// Everything that accounts publish or subscribe to.
    fn uses(&self) -> impl Iterator<Item = (AccountIx, Item)> {
        let held_over = self.slots.iter().enumerate().flat_map(|(at, slot)| {
            let held_over = slot.held_over.iter();
            held_over.flat_map(move |(token, channels)| {
                let channels = channels.iter().map(|channel| Some(*channel));
                let items = channels.chain([None]);
                items.map(move |channel| (AccountIx::new(at), Item::new(*token, channel)))
            })
        });
        let requests = self.requests.iter();
        let kept = requests.clone().zip(self.kept).flat_map(|(request, kept)| {
            let retained = request.retained.iter().zip(kept);
            retained.filter_map(|((item, _), account)| Some(((*account)?, *item)))
        });
        let placed = requests
            .zip(&self.outcomes)
            .flat_map(|(request, outcomes)| {
                let items = request.items.iter().zip(outcomes);
                items.filter_map(|(item, outcome)| match outcome {
                    Outcome::Placed(account) => Some((*account, *item)),
                    Outcome::Waiting | Outcome::Conflict => None,
                })
            });
        held_over.chain(kept).chain(placed)
    }
}

/// Leaves out what would only change places with others of the same requests.
fn without_exchanges(mut units: Vec<Unit>) -> Vec<Unit> {
    let mut flows: FxHashMap<(AccountIx, AccountIx), usize> = FxHashMap::default();
    for unit in &units {
        *flows.entry((unit.from, unit.to)).or_default() += 1;
    }
    let both = |unit: &Unit| {
        let flow = |from, to| flows.get(&(from, to)).copied().unwrap_or(0);
        flow(unit.from, unit.to).min(flow(unit.to, unit.from))
    };
    let mut left: FxHashMap<(AccountIx, AccountIx), usize> = FxHashMap::default();
    for unit in &units {
        left.entry((unit.from, unit.to)).or_insert(both(unit));
    }
    units.retain(|unit| {
        let exchanged = left.entry((unit.from, unit.to)).or_default();
        let goes = *exchanged == 0;
        *exchanged = exchanged.saturating_sub(1);
        goes
    });
    units
}

#[cfg(test)]
mod tests;
