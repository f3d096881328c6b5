//! An account with what is known of it.
//!
//! Owns which assignment is taken as its current one. Must not compare accounts.

use std::sync::Arc;
use std::time::Instant;

use contract::report::{AppliedAssignment, ConnectionState};
use contract::{Assignment, Report, Row};
use jiff::Timestamp;

use super::checked::AccountSpec;
use super::eligibility::Eligibility;
use super::market_now::Classes;
use super::memory::{AccountMemory, Remembered};
use super::observed::{
    InvalidSpec, Key, LastAssignment, Now, Observed, ObservedAccount, Secret, Table,
    ValueFingerprint,
};
use super::outage::Outage;
use super::rebalance::Rebalance;
use super::renames::Renames;
use super::sleep::Sleep;
use super::token_use::TokenUse;
use super::validate;

/// An account with what is known of it.
pub(crate) struct AccountInput<'a> {
    pub(crate) observed: &'a ObservedAccount,
    pub(crate) remembered: Option<&'a AccountMemory>,
    pub(crate) spec: Result<AccountSpec, InvalidSpec>,
    /// The instruments of its endpoint, where they are known.
    pub(crate) table: Option<&'a Table>,
    /// Why that list is suspected to be incomplete.
    pub(crate) suspect_list: Option<String>,
    /// Its instruments that have another name in that list than in its assignment.
    pub(crate) renames: Arc<Renames>,
    /// The assignment that it is assumed to run: the newer of the stored one and the one decided
    /// last.
    pub(crate) base: Option<&'a Arc<Assignment>>,
    pub(crate) eligibility: Eligibility,
    /// Whether users can log in at this operator.
    pub(crate) offers_login: bool,
    /// Which access token its process uses.
    pub(crate) token_use: TokenUse,
    /// Whether its process rests.
    pub(crate) sleep: Sleep,
    /// What is known of its sockets.
    pub(crate) outage: Outage,
    /// What its annotation asks for.
    pub(crate) rebalance: Rebalance,
    /// An older account whose key is not known yet and may be the same.
    pub(crate) possible_duplicate_of: Option<&'a str>,
}

impl<'a> AccountInput<'a> {
    /// Checks an account by itself. `invalid_set`: whether any set of its namespace is invalid.
    pub(super) fn new(
        observed: &'a ObservedAccount,
        all: &'a Observed,
        memory: &'a Remembered,
        invalid_set: bool,
        now: Now,
    ) -> Self {
        let meta = &observed.object.meta;
        let remembered = memory
            .accounts
            .get(&meta.key)
            .filter(|known| known.object.uid == meta.uid);
        let spec = validate::account(observed, &all.settings);
        let table = spec
            .as_ref()
            .ok()
            .and_then(|spec| all.tables.get(&spec.api));
        let base = base(observed, remembered);
        let used = base.map(|base| base.credentials.source).unwrap_or_default();
        let tokens = remembered.map(|known| &known.tokens);
        // What it streams is not known, and cannot be computed again either.
        let unknown = base.is_none()
            && streams_something(observed)
            && (!matches!(table, Some(Table::Loaded(_))) || invalid_set);
        let status = remembered.map(|known| &known.object.status);
        let status = status.or(observed.object.status.as_ref());
        let rebalance = status.and_then(|it| it.rebalance.as_ref());
        let frozen = spec.is_err() || !observed.foreign.is_empty() || unknown;
        Self {
            observed,
            remembered,
            table,
            base,
            eligibility: if frozen {
                Eligibility::Frozen(None)
            } else {
                Eligibility::Active
            },
            offers_login: all.settings.login,
            token_use: TokenUse::new(observed, used, tokens, now.monotonic),
            sleep: sleep(&spec, base, remembered, now.wall),
            outage: Outage::default(),
            suspect_list: None,
            renames: Arc::default(),
            rebalance: Rebalance::new(meta.rebalance.as_deref(), rebalance),
            possible_duplicate_of: None,
            spec,
        }
    }

    pub(crate) fn uid(&self) -> &str {
        &self.observed.object.meta.uid
    }

    pub(crate) fn name(&self) -> &str {
        &self.observed.object.meta.key.name
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.observed.object.meta.key.namespace
    }

    /// The older of two has precedence.
    pub(super) fn age(&self) -> (Timestamp, &Key, &str) {
        let meta = &self.observed.object.meta;
        (meta.created, &meta.key, &meta.uid)
    }

