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

mod missing;
mod several;

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
    let counted = (plan.move_stages.subscribing, plan.move_stages.dividing);
    assert_eq!(counted, (count(false), count(true)));
    let moving: u32 = plan.sets.iter().filter_map(|it| it.status.moving).sum();
    assert_eq!(moving, counted.0 + counted.1);
}

/// What is withheld has an account that gives it, under the same move and not yet without it. The file of an account that may
/// not be changed says of a boundary that is past what it said before.
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
    for account in &world.accounts {
        let Some((assignment, _)) = account.assignment.readable() else {
            continue;
        };
        let is_past = |it: &contract::Move| account.object.spec.is_err() && it.boundary.is_some();
        for row in &assignment.instruments {
            let Some(it) = assignment.move_of(row).filter(|it| it.part == MovePart::To) else {
                continue;
            };
            let given = giving.get(&(it.id.clone(), row.token));
            if given.is_none() && is_past(it) {
                continue;
            }
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
        counted.push(plan.relocated);
        memory = plan.memory;
    }
    assert_eq!(counted, [5, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(assignment(&world, "a").instruments.len(), 0);
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
