//! The request of each set, before anything is placed.
//!
//! Owns the order of questions: the accounts, the money, the instruments. Must not answer them.

use std::sync::Arc;

use crds::condition::Reason;
use crds::selector::MAX_SELECTED;
use crds::set::Retain;
use jiff::Timestamp;
use jiff::civil::Date;
use rustc_hash::FxHashMap;

use super::accounts::{from_accounts, names};
use super::expiry::TradingDays;
use super::lookup::{self, KnownSelection, Lookup};
use super::money::{ChainMoney, Money, MoneyAt, MoneyChains, MoneyFindings, MoneyMemory};
use super::retention::{self, RetainedInstrument, Selected, SetRows};
use super::select::Lists;
use crate::instruments::InstrumentTable;
use crate::plan::ids::AccountIx;
use crate::plan::input::{self, AccountInput, AccountSpec, Basis, Memo, Quotes, SetInput};
use crate::plan::memory::StepResults;

/// A set and its request.
pub(crate) struct RequestedSet<'a> {
    pub(crate) set: SetInput<'a>,
    pub(crate) request: Request,
    /// The instruments whose prices it needs, if it needs any and they are known.
    pub(crate) references: Option<NeededReferences>,
}

/// Instruments whose prices a set needs, and where they may be subscribed to.
#[derive(Debug)]
pub(crate) struct NeededReferences {
    pub(crate) chains: Arc<MoneyChains>,
    pub(crate) table: Arc<InstrumentTable>,
    /// The accounts that the set may use, ascending.
    pub(crate) allowed: Vec<AccountIx>,
}

impl RequestedSet<'_> {
    /// Whether it may need prices although it is not known of which instruments.
    pub(crate) fn may_need_references(&self) -> bool {
        self.request.is_pending() && self.references.is_none()
    }
}

/// The request of a set.
#[derive(Debug)]
pub(crate) enum Request {
    /// Nothing may stream: its instruments are removed.
    Denied { reason: Reason, message: String },
    /// It cannot be read or looked up now: its instruments are held over.
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
    /// Where the money is, of each chain that it selects by it.
    pub(crate) money: Vec<ChainMoney>,
}

impl Resolved {
    /// How many instruments it selects.
    pub(crate) fn selected(&self) -> u32 {
        u32::try_from(self.lookup.selection.instruments.len()).unwrap_or(u32::MAX)
    }
}

impl Request {
    /// Whether the set's instruments are held over because it cannot be looked up.
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

/// Resolves the requests of sets, one after the other.
pub(crate) struct Resolver<'m, 'a> {
    now: Timestamp,
    money: Money<'a>,
    chains: Memo<'m, Arc<MoneyChains>>,
    selections: Memo<'m, KnownSelection>,
    retained: Memo<'m, Arc<[RetainedInstrument]>>,
    lookups: Memo<'m, Arc<Lookup>>,
    /// The rows of sets in the assignments of accounts, as far as they were needed.
    rows: FxHashMap<AccountIx, Arc<SetRows>>,
    /// Whether any instrument is retained.
    retains: bool,
}

impl<'m, 'a> Resolver<'m, 'a> {
    /// With the results of the last pass, and those for the next.
    pub(crate) fn new(
        quotes: Quotes,
        money: &'a MoneyMemory,
        (last, next): (&'m StepResults, &'m mut StepResults),
        now: Timestamp,
    ) -> Self {
        Self {
            now,
            money: Money::new(quotes, money, now),
            chains: Memo::new(&last.money_chains, &mut next.money_chains),
            selections: Memo::new(&last.selections, &mut next.selections),
            retained: Memo::new(&last.retained, &mut next.retained),
            lookups: Memo::new(&last.lookups, &mut next.lookups),
            rows: FxHashMap::default(),
            retains: false,
        }
    }

    /// Resolves the request of each set. Also returns what was found out about the money.
    pub(crate) fn resolve<'w>(
        mut self,
        sets: Vec<SetInput<'w>>,
        accounts: &[AccountInput<'w>],
    ) -> (Vec<RequestedSet<'w>>, MoneyFindings) {
        let sets = sets.into_iter();
        let sets: Vec<RequestedSet<'w>> = sets
            .map(|set| {
                let (request, references) = self.request(&set, accounts);
                RequestedSet {
                    set,
                    request,
                    references,
                }
            })
            .collect();
        let all_asked = !sets.iter().any(RequestedSet::may_need_references);
        let roll = self.retains.then(|| retention::next_roll(self.now));
        (sets, self.money.finish(all_asked, roll))
    }

