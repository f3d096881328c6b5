//! Accounts that are known to be down.

use std::time::Duration;

use contract::report::{ConnectionReport, ConnectionState, CredentialsReport, FEATURE_STANDBY};

use super::*;

/// A world in which outages count after half a minute.
fn world(accounts: Vec<ObservedAccount>, sets: Vec<ObservedSet>) -> Observed {
    let mut world = observed(accounts, sets);
    world.settings.failover_after = Some(Duration::from_secs(30));
    world
}

fn account_of<'a>(world: &'a mut Observed, name: &str) -> &'a mut ObservedAccount {
    let mut accounts = world.accounts.iter_mut();
    accounts.find(|it| it.object.meta.key.name == name).unwrap()
}

/// Lets the sockets of an account be down for so long at `now`.
pub(super) fn cut(
    world: &mut Observed,
    name: &str,
    state: ConnectionState,
    seconds: u64,
    now: Now,
) {
    let account = account_of(world, name);
    let report = account.scrape.report.as_mut().unwrap();
    let report = Arc::make_mut(report);
    if report.connections.is_empty() {
        report.connections = vec![connection(state)];
    }
    for connection in &mut report.connections {
        (connection.state, connection.streaming) = (state, 0);
        connection.down_ms = Some(seconds * 1_000);
    }
    report.streaming = 0;
    report.credentials = match state {
        ConnectionState::Refused => CredentialsReport::Refused {
            next_try: None,
            remark: None,
        },
        _ => CredentialsReport::Accepted,
    };
    account.scrape.at = Some(now.monotonic);
}

fn connection(state: ConnectionState) -> ConnectionReport {
    ConnectionReport {
        index: 0,
        state,
        instruments: 0,
        streaming: 0,
        reconnects: 0,
        down_ms: None,
        ticks_per_second: None,
        last_tick_us: None,
        last_error: None,
    }
}

fn step(world: &mut Observed, memory: &Memory, now: Now) -> Plan {
    let plan = plan(world, memory, now);
    apply(world, &plan);
    plan
}

fn counts(world: &Observed) -> Vec<(String, usize)> {
    let placed = placed(world).into_iter();
    placed.map(|(name, tokens)| (name, tokens.len())).collect()
}

fn are(counts: &[(&str, usize)]) -> Vec<(String, usize)> {
    let counts = counts.iter();
    counts
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn named(name: &str, account: &str, tokens: std::ops::Range<u32>) -> ObservedSet {
    let mut set = set(name, &equities(tokens), &[]);
    edit(&mut set, |spec| {
        spec.account_ref = Some(crds::set::AccountRef {
            name: account.to_owned(),
        });
    });
    set
}

/// Three accounts: `a` has nine instruments that all may take over, the others one that ties them.
fn three() -> (Observed, Memory) {
    let any = aged("any", 60, &equities(0..9), &[]);
    let sets = vec![named("b", "b", 20..21), named("c", "c", 30..31), any];
    let mut world = world(vec![small("a", 20), small("b", 20), small("c", 20)], sets);
    // All room but that of `a` is taken at first.
    for name in ["b", "c"] {
        change(account_of(&mut world, name), |spec| {
            spec.tokens_per_connection = 1;
        });
    }
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), are(&[("a", 9), ("b", 1), ("c", 1)]));
    for name in ["b", "c"] {
        change(account_of(&mut world, name), |spec| {
            spec.tokens_per_connection = 20;
        });
    }
    (world, memory)
}

#[test]
fn what_a_refused_account_lost_moves_after_half_a_minute_and_comes_back_only_if_it_waits() {
    let (mut world, memory) = three();
    let now = start();
    cut(&mut world, "a", ConnectionState::Refused, 29, now);
    let plan = step(&mut world, &memory, now);
    assert_eq!(counts(&world)[0].1, 9);
    assert_eq!(
        plan.next,
        Some(later(now, 1).monotonic),
        "it is looked at again in time"
    );

    let now = later(now, 1);
    let plan = step(&mut world, &plan.memory, now);
    assert_eq!(counts(&world)[0].1, 0, "{:?}", counts(&world));
    assert_eq!(counts(&world).iter().map(|it| it.1).sum::<usize>(), 11);
    let from: Vec<_> = plan
        .failovers
        .iter()
        .map(|it| (it.from.name.as_str(), it.instruments, it.cause))
        .collect();
    assert_eq!(from, [("a", 9, Cause::Refused)]);
    let events = plan
        .events
        .iter()
        .filter(|it| it.reason == EventReason::FailedOver);
    let events: Vec<_> = events
        .map(|it| (it.key.name.as_str(), it.warning, it.message.as_str()))
        .collect();
    assert_eq!(
        events[0],
        (
            "a",
            true,
            "9 instruments move to account b: Kite refuses its credentials"
        )
    );
    assert_eq!(
        events[1],
        (
            "b",
            false,
            "9 instruments come from account a: Kite refuses its credentials"
        )
    );
    let standby = |world: &Observed| world.accounts[0].assignment.readable().unwrap().0.standby;
    assert!(standby(&world));

    // It says what is wrong with it, and nothing flaps back, whether it is down or up.
    let after = placed(&world);
    stream(&mut world);
    cut(&mut world, "a", ConnectionState::Refused, 60, now);
    let again = step(&mut world, &plan.memory, later(now, 30));
    assert_eq!(account_is(&again, "a"), "False TokenExpired");
    assert!(again.failovers.is_empty());
    assert_eq!(placed(&world), after);
    stream(&mut world);
    let report = account_of(&mut world, "a").scrape.report.as_mut().unwrap();
    let report = Arc::make_mut(report);
    report.connections = vec![connection(ConnectionState::Live)];
    report.features = vec![FEATURE_STANDBY.to_owned()];
    let healed = step(&mut world, &again.memory, later(now, 60));
    assert_eq!(
        (account_is(&healed, "a"), standby(&world)),
        ("True Idle".to_owned(), true)
    );
    assert_eq!(placed(&world), after);
    // What waits goes there.
    let more = aged("more", 90, &equities(100..140), &[]);
    world.sets.push(more);
    step(&mut world, &healed.memory, later(now, 61));
    assert_eq!(counts(&world)[0].1, 20);
    assert!(!standby(&world));
}

