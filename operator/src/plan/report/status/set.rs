//! The status of a set.

use std::time::Duration;

use crds::InstrumentSetStatus;
use crds::condition::{ConditionType, Reason, State, UndatedCondition};
use crds::set::AccountShare;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{conditions, count, says, seconds, verdict};
use crate::plan::input::{Now, SetInput};
use crate::plan::readiness::{
    self, ConditionOutcome, Freshness, History, Holder, SetFacts, unplaced, waiting,
};
use crate::plan::samples::list;
use crate::plan::selection::Request;

/// A set is stale when its newest tick is older than this many of its usual intervals.
const USUAL_INTERVALS: u64 = 5;

/// The inputs of a set's status.
pub(crate) struct Input<'a> {
    pub(crate) view: &'a SetInput<'a>,
    pub(crate) request: &'a Request,
    /// Instruments that wait for room.
    pub(crate) waiting: u32,
    /// Instruments that an older set excludes from their channel, with an example.
    pub(crate) conflicts: (u32, &'a str),
    /// Its instruments per account, by name.
    pub(crate) holders: &'a [Holder<'a>],
    /// The previous status.
    pub(crate) previous: Option<&'a InstrumentSetStatus>,
    pub(crate) history: History<'a>,
}

/// The counts of a set's instruments.
#[derive(Clone, Copy)]
struct Counts {
    selected: u32,
    scheduled: u32,
    streaming: u32,
    silent: u32,
    unresolved: u32,
}

/// Returns the status and the outcome for its `Ready`.
pub(crate) fn status(input: &Input<'_>, now: Now) -> (InstrumentSetStatus, ConditionOutcome) {
    let none = InstrumentSetStatus::default();
    let before = input.previous.unwrap_or(&none);
    let counts = counts(input, before);
    let facts = SetFacts {
        request: input.request,
        scheduled: counts.scheduled,
        waiting: input.waiting,
        conflicts: input.conflicts,
        holders: input.holders,
        freshness: freshness(input, now),
    };
    let outcome = readiness::outcome(readiness::set(&facts), &input.history, now);
    let unasked = input.holders.iter().any(|holder| holder.unasked);
    let verdicts = vec![
        super::ready(&outcome),
        resolved(input.request, counts),
        scheduled(input, counts),
        streaming(counts, unasked, &outcome),
        match &input.view.spec {
            Ok(spec) => super::paused(spec.paused),
            Err(_) => verdict(
                ConditionType::Paused,
                State::Unknown,
                Reason::Invalid,
                "the set cannot be read",
            ),
        },
    ];
    let meta = &input.view.observed.meta;
    let samples = match input.request {
        Request::Resolved(resolved) => resolved.lookup.selection.samples.clone(),
        Request::Denied { .. } => Vec::new(),
        Request::Pending { .. } | Request::Unreadable(_) => before.unresolved.clone(),
    };
    let newest = input
        .holders
        .iter()
        .filter_map(|holder| seconds(holder.report?.last_tick_us?, now.wall))
        .max();
    let names = input
        .holders
        .iter()
        .map(|holder| holder.name)
        .collect::<Vec<_>>()
        .join(",");
    let status = InstrumentSetStatus {
        observed_generation: meta.generation,
        conditions: conditions(verdicts, &before.conditions, meta.generation, now.wall),
        instruments: match before.instruments.clone() {
            Some(known) if unasked => Some(known),
            _ => Some(format!("{}/{}", counts.streaming, counts.selected)),
        },
        selected: Some(counts.selected),
        scheduled: Some(counts.scheduled),
        streaming: if unasked {
            before.streaming.or(Some(0))
        } else {
            Some(counts.streaming)
        },
        waiting: Some(input.waiting),
        silent: if unasked {
            before.silent.or(Some(0))
        } else {
            Some(counts.silent)
        },
        resolved_at: resolved_at(input, before, counts, &samples, now),
        unresolved: samples,
        unresolved_count: Some(counts.unresolved),
        accounts: (!names.is_empty()).then_some(names),
        assignments: input
            .holders
            .iter()
            .map(|holder| AccountShare {
                account: Some(holder.name.to_owned()),
                instruments: Some(holder.instruments),
            })
            .collect(),
        last_tick_time: newest.max(before.last_tick_time.clone()),
    };
    (status, outcome)
}

/// The age of the newest tick, and its limit. The age is what the process measured plus the time
/// since: clocks of two machines are not compared.
fn freshness(input: &Input<'_>, now: Now) -> Option<Freshness> {
    let spec = input.view.spec.as_ref().ok()?;
    let newest = input.holders.iter().filter_map(|holder| {
        let report = holder.report?;
        let since = now.monotonic.saturating_duration_since(holder.at?);
        Some((
            Duration::from_millis(report.age_ms?).saturating_add(since),
            report.last_tick_us.and_then(|us| seconds(us, now.wall)),
        ))
    });
    let (age, newest) = newest.min_by_key(|(age, _)| *age)?;
    let usual = input
        .holders
        .iter()
        .filter_map(|holder| holder.report?.usual_interval_ms)
        .min();
    let usual = usual.map_or(Duration::ZERO, |usual| {
        Duration::from_millis(usual.saturating_mul(USUAL_INTERVALS))
    });
    Some(Freshness {
        age,
        newest,
        limit: spec.stale_after.max(usual),
    })
}

