use proptest::prelude::*;

use super::*;

fn site(capacity: usize) -> Site {
    Site {
        capacity,
        ..Site::default()
    }
}

fn wants(tokens: impl IntoIterator<Item = u32>, channel: u32) -> Vec<Want> {
    tokens
        .into_iter()
        .map(|token| Want {
            token: Token(token),
            channel,
        })
        .collect()
}

fn request(allowed: &[usize], tokens: impl IntoIterator<Item = u32>) -> Request {
    Request {
        allowed: allowed.to_vec(),
        wants: wants(tokens, 0),
    }
}

/// How many of a request's wants each site got, and how many wait.
fn shares(outcomes: &[Outcome], sites: usize) -> (Vec<usize>, usize) {
    let count = |of| outcomes.iter().filter(|outcome| **outcome == of).count();
    (
        (0..sites).map(|at| count(Outcome::Placed(at))).collect(),
        count(Outcome::Waiting),
    )
}

#[test]
fn a_set_goes_whole_where_it_fits_best() {
    let outcomes = place(
        &[site(100), site(12), site(9)],
        &[request(&[0, 1, 2], 0..10)],
    );
    assert_eq!(shares(&outcomes[0], 3), (vec![0, 10, 0], 0));
}

#[test]
fn a_set_that_fits_nowhere_is_split_and_the_rest_waits() {
    let outcomes = place(&[site(4), site(6)], &[request(&[0, 1], 0..12)]);
    assert_eq!(shares(&outcomes[0], 2), (vec![4, 6], 2));
}

#[test]
fn what_is_added_to_a_set_joins_it() {
    let before = [request(&[0, 1], 0..5)];
    let sites = settled(
        &[site(100), site(10)],
        &before,
        &place(&[site(100), site(10)], &before),
    );
    let outcomes = place(&sites, &[request(&[0, 1], 0..8)]);
    assert_eq!(shares(&outcomes[0], 2), (vec![0, 8], 0));
}

#[test]
fn the_older_set_is_served_first_and_keeps_more_when_an_account_shrinks() {
    let requests = [request(&[0], 0..4), request(&[0], 10..14)];
    let outcomes = place(&[site(6)], &requests);
    assert_eq!(
        (shares(&outcomes[0], 1), shares(&outcomes[1], 1)),
        ((vec![4], 0), (vec![2], 2))
    );
    let mut sites = settled(&[site(8)], &requests, &place(&[site(8)], &requests));
    sites[0].capacity = 5;
    let outcomes = place(&sites, &requests);
    assert_eq!(
        (shares(&outcomes[0], 1), shares(&outcomes[1], 1)),
        ((vec![4], 0), (vec![1], 3))
    );
}

#[test]
fn a_token_of_two_sets_takes_one_place() {
    let outcomes = place(&[site(5)], &[request(&[0], 0..5), request(&[0], 0..5)]);
    assert_eq!(shares(&outcomes[1], 1), (vec![5], 0));
}

#[test]
fn one_token_on_one_channel_has_one_publisher() {
    // Only an account that both may use can serve both.
    let outcomes = place(
        &[site(9), site(9)],
        &[
            request(&[0], 0..2),
            request(&[1], 0..2),
            request(&[0, 1], 0..2),
        ],
    );
    assert_eq!(outcomes[1], [Outcome::Conflict; 2]);
    assert_eq!(outcomes[2], [Outcome::Placed(0); 2]);
    // On another channel, or in another Redis, there is nothing to share.
    let other = Request {
        allowed: vec![1],
        wants: wants(0..2, 1),
    };
    assert_eq!(
        place(&[site(9), site(9)], &[request(&[0], 0..2), other])[1],
        [Outcome::Placed(1); 2]
    );
    let elsewhere = Site {
        target: 1,
        ..site(9)
    };
    assert_eq!(
        place(
            &[site(9), elsewhere],
            &[request(&[0], 0..2), request(&[1], 0..2)]
        )[1],
        [Outcome::Placed(1); 2]
    );
}

#[test]
fn a_slot_that_a_conflict_frees_serves_who_waits() {
    // The younger set holds token 1 on site 1; the older one now claims its channel on site 0.
    let held = Held {
        token: Token(1),
        requests: vec![2],
        fixed: None,
    };
    let sites = [
        site(5),
        Site {
            held: vec![held],
            ..site(1)
        },
    ];
    let requests = [request(&[0], [1]), request(&[1], [7]), request(&[1], [1])];
    let outcomes = place(&sites, &requests);
    assert_eq!(outcomes[1], [Outcome::Placed(1)]);
    assert_eq!(outcomes[2], [Outcome::Conflict]);
}

