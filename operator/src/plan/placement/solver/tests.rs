mod properties;

use super::*;
use crate::plan::placement::problem::{LostTokens, Refuge};

fn slot(capacity: usize) -> AccountSlot {
    AccountSlot {
        capacity,
        ..AccountSlot::default()
    }
}

fn accounts(at: impl IntoIterator<Item = usize>) -> Vec<AccountIx> {
    at.into_iter().map(AccountIx::new).collect()
}

fn items(tokens: impl IntoIterator<Item = u32>, channel: u32) -> Vec<Item> {
    tokens
        .into_iter()
        .map(|token| {
            let channel = ChannelId::new(channel as usize);
            Item::new(TokenIx::new(token as usize), Some(channel))
        })
        .collect()
}

fn request(allowed: &[usize], tokens: impl IntoIterator<Item = u32>) -> SetRequest {
    SetRequest {
        allowed: accounts(allowed.iter().copied()),
        items: items(tokens, 0),
        ..SetRequest::default()
    }
}

/// Where an item was placed.
fn account(outcome: &Outcome) -> Option<AccountIx> {
    match outcome {
        Outcome::Placed(account) => Some(*account),
        Outcome::Waiting | Outcome::Conflict => None,
    }
}

/// How many of a request's items each account got, and how many wait.
fn shares(outcomes: &[Outcome], slots: usize) -> (Vec<usize>, usize) {
    let count = |of| outcomes.iter().filter(|outcome| **outcome == of).count();
    let placed = |at| {
        let here = outcomes
            .iter()
            .filter(|it| account(it) == Some(AccountIx::new(at)));
        here.count()
    };
    ((0..slots).map(placed).collect(), count(Outcome::Waiting))
}

#[test]
fn a_set_goes_whole_where_it_fits_best() {
    let outcomes = place(
        &[slot(100), slot(12), slot(9)],
        &[request(&[0, 1, 2], 0..10)],
    );
    assert_eq!(shares(&outcomes[0], 3), (vec![0, 10, 0], 0));
}

#[test]
fn a_set_that_fits_nowhere_is_split_and_the_rest_waits() {
    let outcomes = place(&[slot(4), slot(6)], &[request(&[0, 1], 0..12)]);
    assert_eq!(shares(&outcomes[0], 2), (vec![4, 6], 2));
}

#[test]
fn what_is_added_to_a_set_joins_it() {
    let before = [request(&[0, 1], 0..5)];
    let slots = settled(
        &[slot(100), slot(10)],
        &before,
        &place(&[slot(100), slot(10)], &before),
    );
    let outcomes = place(&slots, &[request(&[0, 1], 0..8)]);
    assert_eq!(shares(&outcomes[0], 2), (vec![0, 8], 0));
}

#[test]
fn the_older_set_is_served_first_and_keeps_more_when_an_account_shrinks() {
    let requests = [request(&[0], 0..4), request(&[0], 10..14)];
    let outcomes = place(&[slot(6)], &requests);
    assert_eq!(
        (shares(&outcomes[0], 1), shares(&outcomes[1], 1)),
        ((vec![4], 0), (vec![2], 2))
    );
    let mut slots = settled(&[slot(8)], &requests, &place(&[slot(8)], &requests));
    slots[0].capacity = 5;
    let outcomes = place(&slots, &requests);
    assert_eq!(
        (shares(&outcomes[0], 1), shares(&outcomes[1], 1)),
        ((vec![4], 0), (vec![1], 3))
    );
}

fn prior(priority: i32, request: SetRequest) -> SetRequest {
    SetRequest {
        priority,
        ..request
    }
}

#[test]
fn a_higher_priority_gets_room_first_and_keeps_more_but_takes_no_place() {
    let requests = [request(&[0], 0..4), prior(1, request(&[0], 10..14))];
    let outcomes = place(&[slot(6)], &requests);
    assert_eq!(
        (shares(&outcomes[0], 1), shares(&outcomes[1], 1)),
        ((vec![2], 2), (vec![4], 0))
    );
    // What streams keeps its place.
    let first = &requests[..1];
    let slots = settled(&[slot(6)], first, &place(&[slot(6)], first));
    let outcomes = place(&slots, &requests);
    assert_eq!(
        (shares(&outcomes[0], 1), shares(&outcomes[1], 1)),
        ((vec![4], 0), (vec![2], 2))
    );
    // The account shrinks.
    let mut slots = settled(&[slot(8)], &requests, &place(&[slot(8)], &requests));
    slots[0].capacity = 5;
    let outcomes = place(&slots, &requests);
    assert_eq!(
        (shares(&outcomes[0], 1), shares(&outcomes[1], 1)),
        ((vec![1], 3), (vec![4], 0))
    );
}

#[test]
fn a_channel_goes_by_age_whatever_the_priority() {
    // The same instruments on one channel from two accounts.
    let requests = [request(&[0], 0..2), prior(9, request(&[1], 0..4))];
    let outcomes = place(&[slot(9), slot(9)], &requests);
    assert_eq!(shares(&outcomes[0], 2), (vec![2, 0], 0));
    assert_eq!(outcomes[1][..2], [Outcome::Conflict; 2]);
    assert_eq!(shares(&outcomes[1][2..], 2), (vec![0, 2], 0));
    // Without room for the older set the younger one has it.
    let outcomes = place(&[slot(0), slot(9)], &requests);
    assert_eq!(shares(&outcomes[1], 2), (vec![0, 4], 0));
    // With the same accounts they share, and the place is that of the higher.
    let requests = [request(&[0], 0..4), prior(9, request(&[0], 2..6))];
    let outcomes = place(&[slot(4)], &requests);
    assert_eq!(shares(&outcomes[1], 1), (vec![4], 0));
    assert_eq!(shares(&outcomes[0], 1), (vec![2], 2));
}

