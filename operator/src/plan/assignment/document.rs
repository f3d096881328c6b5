//! The assignment of one account as a document.
//!
//! Owns everything in it except its rows, and the version that is written.

use contract::{Account, Assignment, CredentialChoice};

use crate::plan::input::{AccountInput, AccountSpec};

/// What an account should stream, without its rows. The generation is that of the base, or 0.
pub(super) fn document(account: &AccountInput<'_>, spec: &AccountSpec) -> Assignment {
    let key = &account.observed.object.meta.key;
    Assignment {
        version: version_of(account),
        generation: account.base.map_or(0, |base| base.generation),
        account: Account {
            name: key.name.clone(),
            namespace: (!key.namespace.is_empty()).then(|| key.namespace.clone()),
            uid: account.uid().to_owned(),
            mock: spec.mock,
        },
        websocket: spec.websocket.clone(),
        credentials: CredentialChoice {
            source: account.token_use.source,
        },
        egress: spec.egress.clone(),
        redis_url: spec.redis_url.clone(),
        connections: spec.connections,
        tokens_per_connection: spec.tokens_per_connection,
        order_updates: spec.order_updates,
        standby: false,
        events: spec.events,
        quiet_prefixes: Vec::new(),
        moves: Vec::new(),
        sessions: Vec::new(),
        chains: Vec::new(),
        always_open: false,
        sets: Vec::new(),
        channels: Vec::new(),
        keeps: Vec::new(),
        instruments: Vec::new(),
    }
}

/// The version in which an account's assignment is written.
pub(super) fn version_of(account: &AccountInput<'_>) -> u32 {
    let last = account.base.map(|base| base.version);
    version(contract::ASSIGNMENT_VERSIONS, account.reads(), last)
}

/// The newest of `ours` that the process reads too. Without a report, the version that was written
/// last: the process may not read a newer one. If there is no common version, the newest of `ours`;
/// the account's status then says why the process does not apply it.
fn version(ours: &[u32], theirs: Option<&[u32]>, last: Option<u32>) -> u32 {
    let fits = |version: &&u32| match theirs {
        Some(theirs) => theirs.contains(version),
        None => last == Some(**version),
    };
    let chosen = ours.iter().filter(fits).max().or(ours.iter().max());
    chosen.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
