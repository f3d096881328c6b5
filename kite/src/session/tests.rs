//! Tests of the session: every transition, with time as a number.

mod standby;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Mode, Token};

fn start() -> Instant {
    // The only instant a test can get without reading the clock twice.
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary origin; no decision depends on it"
    )]
    Instant::now()
}

fn full(tokens: &[u32]) -> BTreeMap<Token, Mode> {
    tokens
        .iter()
        .map(|token| (Token(*token), Mode::Full))
        .collect()
}

/// Lets the first dial's spread pass; `now` stays what the test counts from.
fn dial(session: &mut Session, now: Instant) {
    assert_eq!(session.poll_action(now - FIRST_DIAL_SPREAD), None);
    assert_eq!(session.poll_action(now), Some(Action::Dial));
}

fn dialling(now: Instant) -> Session {
    let mut session = Session::new(1);
    session.set_credentials(true);
    session.set_desired(full(&[1]));
    dial(&mut session, now);
    session
}

fn live(now: Instant) -> Session {
    let mut session = dialling(now);
    session.on_connected(now);
    while session.poll_action(now).is_some() {}
    session
}

#[test]
fn nothing_is_dialled_without_credentials_or_without_tokens() {
    let now = start();
    let mut session = Session::new(1);
    session.set_desired(full(&[1]));
    assert_eq!(session.poll_action(now), None);
    session.set_desired(BTreeMap::new());
    session.set_credentials(true);
    assert_eq!(session.poll_action(now), None);
}

/// Sixty connections of a fleet: none at once, none late, and hardly two together.
#[test]
fn connections_that_start_together_dial_apart() {
    let now = start();
    let mut moments = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let mut session = Session::new(seed);
        session.set_credentials(true);
        session.set_desired(full(&[1]));
        assert_eq!(session.poll_action(now), None);
        let moment = session.deadline().unwrap();
        assert!(moment > now && moment <= now + FIRST_DIAL_SPREAD);
        assert_eq!(session.poll_action(moment), Some(Action::Dial));
        moments.insert(moment.duration_since(now).as_millis());
    }
    assert!(moments.len() > 30, "{moments:?}");
}

#[test]
fn a_dial_that_is_due_and_not_wanted_any_more_wakes_nobody() {
    let now = start();
    let mut session = Session::new(1);
    session.set_credentials(true);
    session.set_desired(full(&[1]));
    assert_eq!(session.poll_action(now), None);
    session.set_desired(BTreeMap::new());
    assert_eq!(session.deadline(), None);
}

#[test]
fn a_connected_session_subscribes_then_sets_the_mode() {
    let now = start();
    let mut session = dialling(now);
    session.on_connected(now);
    assert_eq!(
        session.poll_action(now),
        Some(Action::Send(Command::Subscribe(vec![Token(1)])))
    );
    assert_eq!(
        session.poll_action(now),
        Some(Action::Send(Command::SetMode(Mode::Full, vec![Token(1)])))
    );
    assert_eq!(session.poll_action(now), None);
}

#[test]
fn a_new_token_is_a_difference_on_the_live_socket() {
    let now = start();
    let mut session = live(now);
    session.set_desired(full(&[1, 2]));
    assert_eq!(
        session.poll_action(now),
        Some(Action::Send(Command::Subscribe(vec![Token(2)])))
    );
    assert!(matches!(session.phase(), Phase::Live { .. }));
}

#[test]
fn a_refusal_stops_dialling_until_the_credentials_change() {
    let now = start();
    let mut session = dialling(now);
    session.on_dial_failed(Failure::Refused, now);
    assert_eq!(session.phase(), Phase::Refused);
    assert_eq!(session.deadline(), None);
    assert_eq!(session.poll_action(now + Duration::from_secs(86_400)), None);
    session.set_credentials(true);
    dial(&mut session, now);
}

/// A session that dials with credentials that Kite refused.
fn retrying(now: Instant) -> Session {
    let mut session = dialling(now);
    session.on_dial_failed(Failure::Refused, now);
    session.set_credentials(false);
    session.retry_refused(now);
    assert_eq!(session.poll_action(now), Some(Action::Dial));
    session
}

