use RebalanceState::{Done, Moving, Planned};

use super::*;
use crate::plan::ids::{ChannelId, TargetId};

fn at(account: usize) -> AccountIx {
    AccountIx::new(account)
}

fn set(at: usize) -> (Subject, RebalanceMode) {
    (Subject::Set(SetIx::new(at)), RebalanceMode::Move)
}

fn account(place: usize) -> (Subject, RebalanceMode) {
    (Subject::Account(at(place)), RebalanceMode::Move)
}

fn slot(capacity: usize) -> AccountSlot {
    AccountSlot {
        capacity,
        ..AccountSlot::default()
    }
}

fn request(allowed: &[usize], tokens: std::ops::Range<usize>) -> SetRequest {
    let item = |token| Item::new(TokenIx::new(token), Some(ChannelId::new(0)));
    SetRequest {
        allowed: allowed.iter().map(|account| at(*account)).collect(),
        items: tokens.map(item).collect(),
        ..SetRequest::default()
    }
}

/// Sets on accounts, and what comes of requests.
struct Placing {
    slots: Vec<AccountSlot>,
    requests: Vec<SetRequest>,
    /// By set: the account of each item.
    places: Vec<Vec<usize>>,
    leaving: Vec<usize>,
}

impl Placing {
    /// Each set with its tokens and the account that has all of them; each may use every account.
    fn new(capacities: &[usize], sets: &[(std::ops::Range<usize>, usize)]) -> Self {
        let all: Vec<usize> = (0..capacities.len()).collect();
        let sets = sets.iter();
        let (requests, places) = sets
            .map(|(tokens, place)| {
                let request = request(&all, tokens.clone());
                let places = vec![*place; request.items.len()];
                (request, places)
            })
            .unzip();
        Self {
            slots: capacities.iter().map(|places| slot(*places)).collect(),
            requests,
            places,
            leaving: vec![0; capacities.len()],
        }
    }

    /// Carries out what comes of the requests; returns how far each is.
    fn ask(&mut self, asked: &[(Subject, RebalanceMode)]) -> Vec<(RebalanceState, u32)> {
        let before = self.places.clone();
        self.ask_after(&before, asked)
    }

    /// As `ask`, in a pass before which the items were in these places.
    fn ask_after(
        &mut self,
        before: &[Vec<usize>],
        asked: &[(Subject, RebalanceMode)],
    ) -> Vec<(RebalanceState, u32)> {
        let outcomes: Vec<Vec<Outcome>> = self
            .places
            .iter()
            .map(|places| {
                let places = places.iter();
                places.map(|place| Outcome::Placed(at(*place))).collect()
            })
            .collect();
        let were = before.iter().map(|places| {
            let places = places.iter();
            places.map(|place| Outcome::Placed(at(*place))).collect()
        });
        let were: Vec<Vec<Outcome>> = were.collect();
        let slots = settled(&self.slots, &self.requests, &were);
        let kept = self.requests.iter();
        let kept: Vec<Vec<Option<AccountIx>>> = kept
            .map(|request| vec![Some(at(0)); request.retained.len()])
            .collect();
        let found = rebalance(
            Placed {
                slots: &slots,
                requests: &self.requests,
                first_set: 0,
                outcomes,
                kept: &kept,
                leaving: self.leaving.clone(),
            },
            asked,
        );
        for (places, outcomes) in self.places.iter_mut().zip(&found.outcomes) {
            for (place, outcome) in places.iter_mut().zip(outcomes) {
                let Outcome::Placed(account) = outcome else {
                    panic!("{outcome:?}");
                };
                *place = account.at();
            }
        }
        for (at, slot) in self.slots.iter().enumerate() {
            let used = self.requests.iter().zip(&self.places);
            let used = used.flat_map(|(request, places)| request.items.iter().zip(places));
            let here = used.filter(|(_, place)| **place == at);
            let tokens: FxHashSet<TokenIx> = here.map(|(item, _)| item.token).collect();
            assert!(tokens.len() <= slot.capacity, "{at}: {}", tokens.len());
        }
        found.progress
    }

