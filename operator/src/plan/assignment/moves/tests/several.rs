//! Moves of several accounts: further sets, namespaces, and a third account in the middle of one.

use super::*;

/// An operator of all namespaces: accounts of the same names, with moves of the same generations.
#[test]
fn each_namespace_has_moves_of_its_own() {
    let mut world = world();
    refer(&mut world.sets[0], "a");
    for account in world.accounts.clone() {
        let mut other = account;
        other.object.meta.key.namespace = "other".to_owned();
        other.object.meta.uid += "-other";
        other.object.status = None;
        other.assignment = LastAssignment::Absent;
        other.scrape = Scrape::default();
        world.accounts.push(other);
    }
    let mut set = world.sets[0].clone();
    set.meta.key.namespace = "other".to_owned();
    set.meta.uid += "-other";
    edit(&mut set, |spec| {
        spec.publish = serde_json::from_value(json!({"channelPrefix": "other"})).unwrap();
    });
    world.sets.push(set);
    for _ in 0..3 {
        let plan = plan(&world, &Memory::default(), start());
        apply(&mut world, &plan);
        run_files(&mut world, SECOND);
    }
    for set in &mut world.sets {
        refer(set, "b");
    }
    for boundary in [None, Some(SECOND + 3)] {
        let plan = plan(&world, &Memory::default(), start());
        apply(&mut world, &plan);
        let taken = |at: usize| {
            let assignment = world.accounts[at].assignment.readable().unwrap().0;
            let rows = assignment.instruments.iter();
            let rows = rows.filter(|row| assignment.move_of(row).is_some()).count();
            (rows, assignment.moves[0].boundary.map(|it| it.second))
        };
        let takers = (0..4).filter(|at| world.accounts[*at].object.meta.key.name == "b");
        let takers: Vec<(usize, Option<i64>)> = takers.map(taken).collect();
        assert_eq!(takers, [(5, boundary); 2]);
        run_files(&mut world, SECOND);
    }
}

/// Each second has a publisher that does not say that its ticks come twice, and what comes twice says so.
fn publishers(world: &Observed, token: Token, second: i64) -> (usize, usize) {
    let (mut plain, mut marked) = (0, 0);
    for account in &world.accounts {
        let Some((assignment, _)) = account.assignment.readable() else {
            continue;
        };
        let mut rows = assignment.instruments.iter();
        let Some(row) = rows.find(|row| row.token == token && !row.outputs.is_empty()) else {
            continue;
        };
        let publishes = match assignment.move_of(row) {
            Some(it) => match (it.part, it.boundary) {
                (MovePart::From, boundary) => boundary.is_none_or(|at| second < at.second),
                (MovePart::To, boundary) => boundary.is_some_and(|at| second >= at.second),
            },
            None => true,
        };
        match publishes && row.handover {
            true => marked += 1,
            false => plain += usize::from(publishes),
        }
    }
    (plain, marked)
}

#[test]
fn a_third_account_in_the_middle_of_a_move_takes_from_one_and_the_other_says_so() {
    for before in 1..8 {
        let mut world = world();
        world.accounts.push(account("c"));
        let token = assignment(&world, "a").instruments[0].token;
        for pass in 0..20 {
            if pass == before {
                refer(&mut world.sets[0], "c");
            }
            let plan = plan(&world, &Memory::default(), start());
            apply(&mut world, &plan);
            check(&world);
            let second = SECOND + pass;
            let (plain, marked) = publishers(&world, token, second);
            assert_eq!(
                plain, 1,
                "{before}, {pass}: {marked} say that it comes twice"
            );
            run_files(&mut world, second);
        }
        assert_eq!(assignment(&world, "c").instruments.len(), 5);
        for others in ["a", "b"] {
            assert_eq!(assignment(&world, others).instruments, []);
        }
    }
}

