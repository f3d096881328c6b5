//! The part of a set's status that says what its names mean.

use crds::InstrumentSetStatus;
use crds::condition::{ConditionType, Reason, State, UndatedCondition};
use crds::set::{MAX_RENAMED, RenamedInstrument};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{condition, seconds};
use crate::plan::input::Now;
use crate::plan::readiness;
use crate::plan::selection::Request;

/// Some names that the list lacks.
pub(super) fn samples(request: &Request, before: &InstrumentSetStatus) -> Vec<String> {
    match request {
        Request::Resolved(resolved) => resolved.lookup.selection.samples.clone(),
        Request::Denied { .. } => Vec::new(),
        Request::Pending { .. } => before.unresolved.clone(),
    }
}

/// Some names that the list lacks because their instruments have other names.
pub(super) fn renamed(request: &Request, before: &InstrumentSetStatus) -> Vec<RenamedInstrument> {
    let resolved = match request {
        Request::Resolved(resolved) => resolved,
        Request::Denied { .. } => return Vec::new(),
        Request::Pending { .. } => return before.renamed.clone(),
    };
    let renamed = resolved.lookup.selection.renamed.iter().take(MAX_RENAMED);
    let renamed = renamed.filter_map(|(name, row)| {
        let row = resolved.lookup.table.get(*row)?;
        Some(RenamedInstrument {
            from: Some(name.clone()),
            to: Some(format!("{}:{}", row.exchange, row.tradingsymbol)),
        })
    });
    renamed.collect()
}

/// Whether every name has an instrument.
pub(super) fn resolved(request: &Request, selected: u32) -> UndatedCondition {
    let condition = condition(ConditionType::Resolved);
    let resolved = match request {
        Request::Denied { reason, message } | Request::Pending { reason, message } => {
            return condition(State::Unknown, *reason, message);
        }
        Request::Resolved(resolved) => resolved,
    };
    if resolved.lookup.selection.unresolved == 0 && selected > 0 {
        let count = format!("{} instruments", selected);
        let remarks = readiness::remarks(&resolved.lookup);
        let message = [Some(count), remarks]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        return condition(State::True, Reason::AllResolved, &message.join("; "));
    }
    let reason = if selected == 0 {
        Reason::NothingResolved
    } else {
        Reason::PartiallyResolved
    };
    condition(
        State::False,
        reason,
        &readiness::remarks(&resolved.lookup).unwrap_or_default(),
    )
}

/// When the result of looking up the names last changed.
pub(super) fn resolved_at(
    request: &Request,
    before: &InstrumentSetStatus,
    (selected, unresolved): (u32, u32),
    samples: &[String],
    now: Now,
) -> Option<Time> {
    let Request::Resolved(_) = request else {
        return before.resolved_at.clone();
    };
    let same = before.selected == Some(selected)
        && before.unresolved_count == Some(unresolved)
        && before.unresolved == samples;
    let known = before.resolved_at.clone().filter(|_| same);
    known.or_else(|| seconds(now.wall.as_microsecond(), now.wall))
}
