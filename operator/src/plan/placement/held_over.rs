//! Rows that are held over: their set cannot be resolved now, or their account is frozen.
//!
//! Owns which rows these are. Must not choose accounts.

use std::collections::HashSet;
use std::sync::Arc;

use contract::{Assignment, MovePart, Row};

use crate::plan::input::AccountInput;
use crate::plan::selection::RequestedSet;

/// An account and the rows that it holds over whatever the sets select.
pub(crate) struct HeldOver<'a> {
    pub(crate) account: AccountInput<'a>,
    /// Which sets of its base are pending.
    pub(crate) pending: Vec<bool>,
    /// Whether a set of its namespace may need prices although it is not known of which instruments.
    pub(crate) keeps_references: bool,
    /// Positions of the held over rows in its base.
    pub(crate) rows: Vec<usize>,
}

impl HeldOver<'_> {
    /// Whether a held over row has its channels; else it stays for its price alone, or another account publishes it.
    pub(super) fn publishes(&self, row: &Row) -> bool {
        if self.account.eligibility.is_frozen() {
            return !self.is_of_another(row);
        }
        // One that is withheld is published as soon as nobody gives it any more.
        let mut sets = row.sets.iter();
        sets.any(|set| self.pending.get(usize::from(*set)) == Some(&true))
    }

    /// Whether another account publishes it: it is given by a boundary, or taken without one so far.
    fn is_of_another(&self, row: &Row) -> bool {
        self.account.base.is_some_and(|base| {
            let given = base.move_of(row).filter(|it| it.part == MovePart::From);
            base.withholds(row) || given.is_some_and(|it| it.boundary.is_some())
        })
    }
}

/// Finds the rows that each account holds over.
pub(crate) fn hold_over<'a>(
    accounts: Vec<AccountInput<'a>>,
    sets: &[RequestedSet<'_>],
) -> Vec<HeldOver<'a>> {
    let pending = sets.iter().filter(|it| it.request.is_pending());
    let pending: HashSet<_> = pending
        .map(|it| (it.set.namespace(), it.set.name()))
        .collect();
    let unknown = sets.iter().filter(|it| it.may_need_references());
    let unknown: HashSet<&str> = unknown.map(|it| it.set.namespace()).collect();
    let hold = |account: AccountInput<'a>| {
        let keeps_references = unknown.contains(account.namespace());
        let names = account.base.iter().flat_map(|base| &base.sets);
        let pending = names.map(|set| pending.contains(&(account.namespace(), set.as_str())));
        let pending: Vec<bool> = pending.collect();
        HeldOver {
            rows: rows(&account, &pending, keeps_references),
            pending,
            keeps_references,
            account,
        }
    };
    accounts.into_iter().map(hold).collect()
}

fn rows(account: &AccountInput<'_>, pending: &[bool], keeps_references: bool) -> Vec<usize> {
    let frozen = account.eligibility.is_frozen();
    let goes_on = |base: &&Arc<Assignment>| {
        account.eligibility.suspension().is_none() && is_same_market(account, base)
    };
    let Some(base) = account.base.filter(|base| frozen || goes_on(base)) else {
        return Vec::new();
    };
    if !frozen && !pending.contains(&true) && !keeps_references {
        return Vec::new();
    }
    let is_pending = |row: &Row| {
        let mut sets = row.sets.iter();
        let is_of_pending = sets.any(|set| pending.get(usize::from(*set)) == Some(&true));
        is_of_pending || (keeps_references && row.reference)
    };
    base.instruments
        .iter()
        .enumerate()
        .filter(|(_, row)| frozen || (is_pending(row) && account.is_current(row)))
        .map(|(at, _)| at)
        .take(room(account, base))
        .collect()
}

fn room(account: &AccountInput<'_>, base: &Assignment) -> usize {
    match &account.spec {
        Ok(spec) if !account.eligibility.is_frozen() => spec.capacity(),
        _ => base.instruments.len(),
    }
}

/// Whether the account still uses the endpoint for which its rows were looked up: instruments of
/// the real market must not stream from a simulator, nor its ticks go to their channels.
fn is_same_market(account: &AccountInput<'_>, base: &Assignment) -> bool {
    account
        .spec
        .as_ref()
        .is_ok_and(|spec| (&spec.websocket, spec.mock) == (&base.websocket, base.account.mock))
}
