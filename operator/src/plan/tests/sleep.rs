//! Accounts whose process rests at night.

use std::time::Duration;

use crds::account::MarketHours;
use crds::condition::{ConditionType, State};

use crate::plan::fixture::{account, apply, change, later, observed, run, set, start, stream};
use crate::plan::report::find;
use crate::plan::{Change, Memory, Now, Observed, Plan, Process, Scrape, plan};

fn at(wall: &str) -> Now {
    let wall: jiff::Timestamp = format!("{wall}+05:30").parse().unwrap();
    let passed = wall.duration_since(start().wall).as_secs().unsigned_abs();
    later(start(), passed)
}

/// One account with an option, which may rest, and one without instruments.
fn world() -> Observed {
    let sets = vec![set("s", &[], &["NFO:NIFTY26DEC25000CE"])];
    let mut world = observed(vec![account("a"), account("b")], sets);
    world.settings.failover_after = Some(Duration::from_secs(30));
    for account in &mut world.accounts {
        change(account, |spec| {
            spec.market_hours = Some(MarketHours::Exchange);
            spec.schedule.sleep_when_closed = true;
        });
    }
    world
}

fn pass(world: &mut Observed, memory: &mut Memory, now: Now) -> Plan {
    let decided = plan(world, memory, now);
    apply(world, &decided);
    *memory = decided.memory.clone();
    decided
}

/// The process has ended, and what it said is forgotten.
fn end(world: &mut Observed) {
    world.accounts[0].process = Process::Absent;
    world.accounts[0].scrape = Scrape::default();
}

fn ready(world: &Observed) -> [(State, String); 2] {
    let read = |conditions: &[_]| {
        let ready = find(conditions, ConditionType::Ready).unwrap();
        (
            State::from_word(&ready.status).unwrap(),
            ready.reason.clone(),
        )
    };
    [
        read(&world.accounts[0].object.status.as_ref().unwrap().conditions),
        read(&world.sets[0].status.as_ref().unwrap().conditions),
    ]
}

fn closed() -> [(State, String); 2] {
    let closed = (State::True, "MarketClosed".to_owned());
    [closed.clone(), closed]
}

fn changes(plan: &Plan) -> bool {
    let accounts = plan.accounts.iter().map(|it| it.change);
    let mut all = accounts.chain(plan.sets.iter().map(|it| it.change));
    all.any(|it| it != Change::None)
}

/// A world whose process has ended for the night, on a Monday evening.
fn asleep() -> (Observed, Memory) {
    let mut world = world();
    let mut memory = run(&mut world, start());
    stream(&mut world);
    let decided = pass(&mut world, &mut memory, later(start(), 1));
    assert!(decided.accounts[0].asleep);
    end(&mut world);
    pass(&mut world, &mut memory, later(start(), 5));
    (world, memory)
}

#[test]
fn a_process_that_rests_is_no_failure_and_nothing_is_written() {
    let (mut world, mut memory) = asleep();
    let names = |world: &Observed| world.sets[0].status.as_ref().unwrap().accounts.clone();
    assert_eq!(ready(&world), closed());
    assert_eq!(names(&world).as_deref(), Some("a"));
    let status = world.accounts[0].object.status.clone().unwrap();
    assert_eq!(status.connections.as_deref(), Some("0/0"));
    assert!(status.connection_status.is_empty());
    let message = &find(&status.conditions, ConditionType::Ready)
        .unwrap()
        .message;
    assert!(
        message.contains("its process does not run until 2025-11-25 09:05 IST"),
        "{message}"
    );
    for night in [
        "2025-11-24T23:59:00",
        "2025-11-25T03:00:00",
        "2025-11-25T08:29:00",
    ] {
        let decided = pass(&mut world, &mut memory, at(night));
        assert!(decided.accounts[0].asleep && decided.accounts[0].workload.is_some());
        assert!(!changes(&decided), "{night}");
        assert!(decided.events.is_empty() && decided.failovers.is_empty());
        // It is known when it starts again.
        let wakes = at("2025-11-25T09:05:00").monotonic;
        assert!(decided.next.is_some_and(|next| next <= wakes));
    }
    // An operator that starts knows it as well.
    let decided = plan(&world, &Memory::default(), at("2025-11-25T04:00:00"));
    assert!(decided.accounts[0].asleep && !changes(&decided));
}

#[test]
fn it_is_back_before_the_market_opens_and_has_time_to_start() {
    let (mut world, mut memory) = asleep();
    pass(&mut world, &mut memory, at("2025-11-25T09:04:00"));
    let decided = pass(&mut world, &mut memory, at("2025-11-25T09:05:00"));
    assert!(!decided.accounts[0].asleep);
    assert_eq!(ready(&world), closed());
    // It is not up yet: that is no failure of an account which was well all night.
    let decided = pass(&mut world, &mut memory, at("2025-11-25T09:05:08"));
    assert!(decided.failovers.is_empty() && !changes(&decided));
    assert_eq!(ready(&world), closed());
    let mut late = world.clone();
    let mut memory_of_late = memory.clone();
    stream(&mut world);
    pass(&mut world, &mut memory, at("2025-11-25T09:05:12"));
    assert_eq!(ready(&world), closed());
    // A process that does not come has failed, like any other.
    let decided = pass(&mut late, &mut memory_of_late, at("2025-11-25T09:05:31"));
    assert_eq!(decided.failovers.len(), 1);
}

#[test]
fn an_account_that_does_not_ask_for_it_runs_all_night() {
    for (hours, sleeps) in [(MarketHours::Exchange, false), (MarketHours::Always, true)] {
        let mut world = world();
        change(&mut world.accounts[0], |spec| {
            spec.market_hours = Some(hours);
            spec.schedule.sleep_when_closed = sleeps;
        });
        let mut memory = run(&mut world, start());
        stream(&mut world);
        let decided = pass(&mut world, &mut memory, later(start(), 1));
        assert!(!decided.accounts[0].asleep);
    }
}
