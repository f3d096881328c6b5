//! Who goes on with what, until when.

use std::sync::Arc;

use contract::Assignment;
use crds::TickerAccountSpec;
use serde_json::json;

use crate::plan::fixture::*;
use crate::plan::*;

fn named(name: &str, account: &str, tokens: std::ops::Range<u32>) -> ObservedSet {
    let mut set = set(name, &equities(tokens), &[]);
    refer(&mut set, account);
    set
}

fn refer(set: &mut ObservedSet, account: &str) {
    let account = json!({"name": account});
    edit(set, |spec| {
        spec.account_ref = Some(serde_json::from_value(account).unwrap());
    });
}

fn assignment(world: &Observed, at: usize) -> &Assignment {
    world.accounts[at].assignment.readable().unwrap().0
}

/// How many rows each account publishes, and how many of them are handed over.
fn rows(world: &Observed) -> [(usize, usize); 2] {
    [0, 1].map(|at| {
        let rows = &assignment(world, at).instruments;
        (rows.len(), rows.iter().filter(|row| row.handover).count())
    })
}

fn step(world: &mut Observed, memory: &Memory, now: Now) -> Plan {
    let plan = plan(world, memory, now);
    apply(world, &plan);
    plan
}

/// A set that goes from one account to another.
fn moving() -> (Observed, Plan) {
    let sets = vec![named("s", "a", 0..5)];
    let mut world = observed(vec![account("a"), account("b")], sets);
    let memory = run(&mut world, start());
    refer(&mut world.sets[0], "b");
    let plan = step(&mut world, &memory, start());
    (world, plan)
}

#[test]
fn the_account_goes_on_until_the_other_has_everything() {
    let (mut world, plan) = moving();
    assert_eq!(rows(&world), [(5, 5), (5, 0)]);
    let row = &assignment(&world, 0).instruments[0];
    assert_eq!((row.sets.len(), row.outputs.len()), (0, 1));
    let status = &plan.sets[0].status;
    assert_eq!(
        (status.scheduled, status.accounts.as_deref()),
        (Some(5), Some("b"))
    );

    // The other has not said that it has them; nor that each has sent a packet.
    let again = step(&mut world, &plan.memory, start());
    assert_eq!(rows(&world), [(5, 5), (5, 0)]);
    stream(&mut world);
    let report = Arc::make_mut(world.accounts[1].scrape.report.as_mut().unwrap());
    report.sets[0].streaming = 4;
    let again = step(&mut world, &again.memory, start());
    assert_eq!(rows(&world), [(5, 5), (5, 0)]);
    // Also after a restart.
    step(&mut world, &Memory::default(), start());
    assert_eq!(rows(&world), [(5, 5), (5, 0)]);
    let report = Arc::make_mut(world.accounts[1].scrape.report.as_mut().unwrap());
    report.sets[0].silent = 1;
    step(&mut world, &again.memory, start());
    assert_eq!(rows(&world), [(0, 0), (5, 0)]);
}

#[test]
fn a_paused_account_goes_on_for_a_minute_at_most_and_only_with_what_others_take() {
    let pause = |world: &mut Observed| change(&mut world.accounts[0], |spec| spec.paused = true);
    let paused = |places| {
        let sets = vec![set("s", &equities(0..5), &[])];
        let mut world = observed(vec![account("a"), small("b", places)], sets);
        change(&mut world.accounts[1], |spec| spec.paused = true);
        let memory = run(&mut world, start());
        change(&mut world.accounts[1], |spec| spec.paused = false);
        assert_eq!(rows(&world), [(5, 0), (0, 0)]);
        pause(&mut world);
        let plan = step(&mut world, &memory, start());
        (world, plan)
    };
    let (world, _) = paused(3);
    assert_eq!(
        rows(&world),
        [(3, 3), (3, 0)],
        "what has no room elsewhere stops at once"
    );
    let (mut world, plan) = paused(5);
    assert_eq!(rows(&world), [(5, 5), (5, 0)]);
    let plan = step(&mut world, &plan.memory, later(start(), 59));
    assert_eq!(rows(&world)[0], (5, 5));
    assert!(plan.next <= Some(later(start(), 60).monotonic));
    step(&mut world, &plan.memory, later(start(), 60));
    assert_eq!(rows(&world), [(0, 0), (5, 0)]);
}

