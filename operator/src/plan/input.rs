//! What was observed, checked and in order of precedence.
//!
//! Owns which accounts may be used or must stay unchanged, and what one pass leaves to the next.
//! Must not place anything.

mod account;
mod adjustment;
mod checked;
mod eligibility;
mod list_guard;
mod market_now;
mod memo;
mod memory;
mod observed;
mod outage;
mod outages;
mod prices;
mod pricing_rates;
mod rebalance;
mod renames;
mod scrape;
mod set;
mod sleep;
mod suspension;
mod token;
mod token_use;
mod validate;

use std::collections::BTreeSet;

pub use checked::Workload;
pub use observed::{
    DefaultProxy, Failing, Immutable, InvalidSpec, Key, LastAssignment, LastLogin, LoginLink, Meta,
    Now, Object, Observed, ObservedAccount, ObservedSet, PricingRates, Process, Scrape, Secret,
    Settings, Table, ValueFingerprint,
};

pub(crate) use account::{AccountInput, is_for_chain_alone, live_sockets};
pub(crate) use checked::{AccountSpec, ChannelNaming, Choice, Selector, Set};
pub(crate) use eligibility::{Eligibility, Suspension};
pub(crate) use list_guard::ListComparison;
pub(crate) use market_now::{Classes, MarketNow};
pub(crate) use memo::{Basis, Memo, Results};
pub(crate) use memory::{
    AccountMemory, EventState, Mark, ObjectMemory, Reissue, Remembered, SetMemory, SuspectLists,
    WebhookMemory,
};
pub use outage::Cause;
pub(crate) use outage::{Lost, Standing};
pub(crate) use prices::{MarketKey, Price, Quotes, ReferenceQuote, market};
pub(crate) use rebalance::RebalanceMode;
pub(crate) use renames::Renames;
pub(crate) use scrape::BAD_SCRAPES;
pub(crate) use set::SetInput;
pub(crate) use sleep::Sleep;
pub use token::{TokenAnswer, TokenCheck};
pub(crate) use token_use::{check as token_check, session_version, version as token_version};
#[cfg(test)]
pub(crate) use validate::set as set_spec;

/// All objects.
pub(crate) struct PlanningInput<'a> {
    /// By key.
    pub(crate) accounts: Vec<AccountInput<'a>>,
    /// The oldest first: it has precedence.
    pub(crate) sets: Vec<SetInput<'a>>,
    /// Origins whose instruments list is suspected to be incomplete, and since when.
    pub(crate) suspect_lists: SuspectLists,
}

impl<'a> PlanningInput<'a> {
    /// Checks and orders what was observed.
    pub(crate) fn new(
        observed: &'a Observed,
        memory: &'a Remembered,
        comparisons: Memo<'_, ListComparison>,
        now: Now,
    ) -> Self {
        let mut sets: Vec<SetInput<'a>> = observed
            .sets
            .iter()
            .map(|set| SetInput::new(set, memory))
            .collect();
        sets.sort_by(|a, b| a.age().cmp(&b.age()));
        let mut accounts = accounts(observed, memory, &sets, now);
        let since = &memory.suspect_lists;
        let suspect_lists = list_guard::check(&mut accounts, since, comparisons, now);
        suspension::check(&mut accounts);
        let after = observed.settings.failover_after;
        outages::check(&mut accounts, after, now.monotonic);
        for set in &mut sets {
            set.find_accounts(&accounts);
        }
        Self {
            accounts,
            sets,
            suspect_lists,
        }
    }
}

fn accounts<'a>(
    observed: &'a Observed,
    memory: &'a Remembered,
    sets: &[SetInput<'_>],
    now: Now,
) -> Vec<AccountInput<'a>> {
    let invalid: BTreeSet<&str> = sets
        .iter()
        .filter(|set| set.spec.is_err())
        .map(SetInput::namespace)
        .collect();
    let mut accounts: Vec<AccountInput<'a>> = observed
        .accounts
        .iter()
        .map(|account| {
            let namespace = account.object.meta.key.namespace.as_str();
            AccountInput::new(account, observed, memory, invalid.contains(namespace), now)
        })
        .collect();
    accounts.sort_by(|a, b| {
        let (a, b) = (&a.observed.object.meta, &b.observed.object.meta);
        (&a.key, &a.uid).cmp(&(&b.key, &b.uid))
    });
    accounts
}
