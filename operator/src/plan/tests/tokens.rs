//! Access tokens that have ended, by day and by night.

use std::sync::Arc;

use contract::TokenSource;
use contract::report::{ConnectionState, CredentialsReport};
use crds::account::MarketHours;
use crds::condition::{ConditionType, Reason};

use crate::plan::fixture::{account, apply, change, later, observed, run, set, start, stream};
use crate::plan::report::find;
use crate::plan::{
    Change, EventReason, Memory, Now, Observed, Secret, TokenAnswer, TokenCheck, plan,
};

fn at(wall: &str) -> Now {
    let wall: jiff::Timestamp = format!("{wall}+05:30").parse().unwrap();
    let passed = wall.duration_since(start().wall).as_secs().unsigned_abs();
    later(start(), passed)
}

/// An account that streams an option, and what is remembered; it is Monday, half past nine in the evening.
fn streaming() -> (Observed, Memory) {
    let sets = vec![set("s", &[], &["NFO:NIFTY26DEC25000CE"])];
    let mut world = observed(vec![account("a")], sets);
    change(&mut world.accounts[0], |spec| {
        spec.market_hours = Some(MarketHours::Exchange);
    });
    let memory = run(&mut world, start());
    stream(&mut world);
    (world, memory)
}

fn answered(world: &mut Observed, answer: TokenAnswer, now: Now) {
    world.accounts[0].token = Some(TokenCheck {
        version: "1".to_owned(),
        answer,
        at: now.wall,
    });
}

fn accepted() -> TokenAnswer {
    let user_id = "AB1234".to_owned();
    TokenAnswer::Accepted { user_id }
}

/// Its socket is lost, and Kite refuses another one.
fn lose_socket(world: &mut Observed) {
    let report = world.accounts[0].scrape.report.as_mut().unwrap();
    let report = Arc::make_mut(report);
    report.streaming = 0;
    report.connections[0].state = ConnectionState::Refused;
    report.connections[0].streaming = 0;
    report.sets.clear();
    report.credentials = CredentialsReport::Refused {
        next_try: None,
        remark: None,
    };
}

/// What a pass at `now` says: `Ready` and `CredentialsValid` of the account, `Ready` of the set, and the events.
fn pass(world: &mut Observed, memory: &mut Memory, now: Now) -> ([String; 3], Vec<EventReason>) {
    world.accounts[0].scrape.at = Some(now.monotonic);
    let decided = plan(world, memory, now);
    apply(world, &decided);
    let read = |conditions: &[_], kind| {
        let it = find(conditions, kind).unwrap();
        format!("{}/{}", it.status, it.reason)
    };
    let account = &world.accounts[0].object.status.as_ref().unwrap().conditions;
    let set = &world.sets[0].status.as_ref().unwrap().conditions;
    let said = [
        read(account, ConditionType::Ready),
        read(account, ConditionType::CredentialsValid),
        read(set, ConditionType::Ready),
    ];
    let events = decided.events.iter().map(|it| it.reason).collect();
    *memory = decided.memory;
    (said, events)
}

fn said(account: &str, valid: &str, set: &str) -> [String; 3] {
    [account, valid, set].map(str::to_owned)
}

#[test]
fn a_token_is_verified_and_its_end_is_known() {
    let (mut world, mut memory) = streaming();
    let now = at("2025-11-25T10:00:00");
    answered(&mut world, accepted(), now);
    let good = said("True/Streaming", "True/Verified", "True/Streaming");
    let (found, events) = pass(&mut world, &mut memory, now);
    assert_eq!((found, events), (good, vec![]));
    let end = |world: &Observed| {
        let status = world.accounts[0].object.status.as_ref().unwrap();
        status.token_expires_at.as_ref().map(|end| end.0)
    };
    let six = at("2025-11-26T06:00:00").wall;
    assert_eq!(end(&world), Some(six));
    // In the hours in which tokens end, one that is good may be yesterday's.
    let early = at("2025-11-26T06:10:00");
    answered(&mut world, accepted(), early);
    pass(&mut world, &mut memory, early);
    assert_eq!(end(&world), Some(six));
    let morning = at("2025-11-26T08:00:00");
    answered(&mut world, accepted(), morning);
    pass(&mut world, &mut memory, morning);
    assert_eq!(end(&world), Some(at("2025-11-27T06:00:00").wall));
}

