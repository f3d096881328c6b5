//! Accounts that could stream and must not: paused, being deleted, or with the API key of an older
//! one.
//!
//! Pure. Only what is known takes an account out: a key that was not looked at is no duplicate.
//! Nor is it another until it was: who may turn out to be a duplicate is named [`unsure`].

use std::collections::BTreeMap;

use crds::condition::Reason;

use super::ready::live;
use super::world::AccountView;
use super::{Key, Process, Secret};
use crate::key_fingerprint::KeyFingerprint;

/// Why an account streams nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Off {
    /// Its spec says so.
    Paused,
    /// It is being deleted, and a finalizer still holds it.
    Terminating,
    /// This older account has the same API key.
    Duplicate(Key),
}

impl Off {
    /// As conditions say it.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Paused => Reason::Paused,
            Self::Terminating => Reason::Terminating,
            Self::Duplicate(_) => Reason::DuplicateApiKey,
        }
    }

    /// For people.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Paused => {
                "spec.paused is set: its instruments go to accounts with room".to_owned()
            }
            Self::Terminating => {
                "it is being deleted and a finalizer holds it: its instruments go to accounts with room".to_owned()
            }
            Self::Duplicate(older) => format!(
                "TickerAccount {older} has the same API key and is older: give this one a key of its own, or delete one \
                 of them"
            ),
        }
    }
}

/// What each account is off for, in the order of `accounts`.
pub(crate) fn off(accounts: &[AccountView<'_>]) -> Vec<Option<Off>> {
    let owners = owners(accounts);
    accounts
        .iter()
        .map(|account| {
            if account.observed.object.meta.deleting {
                return Some(Off::Terminating);
            }
            if account.spec.as_ref().is_ok_and(|spec| spec.paused) {
                return Some(Off::Paused);
            }
            let owner = owners.get(&identity(account)?)?;
            let meta = &account.observed.object.meta;
            let same = (&owner.1, &owner.2) == (&meta.key, &meta.uid);
            (!same).then(|| Off::Duplicate(owner.1.clone()))
        })
        .collect()
}

/// Who is the oldest by endpoint and key, of those that are not paused. One that is being deleted
/// has its key as long as its sockets are open.
type Owners<'a> = BTreeMap<(&'a str, KeyFingerprint), (jiff::Timestamp, Key, String)>;

fn owners<'a>(accounts: &'a [AccountView<'_>]) -> Owners<'a> {
    let mut owners = Owners::new();
    for account in accounts {
        let paused = account.spec.as_ref().is_ok_and(|spec| spec.paused);
        // A process that nobody hears may have them open.
        let closed = || {
            let said = account.report().is_some_and(|report| live(report) == 0);
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

/// For each account the older one of its endpoint whose key will be known in a moment: until then
/// nobody can tell whether it has the same.
pub(crate) fn unsure<'a>(accounts: &[AccountView<'a>]) -> Vec<Option<&'a str>> {
    let waits = |account: &AccountView<'_>| {
        account.observed.secret == Secret::Unknown && key(account).is_none()
    };
    let endpoint = |account: &AccountView<'_>| {
        let spec = account.spec.as_ref().ok().filter(|spec| !spec.paused)?;
        Some(spec.websocket.clone())
    };
    let mut oldest: BTreeMap<String, &AccountView<'a>> = BTreeMap::new();
    for account in accounts.iter().filter(|account| waits(account)) {
        let Some(endpoint) = endpoint(account) else {
            continue;
        };
        let first = oldest.entry(endpoint).or_insert(account);
        if age(account) < age(first) {
            *first = account;
        }
    }
    let rival = |account: &AccountView<'_>| {
        let first = *oldest.get(&endpoint(account)?)?;
        let object = &first.observed.object;
        (age(first) < age(account)).then_some(object.meta.key.name.as_str())
    };
    accounts.iter().map(rival).collect()
}

/// The older of two has precedence.
fn age<'v>(account: &'v AccountView<'_>) -> (jiff::Timestamp, &'v Key, &'v str) {
    let meta = &account.observed.object.meta;
    (meta.created, &meta.key, &meta.uid)
}

/// Whom Kite takes the account for: a simulator elsewhere may know the same key.
fn identity<'a>(account: &'a AccountView<'_>) -> Option<(&'a str, KeyFingerprint)> {
    match (&account.spec, account.base) {
        (Ok(spec), _) => Some((&spec.websocket, key(account)?)),
        // It goes on with the key it had: which Secret it names can no longer be read.
        (Err(_), Some(base)) => Some((&base.websocket, account.remembered?.key?)),
        (Err(_), None) => None,
    }
}

/// The account's API key, as far as it can be told.
pub(crate) fn key(account: &AccountView<'_>) -> Option<KeyFingerprint> {
    match account.observed.secret {
        Secret::Present { key, .. } => key,
        // Its last key counts as long as nobody can say that it has another.
        Secret::Unknown | Secret::Unreadable => account.remembered?.key,
        // Sockets outlive the Secret they were opened with.
        Secret::Missing => {
            let open = account.report().is_some_and(|report| live(report) > 0);
            account.remembered.filter(|_| open)?.key
        }
    }
}
