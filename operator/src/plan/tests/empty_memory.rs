//! The two plans that an empty memory changes: the exceptions named in [`crate::plan::memory`].

use super::off::with_key;
use super::unknown::short_table;
use super::*;

#[test]
fn a_list_that_was_accepted_after_an_hour_is_suspected_again() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..60), &[])]);
    let memory = run(&mut world, start());
    world.tables = [(API.to_owned(), short_table(30))].into();
    let memory = plan(&world, &memory, later(start(), 1)).memory;
    let rows = |memory: &Memory| {
        let plan = plan(&world, memory, later(start(), 3_700));
        let assignment = plan.accounts[0].assignment.assignment().unwrap();
        assignment.instruments.len()
    };
    assert_eq!([rows(&memory), rows(&Memory::default())], [30, 60]);
}

#[test]
fn the_key_of_a_secret_that_cannot_be_read_is_unknown_again() {
    let mut own = set("s", &equities(0..3), &[]);
    edit(&mut own, |spec| {
        spec.account_ref = Some(crds::set::AccountRef {
            name: "younger".to_owned(),
        });
    });
    let accounts = vec![
        with_key(account("younger"), Some(7), 200),
        with_key(account("older"), Some(7), 100),
    ];
    let mut world = observed(accounts, vec![own]);
    let memory = run(&mut world, start());
    world.accounts[1].secret = Secret::Unreadable;
    let younger = |memory: &Memory| {
        let plan = plan(&world, memory, later(start(), 1));
        let assignment = plan.accounts[1].assignment.assignment().unwrap();
        (account_is(&plan, "younger"), assignment.instruments.len())
    };
    assert_eq!(younger(&memory), ("False DuplicateApiKey".to_owned(), 0));
    assert_eq!(younger(&Memory::default()).1, 3);
}
