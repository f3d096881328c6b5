//! Resolves the request of each set.
//!
//! Owns the order of questions: the accounts, the money, the instruments, what stays. Must not answer them.

use std::sync::Arc;

use calendar::Calendar;
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
use super::request::{NeededReferences, Request, RequestedSet, Resolved, pending};
use super::retention::{self, RetainedInstrument, Selected, SetRows};
use super::select::Lists;
use crate::instruments::InstrumentTable;
use crate::plan::ids::AccountIx;
use crate::plan::input::{self, AccountInput, AccountSpec, Basis, Memo, Quotes, SetInput};

/// The results of the last pass, and those for the next.
pub(crate) struct SelectionMemos<'m> {
    pub(crate) chains: Memo<'m, Arc<MoneyChains>>,
    pub(crate) selections: Memo<'m, KnownSelection>,
    pub(crate) retained: Memo<'m, Arc<[RetainedInstrument]>>,
    pub(crate) lookups: Memo<'m, Arc<Lookup>>,
}

/// Resolves the requests of sets, one after the other.
pub(crate) struct Resolver<'m, 'a> {
    now: Timestamp,
    days: &'a TradingDays,
    money: Money<'a>,
    memos: SelectionMemos<'m>,
    /// The rows of sets in the assignments of accounts, as far as they were needed.
    rows: FxHashMap<AccountIx, Arc<SetRows>>,
    /// Whether any instrument is retained.
    retains: bool,
}

impl<'m, 'a> Resolver<'m, 'a> {
    /// `money`: where it was in the last pass.
    pub(crate) fn new(
        quotes: Quotes,
        money: &'a MoneyMemory,
        memos: SelectionMemos<'m>,
        (calendar, days): (&'a Calendar, &'a TradingDays),
        now: Timestamp,
    ) -> Self {
        Self {
            now,
            days,
            money: Money::new(quotes, money, (calendar, now)),
            memos,
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
        let days = self.days;
        let chains = lookup::money_chains(key, spec, table, days, &mut self.memos.chains);
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
        let selection = lookup::select(key, spec, lists, &mut self.memos.selections);
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
        let lookup = lookup::look_up(key, spec, what, table, &mut self.memos.lookups);
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
        let retained = self.memos.retained.get_or(key, basis, || {
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
        let asked = asked.map(|(place, chain)| {
            (
                *place,
                chain,
                self.money.at((&market, account.market_hours), chain, known),
            )
        });
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
