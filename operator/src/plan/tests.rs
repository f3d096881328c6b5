//! The whole planner on small worlds.

mod off;
mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds::condition::ConditionType;

use super::fixture::*;
use super::*;

fn reason(plan: &Plan, set: &str) -> (String, String, String) {
    let set = plan
        .sets
        .iter()
        .find(|known| known.key.name == set)
        .unwrap();
    let ready = status::find(&set.status.conditions, ConditionType::Ready).unwrap();
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
    let ready = status::find(&account.status.conditions, ConditionType::Ready).unwrap();
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
    assert_eq!(first.endpoints, BTreeSet::from([API.to_owned()]));
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
        (&second.accounts[0].status, &second.sets[0].status)
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
        Delivery::InPlace(_)
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
        (Change::Transition, Change::Transition)
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
        assert!(matches!(plan.accounts[0].assignment, Delivery::InPlace(_)));
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
    let table = crate::instruments::InstrumentTable::new(dump);
    world
        .tables
        .insert(API.to_owned(), Table::Loaded(Arc::new(table)));
    let plan = plan(&world, &memory, start());
    apply(&mut world, &plan);
    assert_eq!(placed(&world)["a"], equities([0]));
    assert_eq!(plan.sets[0].status.unresolved_count, Some(2));
}

#[test]
fn an_unreadable_set_keeps_what_it_has_and_disturbs_nobody() {
    let mut world = observed(
        vec![account("a")],
        vec![
            set("s", &equities(0..3), &[]),
            aged("t", 1, &equities(2..5), &[]),
        ],
    );
    let memory = run(&mut world, start());
    world.sets[0].spec = Err(unreadable());
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
fn an_unreadable_account_is_left_alone() {
    let mut world = observed(
        vec![account("a"), account("b")],
        vec![set("s", &equities(0..3), &[])],
    );
    let memory = run(&mut world, start());
    let before = placed(&world);
    world.accounts[0].object.spec = Err(Unreadable {
        field: "spec.connections".to_owned(),
        problem: "must be a number".to_owned(),
    });
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens.push(FIRST_EQUITY + 7);
    });
    let plan = plan(&world, &memory, start());
    assert_eq!(
        (account_is(&plan, "a"), &plan.accounts[0].assignment),
        ("False Invalid".into(), &Delivery::Leave)
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
    world.sets[1].spec = Err(unreadable());
    assert_eq!(
        plan(&world, &Memory::default(), start()).accounts[0].assignment,
        Delivery::Leave
    );
    world.sets[1] = aged("t", 1, &equities(3..5), &[]);
    run(&mut world, start());
    assert_eq!(placed(&world), before);
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
    assert_eq!(plan.accounts[0].assignment, Delivery::Leave);
}

#[test]
fn accounts_are_chosen_by_name_and_label() {
    let selector = |name: &str| {
        Some(serde_json::from_value(serde_json::json!({"matchLabels": {"name": name}})).unwrap())
    };
    let mut labelled = aged("t", 1, &equities(3..5), &[]);
    edit(&mut labelled, |spec| spec.account_selector = selector("a"));
    let mut named = set("s", &equities(0..3), &[]);
    edit(&mut named, |spec| {
        spec.account_ref = Some(crds::set::AccountRef {
            name: "b".to_owned(),
        });
    });
    let mut nobody = aged("u", 2, &equities(0..3), &[]);
    edit(&mut nobody, |spec| spec.account_selector = selector("c"));
    let mut world = observed(
        vec![account("a"), account("b")],
        vec![labelled, named, nobody],
    );
    run(&mut world, start());
    assert_eq!(
        placed(&world),
        BTreeMap::from([("a".into(), equities(3..5)), ("b".into(), equities(0..3))])
    );
    let plan = plan(&world, &Memory::default(), start());
    assert_eq!(is(&plan, "u"), "False NoAccount");
    assert_eq!(plan.sets[2].status.waiting, Some(3));
}

#[test]
fn accounts_that_disagree_run_nothing_of_the_set() {
    let mut real = account("b");
    change(&mut real, |spec| spec.mock = false);
    let mut world = observed(
        vec![account("a"), real],
        vec![set("s", &equities(0..3), &[])],
    );
    run(&mut world, start());
    let plan = plan(&world, &Memory::default(), start());
    assert_eq!(is(&plan, "s"), "False AccountsDisagree");
    assert!(placed(&world).values().all(Vec::is_empty));
    assert_eq!(account_is(&plan, "a"), "True Idle");
}

/// Whoever makes an account of another kind must not take away what streams.
#[test]
fn an_account_that_disagrees_later_keeps_new_things_out_and_nothing_else() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    let mut other = account("b");
    change(&mut other, |spec| spec.mock = false);
    world.accounts.push(other);
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens = equities(0..5);
    });
    let disagree = plan(&world, &memory, later(start(), 1));
    assert_eq!(is(&disagree, "s"), "False AccountsDisagree");
    apply(&mut world, &disagree);
    assert_eq!(placed(&world)["a"], equities(0..3));
    // An account that streams nothing has no say.
    change(&mut world.accounts[1], |spec| spec.paused = true);
    let agree = plan(&world, &disagree.memory, later(start(), 2));
    apply(&mut world, &agree);
    assert_eq!(placed(&world)["a"], equities(0..5));
}

