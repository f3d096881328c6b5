//! The events `Moved` and `Rolled` of sets.
//!
//! Pure. Owns what they say, and that a set sends at most one of each kind per minute: what comes in between is added up.
//! Must not decide what moves, nor which contracts a set selects.

mod memory;
mod paced;
mod relocations;
mod roll;

use crate::plan::selection::TradingDays;
use std::time::Instant;

pub(crate) use memory::SetEventMemory;

use super::outcome::{Event, EventReason, Kind};
use crate::plan::assignment::AssignedAccount;
use crate::plan::input::{Meta, Now};
use crate::plan::placement::PlacedSet;

/// The events of a pass, what the next one has to know, and when something that waits is due.
#[derive(Debug, Default)]
pub(super) struct SetEventsOfPass {
    pub(super) events: Vec<Event>,
    pub(super) memory: SetEventMemory,
    pub(super) due: Option<Instant>,
}

/// The events of all sets.
pub(super) fn of_sets(
    accounts: &[AssignedAccount<'_>],
    sets: &[PlacedSet<'_>],
    memory: &SetEventMemory,
    (days, now): (&TradingDays, Now),
) -> SetEventsOfPass {
    let mut pass = SetEventsOfPass::default();
    let mut rolls = roll::of_sets(accounts, days);
    for placed in sets {
        let meta = &placed.set.observed.meta;
        let roll = rolls.remove(&(placed.set.namespace(), placed.set.name()));
        let roll = roll.filter(|_| placed.request.resolved().is_some());
        let relocations = relocations::of_set(placed, accounts);
        let known = memory.get(&meta.key).filter(|it| it.uid == meta.uid);
        if known.is_none() && roll.is_none() && relocations.is_none() {
            continue;
        }
        let mut of_set = known.cloned().unwrap_or_default();
        of_set.uid.clone_from(&meta.uid);
        let relocations = of_set.relocations.next(relocations, now.monotonic);
        let roll = of_set.roll.next(roll, now.monotonic);
        let relocations = relocations.map(|it| event(meta, EventReason::Moved, it.message()));
        let roll = roll.map(|it| event(meta, EventReason::Rolled, it.message()));
        pass.events.extend(relocations.into_iter().chain(roll));
        let dues = [of_set.relocations.due(), of_set.roll.due()];
        pass.due = dues.into_iter().chain([pass.due]).flatten().min();
        if of_set.relocations.is_recent() || of_set.roll.is_recent() {
            pass.memory.insert(meta.key.clone(), of_set);
        }
    }
    pass
}

fn event(meta: &Meta, reason: EventReason, message: String) -> Event {
    Event {
        kind: Kind::Set,
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        warning: false,
        reason,
        message,
    }
}
