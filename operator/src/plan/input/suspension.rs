//! Accounts that must not stream: paused, being deleted, or with the API key of an older account.
//!
//! Pure. Only what is known suspends an account: a key that has not been read is not a duplicate.
//! It may still turn out to be one: [`possible_duplicates`] names such accounts.

use std::collections::BTreeMap;

use super::account::{AccountInput, live_sockets};
use super::eligibility::Suspension;
use super::observed::{Process, Secret, ValueFingerprint};

/// Suspends accounts that must stream nothing, and marks those that may have the key of an older
/// one.
pub(super) fn check(accounts: &mut [AccountInput<'_>]) {
    let suspensions = suspensions(accounts);
    let older = possible_duplicates(accounts);
    for (account, (suspension, older)) in
        accounts.iter_mut().zip(suspensions.into_iter().zip(older))
    {
        if let Some(why) = suspension {
            account.eligibility = account.eligibility.clone().suspended(why);
        }
        account.possible_duplicate_of = older;
    }
}

/// The suspension of each account, in the order of `accounts`.
fn suspensions(accounts: &[AccountInput<'_>]) -> Vec<Option<Suspension>> {
    let paused = |account: &AccountInput<'_>| account.spec.as_ref().is_ok_and(|spec| spec.paused);
    // One that is being deleted has its key as long as its sockets are open.
    let gone = |account: &AccountInput<'_>| {
        let idle = account.report().is_some_and(|it| live_sockets(it) == 0);
        // A process that cannot be reached may have them open.
        let closed = idle || account.observed.process == Process::Absent;
        account.observed.object.meta.deleting && closed
    };
    let owners = oldest(accounts, |account| {
        identity(account).filter(|_| !paused(account) && !gone(account))
    });
    let suspension = |account: &AccountInput<'_>| {
        if account.observed.object.meta.deleting {
            return Some(Suspension::Terminating);
        }
        if paused(account) {
            return Some(Suspension::Paused);
        }
        let owner = owners.get(&identity(account)?)?;
        let key = &owner.observed.object.meta.key;
        (owner.age() != account.age()).then(|| Suspension::Duplicate(key.clone()))
    };
    accounts.iter().map(suspension).collect()
}

/// For each account the older account of its endpoint whose key will be known in a moment: until
/// then it is not known whether both have the same key.
fn possible_duplicates<'a>(accounts: &[AccountInput<'a>]) -> Vec<Option<&'a str>> {
    let waits = |account: &AccountInput<'_>| {
        account.observed.secret == Secret::Unknown && account.api_key().is_none()
    };
    let oldest = oldest(accounts, |account| {
        endpoint(account).filter(|_| waits(account))
    });
    let older = |account: &AccountInput<'_>| {
        let first = *oldest.get(endpoint(account)?)?;
        let object = &first.observed.object;
        (first.age() < account.age()).then_some(object.meta.key.name.as_str())
    };
    accounts.iter().map(older).collect()
}

/// Where an account that is not paused streams from.
fn endpoint<'w>(account: &'w AccountInput<'_>) -> Option<&'w str> {
    let spec = account.spec.as_ref().ok().filter(|spec| !spec.paused)?;
    Some(&spec.websocket)
}

/// The oldest account of each `id`.
fn oldest<'w, 'a, Id: Ord>(
    accounts: &'w [AccountInput<'a>],
    id: impl Fn(&'w AccountInput<'a>) -> Option<Id>,
) -> BTreeMap<Id, &'w AccountInput<'a>> {
    let mut oldest = BTreeMap::new();
    for account in accounts {
        let Some(id) = id(account) else { continue };
        let first = oldest.entry(id).or_insert(account);
        if account.age() < first.age() {
            *first = account;
        }
    }
    oldest
}

/// How Kite identifies the account: another endpoint, such as a simulator, may have the same key.
fn identity<'a>(account: &'a AccountInput<'_>) -> Option<(&'a str, ValueFingerprint)> {
    match (&account.spec, account.base) {
        (Ok(spec), _) => Some((&spec.websocket, account.api_key()?)),
        // It keeps the key that it had, because the name of its Secret can no longer be read.
        (Err(_), Some(base)) => Some((&base.websocket, account.remembered?.key?)),
        (Err(_), None) => None,
    }
}
