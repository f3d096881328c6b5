//! The observed objects, checked and in order of precedence.
//!
//! Owns who may be used and who must be left alone. Must not place anything.

use std::sync::Arc;

use contract::{Assignment, Report};

use super::doubt::{self, Doubted};
use super::memory::{AccountMemory, Memory, SetMemory};
use super::off::{self, Off};
use super::validate::{self, Account, Choice, Set};
use super::{LastAssignment, Now, Observed, ObservedAccount, ObservedSet, Table, Unreadable};

/// Every object that is not being deleted.
pub(crate) struct World<'a> {
    /// By key.
    pub(crate) accounts: Vec<AccountView<'a>>,
    /// The oldest first: it has precedence.
    pub(crate) sets: Vec<SetView<'a>>,
    /// Whether pods are told of changed files at once.
    pub(crate) poke: bool,
    /// Origins whose instruments list cannot be whole, and since when.
    pub(crate) doubted: Doubted,
}

/// An account with what is known of it.
pub(crate) struct AccountView<'a> {
    pub(crate) observed: &'a ObservedAccount,
    pub(crate) remembered: Option<&'a AccountMemory>,
    pub(crate) spec: Result<Account, Unreadable>,
    /// The instruments of its endpoint, where they are known.
    pub(crate) table: Option<&'a Table>,
    /// Why that list is not believed.
    pub(crate) doubt: Option<String>,
    /// What it is taken to stream now: the newer of what lies there and what was decided last.
    pub(crate) base: Option<&'a Arc<Assignment>>,
    /// Its assignment must stay as it is.
    pub(crate) frozen: bool,
    /// It must stream nothing.
    pub(crate) off: Option<Off>,
    /// An older account whose key is not known yet: it may be the same.
    pub(crate) unsure: Option<&'a str>,
}

/// A set with what is known of it.
pub(crate) struct SetView<'a> {
    pub(crate) observed: &'a ObservedSet,
    pub(crate) remembered: Option<&'a SetMemory>,
    pub(crate) spec: Result<Set<'a>, Unreadable>,
    /// Positions of the accounts it asks for, ascending.
    pub(crate) matched: Vec<usize>,
}

impl AccountView<'_> {
    pub(crate) fn uid(&self) -> &str {
        &self.observed.object.meta.uid
    }

    pub(crate) fn name(&self) -> &str {
        &self.observed.object.meta.key.name
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.observed.object.meta.key.namespace
    }

    /// The instruments that fit at most, as long as it may stream any.
    pub(crate) fn capacity(&self) -> usize {
        match &self.spec {
            Ok(spec) if self.off.is_none() => spec.capacity(),
            Ok(_) | Err(_) => 0,
        }
    }

    /// The assignment versions that its process reads, where it was asked. They are the process's,
    /// whichever account it was started for.
    pub(crate) fn reads(&self) -> Option<&[u32]> {
        let report = self.observed.scrape.report.as_deref()?;
        Some(&report.assignment_versions)
    }

    /// The report, if it speaks of this account and not of an older one of its name.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.observed.scrape.report.as_deref().filter(|report| {
            report
                .assignment
                .as_ref()
                .is_none_or(|applied| applied.account_uid == self.uid())
        })
    }
}