#[test]
fn a_socket_that_is_down_for_a_moment_or_is_dialled_for_the_first_time_moves_nothing() {
    for (state, seconds) in [
        (ConnectionState::Waiting, 29),
        (ConnectionState::Connecting, 300),
        (ConnectionState::Idle, 300),
        (ConnectionState::Live, 300),
    ] {
        let (mut world, memory) = three();
        cut(&mut world, "a", state, seconds, start());
        let plan = step(&mut world, &memory, start());
        assert!(plan.failovers.is_empty(), "{state:?}");
        assert_eq!(counts(&world)[0].1, 9, "{state:?}");
    }
    for state in [ConnectionState::Waiting, ConnectionState::RateLimited] {
        let (mut world, memory) = three();
        cut(&mut world, "a", state, 30, start());
        step(&mut world, &memory, start());
        assert_eq!(counts(&world)[0].1, 0, "{state:?}");
    }
}

#[test]
fn if_most_accounts_of_an_endpoint_are_down_the_fault_is_not_theirs() {
    let (mut world, memory) = three();
    for name in ["a", "b"] {
        cut(&mut world, name, ConnectionState::Refused, 300, start());
    }
    let plan = step(&mut world, &memory, start());
    assert!(plan.failovers.is_empty());
    assert_eq!(counts(&world), are(&[("a", 9), ("b", 1), ("c", 1)]));
    // Off means off.
    let (mut world, memory) = three();
    world.settings.failover_after = None;
    cut(&mut world, "a", ConnectionState::Refused, 300, start());
    step(&mut world, &memory, start());
    assert_eq!(counts(&world)[0].1, 9);
}

#[test]
fn a_process_that_cannot_be_reached_counts_only_if_it_is_known_not_to_run() {
    let fail = |world: &mut Observed, stopped: bool, now: Now| {
        let account = account_of(world, "a");
        account.process = Process::Present {
            name: "kt-a-0".to_owned(),
            address: None,
            ready: false,
            stopped,
            trouble: None,
        };
        account.scrape.failing = Some(Failing {
            since: now.monotonic,
            attempts: 9,
            why: "timed out".to_owned(),
        });
    };
    let (mut world, memory) = three();
    fail(&mut world, false, start());
    let plan = step(&mut world, &memory, later(start(), 300));
    assert_eq!(
        counts(&world)[0].1,
        9,
        "it may be the operator that is cut off"
    );
    fail(&mut world, true, start());
    step(&mut world, &plan.memory, later(start(), 300));
    assert_eq!(counts(&world)[0].1, 0);

    // A pod that is gone has no reports either: it counts from when that is seen first.
    let (mut world, memory) = three();
    let account = account_of(&mut world, "a");
    (account.process, account.scrape) = (Process::Absent, Scrape::default());
    let plan = step(&mut world, &memory, start());
    assert!(plan.next <= Some(later(start(), 30).monotonic));
    let plan = step(&mut world, &plan.memory, later(start(), 29));
    assert_eq!(counts(&world)[0].1, 9);
    let plan = step(&mut world, &plan.memory, later(start(), 30));
    assert_eq!(counts(&world)[0].1, 0);
    assert_eq!(plan.failovers[0].cause, Cause::Stopped);
}

#[test]
fn who_was_never_tried_is_used_last_and_for_a_few() {
    let untried = |world: &mut Observed, name: &str| {
        let report = account_of(world, name).scrape.report.as_mut().unwrap();
        let report = Arc::make_mut(report);
        report.connections.clear();
        report.credentials = CredentialsReport::Present { remark: None };
    };
    let sets = vec![aged("any", 60, &equities(0..300), &[])];
    let mut world = world(vec![account("a"), account("b"), account("c")], sets);
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), are(&[("a", 300), ("b", 0), ("c", 0)]));
    untried(&mut world, "b");
    untried(&mut world, "c");
    change(account_of(&mut world, "c"), |spec| {
        spec.tokens_per_connection = 30;
    });
    cut(&mut world, "a", ConnectionState::RateLimited, 30, start());
    step(&mut world, &memory, start());
    // A hundred each, or what has room; the rest stays where it is.
    assert_eq!(counts(&world), are(&[("a", 110), ("b", 100), ("c", 90)]));
}