fn counts(input: &Input<'_>, before: &InstrumentSetStatus) -> Counts {
    let sum =
        |of: fn(&Holder<'_>) -> u32| input.holders.iter().map(of).fold(0, u32::saturating_add);
    let scheduled = sum(|holder| holder.instruments);
    let (selected, unresolved) = match input.request {
        Request::Resolved(resolved) => (resolved.selected(), resolved.lookup.selection.unresolved),
        Request::Denied { .. } => (names(input.view), 0),
        Request::Pending { .. } | Request::Unreadable(_) => (
            before.selected.unwrap_or(0).max(scheduled),
            before.unresolved_count.unwrap_or(0),
        ),
    };
    Counts {
        selected,
        scheduled,
        streaming: sum(|holder| holder.report.map_or(0, |report| report.streaming)).min(scheduled),
        silent: sum(|holder| holder.report.map_or(0, |report| report.silent)).min(scheduled),
        unresolved,
    }
}

/// How many names a set lists that cannot be looked up.
fn names(view: &SetInput<'_>) -> u32 {
    view.spec.as_ref().map_or(0, |spec| count(spec.names()))
}

fn resolved(request: &Request, counts: Counts) -> UndatedCondition {
    let says = says(ConditionType::Resolved);
    let resolved = match request {
        Request::Unreadable(problem) => {
            return says(State::Unknown, Reason::Invalid, &problem.to_string());
        }
        Request::Denied { reason, message } | Request::Pending { reason, message } => {
            return says(State::Unknown, *reason, message);
        }
        Request::Resolved(resolved) => resolved,
    };
    let unresolved = resolved.lookup.selection.unresolved;
    if unresolved == 0 && counts.selected > 0 {
        let message = format!("{} instruments", counts.selected);
        return says(State::True, Reason::AllResolved, &message);
    }
    let reason = if counts.selected == 0 {
        Reason::NothingResolved
    } else {
        Reason::PartiallyResolved
    };
    let samples = list(&resolved.lookup.selection.samples);
    let message = format!("names that are not in the instruments list: {unresolved} ({samples})");
    says(State::False, reason, &message)
}

fn scheduled(input: &Input<'_>, counts: Counts) -> UndatedCondition {
    let says = says(ConditionType::Scheduled);
    let placed = format!(
        "{} of {} instruments have an account",
        counts.scheduled, counts.selected
    );
    match input.request {
        Request::Unreadable(problem) => says(State::Unknown, Reason::Invalid, &problem.to_string()),
        Request::Pending { reason, message } => says(State::Unknown, *reason, message),
        Request::Denied { reason, message } => says(State::False, *reason, message),
        Request::Resolved(_) if input.conflicts.0 > 0 => {
            says(State::False, Reason::ChannelConflict, input.conflicts.1)
        }
        Request::Resolved(resolved) if input.waiting > 0 => says(
            State::False,
            unplaced(counts.scheduled, resolved),
            &waiting(input.waiting, resolved),
        ),
        Request::Resolved(_) if counts.selected == 0 => {
            says(State::False, Reason::NothingResolved, &placed)
        }
        Request::Resolved(_) => says(State::True, Reason::AllScheduled, &placed),
    }
}

fn streaming(counts: Counts, unasked: bool, outcome: &ConditionOutcome) -> UndatedCondition {
    let says = says(ConditionType::Streaming);
    let seen = format!(
        "{} of {} instruments stream, {} are silent",
        counts.streaming, counts.scheduled, counts.silent
    );
    if unasked {
        return says(
            State::Unknown,
            Reason::Pending,
            "waiting for the first report",
        );
    }
    if outcome.reason != Reason::Stale
        && counts.scheduled > 0
        && counts.streaming > 0
        && counts.streaming + counts.silent >= counts.scheduled
    {
        return says(State::True, Reason::Streaming, &seen);
    }
    let reason = if outcome.state == State::True {
        Reason::Connecting
    } else {
        outcome.reason
    };
    says(State::False, reason, &seen)
}

/// When the result of looking up the names last changed.
fn resolved_at(
    input: &Input<'_>,
    before: &InstrumentSetStatus,
    counts: Counts,
    samples: &[String],
    now: Now,
) -> Option<Time> {
    let Request::Resolved(_) = input.request else {
        return before.resolved_at.clone();
    };
    let same = before.selected == Some(counts.selected)
        && before.unresolved_count == Some(counts.unresolved)
        && before.unresolved == samples;
    let now = Timestamp::from_second(now.wall.as_second()).unwrap_or(now.wall);
    before
        .resolved_at
        .clone()
        .filter(|_| same)
        .or(Some(Time(now)))
}
