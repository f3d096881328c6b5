use super::*;
use crate::plan::fixture::start;

fn status(message: &str) -> TickerAccountStatus {
    let ready = condition(ConditionType::Ready)(State::True, Reason::Streaming, message);
    TickerAccountStatus {
        conditions: conditions(vec![ready], &[], Some(1), start().wall),
        instruments: Some("5/5".to_owned()),
        ..TickerAccountStatus::default()
    }
}

#[test]
fn times_and_rates_are_a_refresh_and_all_else_a_transition() {
    let old = status("a");
    assert_eq!(change(None, &old), Change::Transition);
    let unknown = condition(ConditionType::Ready)(State::Unknown, Reason::Connecting, "");
    let mut unknown = TickerAccountStatus {
        conditions: conditions(vec![unknown], &[], Some(1), start().wall),
        ..old.clone()
    };
    assert_eq!(change(None, &unknown), Change::First);
    assert_eq!(change(Some(&old), &unknown), Change::Transition);
    unknown.conditions.clear();
    assert_eq!(change(None, &unknown), Change::Transition);
    assert_eq!(change(Some(&old), &old), Change::None);
    let faster = TickerAccountStatus {
        ticks_per_second: Some(9),
        ..old.clone()
    };
    assert_eq!(change(Some(&old), &faster), Change::Refresh);
    let ticked = TickerAccountStatus {
        last_tick_time: seconds(5_000_000, start().wall),
        ..old.clone()
    };
    assert_eq!(change(Some(&old), &ticked), Change::Refresh);
    assert_eq!(change(Some(&old), &status("b")), Change::Transition);
    let fewer = TickerAccountStatus {
        instruments: Some("4/5".to_owned()),
        ..old.clone()
    };
    assert_eq!(change(Some(&old), &fewer), Change::Transition);
}

#[test]
fn when_a_state_began_is_no_change_by_itself() {
    let old = status("a");
    let mut moved = old.clone();
    moved.conditions[0].last_transition_time = Time(Timestamp::UNIX_EPOCH);
    assert_eq!(change(Some(&old), &moved), Change::None);
}

#[test]
fn times_stand_in_whole_seconds() {
    let now = Timestamp::constant(7, 999);
    let stands = |second| Some(Time(Timestamp::constant(second, 0)));
    assert_eq!(seconds(1_999_999, now), stands(1));
    assert_eq!(
        seconds(9_000_000, now),
        stands(7),
        "the pod's clock is ahead"
    );
    assert_eq!(seconds(i64::MAX, now), None);
    let ready = condition(ConditionType::Ready)(State::True, Reason::Idle, "");
    assert_eq!(
        conditions(vec![ready], &[], None, now)[0]
            .last_transition_time
            .0,
        Timestamp::constant(7, 0)
    );
}

#[test]
fn messages_are_bounded_between_characters() {
    let long = condition(ConditionType::Ready)(State::False, Reason::Invalid, &"…".repeat(5000));
    assert_eq!(long.message.chars().count(), LONGEST_MESSAGE + 1);
}