#[test]
fn higher_priorities_move_first_and_without_a_refuge_everything_stays() {
    let low = aged("low", 0, &equities(0..5), &[]);
    let mut high = aged("high", 60, &equities(50..55), &[]);
    edit(&mut high, |spec| spec.priority = 5);
    let own = named("own", "b", 90..91);
    let mut world = world(vec![small("a", 10), small("b", 1)], vec![low, high, own]);
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), are(&[("a", 10), ("b", 1)]));
    cut(&mut world, "a", ConnectionState::Waiting, 30, start());
    let plan = step(&mut world, &memory, start());
    assert_eq!(counts(&world), are(&[("a", 10), ("b", 1)]));
    change(account_of(&mut world, "b"), |spec| {
        spec.tokens_per_connection = 6;
    });
    step(&mut world, &plan.memory, start());
    assert_eq!(placed(&world)["b"], equities([50, 51, 52, 53, 54, 90]));
}

#[test]
fn new_instruments_avoid_an_account_that_is_down() {
    let (mut world, memory) = three();
    cut(&mut world, "a", ConnectionState::Refused, 30, start());
    change(account_of(&mut world, "b"), |spec| {
        spec.tokens_per_connection = 1;
    });
    change(account_of(&mut world, "c"), |spec| {
        spec.tokens_per_connection = 1;
    });
    let plan = step(&mut world, &memory, start());
    assert_eq!(
        counts(&world),
        are(&[("a", 9), ("b", 1), ("c", 1)]),
        "no refuge has room"
    );
    world.sets.push(aged("more", 90, &equities(100..103), &[]));
    change(account_of(&mut world, "c"), |spec| {
        spec.tokens_per_connection = 2;
    });
    step(&mut world, &plan.memory, start());
    // One place elsewhere: what streams nowhere takes it, by age; the others go where nothing streams for now.
    assert_eq!(counts(&world), are(&[("a", 11), ("b", 1), ("c", 2)]));
}

/// A connection of two is down: what it carried is listed by the process.
#[test]
fn what_one_connection_lost_moves_and_the_rest_stays() {
    let (mut world, memory) = three();
    let lost = equities(0..4);
    let cut = |world: &mut Observed, generation: u64| {
        let account = account_of(world, "a");
        let report = Arc::make_mut(account.scrape.report.as_mut().unwrap());
        let mut down = connection(ConnectionState::Waiting);
        (down.index, down.instruments, down.down_ms) = (1, 4, Some(30_000));
        report.connections.push(down);
        let list = contract::report::ConnectionInstruments {
            index: 1,
            epoch: report.epoch.clone(),
            generation,
            tokens: lost.clone(),
        };
        account.scrape.lost = vec![Arc::new(list)];
        account.scrape.at = Some(start().monotonic);
    };
    let generation = world.accounts[0]
        .assignment
        .readable()
        .unwrap()
        .0
        .generation;
    let mut other = world.clone();
    cut(&mut other, generation + 1);
    step(&mut other, &memory, start());
    assert_eq!(
        counts(&other)[0].1,
        9,
        "a list of another assignment says nothing"
    );

    cut(&mut world, generation);
    let plan = step(&mut world, &memory, start());
    assert_eq!(placed(&world)["a"], equities(4..9));
    assert_eq!(counts(&world).iter().map(|it| it.1).sum::<usize>(), 11);
    assert_eq!(plan.failovers[0].instruments, 4);
    // Nothing new comes to it while a connection is down.
    world.sets.push(aged("more", 90, &equities(100..102), &[]));
    step(&mut world, &plan.memory, start());
    assert_eq!(placed(&world)["a"], equities(4..9));
}

/// A set that may use no other account keeps the account's instruments: those of another set fail over once, and that is all.
#[test]
fn what_stays_for_a_set_that_may_use_no_other_account_is_no_failover_of_it() {
    let (mut world, _) = three();
    let mut pinned = named("pinned", "a", 0..9);
    edit(&mut pinned, |spec| {
        spec.publish.channel_prefix = Some("own".to_owned());
    });
    world.sets.push(pinned);
    let mut memory = run(&mut world, start());
    cut(&mut world, "a", ConnectionState::Refused, 31, start());
    let mut told = Vec::new();
    for second in 0..5 {
        let now = later(start(), second);
        for account in &mut world.accounts {
            account.scrape.at = Some(now.monotonic);
        }
        let plan = step(&mut world, &memory, now);
        let moved = plan.failovers.iter().map(|it| it.instruments);
        told.push(moved.sum::<u32>());
        memory = plan.memory;
    }
    assert_eq!(told, [9, 0, 0, 0, 0]);
}
