//! Tests of a session in standby.

use super::*;

/// A session in standby that dials.
fn dialling_in_standby(now: Instant) -> Session {
    let mut session = Session::new(1);
    session.set_credentials(true);
    session.stand_by();
    dial(&mut session, now);
    session
}

/// A session in standby whose socket is up.
fn standing_by(now: Instant) -> Session {
    let mut session = dialling_in_standby(now);
    session.on_connected(now);
    assert_eq!(session.poll_action(now), None, "nothing is subscribed to");
    session
}

/// Lets the wait end; how many seconds it took from `now`.
fn dials_again(session: &mut Session, now: Instant) -> u64 {
    let until = session.deadline().unwrap();
    session.on_timeout(until);
    assert_eq!(session.poll_action(until), Some(Action::Dial));
    (until - now).as_secs()
}

#[test]
fn a_socket_in_standby_is_pinged_and_not_mute() {
    let now = start();
    let mut session = standing_by(now);
    session.set_mute_limit(Some(Duration::from_secs(5)));
    let done = heartbeats(&mut session, now, 3_600);
    assert!(done.iter().all(|(_, action)| *action == Action::Ping));
    assert_eq!(done.len(), 360);
    assert!(matches!(session.phase(), Phase::Live { .. }));
}

#[test]
fn instruments_come_to_the_socket_that_stood_by() {
    let now = start();
    let mut session = standing_by(now);
    session.set_mute_limit(Some(Duration::from_secs(5)));
    heartbeats(&mut session, now, 60);
    let now = now + Duration::from_secs(60);
    session.set_desired(full(&[1]));
    session.on_timeout(now);
    let subscribe = Command::Subscribe(vec![Token(1)]);
    assert_eq!(session.poll_action(now), Some(Action::Send(subscribe)));
    let mode = Command::SetMode(Mode::Full, vec![Token(1)]);
    assert_eq!(session.poll_action(now), Some(Action::Send(mode)));
    // How long they may be without a tick counts from here.
    let done = heartbeats(&mut session, now, 5);
    assert_eq!(done.last().unwrap().0, 5);
    let Action::Replace(unticked) = done.last().unwrap().1 else {
        panic!("{done:?}");
    };
    assert_eq!(unticked, Duration::from_secs(5));
}

#[test]
fn instruments_that_leave_for_standby_leave_the_socket() {
    let now = start();
    let mut session = live(now);
    session.on_unconfirmed(&Unconfirmed::default(), now);
    session.set_mute_limit(Some(Duration::from_secs(5)));
    session.stand_by();
    let late = now + Duration::from_secs(6);
    session.on_frame(late);
    session.on_timeout(late);
    let unsubscribe = Command::Unsubscribe(vec![Token(1)]);
    assert_eq!(session.poll_action(late), Some(Action::Send(unsubscribe)));
    assert_eq!(session.poll_action(late), None);
    session.set_desired(BTreeMap::new());
    assert_eq!(session.poll_action(late), Some(Action::Close));
    assert_eq!((session.phase(), session.is_needed()), (Phase::Idle, false));
}

#[test]
fn a_connection_in_standby_dials_as_rarely_as_refused_credentials_are_tried() {
    let now = start();
    let mut session = dialling_in_standby(now);
    for wait in [15, 30, 60, 120, 240, 300, 300] {
        session.on_dial_failed(Failure::Lost, now);
        // The same assignment again is no reason to dial.
        session.stand_by();
        let waited = dials_again(&mut session, now);
        assert!((wait * 4 / 5..=wait * 6 / 5).contains(&waited), "{waited}");
    }
}

#[test]
fn a_socket_in_standby_that_dies_soon_is_a_failure_and_one_that_lasted_is_none() {
    let now = start();
    let mut session = dialling_in_standby(now);
    session.on_dial_failed(Failure::Lost, now);
    dials_again(&mut session, now);
    session.on_connected(now);
    session.on_lost(now + STABLE_AFTER);
    let now = now + STABLE_AFTER;
    assert!((12..=18).contains(&dials_again(&mut session, now)));
    session.on_connected(now);
    session.on_lost(now + STABLE_AFTER / 2);
    let now = now + STABLE_AFTER / 2;
    assert!((24..=36).contains(&dials_again(&mut session, now)));
}

