//! Moves, step by step: what the files of both accounts say, and who publishes.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::assignment::Persistence;
use contract::report::{FEATURE_MOVES, MoveReport};
use contract::{Assignment, Boundary, MovePart, Report, Row};
use kite::Token;
use serde_json::json;

use crate::plan::fixture::*;
use crate::plan::*;

const SECOND: i64 = 1_764_000_000;

fn assignment<'a>(world: &'a Observed, account: &str) -> &'a Assignment {
    let mut accounts = world.accounts.iter();
    let account = accounts.find(|it| it.object.meta.key.name == account);
    account.unwrap().assignment.readable().unwrap().0
}

fn report<'a>(world: &'a mut Observed, account: &str) -> &'a mut Report {
    let mut accounts = world.accounts.iter_mut();
    let account = accounts.find(|it| it.object.meta.key.name == account);
    Arc::make_mut(account.unwrap().scrape.report.as_mut().unwrap())
}

fn refer(set: &mut ObservedSet, account: &str) {
    edit(set, |spec| {
        spec.account_ref =
            Some(serde_json::from_value(serde_json::json!({"name": account})).unwrap());
    });
}

/// The part of an account in its moves: how many rows of it, and the boundary.
fn moves(world: &Observed, account: &str) -> Vec<(MovePart, usize, Option<i64>)> {
    let assignment = assignment(world, account);
    let rows = |at| {
        let rows = assignment.instruments.iter();
        rows.filter(|row| row.move_at == Some(at)).count()
    };
    let moves = (0..).zip(&assignment.moves);
    moves
        .map(|(at, it)| (it.part, rows(at), it.boundary.map(|it| it.second)))
        .collect()
}

/// Lets every process run its file, with every instrument there; it knows moves, and that the exchange is at `second`.
fn run_files(world: &mut Observed, second: i64) {
    stream(world);
    for account in &mut world.accounts {
        let Some((assignment, _)) = account.assignment.readable() else {
            continue;
        };
        let moves = (0..).zip(&assignment.moves).map(|(at, it)| {
            let rows = assignment.instruments.iter();
            let rows = rows.filter(|row| row.move_at == Some(at)).count() as u32;
            let past = |boundary: Boundary| boundary.second + 2 <= second;
            MoveReport {
                id: it.id.clone(),
                instruments: rows,
                seen: rows,
                silent: 0,
                second: Some(second),
                done: it.part == MovePart::From && it.boundary.is_some_and(past),
            }
        });
        let moves: Vec<MoveReport> = moves.collect();
        let report = Arc::make_mut(account.scrape.report.as_mut().unwrap());
        report.features = vec![FEATURE_MOVES.to_owned()];
        report.moves = moves;
    }
}

/// A pass of a new operator each time: nothing of a move is remembered.
fn step(world: &mut Observed) {
    let plan = plan(world, &Memory::default(), start());
    apply(world, &plan);
    check(world);
    let taken = |part: Option<i64>, bounded: bool| part.is_some() == bounded;
    let count = |bounded: bool| -> u32 {
        let moves = moves(world, "b").into_iter();
        let moves = moves.filter(|(part, _, at)| *part == MovePart::To && taken(*at, bounded));
        moves.map(|(_, rows, _)| rows as u32).sum()
    };
    let counted = (plan.moves.subscribing, plan.moves.dividing);
    assert_eq!(counted, (count(false), count(true)));
    let moving: u32 = plan.sets.iter().filter_map(|it| it.status.moving).sum();
    assert_eq!(moving, counted.0 + counted.1);
}

/// What is withheld has an account that gives it, under the same move and not yet without it.
fn check(world: &Observed) {
    let mut giving: BTreeMap<(String, Token), Option<Boundary>> = BTreeMap::new();
    let all = || {
        world
            .accounts
            .iter()
            .filter_map(|it| it.assignment.readable())
    };
    for (assignment, _) in all() {
        for row in &assignment.instruments {
            if let Some(it) = assignment
                .move_of(row)
                .filter(|it| it.part == MovePart::From)
            {
                giving.insert((it.id.clone(), row.token), it.boundary);
            }
        }
    }
    for (assignment, _) in all() {
        for row in &assignment.instruments {
            let Some(it) = assignment.move_of(row).filter(|it| it.part == MovePart::To) else {
                continue;
            };
            let given = giving.get(&(it.id.clone(), row.token));
            let given = given.unwrap_or_else(|| panic!("nobody gives {row:?}"));
            assert!(given.is_none() || *given == it.boundary);
        }
    }
}

/// Five shares that stream on `a` and are to go to `b`.
fn world() -> Observed {
    let mut set = set("s", &equities(0..5), &[]);
    edit(&mut set, |spec| {
        spec.publish =
            serde_json::from_value(serde_json::json!({"lastValue": {"enabled": true}})).unwrap();
    });
    refer(&mut set, "a");
    let mut world = observed(vec![account("a"), account("b")], vec![set]);
    run(&mut world, start());
    run_files(&mut world, SECOND);
    refer(&mut world.sets[0], "b");
    world
}