#[test]
fn refused_credentials_are_tried_until_kite_answers() {
    let now = start();
    let mut session = retrying(now);
    session.on_dial_failed(Failure::Lost, now);
    let again = session.deadline().unwrap();
    session.on_timeout(again);
    assert_eq!(session.poll_action(again), Some(Action::Dial));
    session.on_dial_failed(Failure::Refused, again);
    assert!(!session.retries_refused());
    assert_eq!(
        (session.phase(), session.deadline()),
        (Phase::Refused, None)
    );
    session.retry_refused(again);
    assert_eq!(session.poll_action(again), Some(Action::Dial));
    session.on_connected(again);
    assert!(!session.retries_refused());
}

/// Kite answers a try of refused credentials with 500, and the wait for another grows.
#[test]
fn new_credentials_end_the_wait_for_another_try_of_the_refused_ones() {
    let now = start();
    let mut session = retrying(now);
    session.on_dial_failed(Failure::Lost, now);
    assert_eq!(session.poll_action(now), None);
    session.set_credentials(true);
    let soon = now + FIRST_DIAL_SPREAD;
    session.poll_action(now);
    assert_eq!(session.poll_action(soon), Some(Action::Dial));
    assert!(!session.retries_refused());
    // A wait for another reason is not shortened by it.
    session.on_dial_failed(Failure::Lost, soon);
    session.set_credentials(true);
    assert!(matches!(session.phase(), Phase::Waiting { .. }));
}

#[test]
fn what_has_nothing_to_stream_or_is_live_tries_nothing() {
    let now = start();
    let mut session = Session::new(1);
    session.retry_refused(now);
    assert!(!session.retries_refused());
    session.set_desired(full(&[1]));
    session.retry_refused(now);
    session.set_desired(BTreeMap::new());
    session.set_desired(full(&[1]));
    assert_eq!(session.poll_action(now), None);
    let mut session = live(now);
    session.retry_refused(now);
    assert!(matches!(session.phase(), Phase::Live { .. }) && !session.retries_refused());
}

#[test]
fn new_credentials_leave_a_live_socket_alone() {
    let now = start();
    let mut session = live(now);
    session.set_credentials(true);
    assert_eq!(session.poll_action(now), None);
    assert!(matches!(session.phase(), Phase::Live { .. }));
}

#[test]
fn a_full_key_is_dialled_again_after_five_seconds_at_the_soonest() {
    let now = start();
    let mut session = dialling(now);
    session.on_dial_failed(Failure::TooManyConnections, now);
    let until = session.deadline().unwrap();
    assert!(until >= now + Duration::from_secs(5));
    session.on_timeout(until);
    assert_eq!(session.poll_action(until), Some(Action::Dial));
}

#[test]
fn a_hanging_dial_is_abandoned() {
    let now = start();
    let mut session = dialling(now);
    session.on_timeout(now + DIAL_TIMEOUT - Duration::from_millis(1));
    assert_eq!(session.poll_action(now), None);
    session.on_timeout(now + DIAL_TIMEOUT);
    assert_eq!(session.poll_action(now), Some(Action::Abandon));
    assert!(matches!(
        session.phase(),
        Phase::Waiting {
            after: Failure::Lost,
            ..
        }
    ));
}

#[test]
fn a_silent_socket_is_abandoned_and_a_heartbeat_keeps_it() {
    let now = start();
    let mut session = live(now);
    let later = now + SILENCE_LIMIT - Duration::from_millis(1);
    session.on_frame(later);
    session.on_timeout(now + SILENCE_LIMIT);
    assert!(matches!(session.phase(), Phase::Live { .. }));
    session.on_timeout(later + SILENCE_LIMIT);
    assert_eq!(session.poll_action(now), Some(Action::Abandon));
    assert!(matches!(
        session.phase(),
        Phase::Waiting {
            after: Failure::Lost,
            ..
        }
    ));
}

