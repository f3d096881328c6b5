//! The assignment of each account: its rows, and the generation under which they are written.
//!
//! Must not choose where anything goes.

mod change;
mod document;
mod generation;
mod names;
mod rows;

pub use change::AssignmentChange;

pub(crate) use generation::{believable, marks};

use std::sync::Arc;

use contract::Assignment;

use crate::plan::ids::SetIx;
use crate::plan::input::AccountInput;
use crate::plan::placement::{HeldOverSets, Outcome, PlacedSet, RetainedAccount};
use rows::{Drafts, Part};

/// An account and what is to be done about its assignment.
pub(crate) struct AssignedAccount<'a> {
    pub(crate) account: AccountInput<'a>,
    pub(crate) change: AssignmentChange,
}

impl AssignedAccount<'_> {
    /// The assignment that is in force once the plan is carried out, where that is known.
    pub(crate) fn current(&self) -> Option<&Arc<Assignment>> {
        self.change.assignment().or(self.account.base)
    }
}

/// Builds what every account should stream.
pub(crate) fn build<'a>(
    accounts: Vec<RetainedAccount<'a>>,
    sets: &[PlacedSet<'_>],
) -> Vec<AssignedAccount<'a>> {
    let held_over = HeldOverSets::of(sets.iter().map(|it| (&it.set, &it.request)));
    let mut parts: Vec<Vec<Part>> = accounts.iter().map(|_| Vec::new()).collect();
    for (at, placed) in sets.iter().enumerate() {
        for it in &placed.instruments {
            if let Outcome::Placed(account, _) = it.outcome {
                parts[account.at()].push(Part {
                    instrument: it.instrument,
                    set: SetIx::new(at),
                });
            }
        }
    }
    accounts
        .into_iter()
        .zip(parts)
        .map(|(retained, parts)| {
            let change = match &retained.account.spec {
                Ok(spec) if !retained.account.eligibility.is_frozen() => {
                    let rows = Drafts::of(&retained, parts, sets, &held_over).write();
                    let wanted = document::document(&retained.account, spec, rows);
                    generation::change(&retained.account, wanted)
                }
                Ok(_) | Err(_) => AssignmentChange::None,
            };
            AssignedAccount {
                account: retained.account,
                change,
            }
        })
        .collect()
}
