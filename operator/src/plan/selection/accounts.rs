//! The accounts that a set may use, and the table that it is looked up in.
//!
//! Owns why a set that cannot be looked up gets nothing new or nothing at all. Must not look anything up.

use std::sync::Arc;

use crds::condition::Reason;

use super::request::{Request, denied, pending};
use crate::instruments::InstrumentTable;
use crate::plan::input::{AccountInput, AccountSpec, Choice, Secret, Set, SetInput, Table};
use crate::plan::samples::{SHOWN, list};

/// The table in which a set is looked up, and an account whose settings hold for all accounts that
/// it may use.
pub(super) fn from_accounts<'w, 'a>(
    set: &'w SetInput<'a>,
    accounts: &'w [AccountInput<'a>],
) -> Result<(&'w Set<'a>, &'a Arc<InstrumentTable>, &'w AccountSpec), Request> {
    let spec = enabled(set)?;
    let (named, first) = agreed(set, accounts)?;
    if let Some(unread) = unread(set, accounts) {
        return Err(unread_yet(&format!("the Secret of account {unread}")));
    }
    if let Some(why) = &named.suspect_list {
        return Err(without_table(&first.api, why));
    }
    match named.table {
        Some(Table::Loaded(table)) => Ok((spec, table, first)),
        Some(Table::Missing { why }) => Err(without_table(&first.api, why)),
        None => Err(unread_yet(&format!(
            "the instruments list of {}",
            first.api
        ))),
    }
}

/// The spec of a set that may stream and that accounts match.
fn enabled<'w, 'a>(set: &'w SetInput<'a>) -> Result<&'w Set<'a>, Request> {
    let spec = set
        .spec
        .as_ref()
        .map_err(|problem| pending(Reason::Invalid, problem.to_string()))?;
    if set.observed.meta.deleting {
        return Err(denied(
            Reason::Terminating,
            "the set is being deleted, and a finalizer holds it: its instruments are no longer streamed for it",
        ));
    }
    if spec.paused {
        return Err(denied(
            Reason::Paused,
            "spec.paused is true: nothing is streamed for this set",
        ));
    }
    if set.matched.is_empty() {
        return Err(denied(Reason::NoAccount, no_account(spec.accounts)));
    }
    Ok(spec)
}

/// An account that matches, with its spec: all accounts that the set may use agree with it.
fn agreed<'w, 'a>(
    set: &SetInput<'_>,
    accounts: &'w [AccountInput<'a>],
) -> Result<(&'w AccountInput<'a>, &'w AccountSpec), Request> {
    let matched = set.matched.iter().map(|at| &accounts[at.at()]);
    let mut valid = matched.filter_map(|it| Some((it, it.spec.as_ref().ok()?)));
    // Suspended accounts come last and need not agree.
    let active = valid.clone();
    let mut active = active.filter(|(account, _)| account.eligibility.suspension().is_none());
    let Some((named, first)) = active.next().or_else(|| valid.next()) else {
        return Err(pending(
            Reason::NoAccount,
            format!(
                "none of the matching accounts ({}) can be read: see the Ready condition of each",
                names(set, accounts)
            ),
        ));
    };
    let market = |spec: &'w AccountSpec| (&spec.api, &spec.websocket, spec.mock);
    if let Some((other, _)) = active.find(|(_, spec)| market(spec) != market(first)) {
        // A new account that differs must not stop what streams.
        return Err(pending(
            Reason::AccountsDisagree,
            format!(
                "accounts {} and {} differ in endpoint or mock: choose accounts that agree, by accountRef \
                 or accountSelector",
                named.name(),
                other.name()
            ),
        ));
    }
    Ok((named, first))
}

/// The message why no account matches, and what to do.
fn no_account(choice: Choice<'_>) -> String {
    match choice {
        Choice::Named(name) => {
            format!(
                "there is no TickerAccount {name} in this namespace: create it, or name another one in spec.accountRef"
            )
        }
        Choice::Labelled(_) => "no TickerAccount in this namespace matches \
                                spec.accountSelector: label one, or change the selector"
            .to_owned(),
        Choice::Any => "there is no TickerAccount in this namespace: create one".to_owned(),
    }
}

/// The accounts that match, for people: the first few.
pub(super) fn names(set: &SetInput<'_>, accounts: &[AccountInput<'_>]) -> String {
    let names = set.matched.iter().take(SHOWN + 1);
    let names = names.map(|at| accounts[at.at()].name());
    list(&names.collect::<Vec<_>>())
}

/// An account whose API key will be known in a moment: until then it may turn out to be a
/// duplicate.
fn unread<'w>(set: &SetInput<'_>, accounts: &'w [AccountInput<'_>]) -> Option<&'w str> {
    let matched = set.matched.iter().map(|at| &accounts[at.at()]);
    let mut usable = matched
        .filter(|account| account.spec.is_ok() && account.eligibility.suspension().is_none());
    usable.find_map(|account| {
        let own = (account.observed.secret == Secret::Unknown).then(|| account.name());
        own.or(account.possible_duplicate_of)
    })
}

/// Not read since the operator's start.
fn unread_yet(what: &str) -> Request {
    let message = format!("{what} has not been read yet");
    pending(Reason::Pending, message)
}

fn without_table(api: &str, why: &str) -> Request {
    let message = format!(
        "the instruments list of {api} is not available ({why}): new instruments wait, those that stream go on"
    );
    pending(Reason::InstrumentsUnavailable, message)
}
