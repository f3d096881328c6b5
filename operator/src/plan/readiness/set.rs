//! The rules for a set: the first that fits decides.

use std::time::{Duration, Instant};

use contract::report;
use crds::condition::{Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::condition::ConditionOutcome;
use super::observation::Observation;
use crate::plan::samples::list;
use crate::plan::selection::{Request, Resolved};

/// What is known of a set.
#[derive(Clone, Debug)]
pub(crate) struct SetFacts<'a> {
    /// What it asks for.
    pub(crate) request: &'a Request,
    /// Instruments that have an account.
    pub(crate) scheduled: u32,
    /// Instruments that wait for one.
    pub(crate) waiting: u32,
    /// Instruments an older set keeps from their channel, with an example.
    pub(crate) conflicts: (u32, &'a str),
    /// The accounts that have some of them.
    pub(crate) holders: &'a [Holder<'a>],
    /// How old its newest tick is, where any came.
    pub(crate) freshness: Option<Freshness>,
}

/// How old a set's newest tick is.
#[derive(Clone, Debug)]
pub(crate) struct Freshness {
    pub(crate) age: Duration,
    /// When it came.
    pub(crate) newest: Option<Time>,
    /// How old it may be.
    pub(crate) limit: Duration,
}

/// An account that has some of a set's instruments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    pub(crate) name: &'a str,
    /// Its own readiness.
    pub(crate) ready: &'a ConditionOutcome,
    /// Whether its process was not asked yet.
    pub(crate) unasked: bool,
    /// Whether its process has taken up the set's rows.
    pub(crate) acknowledged: bool,
    /// Instruments of the set with a packet on its present socket.
    pub(crate) streaming: u32,
    /// Instruments of the set that had their time and sent none.
    pub(crate) silent: u32,
    /// Whether all it has of the set flows, to Redis: then its other troubles are not the set's.
    pub(crate) flows: bool,
    /// Instruments of the set placed there.
    pub(crate) instruments: u32,
    /// What its process says of the set, if it answers, and when it said so.
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

/// Rules about what it asks for and what it got.
fn refusal(facts: &SetFacts<'_>) -> Option<Observation> {
    let fails = |reason, message: &str| Some(Observation::Failed(reason, message.to_owned()));
    let resolved = match facts.request {
        Request::Unreadable(problem) => return fails(Reason::Invalid, &problem.to_string()),
        Request::Denied { reason, message } => return fails(*reason, message),
        Request::Pending {
            reason: reason @ Reason::AccountsDisagree,
            message,
        } => return fails(*reason, message),
        Request::Pending { reason, message } => {
            let nothing = facts.scheduled == 0;
            return nothing.then(|| Observation::Unknown(*reason, message.clone()));
        }
        Request::Resolved(resolved) => resolved,
    };
    let selected = resolved.selected();
    if selected == 0 {
        let message = format!(
            "none of the {} names exists: check {}",
            resolved.lookup.selection.unresolved,
            list(&resolved.lookup.selection.samples)
        );
        return Some(Observation::Failed(Reason::NothingResolved, message));
    }
    if facts.conflicts.0 > 0 {
        let message = format!(
            "{} of {selected} instruments are not streamed: {}",
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

/// The reason when instruments wait, with so many placed.
pub(crate) fn unplaced(scheduled: u32, resolved: &Resolved) -> Reason {
    match (scheduled, resolved.allowed.len()) {
        (0, 0) => Reason::NoAccount,
        (0, _) => Reason::CapacityShort,
        _ => Reason::PartiallyScheduled,
    }
}

/// Why instruments have no account and what to do.
pub(crate) fn waiting(waiting: u32, resolved: &Resolved) -> String {
    let selected = resolved.selected();
    if resolved.allowed.is_empty() {
        return format!(
            "{waiting} of {selected} instruments wait: no account that matches can be used ({}): see the Ready \
             condition of each",
            resolved.matching
        );
    }
    format!(
        "{waiting} of {selected} instruments wait for room: add an account or remove instruments"
    )
}

/// Rules about what its holders say.
fn flow(facts: &SetFacts<'_>) -> Observation {
    if facts.holders.iter().any(|holder| holder.unasked) {
        return Observation::Unasked;
    }
    let degraded = |lasting, message| Observation::Degraded {
        passing: Reason::Connecting,
        lasting,
        message,
    };
    // One that has failed tells more than one of which that is not known yet.
    let in_state = |state| {
        let mut holders = facts.holders.iter();
        holders.find(|holder| holder.ready.state == state && !holder.flows)
    };
    let said = |holder: &Holder<'_>| format!("account {}: {}", holder.name, holder.ready.message);
    if let Some(holder) = in_state(State::False) {
        // It may have failed for what was true before its process was asked, or a rotation ago.
        return Observation::Degraded {
            passing: holder.ready.reason,
            lasting: holder.ready.reason,
            message: said(holder),
        };
    }
    if let Some(holder) = in_state(State::Unknown) {
        return Observation::Waiting(Reason::Connecting, said(holder));
    }
    if let Some(holder) = facts.holders.iter().find(|holder| !holder.acknowledged) {
        return degraded(
            Reason::Connecting,
            format!(
                "account {} has not taken up its assignment yet",
                holder.name
            ),
        );
    }
    let sum =
        |of: fn(&Holder<'_>) -> u32| facts.holders.iter().map(of).fold(0, u32::saturating_add);
    let streaming = sum(|holder| holder.streaming);
    if streaming == 0 {
        return degraded(
            Reason::Stale,
            "all sockets are up, but no packet of this set came".to_owned(),
        );
    }
    if let Some(old) = facts.freshness.as_ref().filter(|it| it.age > it.limit) {
        // The limit and not the age: a message that grows is written at every pass.
        let limit = old.limit.as_secs();
        let message = match &old.newest {
            Some(newest) => format!(
                "all sockets are up, but the newest tick came at {}, more than {limit} s ago",
                newest.0
            ),
            None => format!("all sockets are up, but no tick came for more than {limit} s"),
        };
        return Observation::Failed(Reason::Stale, message);
    }
    let count = format!("{streaming} of {} instruments stream", facts.scheduled);
    // Each of the rest sends its first packet or is counted silent in a moment: no grace runs out.
    if streaming.saturating_add(sum(|holder| holder.silent)) < facts.scheduled {
        let message = format!("{count}, the others have not sent a packet yet");
        return Observation::Waiting(Reason::Connecting, message);
    }
    let (reason, warning) = match facts.request {
        Request::Resolved(resolved) if resolved.lookup.selection.unresolved > 0 => {
            let samples = list(&resolved.lookup.selection.samples);
            let warning = format!(
                "unknown names: {} ({samples})",
                resolved.lookup.selection.unresolved
            );
            (Reason::PartiallyResolved, Some(warning))
        }
        Request::Pending { message, .. } => (Reason::Streaming, Some(message.clone())),
        Request::Resolved(_) | Request::Unreadable(_) | Request::Denied { .. } => {
            (Reason::Streaming, None)
        }
    };
    Observation::Ready {
        reason,
        message: count,
        warning,
    }
}

#[cfg(test)]
mod tests;