/// Lets time pass second by second with a heartbeat in each; what there was to do.
fn heartbeats(session: &mut Session, from: Instant, seconds: u64) -> Vec<(u64, Action)> {
    let mut done = Vec::new();
    for second in 1..=seconds {
        let now = from + Duration::from_secs(second);
        session.on_frame(now);
        session.on_timeout(now);
        while let Some(action) = session.poll_action(now) {
            done.push((second, action));
        }
    }
    done
}

#[test]
fn a_live_socket_is_pinged() {
    let now = start();
    let mut session = live(now);
    session.on_unconfirmed(&Unconfirmed::default(), now);
    let done = heartbeats(&mut session, now, 25);
    assert_eq!(done, [(10, Action::Ping), (20, Action::Ping)]);
}

#[test]
fn a_socket_that_only_beats_is_replaced_and_one_that_ticks_is_not() {
    let now = start();
    let mut session = live(now);
    session.set_mute_limit(Some(Duration::from_secs(7)));
    session.on_ticks(now + Duration::from_secs(4));
    let done = heartbeats(&mut session, now, 10);
    assert_eq!(done.last().unwrap().1, Action::Ping);
    assert!(matches!(session.phase(), Phase::Live { .. }));
    let done = heartbeats(&mut session, now + Duration::from_secs(10), 1);
    assert_eq!(done, [(1, Action::Replace(Duration::from_secs(7)))]);
    assert!(matches!(
        session.phase(),
        Phase::Waiting {
            after: Failure::Lost,
            ..
        }
    ));
}

#[test]
fn a_socket_of_which_nothing_is_known_may_be_mute() {
    let now = start();
    let mut session = live(now);
    heartbeats(&mut session, now, 3_600);
    assert!(matches!(session.phase(), Phase::Live { .. }));
}

#[test]
fn an_unconfirmed_token_is_asked_for_again() {
    let now = start();
    let mut session = live(now);
    let later = session.deadline().unwrap();
    session.on_timeout(later);
    assert_eq!(session.poll_action(later), Some(Action::Confirm));
    let unseen = vec![Token(1)];
    let tokens = Unconfirmed {
        unseen,
        other_mode: Vec::new(),
    };
    session.on_unconfirmed(&tokens, later);
    let unsubscribe = Command::Unsubscribe(vec![Token(1)]);
    assert_eq!(session.poll_action(later), Some(Action::Send(unsubscribe)));
    let subscribe = Command::Subscribe(vec![Token(1)]);
    assert_eq!(session.poll_action(later), Some(Action::Send(subscribe)));
}

#[test]
fn a_lost_connection_is_told_everything_again() {
    let now = start();
    let mut session = live(now);
    session.on_lost(now);
    let until = session.deadline().unwrap();
    session.on_timeout(until);
    assert_eq!(session.poll_action(until), Some(Action::Dial));
    session.on_connected(until);
    assert_eq!(
        session.poll_action(until),
        Some(Action::Send(Command::Subscribe(vec![Token(1)])))
    );
}

#[test]
fn a_proven_connection_starts_its_back_off_anew() {
    let now = start();
    let mut session = dialling(now);
    for _ in 0..5 {
        session.on_dial_failed(Failure::Lost, now);
        let until = session.deadline().unwrap();
        session.on_timeout(until);
        assert_eq!(session.poll_action(until), Some(Action::Dial));
    }
    session.on_connected(now);
    let later = now + Duration::from_secs(10);
    session.on_lost(later);
    assert_eq!(session.failures(), 1);
}

#[test]
fn without_tokens_the_socket_is_closed_and_a_later_token_dials() {
    let now = start();
    let mut session = live(now);
    session.set_desired(BTreeMap::new());
    assert_eq!(session.poll_action(now), Some(Action::Close));
    assert_eq!(session.poll_action(now), None);
    session.set_desired(full(&[3]));
    dial(&mut session, now);
}

