//! The rules for a set: the first rule that applies decides.

use std::time::{Duration, Instant};

use contract::report;
use crds::condition::{Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::condition::ConditionOutcome;
use super::names;
use super::observation::Observation;
use crate::plan::input::MarketNow;
use crate::plan::selection::{Request, Resolved};

/// What is known of a set.
#[derive(Clone, Debug)]
pub(crate) struct SetFacts<'a> {
    /// Its request.
    pub(crate) request: &'a Request,
    /// Instruments that have an account.
    pub(crate) scheduled: u32,
    /// Whether these are as many as its status says.
    pub(crate) stands: bool,
    /// Instruments that wait for an account.
    pub(crate) waiting: u32,
    /// Instruments that an older set excludes from their channel, with an example.
    pub(crate) conflicts: (u32, &'a str),
    /// The accounts that stream some of them.
    pub(crate) holders: &'a [Holder<'a>],
    /// The age of its newest tick, if any arrived.
    pub(crate) freshness: Option<Freshness>,
    /// What its markets do.
    pub(crate) market: MarketNow,
    /// Whether none of them has ticked on any account since it opened.
    pub(crate) silent_market: bool,
    /// The time, Unix seconds.
    pub(crate) now: i64,
}

/// The age of a set's newest tick.
#[derive(Clone, Debug)]
pub(crate) struct Freshness {
    pub(crate) age: Duration,
    /// When it arrived.
    pub(crate) newest: Option<Time>,
    /// The maximum age.
    pub(crate) limit: Duration,
}

/// An account that streams some of a set's instruments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    pub(crate) name: &'a str,
    /// Its own readiness.
    pub(crate) ready: &'a ConditionOutcome,
    /// Whether its report has not been requested yet.
    pub(crate) unasked: bool,
    /// Whether all that it lacks is a token, and it needs none now.
    pub(crate) lacks_token: bool,
    /// Whether nothing is expected of its process before its markets open.
    pub(crate) rests: bool,
    /// Whether its process has applied the set's rows.
    pub(crate) acknowledged: bool,
    /// Instruments of the set from which its current socket received a packet.
    pub(crate) streaming: u32,
    /// Instruments of the set that are silent.
    pub(crate) silent: u32,
    /// Whether all its instruments of the set reach Redis: then its other problems do not concern
    /// the set.
    pub(crate) flows: bool,
    /// Instruments of the set placed on it.
    pub(crate) instruments: u32,
    /// Those of them that come from another account, which still has them.
    pub(crate) moving: u32,
    /// Which of their expiries have no Greeks, because it has no room for what they need.
    pub(crate) without_forward: Option<&'a str>,
    /// What their markets do.
    pub(crate) market: MarketNow,
    /// The report of its process about the set, if it answers, and its time.
    pub(crate) report: Option<&'a report::SetReport>,
    pub(crate) at: Option<Instant>,
}

/// The rules for a set.
pub(crate) fn set(facts: &SetFacts<'_>) -> Observation {
    match refusal(facts) {
        Some(observation) => observation,
        None => flow(facts),
    }
}

/// Rules about its request and its placement.
fn refusal(facts: &SetFacts<'_>) -> Option<Observation> {
    let fails = |reason, message: &str| Some(Observation::Failed(reason, message.to_owned()));
    let resolved = match facts.request {
        Request::Denied { reason, message } => return fails(*reason, message),
        Request::Pending {
            reason:
                reason @ (Reason::AccountsDisagree | Reason::Invalid | Reason::TooManyInstruments),
            message,
        } => return fails(*reason, message),
        Request::Pending {
            reason: reason @ Reason::WaitingForPrice,
            message,
        } if facts.scheduled == 0 => {
            return Some(Observation::degraded(*reason, message.clone()));
        }
        Request::Pending { reason, message } if facts.stands && facts.request.is_unread() => {
            return Some(Observation::Unread(*reason, message.clone()));
        }
        Request::Pending { reason, message } => {
            let nothing = facts.scheduled == 0;
            return nothing.then(|| Observation::Unknown(*reason, message.clone()));
        }
        Request::Resolved(resolved) => resolved,
    };
    let selected = resolved.selected();
    if selected == 0 {
        let message = names::none(&resolved.lookup);
        return Some(Observation::Failed(Reason::NothingResolved, message));
    }
    if facts.conflicts.0 > 0 {
        let message = format!(
            "{} of {selected} instruments do not stream: {}",
            facts.conflicts.0, facts.conflicts.1
        );
        return Some(Observation::Failed(Reason::ChannelConflict, message));
    }
    if facts.waiting > 0 {
        return Some(Observation::Failed(
            unplaced(facts.scheduled, resolved),
            waiting(facts.waiting, resolved),
        ));
    }
    None
}

/// The reason if instruments wait, given how many are placed.
pub(crate) fn unplaced(scheduled: u32, resolved: &Resolved) -> Reason {
    match (scheduled, resolved.allowed.len()) {
        (0, 0) => Reason::NoAccount,
        (0, _) => Reason::CapacityShort,
        _ => Reason::PartiallyScheduled,
    }
}

