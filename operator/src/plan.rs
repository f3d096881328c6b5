//! The planner: every choice the operator makes, as one pure function.
//!
//! Owns validation, selection, placement, channels, readiness and status. It must not do I/O, read
//! a clock or fail: whatever is observed, there is a plan, and what is not known changes nothing.
//!
//! In order: [`world`] checks what was observed, [`demand`] says what each set asks for, [`settle`]
//! and [`place`] find the accounts, [`assign`] writes what each should stream and [`deliver`] under
//! which generation, [`conclude`] says how everything fares.

mod announce;
mod assign;
mod channel;
mod conclude;
mod deliver;
mod demand;
mod doubt;
mod memory;
mod observed;
mod off;
mod outcome;
mod place;
mod ready;
mod select;
mod settle;
mod shares;
mod spare;
mod status;
mod validate;
mod world;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use memory::Memory;
pub use observed::{
    Failing, Key, KeyFingerprint, LastAssignment, Meta, Now, Object, Observed, ObservedAccount,
    ObservedSet, Process, Scrape, Secret, Settings, Table, Unreadable,
};
pub use outcome::{AccountPlan, Change, Delivery, Event, Kind, Plan, SetPlan, Workload};

pub(crate) use ready::reservation;

use demand::{Channels, Precedents, Targets};
use settle::Standing;
use world::World;

/// Decides what every account streams and what every object's status says.
///
/// Deterministic: the order of accounts and sets in `observed` does not matter. Total: no input makes
/// it panic. `memory` is what the last pass returned, or the default after a start.
#[must_use]
pub fn plan(observed: &Observed, memory: &Memory, now: Now) -> Plan {
    let world = World::new(observed, memory, now);
    let (mut channels, mut targets) = (Channels::default(), Targets::default());
    let mut precedents = Precedents::default();

    let standing: Standing<'_> = world
        .sets
        .iter()
        .filter(|set| demand::stands(set, &world.accounts))
        .map(|set| {
            (
                set.observed.meta.key.namespace.as_str(),
                set.observed.meta.key.name.as_str(),
            )
        })
        .collect();
    let fixed = settle::fixed_rows(&world, &standing);
    settle::note_channels(&world, &fixed, &mut channels, &mut targets, &mut precedents);

    let demands = demand::ask(&world, &mut channels, &mut targets, &mut precedents);
    let settlement = settle::settle(
        &world,
        &demands,
        standing,
        fixed,
        &mut channels,
        &mut targets,
    );
    let deliveries: Vec<Delivery> = assign::assignments(&world, &demands, &settlement, &channels)
        .into_iter()
        .zip(&world.accounts)
        .map(|(wanted, account)| match wanted {
            Some(wanted) => deliver::deliver(account, wanted),
            None => Delivery::Leave,
        })
        .collect();
    conclude::conclude(&world, &demands, &settlement, deliveries, now)
}