#[test]
fn sockets_on_a_dead_token_stream_on_and_one_event_says_so_from_the_flush_on() {
    let (mut world, mut memory) = streaming();
    let night = at("2025-11-25T06:20:00");
    answered(&mut world, TokenAnswer::Refused, night);
    let dead = "False/RunningOnDeadToken";
    let closed = said("True/MarketClosed", dead, "True/MarketClosed");
    assert_eq!(
        pass(&mut world, &mut memory, night),
        (closed.clone(), vec![])
    );
    let ready = |world: &Observed| {
        let status = world.accounts[0].object.status.as_ref().unwrap();
        let ready = find(&status.conditions, ConditionType::Ready).unwrap();
        ready.message.clone()
    };
    assert!(!ready(&world).contains("token"), "{}", ready(&world));
    let told = vec![EventReason::RunningOnDeadToken];
    let flushed = at("2025-11-25T07:35:00");
    assert_eq!(
        pass(&mut world, &mut memory, flushed),
        (closed.clone(), told.clone())
    );
    assert!(
        ready(&world).contains("Kite refuses the access token"),
        "{}",
        ready(&world)
    );
    assert_eq!(
        pass(&mut world, &mut memory, at("2025-11-25T08:00:00")),
        (closed.clone(), vec![])
    );
    // Nor does a restart of the operator tell it again.
    assert_eq!(
        pass(
            &mut world,
            &mut Memory::default(),
            at("2025-11-25T08:01:00")
        )
        .1,
        []
    );
    let open = said("True/Streaming", dead, "True/Streaming");
    assert_eq!(
        pass(&mut world, &mut memory, at("2025-11-25T09:15:10")).0,
        open
    );
    // The next day it is news again, unless there is another token.
    assert_eq!(
        pass(&mut world, &mut memory, at("2025-11-25T20:00:00")),
        (closed.clone(), vec![])
    );
    let next = at("2025-11-26T07:35:00");
    let mut renewed = world.clone();
    answered(&mut renewed, accepted(), next);
    assert_eq!(pass(&mut world, &mut memory.clone(), next).1, told);
    let (found, events) = pass(&mut renewed, &mut memory, next);
    assert_eq!(events, []);
    assert_eq!(
        found,
        said("True/MarketClosed", "True/Verified", "True/MarketClosed")
    );
}

#[test]
fn a_socket_that_is_lost_at_night_wakes_nobody_before_the_flush_of_a_trading_day() {
    let (mut world, mut memory) = streaming();
    // The night to Saturday: the market opens on Monday.
    lose_socket(&mut world);
    let rests = said(
        "True/MarketClosed",
        "False/TokenExpired",
        "True/MarketClosed",
    );
    for quiet in [
        "2025-11-29T06:20:00",
        "2025-11-29T08:00:00",
        "2025-11-30T12:00:00",
        "2025-12-01T07:34:00",
    ] {
        assert_eq!(
            pass(&mut world, &mut memory, at(quiet)),
            (rests.clone(), vec![]),
            "{quiet}"
        );
    }
    let (found, events) = pass(&mut world, &mut memory, at("2025-12-01T07:35:00"));
    assert_eq!(found[..2], ["False/TokenExpired", "False/TokenExpired"]);
    assert_eq!(events, [EventReason::Ready(Reason::TokenExpired)]);
}

#[test]
fn an_answer_about_another_secret_says_nothing() {
    let (mut world, mut memory) = streaming();
    let day = at("2025-11-25T10:00:00");
    answered(&mut world, TokenAnswer::Refused, day);
    if let Secret::Present { version, .. } = &mut world.accounts[0].secret {
        "2".clone_into(version);
    }
    let (found, events) = pass(&mut world, &mut memory, day);
    assert_eq!((found[1].as_str(), events), ("True/Verified", vec![]));
}

#[test]
fn accounts_that_may_stream_are_checked() {
    let (mut world, memory) = streaming();
    let key = world.accounts[0].object.meta.key.clone();
    let key = (key, TokenSource::Secret);
    let target = &plan(&world, &memory, start()).tokens[&key];
    assert_eq!(
        (target.secret.name.as_str(), target.version.as_str()),
        ("kite", "1")
    );
    change(&mut world.accounts[0], |spec| spec.paused = true);
    assert!(plan(&world, &memory, start()).tokens.is_empty());
    change(&mut world.accounts[0], |spec| spec.paused = false);
    world.accounts[0].secret = Secret::Missing;
    assert!(plan(&world, &memory, start()).tokens.is_empty());
}

#[test]
fn a_restart_of_the_operator_writes_nothing_before_kite_has_answered() {
    let day = at("2025-11-25T10:00:00");
    for answer in [accepted(), TokenAnswer::Refused] {
        let (mut world, mut memory) = streaming();
        answered(&mut world, answer, day);
        pass(&mut world, &mut memory, day);
        let known = world.accounts[0].token.take();
        world.accounts[0].scrape.at = Some(later(day, 5).monotonic);
        let restarted = plan(&world, &Memory::default(), later(day, 5));
        assert_eq!(restarted.accounts[0].change, Change::None, "{known:?}");
        assert_eq!(restarted.events, []);
        world.accounts[0].token = known;
        let answered = plan(&world, &restarted.memory, later(day, 6));
        assert_eq!(answered.accounts[0].change, Change::None);
        assert_eq!(answered.events, []);
    }
}
