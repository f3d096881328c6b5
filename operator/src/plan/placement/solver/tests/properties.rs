//! What must hold of every placement and rebalance.

use crds::rebalance::RebalanceState;
use proptest::prelude::*;

use super::*;
use crate::plan::placement::rebalance::{Placed, Subject, rebalance};

const ACCOUNTS: usize = 4;

prop_compose! {
    fn any_request()(
        allowed in proptest::collection::btree_set(0..ACCOUNTS, 0..=ACCOUNTS),
        tokens in proptest::collection::btree_set(0_u32..60, 0..40),
        channel in 0_u32..2,
        priority in 0..3,
    ) -> SetRequest {
        SetRequest { priority, allowed: accounts(allowed), items: items(tokens, channel), ..SetRequest::default() }
    }
}

fn any_health() -> impl Strategy<Value = (Refuge, LostTokens)> {
    let tokens = (0_usize..60)
        .map(TokenIx::new)
        .filter(|token| token.at() % 3 == 0);
    let some = LostTokens::Some(tokens.collect());
    prop_oneof![
        6 => Just((Refuge::Proven, LostTokens::None)),
        1 => (0_usize..9).prop_map(|trials| (Refuge::Untried(trials), LostTokens::None)),
        1 => Just((Refuge::None, LostTokens::None)),
        2 => Just((Refuge::Down, LostTokens::All)),
        1 => Just((Refuge::Down, some)),
    ]
}

prop_compose! {
    fn any_slots()(slots in proptest::collection::vec((0_usize..40, 0_usize..2, any_health()), ACCOUNTS)) -> Vec<AccountSlot> {
        slots.into_iter().map(|(capacity, target, (refuge, lost))| AccountSlot {
            capacity, target: Some(TargetId::new(target)), refuge, lost, ..AccountSlot::default()
        }).collect()
    }
}

/// How many tokens an account streams.
fn tokens(slot: &AccountSlot) -> usize {
    let tokens = slot.current.iter().map(|(token, _)| *token);
    tokens.collect::<std::collections::BTreeSet<_>>().len()
}