    /// How many items of each set each account has.
    fn counts(&self) -> Vec<Vec<usize>> {
        let counts = self.places.iter().map(|places| {
            let count = |at| places.iter().filter(|place| **place == at).count();
            (0..self.slots.len()).map(count).collect()
        });
        counts.collect()
    }
}

#[test]
fn a_set_that_is_spread_comes_together_where_a_new_one_would_go() {
    let mut placing = Placing::new(&[3, 2, 9], &[(0..5, 0)]);
    placing.places[0] = vec![0, 0, 0, 1, 1];
    assert_eq!(placing.ask(&[set(0)]), [(Moving, 5)]);
    assert_eq!(placing.counts(), [[0, 0, 5]]);
    assert_eq!(placing.ask(&[set(0)]), [(Done, 0)]);
}

#[test]
fn what_a_set_has_just_lost_its_place_for_waits_for_the_next_pass() {
    let mut placing = Placing::new(&[3, 2, 9, 9], &[(0..5, 0), (0..1, 3)]);
    placing.places[0] = vec![0, 0, 0, 1, 1];
    // The second set had its token on the second account, and lost it there.
    let before = [placing.places[0].clone(), vec![1]];
    assert_eq!(placing.ask_after(&before, &[set(0)]), [(Moving, 4)]);
    assert_eq!(placing.counts()[0], [1, 0, 0, 4]);
    assert_eq!(placing.ask(&[set(0)]), [(Moving, 1)]);
    assert_eq!(placing.ask(&[set(0)]), [(Done, 0)]);
}

#[test]
fn a_dry_run_moves_nothing() {
    let mut placing = Placing::new(&[3, 2, 9], &[(0..5, 0)]);
    placing.places[0] = vec![0, 0, 0, 1, 1];
    let dry_run = (Subject::Set(SetIx::new(0)), RebalanceMode::DryRun);
    assert_eq!(placing.ask(&[dry_run]), [(Planned, 5)]);
    assert_eq!(placing.counts(), [[3, 2, 0]]);
}

#[test]
fn the_sets_of_an_account_go_to_those_with_most_room() {
    let sets = [(0..3, 0), (3..6, 0), (6..9, 0), (9..10, 1)];
    let mut placing = Placing::new(&[9, 9, 9], &sets);
    assert_eq!(placing.ask(&[account(0)]), [(Moving, 6)]);
    let spread = [[3, 0, 0], [0, 0, 3], [0, 3, 0], [0, 1, 0]];
    assert_eq!(placing.counts(), spread);
    assert_eq!(placing.ask(&[account(0)]), [(Done, 0)]);
    assert_eq!(placing.counts(), spread);
}

#[test]
fn at_most_five_hundred_move_at_a_time_and_one_request_after_the_other() {
    let mut placing = Placing::new(&[600, 600, 3_000], &[(0..1_200, 0), (1_200..1_201, 2)]);
    placing.places[0][600..].fill(1);
    let both = [set(0), account(2)];
    assert_eq!(placing.ask(&both), [(Moving, 500), (Planned, 0)]);
    assert_eq!(placing.counts()[0], [100, 600, 500]);
    // The accounts go on with some of them.
    placing.leaving[0] = 400;
    assert_eq!(placing.ask(&both), [(Moving, 100), (Planned, 0)]);
    placing.leaving = vec![0, 500, 0];
    assert_eq!(placing.ask(&both), [(Moving, 0), (Planned, 0)]);
    placing.leaving = vec![0, 0, 0];
    assert_eq!(placing.ask(&both), [(Moving, 500), (Planned, 0)]);
    assert_eq!(placing.ask(&both), [(Moving, 100), (Planned, 0)]);
    assert_eq!(placing.counts(), [[0, 0, 1_200], [0, 0, 1]]);
    placing.leaving = vec![0, 100, 0];
    assert_eq!(placing.ask(&both), [(Moving, 0), (Planned, 0)]);
    placing.leaving = vec![0, 0, 0];
    assert_eq!(placing.ask(&both)[0], (Done, 0));
}

