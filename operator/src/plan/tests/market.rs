//! Nights, and the open.

use crds::account::MarketHours;
use crds::condition::{ConditionType, State};

use crate::plan::fixture::{
    account, apply, change, edit, later, observed, run, set, start, stream,
};
use crate::plan::report::find;
use crate::plan::{Change, Memory, Now, Observed, plan};

fn at(wall: &str) -> Now {
    let wall: jiff::Timestamp = format!("{wall}+05:30").parse().unwrap();
    let passed = wall.duration_since(start().wall).as_secs().unsigned_abs();
    later(start(), passed)
}

fn world(hours: MarketHours) -> Observed {
    let sets = vec![set("s", &[], &["NFO:NIFTY26DEC25000CE"])];
    let mut world = observed(vec![account("a")], sets);
    change(&mut world.accounts[0], |spec| {
        spec.market_hours = Some(hours);
    });
    world
}

/// State and reason of `Ready` of the account and of the set.
fn ready(world: &Observed) -> [(State, String); 2] {
    let read = |conditions: &[_]| {
        let ready = find(conditions, ConditionType::Ready).unwrap();
        let state = State::from_word(&ready.status).unwrap();
        (state, ready.reason.clone())
    };
    [
        read(&world.accounts[0].object.status.as_ref().unwrap().conditions),
        read(&world.sets[0].status.as_ref().unwrap().conditions),
    ]
}

/// What a pass says of both, and what it would write. The process answers; its newest tick stays what it is.
fn pass(world: &mut Observed, memory: &mut Memory, now: Now) -> ([(State, String); 2], bool) {
    let before = world.accounts[0].scrape.at;
    let passed = before.map_or(0, |at| {
        now.monotonic.saturating_duration_since(at).as_millis()
    });
    let scrape = &mut world.accounts[0].scrape;
    scrape.at = Some(now.monotonic);
    if let Some(report) = &mut scrape.report {
        for set in &mut std::sync::Arc::make_mut(report).sets {
            set.age_ms = set.age_ms.map(|age| age + passed as u64);
        }
    }
    let decided = plan(world, memory, now);
    let accounts = decided.accounts.iter().map(|it| it.change);
    let mut changes = accounts.chain(decided.sets.iter().map(|it| it.change));
    let writes = changes.any(|it| it != Change::None);
    assert_eq!(decided.events, []);
    apply(world, &decided);
    *memory = decided.memory;
    (ready(world), writes)
}

fn both(state: State, reason: &str) -> [(State, String); 2] {
    [(state, reason.to_owned()), (state, reason.to_owned())]
}

#[test]
fn a_night_is_no_reason_to_be_stale_and_writes_nothing() {
    let mut world = world(MarketHours::Exchange);
    // 2025-11-24, a Monday, 21:30 in India: commodities alone trade.
    let mut memory = run(&mut world, start());
    stream(&mut world);
    assert_eq!(ready(&world), both(State::True, "MarketClosed"));
    let status = world.sets[0].status.as_ref().unwrap();
    let message = &find(&status.conditions, ConditionType::Ready)
        .unwrap()
        .message;
    assert!(
        message.starts_with("the market is closed until 2025-11-25 09:15 IST"),
        "{message}"
    );
    pass(&mut world, &mut memory, later(start(), 20));
    for night in [
        "2025-11-24T23:59:00",
        "2025-11-25T03:00:00",
        "2025-11-25T08:29:00",
    ] {
        let (said, writes) = pass(&mut world, &mut memory, at(night));
        assert_eq!(
            (said, writes),
            (both(State::True, "MarketClosed"), false),
            "{night}"
        );
    }
    // The pass before knew when to look again.
    let decided = plan(&world, &memory, at("2025-11-25T08:29:30"));
    let open = at("2025-11-25T09:15:00").monotonic;
    assert!(
        decided.next.is_some_and(|next| next <= open),
        "{:?}",
        decided.next
    );
}

