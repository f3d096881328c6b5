//! Where sets have their instruments, and whether the accounts there can publish them already.
//!
//! Pure; what was looked up once is kept for the pass. Must not decide what leaves an account.

use std::cell::RefCell;
use std::time::Instant;

use contract::{MovePart, Report};
use kite::Token;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::plan::ids::{AccountIx, SetIx};
use crate::plan::input::AccountInput;
use crate::plan::placement::{Outcome, PlacedAccount, PlacedSet};

/// Where the sets of a namespace have instruments, by token.
type PlacedTokens = Vec<(Token, SetIx, AccountIx)>;

/// What is known of where instruments are.
pub(super) struct Arrivals<'w, 'a> {
    accounts: &'w [PlacedAccount<'a>],
    /// What each account runs, as far as its process reports it.
    reports: Vec<Option<&'a Report>>,
    sets: &'w [PlacedSet<'a>],
    names: FxHashMap<(&'w str, &'w str), SetIx>,
    /// Namespaces of which a set cannot be resolved now.
    pending: FxHashSet<&'w str>,
    /// By set: where each of its tokens is placed.
    placed: RefCell<FxHashMap<SetIx, FxHashMap<Token, AccountIx>>>,
    /// By namespace: where its sets have instruments, by token.
    by_token: RefCell<FxHashMap<&'w str, PlacedTokens>>,
    /// Whether an account has all of a set that is placed there.
    arrived: RefCell<FxHashMap<(SetIx, AccountIx), bool>>,
}

