//! What is not known changes nothing.

use super::*;

#[test]
fn an_operator_that_starts_believes_what_stands_until_it_has_asked() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    run(&mut world, start());
    world.accounts[0].scrape = Scrape::default();
    let plan = plan(&world, &Memory::default(), later(start(), 60));
    assert_eq!(
        (is(&plan, "s"), account_is(&plan, "a")),
        ("True Streaming".into(), "True Streaming".into())
    );
    assert!(plan.events.is_empty());
    assert_eq!(
        (plan.sets[0].change, plan.accounts[0].change),
        (Change::None, Change::None)
    );
}

#[test]
fn without_a_table_nothing_comes_and_nothing_goes() {
    let mut world = observed(
        vec![account("a")],
        vec![set("s", &equities(0..3), &["NSE:INFY"])],
    );
    let memory = run(&mut world, start());
    let before = placed(&world);
    let tables = std::mem::take(&mut world.tables);
    world.tables.insert(
        API.to_owned(),
        Table::Missing {
            why: "502 Bad Gateway".to_owned(),
        },
    );
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens = equities([5]);
    });
    world.sets.push(aged("new", 1, &equities([7]), &[]));
    for memory in [memory, Memory::default()] {
        let plan = plan(&world, &memory, start());
        assert_eq!(is(&plan, "s"), "True Streaming");
        assert_eq!(is(&plan, "new"), "Unknown InstrumentsUnavailable");
        assert!(reason(&plan, "new").2.contains("502 Bad Gateway"));
        assert!(matches!(
            plan.accounts[0].assignment,
            AssignmentChange::AlreadyWritten(_)
        ));
    }
    world.tables = tables;
    run(&mut world, start());
    assert_eq!(
        (before["a"].len(), placed(&world)["a"].clone()),
        (4, {
            let mut tokens = equities([5, 7]);
            tokens.push(408_065);
            tokens
        })
    );
}

#[test]
fn what_vanishes_from_the_table_leaves() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    let instruments = vec![equity(FIRST_EQUITY, "EQ0")];
    let dump = kite::instruments::Dump {
        instruments,
        ..Default::default()
    };
    let table = InstrumentTable::new(dump, start().wall, &IndexNames::default());
    world
        .tables
        .insert(API.to_owned(), Table::Loaded(Arc::new(table)));
    let plan = plan(&world, &memory, start());
    apply(&mut world, &plan);
    assert_eq!(placed(&world)["a"], equities([0]));
    assert_eq!(plan.sets[0].status.unresolved_count, Some(2));
}

#[test]
fn an_invalid_set_keeps_what_it_has_and_disturbs_nobody() {
    let mut world = observed(
        vec![account("a")],
        vec![
            set("s", &equities(0..3), &[]),
            aged("t", 1, &equities(2..5), &[]),
        ],
    );
    let memory = run(&mut world, start());
    world.sets[0].spec = Err(invalid_spec());
    edit(&mut world.sets[1], |spec| {
        spec.instruments.tokens = equities([9]);
    });
    let plan = plan(&world, &memory, start());
    assert_eq!(
        reason(&plan, "s"),
        (
            "False".into(),
            "Invalid".into(),
            "spec.mode: unknown variant".into()
        )
    );
    apply(&mut world, &plan);
    assert_eq!(placed(&world)["a"], equities([0, 1, 2, 9]));
    world.sets.remove(0);
    run(&mut world, start());
    assert_eq!(placed(&world)["a"], equities([9]));
}

#[test]
fn an_invalid_account_is_left_alone() {
    let mut world = observed(
        vec![account("a"), account("b")],
        vec![set("s", &equities(0..3), &[])],
    );
    let memory = run(&mut world, start());
    let before = placed(&world);
    world.accounts[0].object.spec = Err(InvalidSpec {
        field: "spec.connections".to_owned(),
        problem: "must be a number".to_owned(),
    });
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens.push(FIRST_EQUITY + 7);
    });
    let plan = plan(&world, &memory, start());
    assert_eq!(
        (account_is(&plan, "a"), &plan.accounts[0].assignment),
        ("False Invalid".into(), &AssignmentChange::None)
    );
    assert!(plan.accounts[0].workload.is_none());
    apply(&mut world, &plan);
    let mut expected = before;
    expected.insert("b".to_owned(), equities([7]));
    assert_eq!(placed(&world), expected);
}

#[test]
fn an_assignment_that_cannot_be_read_is_made_anew_only_from_full_knowledge() {
    let mut world = observed(
        vec![account("a")],
        vec![
            set("s", &equities(0..3), &[]),
            aged("t", 1, &equities(3..5), &[]),
        ],
    );
    run(&mut world, start());
    let before = placed(&world);
    world.accounts[0].assignment = LastAssignment::Unreadable {
        why: "gzip".to_owned(),
    };
    world.sets[1].spec = Err(invalid_spec());
    assert_eq!(
        plan(&world, &Memory::default(), start()).accounts[0].assignment,
        AssignmentChange::None
    );
    world.sets[1] = aged("t", 1, &equities(3..5), &[]);
    run(&mut world, start());
    assert_eq!(placed(&world), before);
}

#[test]
fn a_list_that_lacks_a_third_of_what_streams_is_not_believed_for_an_hour() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..60), &[])]);
    let memory = run(&mut world, start());
    let whole = world.tables.clone();
    world.tables = [(API.to_owned(), short_table(30))].into();
    // Not even after a restart of the operator.
    let doubting = plan(&world, &Memory::default(), later(start(), 1));
    assert!(doubting.lists[API].suspect);
    let (state, _, message) = reason(&doubting, "s");
    assert_eq!(state, "True");
    assert!(message.contains("lacks 30 of 60"), "{message}");
    apply(&mut world, &doubting);
    assert_eq!(placed(&world)["a"].len(), 60);
    // A complete list ends it, and so does time.
    world.tables = whole;
    let healed = plan(&world, &doubting.memory, later(start(), 2));
    assert!(!healed.lists[API].suspect);
    world.tables = [(API.to_owned(), short_table(30))].into();
    let believed = plan(&world, &doubting.memory, later(start(), 3_700));
    apply(&mut world, &believed);
    assert_eq!(placed(&world)["a"].len(), 30);
    // If all instruments are missing, the list is never accepted at once.
    world.tables = [(API.to_owned(), short_table(0))].into();
    assert!(plan(&world, &memory, start()).lists[API].suspect);
    // A few may always vanish.
    world.tables = [(API.to_owned(), short_table(5))].into();
    assert!(plan(&world, &memory, start()).lists[API].suspect);
    world.tables = [(API.to_owned(), short_table(21))].into();
    assert!(!plan(&world, &memory, start()).lists[API].suspect);
}

pub(super) fn short_table(equities: u32) -> Table {
    let instruments = (0..equities).map(|at| equity(FIRST_EQUITY + at, &format!("EQ{at}")));
    Table::Loaded(Arc::new(InstrumentTable::new(
        kite::instruments::Dump {
            instruments: instruments.collect(),
            ..Default::default()
        },
        start().wall,
        &IndexNames::default(),
    )))
}

#[test]
fn a_problem_of_the_whole_object_names_no_field() {
    let problem = |field: &str| InvalidSpec {
        field: field.to_owned(),
        problem: "too long".to_owned(),
    };
    assert_eq!(problem("spec.mode").to_string(), "spec.mode: too long");
    assert_eq!(problem("").to_string(), "too long");
}
