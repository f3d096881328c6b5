//! The assignment of each account: its rows, and the generation under which they are written.
//!
//! Must not choose accounts.

mod arrivals;
mod chain_references;
mod chains;
mod change;
mod document;
mod former;
mod generation;
mod handover;
mod handover_rows;
mod listed_row;
mod move_times;
mod moves;
mod parity;
mod rows;
mod sessions;

pub use change::AssignmentChange;

pub(crate) use chain_references::without_room;
pub(crate) use generation::{in_range, marks};
pub(crate) use move_times::MoveTimes;

use std::sync::Arc;
use std::time::Instant;

use calendar::Calendar;
use contract::Assignment;
use crds::rebalance::RebalanceStatus;

use crate::plan::ids::{AccountIx, SetIx};
use crate::plan::input::{AccountInput, AccountSpec, Basis, Memo, Now, PricingRates, Reissue};
use crate::plan::placement::{AccountReferences, PlacedAccount, PlacedSet};
use crate::plan::selection::MoneyFindings;
use chains::GreekChains;
use sessions::AccountSessions;

/// An account and the change of its assignment.
pub(crate) struct AssignedAccount<'a> {
    pub(crate) account: AccountInput<'a>,
    pub(crate) change: AssignmentChange,
    /// How many of its instruments belong to sets that may use no other account.
    pub(crate) tied: usize,
    /// The instruments that it subscribes to for their prices.
    pub(crate) references: Arc<AccountReferences>,
    /// Where how many of its instruments move that no socket carried.
    pub(crate) failed_over: Vec<(AccountIx, u32)>,
    /// What its status says of a rebalance.
    pub(crate) rebalance: Option<RebalanceStatus>,
    /// That its options are priced with an old interest rate.
    pub(crate) old_rate: Option<String>,
    /// The new generation that its process made necessary.
    pub(crate) reissue: Option<Reissue>,
    /// Whether it goes on with instruments that others take over.
    pub(crate) goes_on: bool,
    /// Since when it does so although it is paused, or has less room than it had.
    pub(crate) restricted_since: Option<Instant>,
}

impl AssignedAccount<'_> {
    /// The assignment that is in force once the plan is applied, where that is known.
    pub(crate) fn current(&self) -> Option<&Arc<Assignment>> {
        self.change.assignment().or(self.account.base)
    }
}

/// Builds what every account should stream; an assignment that is known to be unchanged is not
/// built again.
pub(crate) fn build<'a>(
    accounts: Vec<PlacedAccount<'a>>,
    sets: &[PlacedSet<'a>],
    mut memo: Memo<'_, ()>,
    poke: bool,
    (calendar, now): (&'a Arc<Calendar>, Now),
    (rates, money): (&'a PricingRates, &MoneyFindings),
) -> Vec<AssignedAccount<'a>> {
    let chains = GreekChains::new(&accounts, money, rates, calendar);
    let old_rate = rates.warning(kite::ist::date(now.wall));
    let sets_of = sets_of(sets, accounts.len());
    let (mut bases, mut documents) = (Vec::new(), Vec::new());
    let sessions = |placed: &PlacedAccount<'_>, spec: &AccountSpec| {
        AccountSessions::new(&placed.held_over.account, spec, calendar, now.wall)
    };
    for (at, placed) in accounts.iter().enumerate() {
        let account = &placed.held_over.account;
        let spec = writable(account);
        let trades = spec.map(|spec| sessions(placed, spec));
        let spec = spec.zip(trades.as_ref());
        let basis = spec.and_then(|spec| basis(placed, spec, &sets_of[at], sets, &chains));
        let key = &account.observed.object.meta.key;
        let is_known = |basis: &Basis| memo.get(key, basis).is_some();
        let spec = spec.filter(|_| !basis.as_ref().is_some_and(is_known));
        let built = spec.map(|spec| {
            let mut built = document(at, placed, spec, &sets_of[at], sets);
            let classes = built.sessions.len();
            chains.add(&mut built, account, spec.0, spec.1);
            (built, classes)
        });
        // What its base says already has no part in a handover either; a hundred accounts that are planned for the first
        // time after a start would be kept twice.
        let says_more = |it: &Assignment| {
            basis.is_none() || !account.base.is_some_and(|base| base.same_content(it))
        };
        let built = built.filter(|(it, _)| says_more(it));
        documents.push(built.map(|(mut it, classes)| {
            // What leaves has room before them.
            chains::remove(&mut it, classes);
            it
        }));
        bases.push(basis);
    }
    let goes_on = handover::hand_over(
        &mut documents,
        &accounts,
        sets,
        MoveTimes::of(poke),
        now.monotonic,
    );

    for (placed, document) in accounts.iter().zip(&mut documents) {
        let account = &placed.held_over.account;
        if let (Some(document), Some(spec)) = (document, writable(account)) {
            chains.add(document, account, spec, &sessions(placed, spec));
        }
    }

    let accounts = accounts.into_iter().zip(bases).zip(documents).enumerate();
    let assigned = accounts.map(|(at, ((placed, basis), built))| {
        let moves = built.as_ref().is_some_and(|it| !it.moves.is_empty());
        let again = |spec: &AccountSpec| {
            let trades = sessions(&placed, spec);
            let mut built = document(at, &placed, (spec, &trades), &sets_of[at], sets);
            chains.add(&mut built, &placed.held_over.account, spec, &trades);
            built
        };
        let assigned = assign(&placed, built, again, goes_on[at], now.monotonic);
        // What is known to be unchanged has no part in a handover.
        if let Some(basis) = basis.filter(|_| assigned.same && !goes_on[at] && !moves) {
            memo.put(
                &placed.held_over.account.observed.object.meta.key,
                basis,
                (),
            );
        }
        let current = assigned.change.assignment();
        let current = current.or(placed.held_over.account.base);
        let has_chains = current.is_some_and(|it| !it.chains.is_empty());
        AssignedAccount {
            account: placed.held_over.account,
            old_rate: old_rate.clone().filter(|_| has_chains),
            change: assigned.change,
            tied: placed.tied,
            references: placed.references,
            failed_over: placed.failed_over,
            rebalance: placed.rebalance,
            reissue: assigned.reissue,
            goes_on: assigned.goes_on,
            restricted_since: assigned.restricted_since,
        }
    });
    assigned.collect()
}

