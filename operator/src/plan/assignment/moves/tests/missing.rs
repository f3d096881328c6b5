//! Moves of which something is missing: a time, a report, a list, a process that knows them, an account that can give.

use super::*;

#[test]
fn without_a_time_in_any_packet_the_taking_account_has_everything_at_once() {
    let mut world = world();
    step(&mut world);
    run_files(&mut world, SECOND);
    report(&mut world, "b").moves[0].second = None;
    let mut closed = world.clone();
    report(&mut world, "a").moves[0].second = None;
    step(&mut world);
    assert_eq!(
        moves(&world, "b"),
        [(MovePart::To, 5, Some(Boundary::AT_ONCE))]
    );

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
