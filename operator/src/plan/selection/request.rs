//! The request of each set, before anything is placed.
//!
//! Owns which accounts a set may use, and why a set that cannot be looked up gets nothing new or
//! nothing at all.

use std::sync::Arc;

use crds::condition::Reason;
use crds::selector::MAX_SELECTED;

use super::expiry::TradingDays;
use super::lookup::{self, Lookup};
use crate::instruments::InstrumentTable;
use crate::plan::ids::AccountIx;
use crate::plan::input::{AccountInput, AccountSpec, Choice, Memo, Secret, Set, SetInput, Table};
use crate::plan::samples::{SHOWN, list};

/// A set and its request.
pub(crate) struct RequestedSet<'a> {
    pub(crate) set: SetInput<'a>,
    pub(crate) request: Request,
}

/// The request of a set.
#[derive(Debug)]
pub(crate) enum Request {
    /// Nothing may stream: its instruments are removed.
    Denied { reason: Reason, message: String },
    /// It cannot be read or looked up now: its instruments are retained.
    Pending { reason: Reason, message: String },
    /// Looked up.
    Resolved(Box<Resolved>),
}

/// What a set selects, and the accounts that it may use.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The instruments that its selectors select.
    pub(crate) lookup: Arc<Lookup>,
    /// Whether the accounts that it may use are mock accounts.
    pub(crate) mock: bool,
    /// Its priority.
    pub(crate) priority: i32,
    /// The accounts it may use, ascending.
    pub(crate) allowed: Vec<AccountIx>,
    /// Names of some matching accounts, if it may use none of them.
    pub(crate) matching: String,
}

impl Resolved {
    /// How many instruments it selects.
    pub(crate) fn selected(&self) -> u32 {
        u32::try_from(self.lookup.selection.instruments.len()).unwrap_or(u32::MAX)
    }
}

impl Request {
    /// Whether the set's instruments are retained because it cannot be looked up.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }

    /// What it selects, if that is known.
    pub(crate) fn resolved(&self) -> Option<&Resolved> {
        match self {
            Self::Resolved(resolved) => Some(resolved),
            Self::Denied { .. } | Self::Pending { .. } => None,
        }
    }
}

/// Resolves the request of each set.
pub(crate) fn resolve<'a>(
    sets: Vec<SetInput<'a>>,
    accounts: &[AccountInput<'a>],
    days: TradingDays,
    mut memo: Memo<'_, Arc<Lookup>>,
) -> Vec<RequestedSet<'a>> {
    let request = |set| request(set, accounts, days, &mut memo);
    sets.into_iter().map(request).collect()
}

fn request<'a>(
    set: SetInput<'a>,
    accounts: &[AccountInput<'a>],
    days: TradingDays,
    memo: &mut Memo<'_, Arc<Lookup>>,
) -> RequestedSet<'a> {
    let request = match from_accounts(&set, accounts) {
        Err(request) => request,
        Ok((spec, table, first)) => {
            let mut allowed = set.matched.clone();
            allowed.retain(|at| accounts[at.at()].eligibility.is_active());
            let none = allowed.is_empty().then(|| names(&set, accounts));
            let renames = set.matched.iter().map(|at| &accounts[at.at()].renames);
            let renames: Vec<_> = renames.filter(|renames| !renames.is_empty()).collect();
            let key = &set.observed.meta.key;
            let lookup = lookup::look_up(key, spec, table, &renames, days, memo);
            match lookup.selection.instruments.len() {
                count if count > MAX_SELECTED => too_many(count),
                _ => Request::Resolved(Box::new(Resolved {
                    lookup,
                    mock: first.mock,
                    priority: spec.priority,
                    allowed,
                    matching: none.unwrap_or_default(),
                })),
            }
        }
    };
    RequestedSet { set, request }
}

fn too_many(count: usize) -> Request {
    pending(
        Reason::TooManyInstruments,
        format!(
            "the set selects {count} instruments, and at most {MAX_SELECTED} are allowed: select fewer expiries or strikes, or \
             make several sets"
        ),
    )
}

/// The table in which a set is looked up, and an account whose settings hold for all accounts that
/// it may use.
fn from_accounts<'w, 'a>(
    set: &'w SetInput<'a>,
    accounts: &'w [AccountInput<'a>],
) -> Result<(&'w Set<'a>, &'a Arc<InstrumentTable>, &'w AccountSpec), Request> {
    let spec = enabled(set)?;
    let (named, first) = agreed(set, accounts)?;
    if let Some(unread) = unread(set, accounts) {
        return Err(pending(
            Reason::Pending,
            format!("the Secret of account {unread} has not been read yet"),
        ));
    }
    if let Some(why) = &named.suspect_list {
        return Err(without_table(&first.api, why));
    }
    match named.table {
        Some(Table::Loaded(table)) => Ok((spec, table, first)),
        Some(Table::Missing { why }) => Err(without_table(&first.api, why)),
        None => Err(without_table(&first.api, "not fetched yet")),
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
fn names(set: &SetInput<'_>, accounts: &[AccountInput<'_>]) -> String {
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

fn without_table(api: &str, why: &str) -> Request {
    let message = format!(
        "the instruments list of {api} is not available ({why}): new instruments wait, those that stream go on"
    );
    pending(Reason::InstrumentsUnavailable, message)
}

fn denied(reason: Reason, message: impl Into<String>) -> Request {
    let message = message.into();
    Request::Denied { reason, message }
}

fn pending(reason: Reason, message: String) -> Request {
    Request::Pending { reason, message }
}
