//! A set with what is known of it.
//!
//! Owns which accounts match it. Must not decide which of them it may use.

use jiff::Timestamp;

use super::account::AccountInput;
use super::checked::{Choice, Set};
use super::memory::{Remembered, SetMemory};
use super::observed::{InvalidSpec, Key, ObservedSet};
use super::rebalance::Rebalance;
use super::validate;
use crate::plan::ids::AccountIx;

/// A set with what is known of it.
pub(crate) struct SetInput<'a> {
    pub(crate) observed: &'a ObservedSet,
    pub(crate) remembered: Option<&'a SetMemory>,
    pub(crate) spec: Result<Set<'a>, InvalidSpec>,
    /// What its annotation asks for.
    pub(crate) rebalance: Rebalance,
    /// The accounts that match it, ascending.
    pub(crate) matched: Vec<AccountIx>,
}

impl<'a> SetInput<'a> {
    /// Checks a set by itself; no account matches yet.
    pub(super) fn new(observed: &'a ObservedSet, memory: &'a Remembered) -> Self {
        let remembered = memory.sets.get(&observed.meta.key);
        let remembered = remembered.filter(|known| known.uid == observed.meta.uid);
        let status = remembered.map(|known| &known.status);
        let status = status.or(observed.status.as_ref());
        let rebalance = status.and_then(|it| it.rebalance.as_ref());
        Self {
            observed,
            remembered,
            rebalance: Rebalance::new(observed.meta.rebalance.as_deref(), rebalance),
            spec: validate::set(observed),
            matched: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.observed.meta.key.name
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.observed.meta.key.namespace
    }

    /// The older of two has precedence.
    pub(super) fn age(&self) -> (Timestamp, &Key, &str) {
        let meta = &self.observed.meta;
        (meta.created, &meta.key, &meta.uid)
    }

    /// Finds the accounts that match it, whether it may use them or not. `accounts` are ordered by
    /// key.
    pub(super) fn find_accounts(&mut self, accounts: &[AccountInput<'_>]) {
        let Ok(spec) = &self.spec else { return };
        let namespace = self.namespace();
        let first = accounts.partition_point(|account| account.namespace() < namespace);
        let end = accounts.partition_point(|account| account.namespace() <= namespace);
        let mut matched: Vec<AccountIx> = (first..end).map(AccountIx::new).collect();
        matched.retain(|at| chosen(spec.accounts, &accounts[at.at()]));
        self.matched = matched;
    }
}

fn chosen(choice: Choice<'_>, account: &AccountInput<'_>) -> bool {
    match choice {
        Choice::Named(name) => account.name() == name,
        Choice::Labelled(selector) => selector.matches(&account.observed.object.meta.labels),
        Choice::Any => true,
    }
}
