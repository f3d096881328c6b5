//! The whole planner on small worlds.

mod empty_memory;
mod failover;
mod greeks;
mod journal;
mod logins;
mod market;
mod matching;
mod money;
mod off;
mod properties;
mod rebalance;
mod renames;
mod restart;
mod retention;
mod review;
mod selectors;
mod sequences;
mod set_events;
mod sleep;
mod tokens;
mod unknown;
mod worlds;

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::condition::ConditionType;

use super::fixture::*;
use super::*;
use crate::instruments::{IndexNames, InstrumentTable};

fn reason(plan: &Plan, set: &str) -> (String, String, String) {
    let set = plan
        .sets
        .iter()
        .find(|known| known.key.name == set)
        .unwrap();
    let ready = report::find(&set.status.conditions, ConditionType::Ready).unwrap();
    (
        ready.status.clone(),
        ready.reason.clone(),
        ready.message.clone(),
    )
}

fn is(plan: &Plan, set: &str) -> String {
    let (state, reason, _) = reason(plan, set);
    format!("{state} {reason}")
}

fn account_is(plan: &Plan, account: &str) -> String {
    let account = plan
        .accounts
        .iter()
        .find(|known| known.key.name == account)
        .unwrap();
    let ready = report::find(&account.status.conditions, ConditionType::Ready).unwrap();
    format!("{} {}", ready.status, ready.reason)
}

#[test]
fn from_the_first_pass_to_streaming() {
    let mut world = observed(
        vec![account("a")],
        vec![set("s", &equities(0..3), &["NSE:INFY", "NSE:NONE"])],
    );
    let first = plan(&world, &Memory::default(), start());
    assert_eq!(
        (is(&first, "s"), account_is(&first, "a")),
        ("Unknown Connecting".into(), "Unknown PodNotReady".into())
    );
    assert!(first.lists.keys().eq([API]));
    assert!(first.events.is_empty() && first.accounts[0].awaiting);
    assert_eq!(first.next, Some(later(start(), 10).monotonic));
    assert_eq!(first.accounts[0].workload.as_ref().unwrap().secret, "kite");
    apply(&mut world, &first);
    stream(&mut world);
    let second = plan(&world, &first.memory, later(start(), 1));
    assert_eq!(
        (is(&second, "s"), account_is(&second, "a")),
        ("True PartiallyResolved".into(), "True Streaming".into())
    );
    assert_eq!(
        (
            second.events.len(),
            second.next,
            second.accounts[0].awaiting
        ),
        (2, None, false)
    );
    insta::assert_yaml_snapshot!(
        "streaming",
        (
            second.accounts[0].status.as_ref(),
            second.sets[0].status.as_ref()
        )
    );
    apply(&mut world, &second);
    let third = plan(&world, &second.memory, later(start(), 2));
    assert_eq!(
        (
            third.events.len(),
            third.accounts[0].change,
            third.sets[0].change
        ),
        (0, Change::None, Change::None)
    );
}

#[test]
fn trouble_of_the_process_becomes_false_after_ten_seconds() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    let failing = Failing {
        since: start().monotonic,
        attempts: 2,
        why: "timed out".to_owned(),
    };
    world.accounts[0].scrape.failing = Some(failing);
    let unknown = plan(&world, &memory, later(start(), 5));
    assert_eq!(
        (is(&unknown, "s"), account_is(&unknown, "a")),
        ("Unknown Connecting".into(), "Unknown PodNotReady".into())
    );
    assert!(unknown.events.is_empty());
    assert!(matches!(
        unknown.accounts[0].assignment,
        AssignmentChange::AlreadyWritten(_)
    ));
    let lasting = plan(&world, &unknown.memory, later(start(), 15));
    assert_eq!(
        (is(&lasting, "s"), account_is(&lasting, "a")),
        ("False PodNotReady".into(), "False PodNotReady".into())
    );
    assert!(lasting.events.iter().all(|event| event.warning) && lasting.events.len() == 2);
}