#[test]
fn a_token_of_two_sets_takes_one_place() {
    let outcomes = place(&[slot(5)], &[request(&[0], 0..5), request(&[0], 0..5)]);
    assert_eq!(shares(&outcomes[1], 1), (vec![5], 0));
}

#[test]
fn one_token_on_one_channel_has_one_publisher() {
    // Only an account that both may use can serve both.
    let outcomes = place(
        &[slot(9), slot(9)],
        &[
            request(&[0], 0..2),
            request(&[1], 0..2),
            request(&[0, 1], 0..2),
        ],
    );
    assert_eq!(outcomes[1], [Outcome::Conflict; 2]);
    assert_eq!(outcomes[2], [Outcome::Placed(AccountIx::new(0)); 2]);
    // On another channel, or in another Redis, there is nothing to share.
    let other = SetRequest {
        allowed: accounts([1]),
        items: items(0..2, 1),
        ..SetRequest::default()
    };
    assert_eq!(
        place(&[slot(9), slot(9)], &[request(&[0], 0..2), other])[1],
        [Outcome::Placed(AccountIx::new(1)); 2]
    );
    let elsewhere = AccountSlot {
        target: Some(TargetId::new(1)),
        ..slot(9)
    };
    assert_eq!(
        place(
            &[slot(9), elsewhere],
            &[request(&[0], 0..2), request(&[1], 0..2)]
        )[1],
        [Outcome::Placed(AccountIx::new(1)); 2]
    );
}

#[test]
fn a_slot_that_a_conflict_frees_serves_who_waits() {
    // The younger set holds token 1 on site 1; the older one now claims its channel on site 0.
    let held = (TokenIx::new(1), Some(SetIx::new(2)));
    let slots = [
        slot(5),
        AccountSlot {
            current: vec![held],
            ..slot(1)
        },
    ];
    let requests = [request(&[0], [1]), request(&[1], [7]), request(&[1], [1])];
    let outcomes = place(&slots, &requests);
    assert_eq!(outcomes[1], [Outcome::Placed(AccountIx::new(1))]);
    assert_eq!(outcomes[2], [Outcome::Conflict]);
}

/// Account 2 has lost its sockets. A token that leaves it for a free place of account 1 frees one for the older set, whose token
/// then takes the channel of another on account 1, which frees a place there, and so on.
#[test]
fn places_that_free_each_other_are_all_used() {
    let down = AccountSlot {
        refuge: Refuge::Down,
        lost: LostTokens::All,
        ..slot(16)
    };
    let slots = [slot(6), slot(14), down, slot(6)];
    let mut slots = slots.map(|slot| AccountSlot {
        target: Some(TargetId::new(0)),
        ..slot
    });
    slots[0].target = Some(TargetId::new(1));
    let elsewhere = [2, 4, 5, 13, 14, 16, 21, 23, 24, 27, 28, 30, 34, 55, 57];
    let leaves = [
        0, 2, 6, 9, 12, 13, 14, 15, 16, 17, 22, 23, 24, 25, 26, 29, 38,
    ];
    let shares = [
        3, 4, 5, 6, 9, 13, 17, 18, 19, 22, 23, 24, 25, 26, 27, 28, 29, 35, 36, 40, 57,
    ];
    let mut requests = [
        request(&[0, 2], elsewhere),
        prior(1, request(&[2], leaves)),
        request(&[1, 2], shares),
        prior(1, request(&[2, 3], [])),
    ];
    requests[3].items = items([0, 1, 2, 3, 7, 8, 15, 17, 30], 1);
    let after = settled(&slots, &requests, &place(&slots, &requests));
    requests[1].items.clear();
    requests[2].items.extend(items([60], 0));
    let outcomes = place(&after, &requests);
    properties::check(&after, &requests, &outcomes).unwrap();
}

#[test]
fn the_channel_of_a_chain_has_one_publisher_too() {
    // Both sets have an account and a channel of their own, and one chain.
    let chain = Some(ChannelId::new(9));
    let mut requests = [request(&[0], [1]), request(&[1], [1])];
    requests[1].items[0].channel = Some(ChannelId::new(1));
    let slots = [slot(9), slot(9)];
    let placed = |requests: &[SetRequest]| place(&slots, requests).concat();
    let both = [0, 1].map(|at| Outcome::Placed(AccountIx::new(at)));
    assert_eq!(placed(&requests), both);
    for request in &mut requests {
        request.items[0].underlying = chain;
    }
    assert_eq!(placed(&requests), [both[0], Outcome::Conflict]);
    requests[1].allowed = accounts([0, 1]);
    assert_eq!(placed(&requests), [both[0], both[0]]);
    // The older set has its turn whatever the priority of the younger one, where that would take the channel.
    requests[1].allowed = accounts([1]);
    requests[1].priority = 5;
    assert_eq!(placed(&requests), [both[0], Outcome::Conflict]);
}

#[test]
fn nothing_comes_to_or_goes_from_a_frozen_account() {
    let frozen = AccountSlot {
        frozen: true,
        current: vec![(TokenIx::new(1), Some(SetIx::new(0)))],
        held_over: vec![(TokenIx::new(1), vec![ChannelId::new(0)])],
        ..slot(5)
    };
    let outcomes = place(&[frozen, slot(5)], &[request(&[1], [1, 2])]);
    assert_eq!(
        outcomes[0],
        [
            Outcome::Placed(AccountIx::new(0)),
            Outcome::Placed(AccountIx::new(1))
        ]
    );
}
