//! Accounts that must not stream: paused, being deleted, or with the API key of an older account.
//!
//! Pure. Only what is known suspends an account: a key that has not been read is not a duplicate.
//! It may still turn out to be one: [`possible_duplicates`] names such accounts.

use std::collections::BTreeMap;

use super::account::{AccountInput, live_sockets};
use super::eligibility::Suspension;
use super::observed::{Key, KeyFingerprint, Process, Secret};

/// Suspends accounts that must stream nothing, and marks those that may have the key of an older
/// one.
pub(super) fn check(accounts: &mut [AccountInput<'_>]) {
    let suspensions = suspensions(accounts);
    let rivals = possible_duplicates(accounts);
    for (account, (suspension, rival)) in
        accounts.iter_mut().zip(suspensions.into_iter().zip(rivals))
    {
        if let Some(why) = suspension {
            account.eligibility = account.eligibility.clone().suspended(why);
        }
        account.possible_duplicate_of = rival;
    }
}

/// The suspension of each account, in the order of `accounts`.
fn suspensions(accounts: &[AccountInput<'_>]) -> Vec<Option<Suspension>> {
    let owners = owners(accounts);
    accounts
        .iter()
        .map(|account| {
            if account.observed.object.meta.deleting {
                return Some(Suspension::Terminating);
            }
            if account.spec.as_ref().is_ok_and(|spec| spec.paused) {
                return Some(Suspension::Paused);
            }
            let owner = owners.get(&identity(account)?)?;
            let meta = &account.observed.object.meta;
            let same = (&owner.1, &owner.2) == (&meta.key, &meta.uid);
            (!same).then(|| Suspension::Duplicate(owner.1.clone()))
        })
        .collect()
}

/// The oldest account by endpoint and key, of those that are not paused. An account that is being
/// deleted keeps its key as long as its sockets are open.
type Owners<'a> = BTreeMap<(&'a str, KeyFingerprint), (jiff::Timestamp, Key, String)>;

fn owners<'a>(accounts: &'a [AccountInput<'_>]) -> Owners<'a> {
    let mut owners = Owners::new();
    for account in accounts {
        let paused = account.spec.as_ref().is_ok_and(|spec| spec.paused);
        // A process that cannot be reached may have them open.
        let closed = || {
            let said = account
                .report()
                .is_some_and(|report| live_sockets(report) == 0);
            said || account.observed.process == Process::Absent
        };
        let gone = account.observed.object.meta.deleting && closed();
        let Some(identity) = identity(account).filter(|_| !paused && !gone) else {
            continue;
        };
        let meta = &account.observed.object.meta;
        let claim = (meta.created, meta.key.clone(), meta.uid.clone());
        let owner = owners.entry(identity).or_insert_with(|| claim.clone());
        if claim < *owner {
            *owner = claim;
        }
    }
    owners
}

/// For each account the older account of its endpoint whose key will be known in a moment: until
/// then it is not known whether both have the same key.
fn possible_duplicates<'a>(accounts: &[AccountInput<'a>]) -> Vec<Option<&'a str>> {
    let waits = |account: &AccountInput<'_>| {
        account.observed.secret == Secret::Unknown && account.api_key().is_none()
    };
    let endpoint = |account: &AccountInput<'_>| {
        let spec = account.spec.as_ref().ok().filter(|spec| !spec.paused)?;
        Some(spec.websocket.clone())
    };
    let mut oldest: BTreeMap<String, &AccountInput<'a>> = BTreeMap::new();
    for account in accounts.iter().filter(|account| waits(account)) {
        let Some(endpoint) = endpoint(account) else {
            continue;
        };
        let first = oldest.entry(endpoint).or_insert(account);
        if account.age() < first.age() {
            *first = account;
        }
    }
    let rival = |account: &AccountInput<'_>| {
        let first = *oldest.get(&endpoint(account)?)?;
        let object = &first.observed.object;
        (first.age() < account.age()).then_some(object.meta.key.name.as_str())
    };
    accounts.iter().map(rival).collect()
}

/// How Kite identifies the account: another endpoint, such as a simulator, may have the same key.
fn identity<'a>(account: &'a AccountInput<'_>) -> Option<(&'a str, KeyFingerprint)> {
    match (&account.spec, account.base) {
        (Ok(spec), _) => Some((&spec.websocket, account.api_key()?)),
        // It keeps the key that it had, because the name of its Secret can no longer be read.
        (Err(_), Some(base)) => Some((&base.websocket, account.remembered?.key?)),
        (Err(_), None) => None,
    }
}