#[test]
fn what_should_tick_after_the_open_and_does_not_is_stale() {
    let mut world = world(MarketHours::Exchange);
    let mut memory = run(&mut world, start());
    stream(&mut world);
    pass(&mut world, &mut memory, at("2025-11-25T09:14:50"));
    let limit = world.sets[0].spec.as_ref().unwrap().stale_after;
    let limit = std::time::Duration::from(limit).as_secs();
    let open = at("2025-11-25T09:15:00");
    for (seconds, state, reason) in [
        (0, State::True, "Streaming"),
        (limit, State::True, "Streaming"),
        (limit + 1, State::False, "Stale"),
    ] {
        let now = later(open, seconds);
        let decided = plan(&world, &memory, now);
        // Its sockets are up: the account is well.
        let scrape = &mut world.accounts[0].scrape;
        scrape.at = Some(now.monotonic);
        drop(decided);
        let decided = plan(&world, &memory, now);
        apply(&mut world, &decided);
        memory = decided.memory;
        assert_eq!(ready(&world)[1], (state, reason.to_owned()), "{seconds}");
    }
}

/// A holiday that the calendar lacks: nothing ticks on any account.
#[test]
fn a_market_that_is_silent_everywhere_may_have_a_holiday() {
    let sets = vec![
        set("s", &[], &["NFO:NIFTY26DEC25000CE"]),
        set("t", &[], &["NFO:NIFTY26DEC25000CE"]),
    ];
    let mut world = observed(vec![account("a"), account("b")], sets);
    for (at, name) in [(0, "a"), (1, "b")] {
        change(&mut world.accounts[at], |spec| {
            spec.market_hours = Some(MarketHours::Exchange);
        });
        edit(&mut world.sets[at], |spec| {
            spec.account_ref = serde_json::from_value(serde_json::json!({"name": name})).unwrap();
            spec.publish.channel_prefix = Some(format!("of-{name}"));
        });
    }
    let mut memory = run(&mut world, start());
    stream(&mut world);
    let late = at("2025-11-25T09:20:00");
    let mut says = |ticked: bool| {
        let open = at("2025-11-25T09:15:00").wall.as_microsecond();
        for account in &mut world.accounts {
            account.scrape.at = Some(late.monotonic);
            let report = account.scrape.report.as_mut().unwrap();
            for set in &mut std::sync::Arc::make_mut(report).sets {
                let ticks = ticked && set.name == "t";
                set.age_ms = Some(if ticks { 100 } else { 40_000_000 });
                set.last_tick_us = Some(if ticks { open + 1 } else { open - 1 });
            }
        }
        let decided = plan(&world, &memory, late);
        apply(&mut world, &decided);
        memory = decided.memory;
        let status = world.sets[0].status.as_ref().unwrap();
        let ready = find(&status.conditions, ConditionType::Ready).unwrap();
        assert_eq!(ready.reason, "Stale");
        ready.message.contains("is it a holiday? See --calendar")
    };
    assert!(says(false), "nothing ticks");
    assert!(!says(true), "options tick on another account");
    assert!(says(false), "and no more");
}

#[test]
fn a_simulator_that_never_closes_is_stale_at_any_time() {
    let mut world = world(MarketHours::Always);
    let mut memory = run(&mut world, start());
    stream(&mut world);
    assert_eq!(ready(&world), both(State::True, "Streaming"));
    let decided = plan(&world, &memory, later(start(), 5));
    apply(&mut world, &decided);
    memory = decided.memory;
    let now = later(start(), 3_600);
    world.accounts[0].scrape.at = Some(now.monotonic);
    if let Some(report) = &mut world.accounts[0].scrape.report {
        for set in &mut std::sync::Arc::make_mut(report).sets {
            set.age_ms = Some(3_600_000);
        }
    }
    let decided = plan(&world, &memory, now);
    apply(&mut world, &decided);
    assert_eq!(ready(&world)[1], (State::False, "Stale".to_owned()));
}

#[test]
fn a_calendar_that_ends_soon_is_said_by_accounts_that_depend_on_it() {
    for (hours, said) in [(MarketHours::Exchange, true), (MarketHours::Always, false)] {
        let mut world = world(hours);
        // Two weeks before the end of what is built in.
        let now = at("2026-12-17T12:00:00");
        run(&mut world, now);
        let status = world.accounts[0].object.status.as_ref().unwrap();
        let message = &find(&status.conditions, ConditionType::Ready)
            .unwrap()
            .message;
        let warning = "the market calendar ends on 2026-12-31";
        assert_eq!(message.contains(warning), said, "{message}");
    }
}
