//! The rules for a set.

use std::time::Duration;

use crds::condition::{Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{BUT, Finding, Judgement};
use crate::plan::samples::list;
use crate::plan::selection::Request;

/// What is known of a set.
#[derive(Clone, Debug)]
pub(crate) struct SetFacts<'a> {
    /// What it asks for.
    pub(crate) asked: Asked<'a>,
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

/// What a set asks for, as far as its readiness goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// Its spec cannot be read.
    Unreadable(&'a str),
    /// Nothing that can be had.
    Refused(Reason, &'a str),
    /// It cannot be looked up now.
    Held(Reason, &'a str),
    /// Names with and without an instrument, and how many accounts it may use.
    Wanted {
        /// Instruments it selects.
        selected: u32,
        /// Names without an instrument.
        unresolved: u32,
        /// Some of these.
        samples: &'a [String],
        /// Accounts it may use.
        allowed: usize,
        /// Names of some that match.
        matching: &'a str,
    },
}

/// An account that has some of a set's instruments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    pub(crate) name: &'a str,
    /// Its own readiness.
    pub(crate) ready: &'a Judgement,
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
}

impl<'a> Asked<'a> {
    /// As demanded.
    pub(crate) fn of(request: &'a Request<'_>, unreadable: &'a str) -> Self {
        match request {
            Request::Unreadable(_) => Self::Unreadable(unreadable),
            Request::Denied { reason, message } => Self::Refused(*reason, message),
            Request::Pending { reason, message } => Self::Held(*reason, message),
            Request::Resolved(wants) => Self::Wanted {
                selected: u32::try_from(wants.selection.instruments.len()).unwrap_or(u32::MAX),
                unresolved: wants.selection.unresolved,
                samples: &wants.selection.samples,
                allowed: wants.allowed.len(),
                matching: &wants.matching,
            },
        }
    }
}

/// The rules for a set.
pub(crate) fn set(facts: &SetFacts<'_>) -> Finding {
    match refusal(facts) {
        Some(finding) => finding,
        None => flow(facts),
    }
}

/// Rules about what it asks for and what it got.
fn refusal(facts: &SetFacts<'_>) -> Option<Finding> {
    let fails = |reason, message: &str| Some(Finding::Fails(reason, message.to_owned()));
    let (selected, unresolved, samples, allowed, matching) = match facts.asked {
        Asked::Unreadable(message) => return fails(Reason::Invalid, message),
        Asked::Refused(reason, message) => return fails(reason, message),
        Asked::Held(reason @ Reason::AccountsDisagree, message) => return fails(reason, message),
        Asked::Held(reason, message) => {
            let nothing = facts.scheduled == 0;
            return nothing.then(|| Finding::Unknown(reason, message.to_owned()));
        }
        Asked::Wanted {
            selected,
            unresolved,
            samples,
            allowed,
            matching,
        } => (selected, unresolved, samples, allowed, matching),
    };
    if selected == 0 {
        let message = format!(
            "none of the {unresolved} names exists: check {}",
            list(samples)
        );
        return Some(Finding::Fails(Reason::NothingResolved, message));
    }
    if facts.conflicts.0 > 0 {
        let message = format!(
            "{} of {selected} instruments are not streamed: {}",
            facts.conflicts.0, facts.conflicts.1
        );
        return Some(Finding::Fails(Reason::ChannelConflict, message));
    }
    if facts.waiting > 0 {
        return Some(Finding::Fails(
            unplaced(facts.scheduled, allowed),
            waiting(facts.waiting, selected, allowed, matching),
        ));
    }
    None
}

/// The reason when instruments wait, with so many placed and so many accounts that may be used.
pub(crate) fn unplaced(scheduled: u32, allowed: usize) -> Reason {
    match (scheduled, allowed) {
        (0, 0) => Reason::NoAccount,
        (0, _) => Reason::CapacityShort,
        _ => Reason::PartiallyScheduled,
    }
}

/// Why instruments have no account and what to do.
pub(crate) fn waiting(waiting: u32, selected: u32, allowed: usize, matching: &str) -> String {
    if allowed == 0 {
        return format!(
            "{waiting} of {selected} instruments wait: no account that matches can be used ({matching}): see the Ready \
             condition of each"
        );
    }
    format!(
        "{waiting} of {selected} instruments wait for room: add an account or remove instruments"
    )
}

/// Rules about what its holders say.
fn flow(facts: &SetFacts<'_>) -> Finding {
    if facts.holders.iter().any(|holder| holder.unasked) {
        return Finding::Unasked;
    }
    let trouble = |lasting, message| Finding::Trouble {
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
        return Finding::Trouble {
            passing: holder.ready.reason,
            lasting: holder.ready.reason,
            message: said(holder),
        };
    }
    if let Some(holder) = in_state(State::Unknown) {
        return Finding::Waits(Reason::Connecting, said(holder));
    }
    if let Some(holder) = facts.holders.iter().find(|holder| !holder.acknowledged) {
        return trouble(
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
        return trouble(
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
        return Finding::Fails(Reason::Stale, message);
    }
    let count = format!("{streaming} of {} instruments stream", facts.scheduled);
    // Each of the rest sends its first packet or is counted silent in a moment: no patience runs out.
    if streaming.saturating_add(sum(|holder| holder.silent)) < facts.scheduled {
        let message = format!("{count}, the others have not sent a packet yet");
        return Finding::Waits(Reason::Connecting, message);
    }
    match facts.asked {
        Asked::Wanted {
            unresolved,
            samples,
            ..
        } if unresolved > 0 => Finding::Holds(
            Reason::PartiallyResolved,
            format!(
                "{count}{BUT}unknown names: {unresolved} ({})",
                list(samples)
            ),
        ),
        Asked::Held(_, message) => {
            Finding::Holds(Reason::Streaming, format!("{count}{BUT}{message}"))
        }
        Asked::Wanted { .. } | Asked::Unreadable(_) | Asked::Refused(..) => {
            Finding::Holds(Reason::Streaming, count)
        }
    }
}

#[cfg(test)]
mod tests;
