//! Rows that stay although their set cannot be resolved now.
//!
//! Owns which rows these are. Must not choose accounts.

use std::collections::HashSet;
use std::sync::Arc;

use contract::{Assignment, Row};

use crate::plan::input::{AccountInput, Table};
use crate::plan::selection::RequestedSet;

/// An account and the rows that it keeps whatever the sets select.
pub(crate) struct RetainedAccount<'a> {
    pub(crate) account: AccountInput<'a>,
    /// Which sets of its base cannot be resolved and keep their instruments.
    pub(crate) stays: Vec<bool>,
    /// Positions of the rows in its base.
    pub(crate) rows: Vec<usize>,
}

/// Finds the rows that each account keeps.
pub(crate) fn retain<'a>(
    accounts: Vec<AccountInput<'a>>,
    sets: &[RequestedSet<'_>],
) -> Vec<RetainedAccount<'a>> {
    let held = sets.iter().filter(|it| it.request.holds_over());
    let held: HashSet<_> = held.map(|it| (it.set.namespace(), it.set.name())).collect();
    let retain = |account: AccountInput<'a>| {
        let names = account.base.iter().flat_map(|base| &base.sets);
        let stays = names.map(|set| held.contains(&(account.namespace(), set.as_str())));
        let stays: Vec<bool> = stays.collect();
        RetainedAccount {
            rows: rows(&account, &stays),
            stays,
            account,
        }
    };
    accounts.into_iter().map(retain).collect()
}

fn rows(account: &AccountInput<'_>, stays: &[bool]) -> Vec<usize> {
    let frozen = account.eligibility.is_frozen();
    let goes_on = |base: &&Arc<Assignment>| {
        account.eligibility.suspension().is_none() && is_same_market(account, base)
    };
    let Some(base) = account.base.filter(|base| frozen || goes_on(base)) else {
        return Vec::new();
    };
    if !frozen && !stays.contains(&true) {
        return Vec::new();
    }
    let is_held = |row: &Row| {
        let mut sets = row.sets.iter();
        sets.any(|set| stays.get(usize::from(*set)) == Some(&true))
    };
    base.instruments
        .iter()
        .enumerate()
        .filter(|(_, row)| frozen || (is_held(row) && is_current(account, row)))
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

/// Whether the row's token still means the same instrument, as far as is known: Kite gives tokens
/// to other instruments over time.
fn is_current(account: &AccountInput<'_>, row: &Row) -> bool {
    let (Some(Table::Loaded(table)), None) = (account.table, &account.suspect_list) else {
        return true;
    };
    table
        .by_token(row.token)
        .is_some_and(|now| now.exchange == row.exchange && now.tradingsymbol == row.tradingsymbol)
}