#[test]
fn a_dial_that_nobody_wants_any_more_is_no_failure() {
    let now = start();
    let mut session = dialling(now);
    session.set_desired(BTreeMap::new());
    assert_eq!(session.poll_action(now), Some(Action::Close));
    assert_eq!((session.phase(), session.failures()), (Phase::Idle, 0));
}

#[test]
fn a_refusal_outlives_an_empty_assignment() {
    let now = start();
    let mut session = dialling(now);
    session.on_dial_failed(Failure::Refused, now);
    session.set_desired(BTreeMap::new());
    session.set_desired(full(&[1]));
    assert_eq!(session.poll_action(now), None);
}

#[derive(Clone, Debug)]
enum Step {
    Connected,
    Failed(Failure),
    Frame,
    Lost,
    Timeout,
    Ticks,
    Usual(u64),
    Desired(BTreeMap<Token, Mode>),
    StandBy,
    Credentials(bool),
    OtherCredentials,
    Retry,
    Poll,
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let failure = prop_oneof![
        Just(Failure::Refused),
        Just(Failure::TooManyConnections),
        Just(Failure::Lost)
    ];
    prop_oneof![
        Just(Step::Connected),
        failure.prop_map(Step::Failed),
        Just(Step::Frame),
        Just(Step::Lost),
        Just(Step::Timeout),
        Just(Step::Ticks),
        (0_u64..100).prop_map(Step::Usual),
        proptest::collection::vec(1_u32..5, 0..3).prop_map(|tokens| Step::Desired(full(&tokens))),
        Just(Step::StandBy),
        any::<bool>().prop_map(Step::Credentials),
        Just(Step::OtherCredentials),
        Just(Step::Retry),
        Just(Step::Poll),
        (0_u64..70_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// In any order of events: commands only on a live socket, never two dials at once, and a
    /// session with tokens and credentials that is not refused always has something ahead.
    #[test]
    fn the_session_is_sane_in_any_order(steps in proptest::collection::vec(any_step(), 0..80)) {
        let mut now = start();
        let mut session = Session::new(7);
        let mut socket = false;
        let mut dial = false;
        for step in steps {
            match step {
                Step::Connected if dial => { session.on_connected(now); dial = false; socket = true; }
                Step::Failed(failure) if dial => { session.on_dial_failed(failure, now); dial = false; }
                Step::Lost if socket => { session.on_lost(now); socket = false; }
                Step::Frame if socket => session.on_frame(now),
                Step::Ticks if socket => session.on_ticks(now),
                Step::Usual(seconds) => {
                    session.set_mute_limit(Some(Duration::from_secs(seconds)));
                }
                Step::Timeout => session.on_timeout(now),
                Step::Desired(desired) => session.set_desired(desired),
                Step::StandBy => session.stand_by(),
                Step::OtherCredentials => session.on_credentials_changed(),
                Step::Credentials(present) => session.set_credentials(present),
                Step::Retry => session.retry_refused(now),
                Step::Wait(millis) => now += Duration::from_millis(millis),
                _ => {}
            }
            while let Some(action) = session.poll_action(now) {
                match action {
                    Action::Dial => { prop_assert!(!dial && !socket); dial = true; }
                    Action::Send(command) => {
                        prop_assert!(socket);
                        prop_assert!(!command.tokens().is_empty());
                    }
                    Action::Close => { prop_assert!(socket || dial); socket = false; dial = false; }
                    Action::Abandon => { prop_assert!(socket || dial); socket = false; dial = false; }
                    Action::Replace(_) => { prop_assert!(socket); socket = false; }
                    Action::Ping => prop_assert!(socket),
                    Action::Confirm => {
                        prop_assert!(socket);
                        let unseen = session.desired().keys().copied().collect();
                        session.on_unconfirmed(&Unconfirmed { unseen, other_mode: Vec::new() }, now);
                    }
                }
            }
            prop_assert_eq!(socket, matches!(session.phase(), Phase::Live { .. }));
            prop_assert_eq!(dial, matches!(session.phase(), Phase::Dialling { .. }));
        }
    }
}