/// A session in standby that waits for minutes, and when it would dial at the usual pace.
fn waiting_in_standby(now: Instant) -> (Session, Instant) {
    let mut session = dialling_in_standby(now);
    for _ in 0..4 {
        session.on_dial_failed(Failure::Lost, now);
        dials_again(&mut session, now);
    }
    session.on_dial_failed(Failure::Lost, now);
    assert!(session.deadline().unwrap() >= now + Duration::from_secs(192));
    (session, now + Duration::from_secs(8))
}

#[test]
fn instruments_and_other_credentials_are_a_reason_to_dial_at_the_usual_pace() {
    let now = start();
    let (mut session, usual) = waiting_in_standby(now);
    session.set_desired(full(&[1]));
    assert!(session.deadline().unwrap() <= usual);
    let (mut session, usual) = waiting_in_standby(now);
    session.on_credentials_changed();
    assert!(session.deadline().unwrap() <= usual);
    dials_again(&mut session, now);
    session.on_dial_failed(Failure::Lost, now);
    assert!((12..=18).contains(&dials_again(&mut session, now)));
    // Nor does it outlive standby.
    let (mut session, usual) = waiting_in_standby(now);
    session.set_desired(BTreeMap::new());
    session.set_desired(full(&[1]));
    assert!(session.deadline().unwrap() <= usual);
}

#[test]
fn refused_credentials_are_tried_in_standby_too() {
    let now = start();
    let mut session = dialling_in_standby(now);
    session.on_dial_failed(Failure::Refused, now);
    session.set_credentials(false);
    assert!(session.can_retry_refused());
    assert_eq!(session.poll_action(now + Duration::from_secs(600)), None);
    session.retry_refused(now);
    assert_eq!(session.poll_action(now), Some(Action::Dial));
    // Kite answers something else: the next try is as rare.
    session.on_dial_failed(Failure::Lost, now);
    assert!(dials_again(&mut session, now) >= 12);
    assert!(session.retries_refused());
    session.on_dial_failed(Failure::Refused, now);
    session.set_credentials(true);
    dial(&mut session, now + FIRST_DIAL_SPREAD);
}

proptest! {
    /// However dials and sockets end, the next dial comes no sooner than refused credentials are tried.
    /// There is one socket at most, and it carries no command.
    #[test]
    fn standby_is_never_dialled_faster_than_refused_credentials(
        seed in any::<u64>(),
        steps in proptest::collection::vec(any_step(), 0..200),
    ) {
        let mut now = start();
        let mut session = Session::new(seed);
        session.set_credentials(true);
        session.stand_by();
        let (mut dial, mut socket) = (false, None);
        let mut failed: Option<(Instant, u32)> = None;
        for step in steps {
            let mut failures = failed.map_or(0, |(_, failures)| failures);
            match step {
                Step::Connected if dial => { session.on_connected(now); dial = false; socket = Some(now); }
                Step::Failed(failure) if dial && failure != Failure::Refused => {
                    session.on_dial_failed(failure, now);
                    dial = false;
                    failed = Some((now, failures + 1));
                }
                Step::Lost if socket.is_some() => {
                    session.on_lost(now);
                    if socket.take().is_some_and(|since| now >= since + STABLE_AFTER) { failures = 0; }
                    failed = Some((now, failures + 1));
                }
                Step::Frame if socket.is_some() => session.on_frame(now),
                Step::Usual(seconds) => session.set_mute_limit(Some(Duration::from_secs(seconds))),
                Step::StandBy => session.stand_by(),
                Step::Timeout => session.on_timeout(now),
                Step::Wait(millis) => now += Duration::from_millis(millis),
                _ => {}
            }
            while let Some(action) = session.poll_action(now) {
                match action {
                    Action::Dial => {
                        prop_assert!(!dial && socket.is_none());
                        if let Some((at, failures)) = failed {
                            let least = backoff::after_refusal(failures, 0.0);
                            prop_assert!(now - at >= least, "{:?} after failure {failures}", now - at);
                        }
                        dial = true;
                    }
                    Action::Abandon => {
                        let lasted = socket.take().is_some_and(|since| now >= since + STABLE_AFTER);
                        dial = false;
                        failed = Some((now, if lasted { 1 } else { failures + 1 }));
                    }
                    Action::Ping => prop_assert!(socket.is_some()),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
