//! Each account has room for what it has, and each instrument of a set one place.

use std::collections::BTreeMap;

use crds::condition::{ConditionType, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kite::Token;

use super::Pass;
use super::invariants::ensure;
use crate::plan::*;

/// No account has more than it may carry. What others take over may have places of before, until they have it.
pub(super) fn has_room(pass: &Pass<'_>) -> Result<(), String> {
    for observed in &pass.observed.accounts {
        let key = &observed.object.meta.key;
        let decided = pass.plan.accounts.iter().find(|it| it.key == *key);
        let assignment = decided.and_then(|it| it.assignment.assignment());
        let (Some(room), Some(assignment)) = (capacity(pass, key), assignment) else {
            continue;
        };
        let rows = assignment.instruments.iter();
        let count = rows.filter(|row| !assignment.gives(row)).count();
        ensure(count <= room, || format!("{key} has {count} of {room}"))?;
    }
    Ok(())
}

/// How many instruments an account may have, if its spec can be read.
pub(super) fn capacity(pass: &Pass<'_>, key: &Key) -> Option<usize> {
    let mut accounts = pass.observed.accounts.iter();
    let account = accounts.find(|it| it.object.meta.key == *key)?;
    let spec = account.object.spec.as_ref().ok()?;
    let sockets = usize::from(spec.connections.saturating_sub(spec.headroom_connections));
    Some(sockets * usize::from(spec.tokens_per_connection))
}

/// What a set selects is on one account, or waits. Where an account must stay as it is, the set may have more there.
pub(super) fn each_is_placed_once_or_waits(pass: &Pass<'_>) -> Result<(), String> {
    let mut places: BTreeMap<(&Key, &str), BTreeMap<Token, u32>> = BTreeMap::new();
    for account in &pass.plan.accounts {
        let Some(assignment) = account.assignment.assignment() else {
            return Ok(());
        };
        for row in &assignment.instruments {
            for set in &row.sets {
                let set = assignment.sets[usize::from(*set)].as_str();
                let tokens = places.entry((&account.key, set)).or_default();
                *tokens.entry(row.token).or_default() += 1;
            }
        }
    }
    let reasons = [
        Reason::AllScheduled,
        Reason::PartiallyScheduled,
        Reason::CapacityShort,
    ];
    for set in &pass.plan.sets {
        let mut conditions = set.status.conditions.iter();
        let scheduled = conditions.find(|it| it.type_ == ConditionType::Scheduled.as_str());
        let is_asked = |it: &Condition| reasons.iter().any(|reason| reason.as_str() == it.reason);
        // A status of what has not been read yet says what was.
        let unread = pass.observed.tables.is_empty()
            || pass
                .observed
                .accounts
                .iter()
                .any(|it| it.secret == Secret::Unknown);
        if !scheduled.is_some_and(is_asked) || unread {
            continue;
        }
        let mut tokens: BTreeMap<Token, u32> = BTreeMap::new();
        for ((account, name), of_account) in &places {
            if (account.namespace.as_str(), *name) == (&set.key.namespace, &set.key.name) {
                for (token, count) in of_account {
                    *tokens.entry(*token).or_default() += count;
                }
            }
        }
        let twice = tokens.iter().find(|(_, count)| **count > 1);
        ensure(twice.is_none(), || format!("{} has {twice:?}", set.key))?;
        let status = &set.status;
        let counts = [status.selected, status.scheduled, status.waiting];
        let [selected, scheduled, waiting] = counts.map(Option::unwrap_or_default);
        let whole = scheduled + waiting == selected && tokens.len() == scheduled as usize;
        ensure(whole, || {
            format!(
                "{}: {scheduled} + {waiting} of {selected}, {tokens:?}",
                set.key
            )
        })?;
    }
    Ok(())
}