/// The sets that each account has instruments of.
fn sets_of(sets: &[PlacedSet<'_>], accounts: usize) -> Vec<Vec<SetIx>> {
    let mut sets_of: Vec<Vec<SetIx>> = vec![Vec::new(); accounts];
    for (at, placed) in sets.iter().enumerate() {
        for account in &placed.placement.accounts {
            sets_of[account.at()].push(SetIx::new(at));
        }
    }
    sets_of
}

/// What the account at this position should stream, handovers apart.
fn document(
    at: usize,
    placed: &PlacedAccount<'_>,
    (spec, trades): (&AccountSpec, &AccountSessions),
    sets_of: &[SetIx],
    sets: &[PlacedSet<'_>],
) -> Assignment {
    let (account, references) = (&placed.held_over, &placed.references);
    let mut document = document::document(&account.account, spec);
    let at = AccountIx::new(at);
    document.always_open = trades.always_open();
    let account_rows = (account, &**references, trades);
    rows::write(&mut document, at, account_rows, sets_of, sets);
    document.standby =
        document.instruments.is_empty() && stands_by(&account.account, &placed.failed_over);
    document
}

/// What happens to the assignment of an account.
#[derive(Default)]
struct Assigned {
    change: AssignmentChange,
    /// Whether it says what its base says.
    same: bool,
    reissue: Option<Reissue>,
    goes_on: bool,
    restricted_since: Option<Instant>,
}

/// Gives the document of an account its generation. `built`: the document, unless it is known to be unchanged; `again` builds
/// that too; `goes_on`: whether it has instruments that others take over.
fn assign(
    placed: &PlacedAccount<'_>,
    built: Option<Assignment>,
    again: impl Fn(&AccountSpec) -> Assignment,
    goes_on: bool,
    now: Instant,
) -> Assigned {
    let account = &placed.held_over.account;
    let Some(spec) = writable(account) else {
        return Assigned::default();
    };
    let build = || again(spec);
    let built = built.map(|mut document| {
        // Of a handover it may have instruments.
        document.standby &= document.instruments.is_empty();
        document
    });
    let (change, same, reissue) = generation::change(account, built, build, now);
    let remembered = account.remembered;
    let restricted = goes_on && handover::is_restricted(account, spec);
    let restricted_since = remembered.and_then(|it| it.restricted_since);
    Assigned {
        change,
        same,
        reissue,
        goes_on,
        restricted_since: restricted.then(|| restricted_since.unwrap_or(now)),
    }
}

/// What the account should be, if its assignment may be written.
fn writable<'p>(account: &'p AccountInput<'_>) -> Option<&'p AccountSpec> {
    let spec = account.spec.as_ref().ok();
    spec.filter(|_| !account.eligibility.is_frozen())
}

/// Whether an account without instruments keeps a connection: it lost what it had, and nothing else would show that it
/// works again.
fn stands_by(account: &AccountInput<'_>, failed_over: &[(AccountIx, u32)]) -> bool {
    let stood_by = account.base.is_some_and(|base| base.standby);
    account.eligibility.is_active() && (stood_by || !failed_over.is_empty())
}

/// Everything that an account's assignment depends on, with the base that may already say it.
/// `None` without a base, with held over rows, and while instruments move from or to it: then reports decide too.
fn basis(
    placed: &PlacedAccount<'_>,
    (spec, trades): (&AccountSpec, &AccountSessions),
    sets_of: &[SetIx],
    sets: &[PlacedSet<'_>],
    chains: &GreekChains<'_>,
) -> Option<Basis> {
    let account = &placed.held_over.account;
    let base = account
        .base
        .filter(|base| placed.held_over.rows.is_empty() && base.moves.is_empty())?;
    let went_on = account.remembered.is_some_and(|it| it.goes_on);
    if went_on || !placed.failed_over.is_empty() {
        return None;
    }
    let (calendar, hours) = trades.basis();
    let basis = Basis::default().shared(base).shared(&placed.references);
    let basis = basis.shared(calendar).value(hours);
    let mut basis = basis.value((
        account.uid(),
        document::version_of(account),
        (spec.connections, spec.tokens_per_connection),
        (&spec.websocket, &spec.redis_url, &spec.egress),
        (spec.mock, spec.order_updates, spec.events),
        (account.eligibility.is_active(), account.token_use.source),
    ));
    basis = basis.value(chains.hash_of(base, spec));
    for at in sets_of {
        let placed = &sets[at.at()];
        basis = basis.shared(&placed.request.resolved()?.lookup);
        basis = basis.shared(&placed.placement);
    }
    Some(basis)
}