    fn request(
        &mut self,
        set: &SetInput<'_>,
        accounts: &[AccountInput<'_>],
    ) -> (Request, Option<NeededReferences>) {
        let (spec, table, first) = match from_accounts(set, accounts) {
            Err(request) => return (request, None),
            Ok(found) => found,
        };
        let mut allowed = set.matched.clone();
        allowed.retain(|at| accounts[at.at()].eligibility.is_active());
        let key = &set.observed.meta.key;
        let days = TradingDays::at(self.now);
        let chains = lookup::money_chains(key, spec, table, days, &mut self.chains);
        let references = (!chains.references.is_empty()).then(|| NeededReferences {
            chains: Arc::clone(&chains),
            table: Arc::clone(table),
            allowed: allowed.clone(),
        });
        let money = match self.money_of(set, first, &chains, table) {
            Err(request) => return (request, references),
            Ok(money) => money,
        };
        let renames = set.matched.iter().map(|at| &accounts[at.at()].renames);
        let renames: Vec<_> = renames.filter(|renames| !renames.is_empty()).collect();
        let lists = Lists {
            table,
            renames: &renames,
            days,
            money: MoneyAt {
                chains: &chains,
                money: &money,
            },
        };
        let selection = lookup::select(key, spec, lists, &mut self.selections);
        let count = selection.instruments.len();
        if count > MAX_SELECTED {
            return (too_many(count), references);
        }
        let day = retention::trading_day(table, self.now);
        let retained = match references {
            Some(_) if spec.source.retain == Retain::Day => {
                let selected = Selected {
                    selection: &selection,
                    options: &spec.source.options,
                    chains: &chains,
                    money: &money,
                };
                self.retained((set, accounts), &selected, table, day)
            }
            _ => Arc::default(),
        };
        let what = (&selection, &*retained, day);
        let lookup = lookup::look_up(key, spec, what, table, &mut self.lookups);
        let none = allowed.is_empty().then(|| names(set, accounts));
        let resolved = Resolved {
            lookup,
            mock: first.mock,
            priority: spec.priority,
            allowed,
            matching: none.unwrap_or_default(),
            money,
        };
        (Request::Resolved(Box::new(resolved)), references)
    }

    /// What the money has left behind of what the set has on its accounts.
    fn retained(
        &mut self,
        (set, accounts): (&SetInput<'_>, &[AccountInput<'_>]),
        selected: &Selected<'_>,
        table: &InstrumentTable,
        day: Date,
    ) -> Arc<[RetainedInstrument]> {
        let bases = set.matched.iter();
        let bases = bases.filter_map(|at| Some((*at, accounts[at.at()].base?)));
        let basis = Basis::default().shared(selected.selection).value(day);
        let basis = bases
            .clone()
            .fold(basis, |basis, (_, base)| basis.shared(base));
        let rows = &mut self.rows;
        let key = &set.observed.meta.key;
        let retained = self.retained.get_or(key, basis, || {
            let assignments = bases.map(|(at, base)| {
                let rows = rows.entry(at);
                let rows = rows.or_insert_with(|| Arc::new(SetRows::of(base)));
                (&**base, Arc::clone(rows))
            });
            retention::retained(set.name(), selected, assignments, table, day).into()
        });
        self.retains |= !retained.is_empty();
        retained
    }

    /// Where the money of each of the set's chains is, or what it waits for.
    fn money_of(
        &mut self,
        set: &SetInput<'_>,
        account: &AccountSpec,
        chains: &MoneyChains,
        table: &InstrumentTable,
    ) -> Result<Vec<ChainMoney>, Request> {
        if chains.chains.is_empty() {
            return Ok(Vec::new());
        }
        let market = input::market(account);
        let status = set.observed.status.as_deref();
        let known = status.map_or(&[][..], |status| &status.atm);
        // Every chain is asked, whatever the others answer: each of them wakes the planner when its price comes.
        let asked = chains.chains.iter();
        let asked =
            asked.map(|(place, chain)| (*place, chain, self.money.at(&market, chain, known)));
        let asked: Vec<_> = asked.collect();
        let money = asked.into_iter().map(|(place, chain, money)| {
            let waits = || pending(Reason::WaitingForPrice, chain.waits_for(place, table));
            money.ok_or_else(waits)
        });
        money.collect()
    }
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

pub(super) fn denied(reason: Reason, message: impl Into<String>) -> Request {
    let message = message.into();
    Request::Denied { reason, message }
}

pub(super) fn pending(reason: Reason, message: String) -> Request {
    Request::Pending { reason, message }
}