    /// How many instruments fit; 0 if the account is suspended or invalid.
    pub(crate) fn capacity(&self) -> usize {
        match &self.spec {
            Ok(spec) if self.eligibility.suspension().is_none() => spec.capacity(),
            Ok(_) | Err(_) => 0,
        }
    }

    /// The assignment versions that its process reads, if it has reported. They are a property of
    /// the process, whichever account it was started for.
    pub(crate) fn reads(&self) -> Option<&[u32]> {
        let report = self.observed.scrape.report.as_deref()?;
        Some(&report.assignment_versions)
    }

    /// Whether nothing is expected of its process: it rests, or has been started after its rest and does not answer yet.
    pub(crate) fn rests(&self, now: Instant) -> bool {
        let starting = self.sleep.is_starting() && !self.observed.scrape.answers(now);
        self.sleep.is_asleep() || starting
    }

    /// The report, if it is about this account and not about an older one of its name.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.observed.scrape.report.as_deref().filter(|report| {
            report
                .assignment
                .as_ref()
                .is_none_or(|applied| applied.account_uid == self.uid())
        })
    }

    /// The assignment that its process runs, as far as it has reported it.
    pub(crate) fn applied(&self) -> Option<&AppliedAssignment> {
        self.report()?.assignment.as_ref()
    }

    /// Whether the token of this row still means the same instrument, as far as is known: Kite gives tokens to other
    /// instruments over time.
    pub(crate) fn is_current(&self, row: &Row) -> bool {
        let (Some(Table::Loaded(table)), None) = (self.table, &self.suspect_list) else {
            return true;
        };
        let now = table.by_token(row.token);
        now.is_some_and(|now| {
            now.exchange == row.exchange && now.tradingsymbol == row.tradingsymbol
        })
    }

    /// Its API key's fingerprint, as far as it is known.
    pub(crate) fn api_key(&self) -> Option<ValueFingerprint> {
        match self.observed.secret {
            Secret::Present { key, .. } => key,
            // Its last key counts until another one is known.
            Secret::Unknown | Secret::Unreadable => self.remembered?.key,
            // Sockets outlive the Secret they were opened with.
            Secret::Missing => {
                let open = self.report().is_some_and(|report| live_sockets(report) > 0);
                self.remembered.filter(|_| open)?.key
            }
        }
    }
}

/// Whether only the forward price of a chain needs a row.
pub(crate) fn is_for_chain_alone(row: &Row) -> bool {
    row.sets.is_empty() && row.outputs.is_empty() && !row.reference
}

/// Sockets that are up.
pub(crate) fn live_sockets(report: &Report) -> u32 {
    let live = report
        .connections
        .iter()
        .filter(|connection| connection.state == ConnectionState::Live);
    u32::try_from(live.count()).unwrap_or(u32::MAX)
}

/// The stored assignment or the one decided last, whichever is newer: the decided one may not be
/// visible yet, and the stored one may have been restored from a backup.
fn base<'a>(
    observed: &'a ObservedAccount,
    remembered: Option<&'a AccountMemory>,
) -> Option<&'a Arc<Assignment>> {
    let stored = observed.assignment.readable().map(|it| it.0);
    let decided = remembered.and_then(|known| known.assignment.as_ref());
    [stored, decided]
        .into_iter()
        .flatten()
        .filter(|assignment| assignment.account.uid == observed.object.meta.uid)
        .max_by_key(|assignment| assignment.generation)
}

/// Whether its process rests, by the assignment that it is assumed to run.
fn sleep(
    spec: &Result<AccountSpec, InvalidSpec>,
    base: Option<&Arc<Assignment>>,
    remembered: Option<&AccountMemory>,
    now: Timestamp,
) -> Sleep {
    let sleeps = spec.as_ref().is_ok_and(|spec| spec.sleeps);
    let Some(assignment) = base.filter(|_| sleeps) else {
        return Sleep::default();
    };
    let known = remembered.filter(|known| {
        let last = known.assignment.as_ref();
        last.is_some_and(|last| Arc::ptr_eq(last, assignment))
    });
    let classes = known.map_or_else(|| Classes::of_sets(assignment), |known| known.classes);
    Sleep::of(assignment, classes, now.as_second())
}

/// Whether there seems to be an assignment although none can be read.
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
