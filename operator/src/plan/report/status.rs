//! The statuses of accounts and sets.
//!
//! Owns the whole desired status of both kinds, and how it differs from the current one. Must not
//! decide whether an object is ready.

pub(crate) mod account;
mod login;
mod money;
mod names;
pub(crate) mod set;
mod token;

pub(crate) use login::LoginOffer;

use crds::condition::{ConditionType, Reason, State, UndatedCondition};
use crds::{InstrumentSetStatus, TickerAccountStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::plan::readiness::ConditionOutcome;

/// The longest message of a condition, in characters: a status stays below 4 KB.
pub(crate) const LONGEST_MESSAGE: usize = 400;

/// Makes conditions of one type, with a message of bounded length.
pub(crate) fn condition(kind: ConditionType) -> impl Fn(State, Reason, &str) -> UndatedCondition {
    move |state, reason, message| UndatedCondition {
        kind,
        state,
        reason,
        message: bounded(message),
    }
}

/// The warning of a ready object, as far as it is at the end of the condition's message.
pub(crate) fn warning(outcome: &ConditionOutcome) -> Option<String> {
    let length = outcome.warning.as_ref()?.len();
    let start = outcome.message.len().checked_sub(length)?;
    Some(bounded(&outcome.message).get(start..)?.to_owned())
}

fn bounded(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// The `Ready` condition.
pub(crate) fn ready(outcome: &ConditionOutcome) -> UndatedCondition {
    condition(ConditionType::Ready)(outcome.state, outcome.reason, &outcome.message)
}

/// The `Paused` condition.
pub(crate) fn paused(paused: bool) -> UndatedCondition {
    let condition = condition(ConditionType::Paused);
    if paused {
        condition(State::True, Reason::Paused, "spec.paused is true")
    } else {
        condition(State::False, Reason::NotPaused, "spec.paused is false")
    }
}

/// Adds transition times to conditions, in whole seconds.
pub(crate) fn conditions(
    undated: Vec<UndatedCondition>,
    previous: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    undated
        .into_iter()
        .map(|condition| condition.after(previous, generation, now))
        .collect()
}

/// Leaves a condition as it was.
pub(crate) fn keep(undated: &mut [UndatedCondition], before: &[Condition], kind: ConditionType) {
    let known = find(before, kind);
    let state = known.and_then(|it| State::from_word(&it.status));
    let reason = known.and_then(|it| Reason::from_word(&it.reason));
    let mut undated = undated.iter_mut();
    if let (Some(known), Some(state), Some(reason)) = (known, state, reason)
        && let Some(it) = undated.find(|it| it.kind == kind)
    {
        (it.state, it.reason) = (state, reason);
        it.message.clone_from(&known.message);
    }
}

/// The condition of this type.
pub(crate) fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

/// Converts microseconds since 1970 into a time of whole seconds. A pod's clock may be ahead of
/// `now`: kubectl would print a future time as `<invalid>`.
pub(crate) fn seconds(micros: i64, now: Timestamp) -> Option<Time> {
    let time = Timestamp::from_second(micros.div_euclid(1_000_000)).ok()?;
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Some(Time(time.min(now)))
}

/// Converts a count for an object.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// How a desired status differs from the one in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// No difference.
    None,
    /// Only in values that move while ticks flow (times, rates): written when there is time.
    Refresh,
    /// The object has no status, and there is nothing to say yet: written if that lasts.
    First,
    /// In values that users may be waiting for: written at once.
    Transition,
}

/// The status of one kind of object.
pub(crate) trait Status: Clone + PartialEq {
    /// Its conditions.
    fn conditions(&self) -> &[Condition];
    /// The same, to be changed.
    fn conditions_mut(&mut self) -> &mut [Condition];
    /// Removes what moves while ticks flow.
    fn without_flow(self) -> Self;

    /// Removes what alone needs no write: the time when a state began.
    fn without_history(mut self) -> Self {
        for condition in self.conditions_mut() {
            condition.last_transition_time = Time(Timestamp::UNIX_EPOCH);
        }
        self
    }
}

/// How `new` differs from the status in the object.
pub(crate) fn change<S: Status>(old: Option<&S>, new: &S) -> Change {
    let Some(old) = old else {
        let ready = find(new.conditions(), ConditionType::Ready);
        let unknown = ready.is_some_and(|it| it.status == State::Unknown.as_str());
        return if unknown {
            Change::First
        } else {
            Change::Transition
        };
    };
    if old == new {
        return Change::None;
    }
    let (old, new) = (old.clone().without_history(), new.clone().without_history());
    if old == new {
        Change::None
    } else if old.without_flow() == new.without_flow() {
        Change::Refresh
    } else {
        Change::Transition
    }
}

impl Status for TickerAccountStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut [Condition] {
        &mut self.conditions
    }

    fn without_flow(mut self) -> Self {
        self.ticks_per_second = None;
        self.last_tick_time = None;
        for connection in &mut self.connection_status {
            connection.last_tick_time = None;
        }
        self
    }
}

impl Status for InstrumentSetStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut [Condition] {
        &mut self.conditions
    }

    fn without_flow(mut self) -> Self {
        self.last_tick_time = None;
        self.atm.clear();
        self
    }
}

#[cfg(test)]
mod tests;