#[test]
fn nothing_comes_to_or_goes_from_a_frozen_account() {
    let held = vec![Held {
        token: Token(1),
        requests: vec![0],
        fixed: Some(vec![0]),
    }];
    let frozen = Site {
        frozen: true,
        held,
        ..site(5)
    };
    let outcomes = place(&[frozen, site(5)], &[request(&[1], [1, 2])]);
    assert_eq!(outcomes[0], [Outcome::Placed(0), Outcome::Placed(1)]);
}

const SITES: usize = 4;

prop_compose! {
    fn any_request()(
        allowed in proptest::collection::btree_set(0..SITES, 0..=SITES),
        tokens in proptest::collection::btree_set(0_u32..60, 0..40),
        channel in 0_u32..2,
    ) -> Request {
        Request { allowed: allowed.into_iter().collect(), wants: wants(tokens, channel) }
    }
}

prop_compose! {
    fn any_sites()(capacities in proptest::collection::vec((0_usize..40, 0_u32..2), SITES)) -> Vec<Site> {
        capacities.into_iter().map(|(capacity, target)| Site { capacity, target, ..Site::default() }).collect()
    }
}

/// What must hold whatever was asked for.
fn check(
    sites: &[Site],
    requests: &[Request],
    outcomes: &[Vec<Outcome>],
) -> Result<(), TestCaseError> {
    let after = settled(sites, requests, outcomes);
    let mut publishers = std::collections::BTreeMap::new();
    for (request, outcomes) in requests.iter().zip(outcomes) {
        prop_assert_eq!(request.wants.len(), outcomes.len());
        for (want, outcome) in request.wants.iter().zip(outcomes) {
            match outcome {
                Outcome::Placed(at) => {
                    prop_assert!(request.allows(*at));
                    let channel = (sites[*at].target, want.channel, want.token);
                    prop_assert_eq!(*publishers.entry(channel).or_insert(*at), *at);
                }
                Outcome::Waiting | Outcome::Conflict => {}
            }
        }
    }
    for (site, after) in sites.iter().zip(&after) {
        prop_assert!(after.held.len() <= site.capacity);
    }
    for (request, outcomes) in requests.iter().zip(outcomes) {
        for (want, outcome) in request.wants.iter().zip(outcomes) {
            let claimed = |site: &usize| {
                publishers.contains_key(&(sites[*site].target, want.channel, want.token))
            };
            let room = |site: &usize| after[*site].held.len() < sites[*site].capacity;
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
        sites in any_sites(), requests in proptest::collection::vec(any_request(), 0..6),
    ) {
        let outcomes = place(&sites, &requests);
        check(&sites, &requests, &outcomes)?;
        // Carried out, the same is decided again.
        let after = settled(&sites, &requests, &outcomes);
        prop_assert_eq!(place(&after, &requests), outcomes);
    }

    #[test]
    fn nothing_moves_for_what_others_add_or_remove(
        sites in any_sites(),
        requests in proptest::collection::vec(any_request(), 1..5),
        younger in any_request(),
        more in proptest::collection::btree_set(60_u32..80, 0..20),
        gone in any::<prop::sample::Index>(),
    ) {
        let before = place(&sites, &requests);
        let after = settled(&sites, &requests, &before);
        // New tokens in one set, a younger set besides, and another set emptied.
        let mut changed = requests.clone();
        changed.push(younger);
        let gone = gone.index(requests.len());
        changed[gone].wants.clear();
        let grown = (gone + 1) % requests.len();
        if grown != gone {
            let channel = requests[grown].wants.first().map_or(0, |want| want.channel);
            changed[grown].wants.extend(wants(more, channel));
        }
        let outcomes = place(&after, &changed);
        check(&after, &changed, &outcomes)?;
        for (at, before) in before.iter().enumerate().filter(|(at, _)| *at != gone) {
            for (position, was) in before.iter().enumerate() {
                let Outcome::Placed(site) = was else { continue };
                let want = changed[at].wants[position];
                // Only what an older set can publish now in its stead is taken from a younger one.
                let yields = changed[..at].iter().zip(&outcomes).any(|(older, outcomes)| {
                    older.wants.iter().zip(outcomes).any(|(other, outcome)| {
                        (other.token, other.channel) == (want.token, want.channel)
                            && matches!(outcome, Outcome::Placed(at) if sites[*at].target == sites[*site].target)
                    })
                });
                if !yields {
                    prop_assert_eq!(&outcomes[at][position], was);
                }
            }
        }
    }
}