/// What must hold whatever was asked for.
pub(super) fn check(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    outcomes: &[Vec<Outcome>],
) -> Result<(), TestCaseError> {
    let after = settled(slots, requests, outcomes);
    let mut publishers = std::collections::BTreeMap::new();
    for (request, outcomes) in requests.iter().zip(outcomes) {
        prop_assert_eq!(request.items.len(), outcomes.len());
        for (want, outcome) in request.items.iter().zip(outcomes) {
            match outcome {
                Outcome::Placed(at) => {
                    prop_assert!(request.allows(*at));
                    let channel = (slots[at.at()].target, want.channel, want.token);
                    prop_assert_eq!(*publishers.entry(channel).or_insert(*at), *at);
                }
                Outcome::Waiting | Outcome::Conflict => {}
            }
        }
    }
    for (site, after) in slots.iter().zip(&after) {
        prop_assert!(tokens(after) <= site.capacity);
    }
    for (request, outcomes) in requests.iter().zip(outcomes) {
        for (want, outcome) in request.items.iter().zip(outcomes) {
            let claimed = |site: &AccountIx| {
                publishers.contains_key(&(slots[site.at()].target, want.channel, want.token))
            };
            let room = |site: &AccountIx| tokens(&after[site.at()]) < slots[site.at()].capacity;
            match outcome {
                // Waiting means that no account with room could take it.
                Outcome::Waiting => {
                    prop_assert!(
                        !request
                            .allowed
                            .iter()
                            .any(|site| room(site) && !claimed(site))
                    );
                }
                Outcome::Conflict => prop_assert!(request.allowed.iter().all(claimed)),
                Outcome::Placed(_) => {}
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn caps_hold_and_every_channel_has_one_publisher(
        slots in any_slots(), requests in proptest::collection::vec(any_request(), 0..6),
    ) {
        let outcomes = place(&slots, &requests);
        check(&slots, &requests, &outcomes)?;
        // Carried out, the same is decided again, but for what a lost place may leave for one that was new.
        let after = settled(&slots, &requests, &outcomes);
        let again = place(&after, &requests);
        prop_assert_eq!(again.len(), outcomes.len());
        let items = requests.iter().flat_map(|request| &request.items);
        for ((was, is), item) in outcomes.iter().flatten().zip(again.iter().flatten()).zip(items) {
            let loses = |outcome: &Outcome| {
                account(outcome).is_some_and(|at| slots[at.at()].lost.has(item.token))
            };
            prop_assert!(was == is || loses(was) && !loses(is), "{was:?} {is:?}");
        }
        let after = settled(&after, &requests, &again);
        prop_assert_eq!(place(&after, &requests), again);
    }

    #[test]
    fn nothing_moves_for_what_others_add_or_remove(
        slots in any_slots(),
        requests in proptest::collection::vec(any_request(), 1..5),
        younger in any_request(),
        more in proptest::collection::btree_set(60_u32..80, 0..20),
        gone in any::<prop::sample::Index>(),
    ) {
        let before = place(&slots, &requests);
        let after = settled(&slots, &requests, &before);
        // New tokens in one set, a younger set besides, and another set emptied.
        let mut changed = requests.clone();
        changed.push(younger);
        let gone = gone.index(requests.len());
        changed[gone].items.clear();
        let grown = (gone + 1) % requests.len();
        if grown != gone {
            let first = requests[grown].items.first();
            let channel = first.map_or(Some(ChannelId::new(0)), |item| item.channel);
            let more = more.into_iter().map(|token| TokenIx::new(token as usize));
            let more = more.map(|token| Item::new(token, channel));
            changed[grown].items.extend(more);
        }
        let outcomes = place(&after, &changed);
        check(&after, &changed, &outcomes)?;
        for (at, before) in before.iter().enumerate().filter(|(at, _)| *at != gone) {
            for (position, was) in before.iter().enumerate() {
                let Outcome::Placed(site) = was else { continue };
                let want = changed[at].items[position];
                // Only what an older set can publish now in its stead is taken from a younger one.
                let yields = changed[..at].iter().zip(&outcomes).any(|(older, outcomes)| {
                    older.items.iter().zip(outcomes).any(|(other, outcome)| {
                        (other.token, other.channel) == (want.token, want.channel)
                            && matches!(outcome, Outcome::Placed(at) if slots[at.at()].target == slots[site.at()].target)
                    })
                });
                let is_lost = slots[site.at()].lost.has(want.token);
                if !yields && !is_lost {
                    prop_assert_eq!(account(&outcomes[at][position]), Some(*site));
                }
            }
        }
    }
}

/// What must hold of a rebalance: caps, one publisher, and nothing that was placed is not.
fn is_whole(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    before: &[Vec<Outcome>],
    after: &[Vec<Outcome>],
) -> Result<(), TestCaseError> {
    let mut publishers = std::collections::BTreeMap::new();
    let all = requests.iter().zip(before.iter().zip(after));
    for (request, (before, after)) in all {
        for (item, (before, after)) in request.items.iter().zip(before.iter().zip(after)) {
            prop_assert_eq!(account(before).is_some(), account(after).is_some());
            let Outcome::Placed(at) = after else { continue };
            prop_assert!(request.allows(*at));
            let channel = (slots[at.at()].target, item.channel, item.token);
            prop_assert_eq!(*publishers.entry(channel).or_insert(*at), *at);
        }
    }
    for (slot, after) in slots.iter().zip(&settled(slots, requests, after)) {
        prop_assert!(tokens(after) <= slot.capacity);
    }
    Ok(())
}

/// Whether a set has lost a token on an account.
fn has_moved(before: &[AccountSlot], after: &[AccountSlot]) -> bool {
    let lost = |(before, after): (&AccountSlot, &AccountSlot)| {
        let mut current = before.current.iter();
        current.any(|there| there.1.is_some() && !after.current.contains(there))
    };
    before.iter().zip(after).any(lost)
}

proptest! {
    #[test]
    fn a_rebalance_is_sound_and_ends(
        slots in any_slots(),
        requests in proptest::collection::vec(any_request(), 1..6),
        of_account in any::<bool>(),
        which in any::<prop::sample::Index>(),
    ) {
        let subject = match of_account {
            true => Subject::Account(AccountIx::new(which.index(ACCOUNTS))),
            false => Subject::Set(SetIx::new(which.index(requests.len()))),
        };
        let kept = vec![Vec::new(); requests.len()];
        let mut slots = slots;
        let mut ended = false;
        for _ in 0..30 {
            let outcomes = place(&slots, &requests);
            let placed = Placed {
                slots: &slots,
                requests: &requests,
                first_set: 0,
                outcomes: outcomes.clone(),
                kept: &kept,
                leaving: vec![0; slots.len()],
            };
            let found = rebalance(placed, &[(subject, crate::plan::input::RebalanceMode::Move)]);
            is_whole(&slots, &requests, &outcomes, &found.outcomes)?;
            // What the solver has just moved waits for the next pass.
            let waits = has_moved(&slots, &settled(&slots, &requests, &outcomes));
            slots = settled(&slots, &requests, &found.outcomes);
            ended = found.progress[0].0 == RebalanceState::Done;
            if ended {
                break;
            }
            prop_assert!(waits || !found.moved.is_empty());
        }
        prop_assert!(ended);
    }
}
