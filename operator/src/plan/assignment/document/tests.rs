use std::sync::Arc;

use kite::Mode;

use super::*;
use crate::plan::fixture::{self, change, edit, equities, observed, run, start};
use crate::plan::{LastAssignment, Observed, plan};

fn there(observed: &Observed) -> Assignment {
    match &observed.accounts[0].assignment {
        LastAssignment::Readable { assignment, .. } => assignment.as_ref().clone(),
        other => panic!("must lie there: {other:?}"),
    }
}

#[test]
fn a_row_says_all_that_is_published() {
    let mut world = observed(
        vec![fixture::account("a")],
        vec![fixture::set(
            "s",
            &[],
            &["NSE:NIFTY 50", "NFO:NIFTY26DEC25000CE", "NSE:INFY"],
        )],
    );
    run(&mut world, start());
    insta::assert_json_snapshot!(there(&world));
}

#[test]
fn two_sets_share_a_row_in_the_richest_mode() {
    let mut poor = fixture::aged("b", 1, &equities([0]), &[]);
    edit(&mut poor, |spec| {
        spec.mode = crds::set::SetMode::Ltp;
        spec.publish.channel_prefix = Some("x".to_owned());
    });
    let mut world = observed(
        vec![fixture::account("a")],
        vec![fixture::set("a", &equities([0]), &[]), poor],
    );
    run(&mut world, start());
    let assignment = there(&world);
    let row = &assignment.instruments[0];
    assert_eq!((row.mode, row.sets.as_slice()), (Mode::Full, &[0, 1][..]));
    let outputs: Vec<(&str, bool)> = row
        .outputs
        .iter()
        .map(|output| {
            (
                assignment.channels[usize::from(output.channel)].as_str(),
                output.depth,
            )
        })
        .collect();
    assert_eq!(outputs, [("ticker:equity", true), ("x:equity", false)]);
    // Once the richer set is gone, so is its mode.
    world.sets.remove(0);
    run(&mut world, start());
    assert_eq!(there(&world).instruments[0].mode, Mode::Ltp);
}

#[test]
fn the_newest_version_that_both_know_is_written() {
    let both = |theirs: &[u32]| version(&[1, 2, 3], Some(theirs), Some(1));
    assert_eq!(both(&[1, 2, 3]), 3);
    assert_eq!(both(&[1, 2]), 2);
    assert_eq!(both(&[2, 3, 4]), 3);
}

#[test]
fn without_a_report_the_version_stays_as_it_lies_there() {
    assert_eq!(version(&[1, 2, 3], None, Some(2)), 2);
    assert_eq!(version(&[1, 2, 3], None, None), 3);
    // One that this build no longer writes.
    assert_eq!(version(&[2, 3], None, Some(1)), 3);
}

#[test]
fn without_a_common_version_the_newest_is_written_and_the_account_says_why() {
    assert_eq!(version(&[1, 2], Some(&[3, 4]), Some(1)), 2);
    assert_eq!(version(&[1, 2], Some(&[]), Some(1)), 2);
    let mut world = observed(
        vec![fixture::account("a")],
        vec![fixture::set("s", &equities(0..3), &[])],
    );
    let memory = run(&mut world, start());
    let report = world.accounts[0].scrape.report.as_mut().unwrap();
    Arc::make_mut(report).assignment_versions = vec![99];
    let ready = |world: &Observed| {
        let plan = plan(world, &memory, start());
        let ready = plan.accounts[0].status.conditions[0].clone();
        (ready.status, ready.message)
    };
    // What streams goes on; what cannot reach it is said all the same.
    let (status, message) = ready(&world);
    assert_eq!(status, "True");
    assert!(message.contains("upgrade the operator"), "{message}");
    let report = world.accounts[0].scrape.report.as_mut().unwrap();
    Arc::make_mut(report).connections.clear();
    let (status, message) = ready(&world);
    assert_eq!(status, "Unknown");
    assert!(message.contains("upgrade the operator"), "{message}");
}

#[test]
fn sentinels_are_spelled_as_the_ingest_process_reads_them() {
    let mut account = fixture::account("a");
    fixture::change(&mut account, |spec| {
        spec.redis.sentinel = Some(crds::account::RedisSentinel {
            master: "mymaster".to_owned(),
            nodes: vec!["a:26379".to_owned(), "b".to_owned()],
            tls: true,
        });
    });
    let mut world = observed(vec![account], vec![fixture::set("s", &equities(0..1), &[])]);
    run(&mut world, start());
    assert_eq!(
        there(&world).redis_url,
        "rediss-sentinel://a:26379,b/mymaster"
    );
}

#[test]
fn clusters_are_spelled_as_the_ingest_process_reads_them() {
    for (sharded_pub_sub, tls, spelled) in [
        (false, false, "redis-cluster://a:7000,b"),
        (true, true, "rediss-cluster://a:7000,b/sharded"),
    ] {
        let mut account = fixture::account("a");
        fixture::change(&mut account, |spec| {
            spec.redis.cluster = Some(crds::account::RedisCluster {
                nodes: vec!["a:7000".to_owned(), "b".to_owned()],
                sharded_pub_sub,
                tls,
            });
        });
        let mut world = observed(vec![account], vec![fixture::set("s", &equities(0..1), &[])]);
        run(&mut world, start());
        assert_eq!(there(&world).redis_url, spelled);
    }
}

/// What the assignment says about events, with sets of these prefixes that want events or not.
fn events(account: bool, sets: &[(&str, bool)]) -> (bool, Vec<String>) {
    let mut a = fixture::account("a");
    change(&mut a, |spec| spec.events = account);
    let sets = sets.iter().zip(0_i64..).map(|((prefix, events), at)| {
        let mut set = fixture::aged(&format!("s{at}"), at, &equities([0, 1]), &[]);
        edit(&mut set, |spec| {
            spec.publish.channel_prefix = Some((*prefix).to_owned());
            spec.publish.events = *events;
        });
        set
    });
    let mut world = observed(vec![a], sets.collect());
    run(&mut world, start());
    let assignment = there(&world);
    (assignment.events, assignment.quiet_prefixes)
}

#[test]
fn a_prefix_gets_events_if_any_of_its_sets_wants_them() {
    let quiet = |sets: &[(&str, bool)]| events(true, sets).1;
    assert!(quiet(&[("x", true), ("y", true)]).is_empty());
    assert_eq!(quiet(&[("x", false), ("y", true)]), ["x"]);
    assert_eq!(quiet(&[("y", false), ("x", false)]), ["x", "y"]);
    assert!(quiet(&[("x", false), ("x", true)]).is_empty());
    assert!(!events(false, &[("x", true)]).0);
}

/// The set cannot be read for a while: what it said before goes on.
#[test]
fn what_is_not_known_silences_nobody_and_wakes_nobody() {
    for wants in [true, false] {
        let mut set = fixture::set("s", &equities([0]), &[]);
        edit(&mut set, |spec| spec.publish.events = wants);
        let mut world = observed(vec![fixture::account("a")], vec![set]);
        let memory = run(&mut world, start());
        let before = there(&world);
        assert_eq!(before.quiet_prefixes.is_empty(), wants);
        world.sets[0].spec = Err(fixture::invalid_spec());
        change(&mut world.accounts[0], |spec| spec.order_updates = true);
        let plan = plan(&world, &memory, start());
        let now = plan.accounts[0].assignment.assignment().unwrap();
        assert!(now.order_updates && now.instruments.len() == 1);
        assert_eq!(now.quiet_prefixes, before.quiet_prefixes);
    }
}