#[test]
fn nothing_is_pushed_out_for_it() {
    // The set would go together if one account were empty: what is there has its place.
    let mut placing = Placing::new(&[3, 3], &[(0..4, 0), (4..6, 1)]);
    placing.places[0] = vec![0, 0, 0, 1];
    assert_eq!(placing.ask(&[set(0), set(1), account(0)])[0], (Done, 0));
    assert_eq!(placing.counts(), [[3, 1], [0, 2]]);

    // What an account goes on with until another has it takes its place too.
    let mut placing = Placing::new(&[4, 4], &[(0..4, 0), (4..6, 0)]);
    placing.slots[0].capacity = 6;
    placing.leaving[1] = 3;
    let progress = placing.ask(&[account(0)]);
    assert_eq!(progress[0].0, Moving);
    assert!(progress[0].1 <= 1, "{progress:?}");
}

#[test]
fn every_use_of_an_instrument_moves_together_or_none() {
    let mut placing = Placing::new(&[9, 9], &[(0..3, 0), (2..6, 0)]);
    placing.ask(&[account(0)]);
    // Neither is published by both accounts.
    assert_eq!(placing.places[0][2], placing.places[1][0]);

    // The other set may not follow.
    let mut placing = Placing::new(&[9, 9], &[(0..1, 0), (0..1, 0)]);
    placing.requests[1].allowed = vec![at(0)];
    assert_eq!(placing.ask(&[account(0)]), [(Done, 0)]);
    assert_eq!(placing.ask(&[set(0)]), [(Done, 0)]);

    // What the money has left behind of another set stays, and with it the channel.
    let mut placing = Placing::new(&[9, 9], &[(0..1, 0), (5..9, 0)]);
    let item = placing.requests[0].items[0];
    placing.requests[1].retained = vec![(item, 1)];
    placing.slots[0].current = vec![(item.token, Some(SetIx::new(1)))];
    placing.ask(&[account(0)]);
    assert_eq!(placing.places[0], [0]);
}

#[test]
fn a_channel_that_another_account_has_is_not_free() {
    // A younger set has the instrument on an account of the same Redis, which the older one may not use.
    let mut placing = Placing::new(&[9, 9, 9], &[(0..1, 0), (0..1, 2)]);
    placing.requests[0].allowed = vec![at(0), at(1)];
    placing.requests[1].allowed = vec![at(2)];
    for (slot, target) in placing.slots.iter_mut().zip([0, 1, 1]) {
        slot.target = Some(TargetId::new(target));
    }
    // As the fullest one with room, the other account would get it.
    placing.slots[1].capacity = 1;
    assert_eq!(placing.ask(&[set(0)]), [(Done, 0)]);
    placing.requests[1].items[0].channel = Some(ChannelId::new(1));
    assert_eq!(placing.ask(&[set(0)]), [(Moving, 1)]);
}

#[test]
fn nothing_changes_places_only() {
    let mut placing = Placing::new(&[3, 3], &[(0..4, 0), (4..5, 1)]);
    placing.places[0] = vec![1, 0, 0, 0];
    assert_eq!(placing.ask(&[set(0)]), [(Done, 0)]);
    assert_eq!(placing.places[0], [1, 0, 0, 0]);
}

#[test]
fn what_may_not_leave_stays() {
    let spread = || Placing::new(&[9, 9], &[(0..3, 0), (3..6, 0)]);
    let mut placing = spread();
    placing.slots[0].lost = LostTokens::All;
    assert_eq!(placing.ask(&[account(0)]), [(Done, 0)]);
    let mut placing = spread();
    placing.slots[0].frozen = true;
    let of_both = (0..6).map(|token| (TokenIx::new(token), Some(SetIx::new(token / 3))));
    placing.slots[0].current = of_both.collect();
    assert_eq!(placing.ask(&[set(0)]), [(Done, 0)]);
    let mut placing = spread();
    placing.slots[1].frozen = true;
    assert_eq!(placing.ask(&[account(0)]), [(Done, 0)]);
    let mut placing = spread();
    (placing.slots[1].refuge, placing.slots[1].lost) = (Refuge::Down, LostTokens::All);
    assert_eq!(placing.ask(&[account(0)]), [(Done, 0)]);
    let mut placing = spread();
    placing
        .requests
        .iter_mut()
        .for_each(|it| it.allowed.truncate(1));
    assert_eq!(placing.ask(&[account(0)]), [(Done, 0)]);
}
