//! Which events are sent: one for each new state or reason of `Ready`.
//!
//! Owns which changes are events. Must not decide readiness; the sender limits how often events are
//! sent.

use crds::condition::{Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::outcome::{Event, Kind, Plan};
use crate::plan::input::{Meta, Told};
use crate::plan::readiness::ConditionOutcome;

/// Adds an event to the plan if the state or reason of `Ready` changed, and returns what is to be
/// remembered of it. A change to Unknown gives no event.
pub(super) fn tell(
    plan: &mut Plan,
    kind: Kind,
    meta: &Meta,
    outcome: &ConditionOutcome,
    remembered: Option<Option<Told>>,
    ready: Option<&Condition>,
) -> Option<Told> {
    let told = remembered.unwrap_or_else(|| said(ready?));
    let new = (outcome.state, outcome.reason);
    if outcome.state == State::Unknown || told == Some(new) {
        return told;
    }
    plan.events.push(Event {
        kind,
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        warning: outcome.state == State::False,
        reason: outcome.reason,
        message: outcome.message.clone(),
    });
    Some(new)
}

/// State and reason of a condition that is not Unknown.
fn said(ready: &Condition) -> Option<Told> {
    let state = State::from_word(&ready.status)?;
    let reason = Reason::from_word(&ready.reason)?;
    (state != State::Unknown).then_some((state, reason))
}
