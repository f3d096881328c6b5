//! For how long trouble is forgiven, and what counts until there is a report.

use super::*;

fn trouble() -> Observation {
    Observation::Degraded {
        passing: Reason::Connecting,
        lasting: Reason::PodNotReady,
        message: String::new(),
    }
}

fn condition(state: State, reason: Reason, since: Timestamp) -> Condition {
    Condition {
        type_: "Ready".to_owned(),
        status: state.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message: "as it was".to_owned(),
        observed_generation: Some(1),
        last_transition_time: Time(since),
    }
}

#[test]
fn trouble_is_unknown_for_ten_seconds_and_false_then() {
    let now = start();
    let first = outcome(trouble(), &History::default(), now);
    assert_eq!(
        (first.state, first.reason),
        (State::Unknown, Reason::Connecting)
    );
    let past = History {
        due: first.due,
        ..History::default()
    };
    let almost = outcome(trouble(), &past, later(now, 9));
    assert_eq!((almost.state, almost.due), (State::Unknown, first.due));
    let lasting = outcome(trouble(), &past, later(now, 10));
    assert_eq!(
        (lasting.state, lasting.reason),
        (State::False, Reason::PodNotReady)
    );
    assert_eq!(
        outcome(
            Observation::Ready {
                reason: Reason::Streaming,
                message: String::new(),
                warning: None
            },
            &past,
            now
        )
        .due,
        None
    );
}

#[test]
fn a_restart_of_the_operator_does_not_make_old_trouble_new() {
    let now = start();
    let old = condition(State::False, Reason::PodNotReady, now.wall);
    let past = History {
        ready: Some(&old),
        first: true,
        ..History::default()
    };
    assert_eq!(outcome(trouble(), &past, now).state, State::False);
    let unknown = condition(State::Unknown, Reason::Connecting, now.wall);
    let past = History {
        ready: Some(&unknown),
        first: true,
        ..History::default()
    };
    let known = outcome(trouble(), &past, later(now, 4));
    assert_eq!(known.state, State::Unknown);
    assert_eq!(known.due, Some(later(now, 10).monotonic));
}

#[test]
fn what_was_known_counts_until_the_first_report_but_not_for_ever() {
    let now = start();
    let known = condition(State::True, Reason::Streaming, now.wall);
    let past = History {
        ready: Some(&known),
        generation: Some(1),
        first: true,
        due: None,
        warning: None,
    };
    let known = outcome(Observation::Unasked, &past, now);
    assert_eq!(
        (known.state, known.message.as_str()),
        (State::True, "as it was")
    );
    let past = History {
        due: known.due,
        first: false,
        ..past
    };
    assert_eq!(
        outcome(Observation::Unasked, &past, later(now, 10)).state,
        State::False
    );
    // It speaks of an older spec, or there is nothing.
    let past = History {
        generation: Some(2),
        first: true,
        due: None,
        ..past
    };
    assert_eq!(
        outcome(Observation::Unasked, &past, now).reason,
        Reason::Pending
    );
    assert_eq!(
        outcome(Observation::Unasked, &History::default(), now).state,
        State::Unknown
    );
}
