//! What the Greeks of an account's options are computed from, and the instruments that nothing else needs.
//!
//! Owns the description of each chain, the same on every account. They take the room that nobody else wants, and nobody waits
//! for them. Must not choose accounts: they are where the options are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use calendar::{Calendar, Traded, TradedKind};
use contract::assignment::MOST_CHAINS;
use contract::{Assignment, Chain, ParityPair};
use jiff::Timestamp;
use jiff::civil::Date;
use rustc_hash::FxHashMap;

use super::chain_references::{self, Of};
use super::parity::ParityPrices;
use super::sessions::AccountSessions;
use crate::instruments::InstrumentTable;
use crate::plan::input::{AccountInput, AccountSpec, PricingRates, Table, is_for_chain_alone};
use crate::plan::placement::PlacedAccount;
use crate::plan::selection::{ForwardSources, MoneyFindings};

/// Exchange, underlying and expiry.
type ChainName = (Arc<str>, Arc<str>, Date);

type ChainKey = (usize, Option<usize>, ChainName);

/// The chains of one pass, each looked up once.
pub(super) struct GreekChains<'p> {
    rates: &'p PricingRates,
    calendar: &'p Calendar,
    parity: ParityPrices<'p>,
    /// By the address of the list, the market and the name.
    known: RefCell<FxHashMap<ChainKey, Option<Arc<KnownChain>>>>,
}

/// A chain, before it is known which others are on the account.
#[derive(Debug)]
struct KnownChain {
    chain: Chain,
    /// The expiry whose forward gives the cost of carry.
    carry: Option<Date>,
}

/// The chains of one account, by name.
type AccountChains = BTreeMap<ChainName, AccountChain>;

struct AccountChain {
    known: Arc<KnownChain>,
    /// Whether the account has options of it; else it is there for the carry of another one.
    has_options: bool,
}