impl<'a> World<'a> {
    /// Checks and orders what was observed.
    pub(crate) fn new(observed: &'a Observed, memory: &'a Memory, now: Now) -> Self {
        let mut sets: Vec<SetView<'a>> = observed
            .sets
            .iter()
            .map(|set| SetView {
                observed: set,
                remembered: memory
                    .sets
                    .get(&set.meta.key)
                    .filter(|known| known.uid == set.meta.uid),
                spec: validate::set(set),
                matched: Vec::new(),
            })
            .collect();
        sets.sort_by(|a, b| {
            let (a, b) = (&a.observed.meta, &b.observed.meta);
            (a.created, &a.key, &a.uid).cmp(&(b.created, &b.key, &b.uid))
        });
        let mut accounts: Vec<AccountView<'a>> = observed
            .accounts
            .iter()
            .map(|account| view(account, observed, memory, &sets))
            .collect();
        accounts.sort_by(|a, b| {
            let (a, b) = (&a.observed.object.meta, &b.observed.object.meta);
            (&a.key, &a.uid).cmp(&(&b.key, &b.uid))
        });
        let (doubted, doubts) = doubt::doubts(&accounts, &memory.doubted, now);
        for account in &mut accounts {
            let api = account.spec.as_ref().map(|spec| &spec.api);
            account.doubt = api.ok().and_then(|api| doubts.get(api).cloned());
        }
        let (off, unsure) = (off::off(&accounts), off::unsure(&accounts));
        for (account, (off, unsure)) in accounts.iter_mut().zip(off.into_iter().zip(unsure)) {
            (account.off, account.unsure) = (off, unsure);
        }
        for set in &mut sets {
            let Ok(spec) = &set.spec else { continue };
            let namespace = &set.observed.meta.key.namespace;
            let matches = |account: &AccountView<'_>| {
                account.namespace() == namespace && chosen(spec.accounts, account)
            };
            set.matched = accounts
                .iter()
                .enumerate()
                .filter(|(_, account)| matches(account))
                .map(|(i, _)| i)
                .collect();
        }
        Self {
            accounts,
            sets,
            poke: observed.settings.poke,
            doubted,
        }
    }
}

fn view<'a>(
    observed: &'a ObservedAccount,
    all: &'a Observed,
    memory: &'a Memory,
    sets: &[SetView<'_>],
) -> AccountView<'a> {
    let meta = &observed.object.meta;
    let remembered = memory
        .accounts
        .get(&meta.key)
        .filter(|known| known.uid == meta.uid);
    let spec = validate::account(observed, &all.settings);
    let table = spec
        .as_ref()
        .ok()
        .and_then(|spec| all.tables.get(&spec.api));
    let base = base(observed, remembered);
    let unreadable_set = || {
        sets.iter()
            .any(|set| set.spec.is_err() && set.observed.meta.key.namespace == meta.key.namespace)
    };
    // What it streams cannot be known and cannot be made anew either.
    let unknown = base.is_none()
        && streams_something(observed)
        && (!matches!(table, Some(Table::Loaded(_))) || unreadable_set());
    AccountView {
        observed,
        remembered,
        table,
        base,
        frozen: spec.is_err() || !observed.foreign.is_empty() || unknown,
        off: None,
        unsure: None,
        doubt: None,
        spec,
    }
}

/// What lies there or what was decided last, whichever is newer: what was decided may not be visible
/// yet, and what lies there may have been restored from a backup.
fn base<'a>(
    observed: &'a ObservedAccount,
    remembered: Option<&'a AccountMemory>,
) -> Option<&'a Arc<Assignment>> {
    let lies_there = match &observed.assignment {
        LastAssignment::Readable { assignment, .. } => Some(assignment),
        LastAssignment::Absent | LastAssignment::Unreadable { .. } => None,
    };
    let decided = remembered.and_then(|known| known.assignment.as_ref());
    [lies_there, decided]
        .into_iter()
        .flatten()
        .filter(|assignment| assignment.account.uid == observed.object.meta.uid)
        .max_by_key(|assignment| assignment.generation)
}

/// Whether there are signs of an assignment although none can be read.
fn streams_something(observed: &ObservedAccount) -> bool {
    let uid = &observed.object.meta.uid;
    let status = observed
        .object
        .status
        .as_deref()
        .and_then(|status| status.assignment_generation);
    let applied = observed
        .scrape
        .report
        .as_deref()
        .and_then(|report| report.assignment.as_ref());
    matches!(observed.assignment, LastAssignment::Unreadable { .. })
        || status.is_some_and(|generation| generation.desired.is_some())
        || applied.is_some_and(|applied| applied.account_uid == *uid)
}

fn chosen(choice: Choice<'_>, account: &AccountView<'_>) -> bool {
    match choice {
        Choice::Named(name) => account.name() == name,
        Choice::Labelled(selector) => selector.matches(&account.observed.object.meta.labels),
        Choice::Any => true,
    }
}
