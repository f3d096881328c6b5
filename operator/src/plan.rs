//! The planner: every choice the operator makes, as one pure function.
//!
//! Owns validation, selection, placement, channels, readiness and status. It must not do I/O, read
//! a clock or fail: whatever is observed, there is a plan, and what is not known changes nothing.
//!
//! In order: [`input`] checks what was observed, [`demand`] says what each set asks for, [`settle`]
//! and [`place`] find the accounts, [`assign`] writes what each should stream and [`deliver`] under
//! which generation, [`conclude`] says how everything fares.

mod announce;
mod assign;
mod channel;
mod conclude;
mod deliver;
mod demand;
mod ids;
mod input;
mod outcome;
mod place;
mod ready;
mod select;
mod settle;
mod shares;
mod spare;
mod status;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use input::{
    Failing, Key, KeyFingerprint, LastAssignment, Memory, Meta, Now, Object, Observed,
    ObservedAccount, ObservedSet, Process, Scrape, Secret, Settings, Table, Unreadable, Workload,
};
pub use outcome::{AccountPlan, Change, Delivery, Event, Kind, Plan, SetPlan};

pub(crate) use ready::reservation;

use demand::{Channels, Precedents, Targets};
use input::PlanningInput;
use settle::Standing;

/// Decides what every account streams and what every object's status says.
///
/// Deterministic: the order of accounts and sets in `observed` does not matter. Total: no input makes
/// it panic. `memory` is what the last pass returned, or the default after a start.
#[must_use]
pub fn plan(observed: &Observed, memory: &Memory, now: Now) -> Plan {
    let input = PlanningInput::new(observed, memory, now);
    let (mut channels, mut targets) = (Channels::default(), Targets::default());
    let mut precedents = Precedents::default();

    let standing: Standing<'_> = input
        .sets
        .iter()
        .filter(|set| demand::stands(set, &input.accounts))
        .map(|set| {
            (
                set.observed.meta.key.namespace.as_str(),
                set.observed.meta.key.name.as_str(),
            )
        })
        .collect();
    let fixed = settle::fixed_rows(&input, &standing);
    settle::note_channels(&input, &fixed, &mut channels, &mut targets, &mut precedents);

    let demands = demand::ask(&input, &mut channels, &mut targets, &mut precedents);
    let settlement = settle::settle(
        &input,
        &demands,
        standing,
        fixed,
        &mut channels,
        &mut targets,
    );
    let deliveries: Vec<Delivery> = assign::assignments(&input, &demands, &settlement, &channels)
        .into_iter()
        .zip(&input.accounts)
        .map(|(wanted, account)| match wanted {
            Some(wanted) => deliver::deliver(account, wanted),
            None => Delivery::Leave,
        })
        .collect();
    conclude::conclude(&input, &demands, &settlement, deliveries, now)
}
