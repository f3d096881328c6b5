//! Which events are sent: one for each new state or reason of `Ready`.
//!
//! Owns which changes are events. Must not decide readiness; the sender limits how often events are
//! sent.

use crds::TickerAccountStatus;
use crds::condition::{ConditionType, Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::outcome::{Event, EventReason, Failover, Kind};
use super::status;
use crate::plan::input::{EventState, Key, Meta};
use crate::plan::readiness::ConditionOutcome;

/// The event, if the state or reason of `Ready` is not that of the last one. A change to Unknown
/// gives no event, nor does a market that opens or closes: that happens to all of them every day.
pub(super) fn event(
    kind: Kind,
    meta: &Meta,
    outcome: &ConditionOutcome,
    last: Option<EventState>,
) -> Option<Event> {
    let new = (outcome.state, outcome.reason);
    let flows = |it| {
        let (state, reason) = it;
        state == State::True && matches!(reason, Reason::Streaming | Reason::MarketClosed)
    };
    let same = last.is_some_and(|last| last == new || flows(last) && flows(new));
    let is_news = outcome.state != State::Unknown && !same;
    is_news.then(|| Event {
        kind,
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        warning: outcome.state == State::False,
        reason: EventReason::Ready(outcome.reason),
        message: outcome.message.clone(),
    })
}

/// The events of a failover, on both accounts.
pub(super) fn of_failover(failover: &Failover, uids: [&str; 2]) -> [Event; 2] {
    let event = |key: &Key, uid: &str, message| Event {
        kind: Kind::Account,
        key: key.clone(),
        uid: uid.to_owned(),
        warning: *key == failover.from,
        reason: EventReason::FailedOver,
        message,
    };
    let Failover {
        from,
        to,
        instruments,
        cause,
    } = failover;
    let why = cause.message();
    let leave = format!(
        "{instruments} instruments move to account {}: {why}",
        to.name
    );
    let come = format!(
        "{instruments} instruments come from account {}: {why}",
        from.name
    );
    [event(from, uids[0], leave), event(to, uids[1], come)]
}

/// Whether an account streams on an access token that has ended.
pub(super) fn is_dead_token(status: &TickerAccountStatus) -> bool {
    let valid = status::find(&status.conditions, ConditionType::CredentialsValid);
    valid.is_some_and(|it| it.reason == Reason::RunningOnDeadToken.as_str())
}

/// The event that says so. `Ready` stays as it was, so that gives none.
pub(super) fn of_dead_token(meta: &Meta, status: &TickerAccountStatus) -> Event {
    let valid = status::find(&status.conditions, ConditionType::CredentialsValid);
    Event {
        kind: Kind::Account,
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        warning: true,
        reason: EventReason::RunningOnDeadToken,
        message: valid.map(|it| it.message.clone()).unwrap_or_default(),
    }
}

/// State and reason of a condition that is not Unknown.
pub(super) fn state_of(ready: &Condition) -> Option<EventState> {
    let state = State::from_word(&ready.status)?;
    let reason = Reason::from_word(&ready.reason)?;
    (state != State::Unknown).then_some((state, reason))
}