/// Two accounts give the same instruments, each for a set on channels of its own: the boundary is with one of them, and the other
/// goes on until it has passed.
#[test]
fn an_account_goes_on_until_the_new_one_is_past_its_boundary_with_another() {
    let mut sets = [
        set("s", &equities(0..3), &[]),
        set("t", &equities(0..3), &[]),
    ];
    for (set, (account, prefix)) in sets.iter_mut().zip([("a", "one"), ("b", "two")]) {
        edit(set, |spec| {
            spec.publish = serde_json::from_value(json!({"channelPrefix": prefix})).unwrap();
        });
        refer(set, account);
    }
    let accounts = ["a", "b", "c"].map(account);
    let mut world = observed(accounts.to_vec(), sets.to_vec());
    run(&mut world, start());
    run_files(&mut world, SECOND);
    world.sets.iter_mut().for_each(|set| refer(set, "c"));
    for pass in 0..16 {
        let plan = plan(&world, &Memory::default(), start());
        apply(&mut world, &plan);
        let second = SECOND + pass;
        let published = |prefix: &str| {
            let all = world
                .accounts
                .iter()
                .filter_map(|it| it.assignment.readable());
            let rows = all.flat_map(|(of, _)| of.instruments.iter().map(move |row| (of, row)));
            let here = rows.filter(|(of, row)| {
                let on = |output: &contract::Output| {
                    of.channels[usize::from(output.channel)].starts_with(prefix)
                };
                let publishes = match of.move_of(row) {
                    Some(it) => match (it.part, it.boundary) {
                        (MovePart::From, boundary) => boundary.is_none_or(|at| second < at.second),
                        (MovePart::To, boundary) => boundary.is_some_and(|at| second >= at.second),
                    },
                    None => true,
                };
                publishes && row.outputs.iter().any(on)
            });
            here.count()
        };
        for prefix in ["one", "two"] {
            assert!(
                published(prefix) >= 3,
                "{pass}: {prefix} {}",
                published(prefix)
            );
        }
        run_files(&mut world, second);
    }
    for account in ["a", "b"] {
        assert_eq!(
            assignment(&world, account).instruments,
            [],
            "{account} ends"
        );
    }
}

/// An object that cannot be read any more, or names that were taken: its process goes on with what it was told, and publishes
/// nothing of a move that has no boundary.
#[test]
fn an_account_goes_on_while_the_new_one_may_not_be_changed() {
    let mut world = world();
    step(&mut world);
    let unbounded = moves(&world, "b");
    assert!(unbounded.iter().all(|(_, _, boundary)| boundary.is_none()));
    let spec = std::mem::replace(&mut world.accounts[1].object.spec, Err(invalid_spec()));
    for second in 10..16 {
        run_files(&mut world, SECOND + second);
        step(&mut world);
        let giving = moves(&world, "a");
        assert_eq!(giving, [(MovePart::From, 5, None)], "{second}");
    }
    end(&mut world, spec);
}

/// It has the boundary, so that it publishes what is after it: the other one learns it, and leaves.
#[test]
fn a_boundary_counts_although_the_new_account_may_not_be_changed() {
    let mut world = world();
    let mut second = SECOND;
    while !moves(&world, "b").iter().any(|(_, _, it)| it.is_some()) {
        step(&mut world);
        second += 1;
        run_files(&mut world, second);
        assert!(second < SECOND + 10, "no boundary");
    }
    let spec = std::mem::replace(&mut world.accounts[1].object.spec, Err(invalid_spec()));
    for passed in 1..6 {
        step(&mut world);
        run_files(&mut world, second + passed);
        assert_eq!(moves(&world, "b").len(), 1, "it is as it was told");
    }
    let giving = moves(&world, "a");
    assert!(giving.iter().all(|(_, _, it)| it.is_some()), "{giving:?}");
    end(&mut world, spec);
}

/// The new account may be changed again: the move ends.
fn end(world: &mut Observed, spec: Result<std::sync::Arc<crds::TickerAccountSpec>, InvalidSpec>) {
    world.accounts[1].object.spec = spec;
    for second in 20..30 {
        step(world);
        run_files(world, SECOND + second);
    }
    assert_eq!(assignment(world, "a").instruments, []);
    assert_eq!(assignment(world, "b").instruments.len(), 5);
}