/// Mock ticks have no business on the channels of real ones.
#[test]
fn rows_do_not_follow_their_account_to_another_market() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    change(&mut world.accounts[0], |spec| {
        spec.mock = false;
        spec.endpoint.api = "http://127.0.0.1:7079".to_owned();
    });
    let plan = plan(&world, &memory, later(start(), 1));
    assert_eq!(is(&plan, "s"), "Unknown InstrumentsUnavailable");
    apply(&mut world, &plan);
    assert!(placed(&world)["a"].is_empty());
}

#[test]
fn a_list_that_lacks_a_third_of_what_streams_is_not_believed_for_an_hour() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..60), &[])]);
    let memory = run(&mut world, start());
    let whole = world.tables.clone();
    world.tables = [(API.to_owned(), short_table(30))].into();
    // Not even after a restart of the operator.
    let doubting = plan(&world, &Memory::default(), later(start(), 1));
    assert!(doubting.doubted.contains(API));
    let (state, _, message) = reason(&doubting, "s");
    assert_eq!(state, "True");
    assert!(message.contains("lacks 30 of 60"), "{message}");
    apply(&mut world, &doubting);
    assert_eq!(placed(&world)["a"].len(), 60);
    // A whole list ends it, and so does time.
    world.tables = whole;
    let healed = plan(&world, &doubting.memory, later(start(), 2));
    assert!(healed.doubted.is_empty());
    world.tables = [(API.to_owned(), short_table(30))].into();
    let believed = plan(&world, &doubting.memory, later(start(), 3_700));
    apply(&mut world, &believed);
    assert_eq!(placed(&world)["a"].len(), 30);
    // Some may always vanish.
    world.tables = [(API.to_owned(), short_table(5))].into();
    assert!(plan(&world, &memory, start()).doubted.contains(API));
    world.tables = [(API.to_owned(), short_table(21))].into();
    assert!(plan(&world, &memory, start()).doubted.is_empty());
}

fn short_table(equities: u32) -> Table {
    let instruments = (0..equities).map(|at| equity(FIRST_EQUITY + at, &format!("EQ{at}")));
    Table::Loaded(Arc::new(crate::instruments::InstrumentTable::new(
        kite::instruments::Dump {
            instruments: instruments.collect(),
            ..Default::default()
        },
    )))
}

#[test]
fn the_younger_set_yields_on_a_channel() {
    let on = |name: &str, age, account: &str, tokens: Vec<u32>| {
        let mut set = aged(name, age, &tokens, &[]);
        edit(&mut set, |spec| {
            spec.account_ref = Some(crds::set::AccountRef {
                name: account.to_owned(),
            });
        });
        set
    };
    let sets = vec![
        on("old", 0, "a", equities(0..2)),
        on("young", 1, "b", equities(1..4)),
    ];
    let mut world = observed(vec![account("a"), account("b")], sets);
    run(&mut world, start());
    let same = plan(&world, &Memory::default(), start());
    assert_eq!(
        (is(&same, "old"), is(&same, "young")),
        ("True Streaming".into(), "False ChannelConflict".into())
    );
    assert!(reason(&same, "young").2.contains("NSE:EQ1"));
    assert_eq!(placed(&world)["b"], equities([2, 3]));
    // Ticks that are not real never share a channel with real ones.
    change(&mut world.accounts[1], |spec| spec.mock = false);
    run(&mut world, start());
    assert!(placed(&world)["b"].is_empty());
    let mixed = plan(&world, &Memory::default(), start());
    assert!(
        reason(&mixed, "young").2.contains("mock"),
        "{:?}",
        reason(&mixed, "young")
    );
}

#[test]
fn two_underlyings_with_one_slug_are_an_error_of_the_later_set() {
    let sets = vec![
        set("s", &[], &["NFO:M&M26DEC3000PE"]),
        aged("t", 1, &[], &["NFO:MM26DEC3000PE", "NSE:INFY"]),
    ];
    let mut world = observed(vec![account("a")], sets);
    run(&mut world, start());
    let plan = plan(&world, &Memory::default(), start());
    assert_eq!(
        (is(&plan, "s"), is(&plan, "t")),
        ("True Streaming".into(), "False ChannelConflict".into())
    );
    assert!(reason(&plan, "t").2.contains("ticker:mm"));
    assert_eq!(placed(&world)["a"], [408_065, 12_192_514]);
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
        status::find(
            &plan.accounts[at].status.conditions,
            ConditionType::CapacityAvailable,
        )
        .unwrap()
        .message
        .clone()
    };
    assert!(
        message(&full, 0).contains("5 of 5 places"),
        "{}",
        message(&full, 0)
    );
    assert!(
        message(&full, 0).contains("4 instruments would find no other"),
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
    let table = Table::Loaded(Arc::new(crate::instruments::InstrumentTable::new(dump)));
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