impl<'p> GreekChains<'p> {
    pub(super) fn new(
        accounts: &[PlacedAccount<'p>],
        money: &'p MoneyFindings,
        rates: &'p PricingRates,
        calendar: &'p Calendar,
    ) -> Self {
        Self {
            rates,
            calendar,
            parity: ParityPrices::new(accounts, money),
            known: RefCell::default(),
        }
    }

    /// What the chains of an assignment depend on, besides lists, the calendar and what sets select.
    pub(super) fn hash_of(&self, base: &Assignment, spec: &AccountSpec) -> impl std::hash::Hash {
        (self.rates, self.parity.hash_of(base, spec))
    }

    /// Adds the chains of its options to a document that has everything else, and what they need, as far as there is room.
    pub(super) fn add(
        &self,
        document: &mut Assignment,
        account: &AccountInput<'_>,
        spec: &AccountSpec,
        trades: &AccountSessions,
    ) {
        let of = Of {
            account,
            table: match (account.table, &account.suspect_list) {
                (Some(Table::Loaded(table)), None) => Some(table),
                _ => None,
            },
            trades,
        };
        let market = self.parity.market(spec);
        let (names, mut at_row) = names(document);
        let chains = self.chains(&of, market, &names);
        let positions: FxHashMap<&ChainName, u16> = chains.keys().zip(0..=u16::MAX).collect();
        let of_names: Vec<Option<u16>> =
            names.iter().map(|it| positions.get(it).copied()).collect();
        for at in &mut at_row {
            *at = at.and_then(|at| of_names[usize::from(at)]);
        }
        let described = chains.iter().map(|((exchange, underlying, _), it)| {
            let carry = it.known.carry.and_then(|day| {
                let name = (Arc::clone(exchange), Arc::clone(underlying), day);
                positions.get(&name).copied()
            });
            Chain {
                carry,
                ..it.known.chain.clone()
            }
        });
        document.chains = described.collect();
        for (row, chain) in document.instruments.iter_mut().zip(at_row) {
            row.chain = chain;
        }
        if !chains.is_empty() {
            let room = spec.capacity().saturating_sub(document.instruments.len());
            let described = chains.values().map(|it| (&it.known.chain, it.has_options));
            let described: Vec<(&Chain, bool)> = described.collect();
            chain_references::add(document, &of, &described, room);
        }
    }

    /// The chains of these names, and those whose forwards give their cost of carry.
    fn chains(&self, of: &Of<'_, '_>, market: Option<usize>, names: &[ChainName]) -> AccountChains {
        let mut chains = AccountChains::new();
        for name in names {
            let Some(known) = self.chain(of, market, name) else {
                continue;
            };
            if let Some(day) = known.carry {
                let carry = (Arc::clone(&name.0), Arc::clone(&name.1), day);
                if let Some(known) = self.chain(of, market, &carry) {
                    let has_options = false;
                    chains
                        .entry(carry)
                        .or_insert(AccountChain { known, has_options });
                }
            }
            let has_options = true;
            chains.insert(name.clone(), AccountChain { known, has_options });
        }
        if chains.len() > MOST_CHAINS {
            chains.retain(|_, it| it.has_options);
        }
        chains
    }

    fn chain(
        &self,
        of: &Of<'_, '_>,
        market: Option<usize>,
        name: &ChainName,
    ) -> Option<Arc<KnownChain>> {
        let Some(table) = of.table else {
            return before(of.account, name).map(Arc::new);
        };
        let key = (Arc::as_ptr(table).addr(), market, name.clone());
        let mut known = self.known.borrow_mut();
        let found = known.entry(key);
        let found = found.or_insert_with(|| self.look_up(table, market, name).map(Arc::new));
        found.clone()
    }

    /// `None` if it is not known when the options expire.
    fn look_up(
        &self,
        table: &InstrumentTable,
        market: Option<usize>,
        (exchange, underlying, expiry): &ChainName,
    ) -> Option<KnownChain> {
        let class = self.calendar.class_of(&Traded {
            exchange,
            kind: TradedKind::Option,
            name: underlying,
            derivatives: false,
        })?;
        let ends = self.calendar.expiry(class, *expiry)?;
        let sources = ForwardSources::of(exchange, underlying, *expiry, table);
        let around = market.and_then(|at| self.parity.around(at, exchange, underlying, *expiry));
        let near = around.map_or(&[][..], |price| sources.near(price));
        let pairs = near.iter().map(|it| ParityPair(it.strike, it.call, it.put));
        Some(KnownChain {
            carry: sources.carry,
            chain: Chain {
                exchange: exchange.to_string(),
                underlying: underlying.to_string(),
                expiry: *expiry,
                expiry_ts: ends.ends.as_second(),
                settles_ts: ends.settles.map(Timestamp::as_second),
                r: self.rates.interest(exchange, underlying),
                q: self.rates.dividend(underlying),
                future: sources.future,
                parity: pairs.collect(),
                carry: None,
                spot: sources.spot,
            },
        })
    }
}

/// Takes out of a document again what only its chains need; `classes`: how many it had without them.
pub(super) fn remove(document: &mut Assignment, classes: usize) {
    document.chains.clear();
    document.sessions.truncate(classes);
    document.instruments.retain(|row| !is_for_chain_alone(row));
    for row in &mut document.instruments {
        row.chain = None;
    }
}

/// The chains of the rows that have Greeks, and the position of its own for each row.
fn names(document: &Assignment) -> (Vec<ChainName>, Vec<Option<u16>>) {
    let mut names: Vec<ChainName> = Vec::new();
    let mut known: FxHashMap<(&str, &str, Date), u16> = FxHashMap::default();
    let mut at_row = Vec::with_capacity(document.instruments.len());
    for row in &document.instruments {
        let has_greeks = row.instrument_type.is_option() && row.outputs.iter().any(|it| it.greeks);
        let expiry = row.expiry.filter(|_| has_greeks);
        at_row.push(expiry.and_then(|expiry| {
            let next = u16::try_from(names.len()).ok()?;
            let at = *known
                .entry((&*row.exchange, &*row.symbol, expiry))
                .or_insert(next);
            if at == next {
                names.push((Arc::clone(&row.exchange), Arc::clone(&row.symbol), expiry));
            }
            Some(at)
        }));
    }
    (names, at_row)
}

/// What the account's base says of a chain, while its list is not known.
fn before(
    account: &AccountInput<'_>,
    (exchange, underlying, expiry): &ChainName,
) -> Option<KnownChain> {
    let base = account.base?;
    let mut chains = base.chains.iter();
    let chain = chains.find(|it| {
        (&*it.exchange, &*it.underlying, it.expiry) == (&**exchange, &**underlying, *expiry)
    })?;
    let carry = chain.carry.and_then(|at| base.chains.get(usize::from(at)));
    Some(KnownChain {
        carry: carry.map(|it| it.expiry),
        chain: chain.clone(),
    })
}