#[test]
fn a_missing_secret_for_redis_is_said_once_redis_is_not_there() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    change(&mut world.accounts[0], |spec| {
        spec.redis.secret_ref = Some(crds::account::SecretRef {
            name: "login".to_owned(),
        });
    });
    world.accounts[0].redis_secret = Some(Secret::Missing);
    let memory = run(&mut world, start());
    let ready = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&ready, "a"), "True Streaming");
    let report = world.accounts[0].scrape.report.as_mut().unwrap();
    Arc::make_mut(report).redis.connected = false;
    let away = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&away, "a"), "False SecretMissing");
    assert!(
        reason(&away, "s")
            .2
            .contains("Secret login of spec.redis.secretRef")
    );
    let workload = away.accounts[0].workload.as_ref().unwrap();
    assert_eq!(workload.redis_secret.as_deref(), Some("login"));
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    world.accounts[0].foreign = vec!["StatefulSet kt-a".to_owned()];
    let plan = plan(&world, &Memory::default(), start());
    assert_eq!(
        (account_is(&plan, "a"), is(&plan, "s")),
        ("False NameTaken".into(), "False NoAccount".into())
    );
    assert!(plan.accounts[0].workload.is_none());
    assert_eq!(plan.accounts[0].assignment, AssignmentChange::None);
}

#[test]
fn short_capacity_is_shown_in_numbers_and_before_it_hurts() {
    let mut world = observed(
        vec![small("a", 5), small("b", 4)],
        vec![set("s", &equities(0..8), &[])],
    );
    run(&mut world, start());
    let full = plan(&world, &Memory::default(), start());
    let message = |plan: &Plan, at: usize| {
        report::find(
            &plan.accounts[at].status.conditions,
            ConditionType::CapacityAvailable,
        )
        .unwrap()
        .message
        .clone()
    };
    assert!(
        message(&full, 0).contains("5 instruments are assigned, 5 fit"),
        "{}",
        message(&full, 0)
    );
    assert!(
        message(&full, 0).contains("4 of its instruments would have no room elsewhere"),
        "{}",
        message(&full, 0)
    );
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens = equities(0..12);
    });
    let memory = run(&mut world, start());
    let short = plan(&world, &memory, start());
    let (_, short_reason, text) = reason(&short, "s");
    assert_eq!(
        (short_reason.as_str(), text.contains("3 of 12")),
        ("PartiallyScheduled", true),
        "{text}"
    );
    let status = &short.sets[0].status;
    assert_eq!(
        (
            status.waiting,
            status.scheduled,
            status.instruments.as_deref()
        ),
        (Some(3), Some(9), Some("9/12"))
    );
}

/// Prints how long a plan of full size takes: `cargo test --release -p operator -- --ignored --nocapture full_size`.
#[test]
#[ignore = "measures time"]
fn full_size() {
    let instruments = (0..100_000)
        .map(|token| equity(token, &format!("EQ{token}")))
        .collect();
    let dump = kite::instruments::Dump {
        instruments,
        ..Default::default()
    };
    let table = Table::Loaded(Arc::new(InstrumentTable::new(
        dump,
        start().wall,
        &IndexNames::default(),
    )));
    let sets = (0..1000_i64)
        .map(|at| {
            let first = u32::try_from(at).unwrap() * 9;
            let symbols: Vec<String> = (first..first + 9)
                .map(|token| format!("NSE:EQ{token}"))
                .collect();
            let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
            aged(&format!("s{at}"), at, &[], &symbols)
        })
        .collect();
    let mut world = observed(vec![account("a")], sets);
    world.tables.insert(API.to_owned(), table);
    let clock = service::clock::Clock::system();
    let mut memory = Memory::default();
    for pass in ["first", "second", "third"] {
        let began = clock.now();
        let plan = plan(&world, &memory, start());
        println!("{pass}: {:?}", clock.now() - began);
        apply(&mut world, &plan);
        stream(&mut world);
        memory = plan.memory;
    }
    assert_eq!(placed(&world)["a"].len(), 9000);
}

#[test]
fn headroom_is_no_room_for_anybody() {
    let mut world = observed(vec![small("a", 4)], vec![set("s", &equities(0..9), &[])]);
    change(&mut world.accounts[0], |spec| {
        (spec.connections, spec.headroom_connections) = (3, 2);
    });
    let memory = run(&mut world, start());
    assert_eq!(placed(&world)["a"].len(), 4);
    let plan = plan(&world, &memory, start());
    let status = &plan.accounts[0].status;
    assert_eq!(
        (status.capacity, reason(&plan, "s").1.as_str()),
        (Some(4), "PartiallyScheduled")
    );
    let LastAssignment::Readable { assignment, .. } = &world.accounts[0].assignment else {
        panic!("nothing was written")
    };
    assert_eq!(assignment.connections, 1, "the process opens no more");
}