fn keeps(row: &Row) -> bool {
    row.outputs.iter().any(|output| output.keep.is_some())
}

#[test]
fn a_move_goes_on_by_what_files_and_processes_say_alone() {
    use MovePart::{From, To};
    let mut world = world();
    step(&mut world);
    assert_eq!(moves(&world, "a"), [(From, 5, None)]);
    assert_eq!(moves(&world, "b"), [(To, 5, None)]);
    let row = &assignment(&world, "a").instruments[0];
    assert!(
        keeps(row) && row.sets.is_empty() && !row.handover,
        "{row:?}"
    );
    let kept: Option<&Persistence> = assignment(&world, "a").keeps.first();
    assert!(kept.is_some_and(|keep| keep.last.is_some()));
    let id = &assignment(&world, "a").moves[0].id;
    assert_eq!(*id, assignment(&world, "b").moves[0].id);

    // Nothing goes on before each instrument has come, and can be published.
    run_files(&mut world, SECOND);
    for spoil in [
        (|report| report.moves[0].seen = 4) as fn(&mut Report),
        |report| report.moves[0].instruments = 4,
        |report| report.moves.clear(),
        |report| report.redis.connected = false,
        |report| report.assignment.as_mut().unwrap().generation -= 1,
    ] {
        let mut world = world.clone();
        spoil(report(&mut world, "b"));
        step(&mut world);
        assert_eq!(moves(&world, "b"), [(To, 5, None)]);
    }
    report(&mut world, "b").moves[0].seen = 3;
    report(&mut world, "b").moves[0].silent = 2;
    step(&mut world);
    let boundary = Some(SECOND + 3);
    assert_eq!(moves(&world, "b"), [(To, 5, boundary)]);
    assert_eq!(
        moves(&world, "a"),
        [(From, 5, None)],
        "not before the other has it"
    );
    step(&mut world);
    assert_eq!(moves(&world, "a"), [(From, 5, None)]);

    run_files(&mut world, SECOND + 1);
    step(&mut world);
    assert_eq!(moves(&world, "a"), [(From, 5, boundary)]);
    let row = &assignment(&world, "a").instruments[0];
    assert!(keeps(row) && !assignment(&world, "a").lists(row), "{row:?}");
    run_files(&mut world, SECOND + 4);
    step(&mut world);
    assert_eq!(
        moves(&world, "a"),
        [(From, 5, boundary)],
        "it is not past it"
    );
    run_files(&mut world, SECOND + 5);
    step(&mut world);
    assert_eq!((moves(&world, "a").len(), moves(&world, "b").len()), (0, 0));
    let rows = ["a", "b"].map(|account| assignment(&world, account).instruments.len());
    assert_eq!(rows, [0, 5]);
}

