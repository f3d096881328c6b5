//! The placement of one set's instruments.
//!
//! Must not choose accounts.

use super::channels::SetChannels;
use super::problem::Outcome;
use crate::instruments::RowIx;
use crate::plan::ids::AccountIx;
use crate::plan::selection::{Resolved, RoutedInstrument};

/// The placement of a set's instruments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SetPlacement {
    /// By the position of an instrument in the set's routes: nothing where an older set excludes it
    /// from its channel, whoever streams it, or where the money has left it behind and others need its place.
    pub(crate) outcomes: Vec<Option<Outcome>>,
    /// How many are excluded from their channel, and why the first of them is, for people.
    pub(crate) clashes: (u32, Option<String>),
    /// How many instruments find no room.
    pub(crate) waiting: u32,
    /// How many instruments another account publishes for an older set, and the first of them.
    pub(crate) conflicts: (u32, Option<RowIx>),
    /// How many instruments stay that the money has left behind.
    pub(crate) retained: u32,
    /// The accounts that stream some of them, ascending.
    pub(crate) accounts: Vec<AccountIx>,
}

/// The placement of a set; `accounts` are those of the group, by their positions among all.
pub(super) fn placement(
    resolved: &Resolved,
    channels: SetChannels,
    (outcomes, kept): (Vec<Outcome>, Vec<Option<AccountIx>>),
    accounts: &[AccountIx],
) -> SetPlacement {
    let all = &resolved.lookup.routes.instruments;
    let mut placement = SetPlacement::default();
    let (mut outcomes, mut kept) = (outcomes.into_iter(), kept.into_iter());
    let outcome = |routed: &RoutedInstrument| {
        let is_retained = routed.retained.is_some();
        if channels.of(routed).is_none() {
            placement.clashes.0 += u32::from(!is_retained);
            return None;
        }
        let outcome = if is_retained {
            let kept = kept.next()??;
            placement.retained += 1;
            Outcome::Placed(kept)
        } else {
            outcomes.next()?
        };
        Some(match outcome {
            Outcome::Placed(at) => {
                let account = accounts[at.at()];
                if placement.accounts.last() != Some(&account) {
                    placement.accounts.push(account);
                }
                Outcome::Placed(account)
            }
            Outcome::Waiting => {
                placement.waiting += 1;
                outcome
            }
            Outcome::Conflict => {
                placement.conflicts.0 += 1;
                placement.conflicts.1.get_or_insert(routed.row);
                outcome
            }
        })
    };
    placement.outcomes = all.iter().map(outcome).collect();
    placement.accounts.sort_unstable();
    placement.accounts.dedup();
    placement.clashes.1 = channels.clash;
    placement
}
