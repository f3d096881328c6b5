//! The report of one set.
//!
//! Owns when the last report of a set still holds. Must not decide whether the set is ready.

use std::sync::Arc;

use crds::condition::State;

use super::account::ReportedAccount;
use super::holders;
use super::object::Previous;
use super::outcome::{Event, Kind, SetPlan};
use super::results::SetResult;
use super::status;
use crate::plan::input::{Basis, Memo, Now, SetMemory};
use crate::plan::placement::PlacedSet;

/// The plan of a set, and what is remembered of it.
pub(super) struct ReportedSet {
    pub(super) plan: SetPlan,
    pub(super) memory: SetMemory,
    pub(super) event: Option<Event>,
    /// The state of its `Ready`.
    pub(super) state: State,
}

/// Reports a set that these accounts stream, and of whose markets nothing may have ticked anywhere; the last report is used again while nothing in it has
/// changed.
pub(super) fn report(
    placed: &PlacedSet<'_>,
    (holders, silent_market): (&[&ReportedAccount<'_>], bool),
    memo: &mut Memo<'_, SetResult>,
    now: Now,
) -> ReportedSet {
    let key = &placed.set.observed.meta.key;
    let basis = basis(placed, holders).map(|basis| basis.value(silent_market));
    let known = basis.as_ref().and_then(|basis| memo.get(key, basis));
    let known = known.filter(|it| it.validity.holds(now));
    let (memory, event, result) = match (known, placed.set.remembered) {
        (Some(known), Some(memory)) => (memory.clone(), None, *known),
        _ => compute(placed, (holders, silent_market), now),
    };
    if let Some(basis) = basis {
        memo.put(key, basis, result);
    }
    ReportedSet {
        plan: SetPlan {
            key: key.clone(),
            uid: memory.uid.clone(),
            change: result.change,
            status: Arc::clone(&memory.status),
            warning: memory.warning.clone(),
        },
        memory,
        event,
        state: result.state,
    }
}

fn compute(
    placed: &PlacedSet<'_>,
    (holders, silent_market): (&[&ReportedAccount<'_>], bool),
    now: Now,
) -> (SetMemory, Option<Event>, SetResult) {
    let set = &placed.set;
    let holders = holders::of_set(holders, set.name(), now);
    let previous = Previous::new(set.observed, set.remembered);
    let history = previous.history(set.observed.meta.generation);
    let before = previous.status.map(Arc::as_ref);
    let (status, outcome, validity) =
        status::set::status(placed, (&holders, silent_market), before, &history, now);
    let report = previous.report(Kind::Set, set.observed, status, &outcome);
    let result = SetResult {
        state: outcome.state,
        change: report.change,
        validity,
    };
    (report.memory, report.event, result)
}

/// Everything that the report depends on, but for the time. `None` for a set that may fail by time
/// alone.
fn basis(placed: &PlacedSet<'_>, holders: &[&ReportedAccount<'_>]) -> Option<Basis> {
    let resolved = placed.request.resolved()?;
    let known = placed.set.remembered.filter(|it| it.due.is_none())?;
    let observed = placed.set.observed;
    let basis = Basis::default()
        .shared(observed.status.as_ref()?)
        .shared(&known.status)
        .shared(&resolved.lookup)
        .shared(&placed.placement)
        .value((observed.meta.generation, resolved.allowed.len()))
        .value((&resolved.matching, &placed.rebalance));
    // Prices are written when something else is.
    let chains = placed.chains.iter();
    let basis = chains.fold(basis, Basis::shared);
    let money = resolved.money.iter();
    let basis = money.fold(basis, |basis, it| basis.value((it.atm, it.source)));
    let holders = holders.iter();
    Some(holders.fold(basis, |basis, holder| basis.with(&holder.basis)))
}