impl<'w, 'a> Arrivals<'w, 'a> {
    pub(super) fn new(
        accounts: &'w [PlacedAccount<'a>],
        sets: &'w [PlacedSet<'a>],
        now: Instant,
    ) -> Self {
        let report = |account: &AccountInput<'a>| {
            let scrape = &account.observed.scrape;
            let report = scrape.report.as_deref().filter(|_| scrape.answers(now));
            report.filter(|_| account.report().is_some())
        };
        let inputs = accounts.iter().map(|placed| &placed.held_over.account);
        let names = sets.iter().enumerate();
        let names = names.map(|(at, placed)| {
            let set = &placed.set;
            ((set.namespace(), set.name()), SetIx::new(at))
        });
        let pending = sets.iter().filter(|placed| placed.request.is_pending());
        Self {
            accounts,
            reports: inputs.map(report).collect(),
            sets,
            names: names.collect(),
            pending: pending.map(|placed| placed.set.namespace()).collect(),
            placed: RefCell::default(),
            by_token: RefCell::default(),
            arrived: RefCell::default(),
        }
    }

    /// By account: what its process reports, if it answers.
    pub(super) fn reports(&self) -> &[Option<&'a Report>] {
        &self.reports
    }

    /// The set of this name.
    pub(super) fn set(&self, namespace: &str, name: &str) -> Option<SetIx> {
        self.names.get(&(namespace, name)).copied()
    }

    /// Whether a set of the account's namespace cannot be resolved now.
    pub(super) fn awaits_sets(&self, account: AccountIx) -> bool {
        let namespace = self.accounts[account.at()].held_over.account.namespace();
        self.pending.contains(namespace)
    }

    /// Those of all sets of the namespace that have the token on another account than `from`, each with it.
    pub(super) fn anywhere_else(&self, token: Token, from: AccountIx) -> Vec<(SetIx, AccountIx)> {
        let namespace = self.accounts[from.at()].held_over.account.namespace();
        let mut known = self.by_token.borrow_mut();
        let all = known
            .entry(namespace)
            .or_insert_with(|| by_token(self.sets, namespace));
        let first = all.partition_point(|(known, ..)| *known < token);
        let of_token = all[first..]
            .iter()
            .take_while(|(known, ..)| *known == token);
        let elsewhere = of_token.filter(|(.., to)| *to != from);
        elsewhere.map(|(_, set, to)| (*set, *to)).collect()
    }

    /// Those of the sets that have the token on another account than `from`, each with it.
    pub(super) fn elsewhere(
        &self,
        sets: impl Iterator<Item = SetIx>,
        token: Token,
        from: AccountIx,
    ) -> Vec<(SetIx, AccountIx)> {
        let elsewhere = sets.filter_map(|set| {
            let to = self.placed_on(set, token).filter(|to| *to != from)?;
            Some((set, to))
        });
        let mut elsewhere: Vec<(SetIx, AccountIx)> = elsewhere.collect();
        elsewhere.sort_unstable();
        elsewhere
    }

    /// The account on which a set has the token.
    fn placed_on(&self, set: SetIx, token: Token) -> Option<AccountIx> {
        let mut known = self.placed.borrow_mut();
        let tokens = known
            .entry(set)
            .or_insert_with(|| placed(&self.sets[set.at()]).collect());
        tokens.get(&token).copied()
    }

    /// Whether the account's process has all that is placed there of the set, and has heard of each instrument or waited
    /// for it in vain, and publishes it.
    pub(super) fn has_arrived(&self, set: SetIx, account: AccountIx) -> bool {
        if let Some(known) = self.arrived.borrow().get(&(set, account)) {
            return *known;
        }
        let arrived = self.arrives(set, account).unwrap_or(false);
        self.arrived.borrow_mut().insert((set, account), arrived);
        arrived
    }

    fn arrives(&self, set: SetIx, account: AccountIx) -> Option<bool> {
        let base = self.accounts[account.at()].held_over.account.base?;
        let report = self.reports[account.at()]?;
        let name = self.sets[set.at()].set.name();
        let position = base.sets.iter().position(|known| known == name)?;
        let position = u16::try_from(position).ok()?;
        let rows = base.instruments.iter();
        let rows = rows.filter(|row| row.sets.contains(&position));
        // What it takes from one account it does not publish before their boundary: another one goes on.
        let mut taken = rows.clone().filter_map(|row| base.move_of(row));
        if taken.any(|it| it.part == MovePart::To) {
            return Some(false);
        }
        let has = rows.count();
        let outcomes = self.sets[set.at()].placement.outcomes.iter();
        let here = |outcome: &&Option<Outcome>| **outcome == Some(Outcome::Placed(account));
        let placed = outcomes.filter(here).count();
        let runs = report.assignment.as_ref()?.generation == base.generation;
        let report_of_set = report.sets.iter().find(|it| it.name == name)?;
        let heard = report_of_set.streaming.saturating_add(report_of_set.silent) as usize;
        let is_mute = report_of_set.streaming == 0 && placed > 0;
        Some(report.redis.connected && runs && has == placed && heard >= placed && !is_mute)
    }
}

/// The instruments of a set that have an account, each with it.
fn placed(set: &PlacedSet<'_>) -> impl Iterator<Item = (Token, AccountIx)> {
    let resolved = set.request.resolved().into_iter();
    let routed = resolved.flat_map(|resolved| resolved.lookup.routes.instruments.iter());
    let outcomes = routed.zip(&set.placement.outcomes);
    outcomes.filter_map(|(routed, outcome)| match outcome {
        Some(Outcome::Placed(account)) => Some((routed.token, *account)),
        Some(Outcome::Waiting | Outcome::Conflict) | None => None,
    })
}

/// Those of all sets of a namespace, in the order of their tokens: each row that leaves would go through all sets otherwise.
fn by_token(sets: &[PlacedSet<'_>], namespace: &str) -> PlacedTokens {
    let own = sets.iter().enumerate();
    let own = own.filter(|(_, placed)| placed.set.namespace() == namespace);
    let all = own.flat_map(|(at, set)| {
        placed(set).map(move |(token, account)| (token, SetIx::new(at), account))
    });
    let mut all: PlacedTokens = all.collect();
    all.sort_unstable();
    all
}
