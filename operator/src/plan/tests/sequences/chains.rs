//! Options with Greeks have a chain, and what it needs streams as far as there is room.

use std::collections::BTreeMap;

use contract::{Assignment, Chain};
use kite::{Mode, Token};

use super::Pass;
use super::invariants::ensure;
use super::places;
use crate::plan::*;

/// Each option with Greeks has the chain of its expiry; an account without all that its chains need is full; and a chain is
/// the same on each account of one endpoint.
pub(super) fn are_whole(pass: &Pass<'_>) -> Result<(), String> {
    let mut described: BTreeMap<_, Chain> = BTreeMap::new();
    for account in &pass.plan.accounts {
        let Some(assignment) = account.assignment.assignment() else {
            continue;
        };
        let key = &account.key;
        let has_greeks = |row: &&contract::Row| row.outputs.iter().any(|it| it.greeks);
        for row in assignment.instruments.iter().filter(has_greeks) {
            let fits = assignment.chain_of(row).is_some_and(|chain| {
                (&*chain.exchange, Some(chain.expiry)) == (&*row.exchange, row.expiry)
            });
            // Of an exchange that no calendar knows there are none here.
            ensure(fits, || format!("{key}: {row:?} has another chain"))?;
        }
        let others = assignment.instruments.iter().filter(|row| !has_greeks(row));
        ensure(others.clone().all(|row| row.chain.is_none()), || {
            format!("{key}: what has no Greeks has a chain")
        })?;
        if lists_are_known(pass) && has_list(pass, key) {
            let room = places::capacity(pass, key).unwrap_or_default();
            let streamed = is_streamed(assignment, room.min(assignment.capacity()));
            streamed.map_err(|token| format!("{key}: there is room for {token}"))?;
        }
        for chain in &assignment.chains {
            let name = (
                (&assignment.websocket, assignment.account.mock),
                (&chain.exchange, &chain.underlying, chain.expiry),
            );
            let carry = chain
                .carry
                .map(|at| u16::from(usize::from(at) < assignment.chains.len()));
            let chain = Chain {
                carry,
                ..chain.clone()
            };
            let first = described.entry(name).or_insert_with(|| chain.clone());
            ensure(*first == chain, || {
                format!("{first:?} is another one on {key}: {chain:?}")
            })?;
        }
    }
    Ok(())
}

/// Without its list an account keeps what it has, and cannot get more.
fn lists_are_known(pass: &Pass<'_>) -> bool {
    let mut tables = pass.observed.tables.values();
    let loaded = tables.all(|table| matches!(table, Table::Loaded(_)));
    loaded && !pass.plan.lists.values().any(|list| list.suspect)
}

/// Whether the list of an account's own endpoint was read.
fn has_list(pass: &Pass<'_>, key: &Key) -> bool {
    let mut accounts = pass.observed.accounts.iter();
    let account = accounts.find(|it| it.object.meta.key == *key);
    let spec = account.and_then(|it| it.object.spec.as_ref().ok());
    spec.is_some_and(|spec| {
        let api = spec.endpoint.api.trim_end_matches('/');
        pass.observed.tables.contains_key(api)
    })
}

/// Whether everything streams in full mode that chains of options need, unless an account of this capacity is full.
fn is_streamed(assignment: &Assignment, capacity: usize) -> Result<(), Token> {
    let rows = &assignment.instruments;
    let room = capacity.saturating_sub(rows.len());
    for (at, chain) in (0_u16..).zip(&assignment.chains) {
        if rows.iter().all(|row| row.chain != Some(at)) {
            continue;
        }
        for token in chain.references() {
            let found = rows.binary_search_by_key(&token, |row| row.token);
            let streams = found.is_ok_and(|at| rows[at].mode == Mode::Full);
            // A pair needs two places.
            if !streams && room > 1 {
                return Err(token);
            }
        }
    }
    Ok(())
}
