//! Why everything is where it is, for people who ask: the decisions of the last pass, made again from what it observed and
//! remembered, and described.
//!
//! Pure. Owns the texts. Must not decide anything, and what it finds changes nothing.

mod account;
mod accounts;
mod instrument;
mod journal;
mod placements;
mod set;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use contract::answer::{
    AccountExplanation, AccountShareExplanation, FoundInstrument, InstrumentExplanation,
    InstrumentUse, ReadyState, SetExplanation,
};
use crds::condition::ConditionType;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kite::{Instrument, Token};
use rustc_hash::FxHashMap;

use super::assignment::AssignedAccount;
use super::input::{Key, Now, Observed};
use super::memory::Memory;
use super::placement::PlacedSet;
use super::planner::{self, Decisions};
use crate::instruments::InstrumentTable;
use crate::instruments::similar::nearest;

pub(crate) use account::process;
pub(crate) use accounts::connection;
pub use journal::Journal;
pub(crate) use placements::{AccountOutlook, Outlook, SetOutlook};

/// The decisions of one pass.
pub(crate) struct Review<'a> {
    decisions: Decisions<'a>,
    /// By account: how many instruments it streams for itself.
    used: Vec<usize>,
    /// What the pass left.
    memory: &'a Memory,
    journal: &'a Journal,
    now: Now,
}

/// Why a question has no answer, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UnknownName(String);

impl<'a> Review<'a> {
    /// That of the pass at `now`. `before` and `after`: what the pass before it left, and what it left itself.
    pub(crate) fn new(
        observed: &'a Observed,
        (before, after): (&'a Memory, &'a Memory),
        journal: &'a Journal,
        now: Now,
    ) -> Self {
        let decisions = planner::decide(observed, before, now);
        let used = decisions.accounts.iter();
        let used = used.map(|account| accounts::streamed(account).count());
        Self {
            used: used.collect(),
            decisions,
            memory: after,
            journal,
            now,
        }
    }

    /// Why a set has what it has.
    pub(crate) fn set(&self, key: &Key) -> Result<SetExplanation, UnknownName> {
        Ok(set::explanation(self, self.placed(key)?))
    }

    /// Why an account has what it has.
    pub(crate) fn account(&self, key: &Key) -> Result<AccountExplanation, UnknownName> {
        let mut accounts = self.accounts().iter();
        let found = accounts.find(|it| it.account.observed.object.meta.key == *key);
        let found = found.ok_or_else(|| {
            let names = self.accounts().iter();
            let keys = names.map(|it| &it.account.observed.object.meta.key);
            unknown("TickerAccount", key, keys)
        })?;
        Ok(account::explanation(self, found))
    }

    /// Why an instrument of a set is where it is. `symbol`: `EXCHANGE:TRADINGSYMBOL`, a tradingsymbol or a token.
    pub(crate) fn instrument(
        &self,
        set: &Key,
        symbol: &str,
    ) -> Result<InstrumentExplanation, UnknownName> {
        instrument::explanation(self, self.placed(set)?, symbol)
    }

    /// The sets that select each of these instruments, and who streams it for them.
    /// `namespace`: only sets of it are named.
    pub(crate) fn uses(
        &self,
        tokens: &[Token],
        table: &Arc<InstrumentTable>,
        namespace: Option<&str>,
    ) -> FxHashMap<Token, Vec<InstrumentUse>> {
        instrument::uses(self, tokens, table, namespace)
    }

    /// What everything comes to, to be compared with another plan.
    pub(crate) fn outlook(&self) -> Outlook<'_> {
        placements::outlook(self)
    }

    /// How long ago something was at the time of the pass, in milliseconds.
    fn age_ms(&self, at: Instant) -> u64 {
        let age = self.now.monotonic.saturating_duration_since(at);
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }

    fn accounts(&self) -> &[AssignedAccount<'a>] {
        &self.decisions.accounts
    }

    fn sets(&self) -> &[PlacedSet<'a>] {
        &self.decisions.sets
    }

    fn placed(&self, key: &Key) -> Result<&PlacedSet<'a>, UnknownName> {
        let found = self
            .sets()
            .iter()
            .find(|it| it.set.observed.meta.key == *key);
        found.ok_or_else(|| {
            let keys = self.sets().iter().map(|it| &it.set.observed.meta.key);
            unknown("InstrumentSet", key, keys)
        })
    }
}

/// An instrument as the list has it, without its sets.
pub(crate) fn found(instrument: &Instrument) -> FoundInstrument {
    FoundInstrument {
        symbol: name_of(instrument),
        token: instrument.token.0,
        name: instrument.name.to_string(),
        instrument_type: instrument.instrument_type,
        segment: instrument.segment.to_string(),
        expiry: instrument.expiry,
        strike: instrument
            .instrument_type
            .is_option()
            .then_some(instrument.strike),
        lot_size: Some(instrument.lot_size).filter(|size| *size > 0),
        tick_size: Some(instrument.tick_size).filter(|size| *size > 0.0),
        used_by: Vec::new(),
    }
}

fn name_of(instrument: &Instrument) -> String {
    format!("{}:{}", instrument.exchange, instrument.tradingsymbol)
}

fn unknown<'k>(kind: &str, key: &Key, known: impl Iterator<Item = &'k Key>) -> UnknownName {
    let here = known.filter(|it| it.namespace == key.namespace);
    let names: Vec<&str> = here.map(|it| it.name.as_str()).collect();
    let hint = match nearest(&key.name, names.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if !names.is_empty() => format!("there are {}", super::samples::list(&names)),
        None if key.namespace.is_empty() => "there is none at all".to_owned(),
        None => format!("there is none in namespace {}", key.namespace),
    };
    UnknownName(format!("there is no {kind} {key}: {hint}"))
}

/// Instruments by name, the largest share first.
fn largest_first(counts: BTreeMap<&str, u32>) -> Vec<AccountShareExplanation> {
    let shares = counts.into_iter();
    let mut shares: Vec<AccountShareExplanation> = shares
        .map(|(name, instruments)| AccountShareExplanation {
            name: name.to_owned(),
            instruments,
        })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.instruments));
    shares
}

/// The condition `Ready` among these.
pub(crate) fn ready(conditions: &[Condition]) -> Option<ReadyState> {
    let ready = ConditionType::Ready.as_str();
    let found = conditions.iter().find(|it| it.type_ == ready)?;
    Some(ReadyState {
        status: found.status.clone(),
        reason: found.reason.clone(),
        message: found.message.clone(),
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