/// The message why instruments have no account, and what to do.
pub(crate) fn waiting(waiting: u32, resolved: &Resolved) -> String {
    let selected = resolved.selected();
    if resolved.allowed.is_empty() {
        return format!(
            "{waiting} of {selected} instruments wait: none of the matching accounts ({}) can be used: see the \
             Ready condition of each",
            resolved.matching
        );
    }
    format!(
        "{waiting} of {selected} instruments wait for room: add an account or remove instruments"
    )
}

/// Rules about the accounts that stream it, and about its ticks.
fn flow(facts: &SetFacts<'_>) -> Observation {
    if facts.holders.iter().any(|holder| holder.unasked) {
        return Observation::Unasked;
    }
    let sum =
        |of: fn(&Holder<'_>) -> u32| facts.holders.iter().map(of).fold(0, u32::saturating_add);
    let streaming = sum(|holder| holder.streaming);
    if let Some(observation) = accounts(facts.holders).or_else(|| stale(facts, streaming)) {
        return observation;
    }
    let count = format!("{streaming} of {} instruments stream", facts.scheduled);
    // What lost its connection at night, after its token had ended, comes back in the morning, as does what rests.
    let resting = sum(|holder| match holder.lacks_token || holder.rests {
        true => holder
            .instruments
            .saturating_sub(holder.streaming.saturating_add(holder.silent)),
        false => 0,
    });
    let heard = streaming.saturating_add(sum(|holder| holder.silent));
    // Each of the others sends its first packet or is counted as silent in a moment: no grace time
    // is needed.
    if heard.saturating_add(resting) < facts.scheduled {
        let message = format!("{count}, the others have not sent a packet yet");
        return Observation::Waiting(Reason::Connecting, message);
    }
    let closed = facts.market.is_closed();
    let (reason, warning) = match facts.request {
        Request::Resolved(resolved) => {
            let unresolved = resolved.lookup.selection.unresolved > 0;
            let reason = if unresolved {
                Reason::PartiallyResolved
            } else if closed {
                Reason::MarketClosed
            } else {
                Reason::Streaming
            };
            (reason, remarks(resolved, facts.holders))
        }
        Request::Pending { message, .. } => (Reason::Streaming, Some(message.clone())),
        Request::Denied { .. } => (Reason::Streaming, None),
    };
    let message = if closed {
        format!("{}; {count}", facts.market.closed_until())
    } else {
        count
    };
    Observation::Ready {
        reason,
        message,
        warning,
    }
}

/// What is wrong although it streams.
fn remarks(resolved: &Resolved, holders: &[Holder<'_>]) -> Option<String> {
    let without_forward = holders.iter().find_map(|holder| {
        let expiries = holder.without_forward?;
        Some(format!(
            "no Greeks of {expiries}: account {} has no room for what their forward price follows from",
            holder.name
        ))
    });
    let remarks = [names::remarks(&resolved.lookup), without_forward];
    let remarks: Vec<String> = remarks.into_iter().flatten().collect();
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// The problem of an account that streams it.
fn accounts(holders: &[Holder<'_>]) -> Option<Observation> {
    // A failed account comes before one whose state is not known yet.
    let in_state = |state| {
        let mut holders = holders.iter();
        holders.find(|holder| holder.ready.state == state && !holder.flows)
    };
    let message =
        |holder: &Holder<'_>| format!("account {}: {}", holder.name, holder.ready.message);
    if let Some(holder) = in_state(State::False) {
        // The failure may be from before its report was requested, or from before a token rotation.
        let observation = Observation::degraded(holder.ready.reason, message(holder));
        return Some(observation);
    }
    if let Some(holder) = in_state(State::Unknown) {
        return Some(Observation::Waiting(Reason::Connecting, message(holder)));
    }
    let mut running = holders.iter().filter(|holder| !holder.rests);
    let behind = running.find(|holder| !holder.acknowledged)?;
    let message = format!(
        "the pod of account {} has not applied its newest assignment yet",
        behind.name
    );
    Some(Observation::degraded(Reason::Connecting, message))
}

/// The problem if its newest tick is too old, or if none has arrived.
fn stale(facts: &SetFacts<'_>, streaming: u32) -> Option<Observation> {
    let expected = facts.market.expected_for(facts.now)?;
    if streaming == 0 {
        return Some(Observation::Degraded {
            passing: Reason::Connecting,
            lasting: Reason::Stale,
            message: with_holiday(
                "all sockets are up, but no packet of this set has arrived".to_owned(),
                facts,
            ),
        });
    }
    // A night without ticks is none of them.
    let expected = Duration::from_secs(expected);
    let old = facts.freshness.as_ref();
    let old = old.filter(|it| it.age.min(expected) > it.limit)?;
    // The limit and not the age: a message that changes is written at every pass.
    let limit = old.limit.as_secs();
    let message = match &old.newest {
        Some(newest) => format!(
            "all sockets are up, but the newest tick arrived at {}, more than {limit} s ago",
            newest.0
        ),
        None => format!("all sockets are up, but no tick has arrived for more than {limit} s"),
    };
    Some(Observation::Failed(
        Reason::Stale,
        with_holiday(message, facts),
    ))
}

/// The message, and what explains it if the calendar lacks a day.
fn with_holiday(message: String, facts: &SetFacts<'_>) -> String {
    const HINT: &str = "nothing of its market has ticked on any account since it opened: is it a holiday? See --calendar";
    match facts.silent_market {
        true => format!("{message}; {HINT}"),
        false => message,
    }
}

#[cfg(test)]
mod tests;