/// A metric adds it up: the files of a move are written several times.
#[test]
fn what_moves_is_counted_once() {
    let (mut world, mut memory) = (world(), Memory::default());
    let mut counted = Vec::new();
    for second in SECOND..SECOND + 8 {
        let plan = plan(&world, &memory, start());
        apply(&mut world, &plan);
        run_files(&mut world, second);
        counted.push(plan.moved);
        memory = plan.memory;
    }
    assert_eq!(counted, [5, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(assignment(&world, "a").instruments.len(), 0);
}

#[test]
fn without_a_time_in_any_packet_the_taking_account_has_everything_at_once() {
    let mut world = world();
    step(&mut world);
    run_files(&mut world, SECOND);
    report(&mut world, "b").moves[0].second = None;
    let mut closed = world.clone();
    report(&mut world, "a").moves[0].second = None;
    step(&mut world);
    assert_eq!(moves(&world, "b"), [(MovePart::To, 5, Some(3))]);

    // When the exchange is closed only the account that gives has had ticks of the day.
    step(&mut closed);
    assert_eq!(moves(&closed, "b"), [(MovePart::To, 5, Some(SECOND + 3))]);
}

/// What is begun goes on while nobody answers: an operator that starts has asked nobody, and has no list.
#[test]
fn a_report_or_a_list_that_is_missing_ends_no_move() {
    let mut world = world();
    step(&mut world);
    for second in [SECOND, SECOND + 1] {
        let before: Vec<_> = ["a", "b"].map(|it| moves(&world, it)).into();
        let mut blind = world.clone();
        for account in &mut blind.accounts {
            account.scrape = Scrape::default();
        }
        let mut without_list = blind.clone();
        let missing = Table::Missing {
            why: "not fetched yet".to_owned(),
        };
        without_list.tables.insert(API.to_owned(), missing);
        for world in [&mut blind, &mut without_list] {
            step(world);
            let after: Vec<_> = ["a", "b"].map(|it| moves(world, it)).into();
            assert_eq!(before, after);
        }
        run_files(&mut world, second);
        step(&mut world);
    }
}

/// Each side old: the new account publishes at once, and the old one until it is there.
#[test]
fn a_process_that_knows_no_moves_hands_over_with_ticks_twice() {
    for old in ["a", "b"] {
        let mut world = world();
        report(&mut world, old).features.clear();
        step(&mut world);
        assert!(moves(&world, "a").is_empty() && moves(&world, "b").is_empty());
        let rows = &assignment(&world, "a").instruments;
        assert!(rows.len() == 5 && rows.iter().all(|row| row.handover));
        run_files(&mut world, SECOND);
        step(&mut world);
        assert_eq!(assignment(&world, "a").instruments.len(), 0);
    }
}

/// The process of one side is replaced by an older one in the middle.
#[test]
fn a_process_that_forgets_moves_loses_nothing() {
    for old in ["a", "b"] {
        let mut world = world();
        step(&mut world);
        run_files(&mut world, SECOND);
        report(&mut world, old).features.clear();
        step(&mut world);
        assert!(moves(&world, "b").is_empty(), "it publishes at once");
    }
}

/// The account that gives has no socket any more, or is deleted: there is nothing to wait for.
#[test]
fn an_account_that_cannot_give_is_not_waited_for() {
    let mut world = world();
    step(&mut world);
    run_files(&mut world, SECOND);
    world.accounts[0].object.meta.deleting = true;
    step(&mut world);
    assert!(moves(&world, "b").is_empty());
    assert_eq!(assignment(&world, "b").instruments.len(), 5);
}

/// It may be dead; then waiting for it would only make a gap longer.
#[test]
fn an_account_that_never_answered_is_not_waited_for() {
    let mut world = world();
    world.accounts[0].scrape = Scrape::default();
    step(&mut world);
    assert!(moves(&world, "b").is_empty());
    let row = &assignment(&world, "b").instruments[0];
    assert!(keeps(row) && !row.sets.is_empty(), "{row:?}");
}

/// Who changes his mind in the middle gets everything from the account that still has it.
#[test]
fn a_move_that_is_not_wanted_any_more_is_undone() {
    for steps in 0..4 {
        let mut world = world();
        step(&mut world);
        for second in 0..steps {
            run_files(&mut world, SECOND + second);
            step(&mut world);
        }
        refer(&mut world.sets[0], "a");
        for second in 10..14 {
            step(&mut world);
            let rows = &assignment(&world, "a").instruments;
            assert_eq!(rows.len(), 5, "{steps}");
            assert!(rows.iter().all(|row| row.move_at.is_none()), "{steps}");
            run_files(&mut world, SECOND + second);
        }
        step(&mut world);
        assert_eq!(assignment(&world, "b").instruments.len(), 0, "{steps}");
    }
}

#[test]
fn what_joins_later_is_a_move_of_its_own() {
    let mut world = world();
    refer(&mut world.sets[0], "a");
    world.sets.push(aged("t", 1, &equities(10..12), &[]));
    refer(&mut world.sets[1], "a");
    step(&mut world);
    run_files(&mut world, SECOND);
    refer(&mut world.sets[0], "b");
    step(&mut world);
    run_files(&mut world, SECOND);
    refer(&mut world.sets[1], "b");
    step(&mut world);
    use MovePart::{From, To};
    assert_eq!(
        moves(&world, "b"),
        [(To, 5, Some(SECOND + 3)), (To, 2, None)]
    );
    assert_eq!(moves(&world, "a"), [(From, 5, None), (From, 2, None)]);
}

/// An operator of all namespaces: accounts of the same names, with moves of the same generations.
#[test]
fn another_set_with_the_same_instruments_elsewhere_is_not_where_they_go() {
    use MovePart::{From, To};
    let mut world = world();
    world.accounts.push(account("c"));
    let mut other = aged("other", 1, &equities(0..5), &[]);
    edit(&mut other, |spec| {
        spec.publish.channel_prefix = Some("other".to_owned());
    });
    refer(&mut other, "c");
    world.sets.push(other);
    for _ in 0..3 {
        step(&mut world);
        run_files(&mut world, SECOND);
        assert_eq!(assignment(&world, "c").instruments.len(), 5);
    }
    let boundary = Some(SECOND + 3);
    assert_eq!(moves(&world, "b"), [(To, 5, boundary)]);
    assert_eq!(moves(&world, "a"), [(From, 5, boundary)]);
    run_files(&mut world, SECOND + 5);
    step(&mut world);
    assert_eq!(assignment(&world, "a").instruments, []);
}

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
    for steps in 1..3 {
        let mut world = world();
        step(&mut world);
        for second in 1..steps {
            run_files(&mut world, SECOND + second);
            step(&mut world);
        }
        let withheld = moves(&world, "b");
        if withheld.iter().any(|(_, _, boundary)| boundary.is_some()) {
            break;
        }
        let spec = std::mem::replace(&mut world.accounts[1].object.spec, Err(invalid_spec()));
        for second in 10..16 {
            run_files(&mut world, SECOND + second);
            step(&mut world);
            let giving = moves(&world, "a");
            assert_eq!(giving, [(MovePart::From, 5, None)], "{steps}, {second}");
        }
        world.accounts[1].object.spec = spec;
        for second in 20..30 {
            step(&mut world);
            run_files(&mut world, SECOND + second);
        }
        assert_eq!(assignment(&world, "a").instruments, []);
        assert_eq!(assignment(&world, "b").instruments.len(), 5);
    }
}