/// Two sets with prefixes of their own, on `a`.
fn two() -> (Observed, Memory) {
    let mut sets = vec![named("s", "a", 0..5), named("t", "a", 0..5)];
    for set in &mut sets {
        let prefix = json!({"channelPrefix": set.meta.key.name});
        edit(set, |spec| {
            spec.publish = serde_json::from_value(prefix).unwrap();
        });
    }
    let accounts = vec![account("a"), account("b"), account("c")];
    let mut world = observed(accounts, sets);
    let memory = run(&mut world, start());
    (world, memory)
}

fn outputs(world: &Observed, at: usize) -> usize {
    let rows = &assignment(world, at).instruments;
    rows.iter().map(|row| row.outputs.len()).sum()
}

/// The account has the instruments for another set, too.
#[test]
fn what_stays_for_another_set_goes_on_for_the_one_that_leaves() {
    let (mut world, memory) = two();
    refer(&mut world.sets[0], "b");
    let plan = step(&mut world, &memory, start());
    let again = step(&mut world, &plan.memory, start());
    assert_eq!((outputs(&world, 0), outputs(&world, 1)), (10, 5));
    stream(&mut world);
    step(&mut world, &again.memory, start());
    assert_eq!((outputs(&world, 0), outputs(&world, 1)), (5, 5));
}

#[test]
fn an_account_goes_on_until_each_of_several_others_has_its_part() {
    let (mut world, memory) = two();
    refer(&mut world.sets[0], "b");
    refer(&mut world.sets[1], "c");
    let plan = step(&mut world, &memory, start());
    assert_eq!(rows(&world), [(5, 5), (5, 0)]);
    stream(&mut world);
    let report = Arc::make_mut(world.accounts[2].scrape.report.as_mut().unwrap());
    report.redis.connected = false;
    let plan = step(&mut world, &plan.memory, start());
    assert_eq!((rows(&world)[0], outputs(&world, 0)), ((5, 5), 10));
    stream(&mut world);
    step(&mut world, &plan.memory, start());
    assert_eq!(rows(&world)[0], (0, 0));
}

#[test]
fn an_account_that_becomes_smaller_waits_until_the_others_have_the_rest() {
    let sets = vec![set("s", &equities(0..5), &[])];
    let mut world = observed(vec![small("a", 5), small("b", 5)], sets);
    let memory = run(&mut world, start());
    let shrink = |spec: &mut TickerAccountSpec| spec.tokens_per_connection = 2;
    change(&mut world.accounts[0], shrink);
    let mut late = world.clone();
    let plan = step(&mut world, &memory, start());
    assert_eq!(rows(&world), [(5, 3), (3, 0)]);
    assert_eq!(assignment(&world, 0).tokens_per_connection, 5);
    stream(&mut world);
    step(&mut world, &plan.memory, start());
    assert_eq!(rows(&world), [(2, 0), (3, 0)]);
    assert_eq!(assignment(&world, 0).tokens_per_connection, 2);

    let plan = step(&mut late, &memory, start());
    assert_eq!(rows(&late), [(5, 3), (3, 0)]);
    step(&mut late, &plan.memory, later(start(), 60));
    assert_eq!(rows(&late), [(2, 0), (3, 0)], "not for ever");
}

/// The minute is that of who waits for it, whatever was handed over before.
#[test]
fn the_time_counts_from_the_pause() {
    let (mut world, plan) = moving();
    let late = later(start(), 300);
    let plan = step(&mut world, &plan.memory, late);
    change(&mut world.accounts[0], |spec| spec.paused = true);
    let plan = step(&mut world, &plan.memory, late);
    assert_eq!(rows(&world), [(5, 5), (5, 0)]);
    let plan = step(&mut world, &plan.memory, later(late, 59));
    assert_eq!(rows(&world)[0], (5, 5));
    step(&mut world, &plan.memory, later(late, 60));
    assert_eq!(rows(&world), [(0, 0), (5, 0)]);
}

#[test]
fn what_is_deleted_or_has_the_key_of_another_or_is_not_wanted_stops_at_once() {
    let sets = vec![set("s", &equities(0..5), &[])];
    let mut world = observed(vec![account("a"), account("b")], sets);
    let memory = run(&mut world, start());
    world.accounts[0].object.meta.deleting = true;
    let mut deleted = world.clone();
    step(&mut deleted, &memory, start());
    assert_eq!(rows(&deleted), [(0, 0), (5, 0)]);
    world.accounts[0].object.meta.deleting = false;
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens.truncate(2);
    });
    step(&mut world, &memory, start());
    assert_eq!(rows(&world), [(2, 0), (0, 0)]);
}
