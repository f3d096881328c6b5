//! Around which price the calls and puts are chosen that give a forward price by put-call parity.
//!
//! Pure. Owns when others are chosen: not while the price is among the inner strikes of those that were. They are the same on
//! every account of a market, so that all compute one forward. Must not know which contracts there are.

use std::hash::{Hash, Hasher};

use contract::{Assignment, Chain};
use jiff::civil::Date;
use rustc_hash::{FxHashMap, FxHasher};

use crate::plan::input::{self, AccountSpec, MarketKey, Price};
use crate::plan::placement::PlacedAccount;
use crate::plan::selection::MoneyFindings;

/// The prices around which calls and puts are chosen, by market and chain.
pub(super) struct ParityPrices<'p> {
    markets: Vec<MarketKey>,
    /// Those that assignments name.
    chosen: FxHashMap<Name<'p>, Chosen>,
    /// Where the money is, as far as it is known.
    money: FxHashMap<Name<'p>, f64>,
}

/// The position of a market, and exchange, underlying and expiry of a chain in it.
type Name<'p> = (usize, &'p str, &'p str, Date);

/// Strikes that were chosen: the middle one, and the two next to it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Chosen {
    low: f64,
    middle: f64,
    high: f64,
}

impl<'p> ParityPrices<'p> {
    pub(super) fn new(accounts: &[PlacedAccount<'p>], money: &'p MoneyFindings) -> Self {
        let mut prices = Self {
            markets: Vec::new(),
            chosen: FxHashMap::default(),
            money: FxHashMap::default(),
        };
        for (market, exchange, underlying, expiry, strike) in money.strikes() {
            let market = prices.add_market(market);
            let name = (market, exchange, underlying, expiry);
            prices.money.insert(name, strike);
        }
        for placed in accounts {
            let account = &placed.held_over.account;
            let (Ok(spec), Some(base)) = (&account.spec, account.base) else {
                continue;
            };
            if base.chains.is_empty() || !is_of_market(base, spec) {
                continue;
            }
            let market = prices.add_market(&input::market(spec));
            for chain in &base.chains {
                if let Some(chosen) = Chosen::of(chain) {
                    prices.chosen.entry(name(market, chain)).or_insert(chosen);
                }
            }
            let report = account.observed.scrape.report.as_ref();
            let report = report.filter(|_| account.report().is_some());
            for chain in report.into_iter().flat_map(|report| &report.chains) {
                let forward = chain.forward.as_deref().and_then(Price::parse);
                if let Some(forward) = forward {
                    let name = (market, &*chain.exchange, &*chain.underlying, chain.expiry);
                    prices.money.entry(name).or_insert(forward.rupees());
                }
            }
        }
        prices
    }

    fn add_market(&mut self, market: &MarketKey) -> usize {
        let known = self.markets.iter().position(|it| it == market);
        known.unwrap_or_else(|| {
            self.markets.push(MarketKey::clone(market));
            self.markets.len() - 1
        })
    }

    /// The position of an account's market.
    pub(super) fn market(&self, spec: &AccountSpec) -> Option<usize> {
        let market = input::market(spec);
        self.markets.iter().position(|it| *it == market)
    }

    /// The price around which strikes of a chain are chosen; `None`: none are known.
    pub(super) fn around(
        &self,
        market: usize,
        exchange: &str,
        underlying: &str,
        expiry: Date,
    ) -> Option<f64> {
        let name = (market, exchange, underlying, expiry);
        let chosen = self.chosen.get(&name);
        let kept = chosen.map(|it| it.middle);
        match self.money.get(&name).copied() {
            Some(price) if chosen.is_none_or(|it| it.side(price) != Side::Among) => Some(price),
            Some(_) | None => kept,
        }
    }

    /// A hash of what decides which strikes are chosen for the chains of an assignment. The price itself is none of it: where
    /// there are no further strikes, it goes its way.
    pub(super) fn hash_of(&self, base: &Assignment, spec: &AccountSpec) -> u64 {
        let mut hasher = FxHasher::default();
        if let (false, Some(market)) = (base.chains.is_empty(), self.market(spec)) {
            for chain in &base.chains {
                let name = name(market, chain);
                let (chosen, money) = (self.chosen.get(&name), self.money.get(&name));
                let side = chosen.zip(money).map(|(chosen, price)| chosen.side(*price));
                let middle = chosen.map(|it| it.middle.to_bits());
                (middle, money.is_some(), side).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

/// Where a price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Below,
    Among,
    Above,
}

impl Chosen {
    fn side(&self, price: f64) -> Side {
        if price < self.low {
            Side::Below
        } else if price > self.high {
            Side::Above
        } else {
            Side::Among
        }
    }

    fn of(chain: &Chain) -> Option<Self> {
        let strike = |at: usize| chain.parity.get(at).map(|pair| pair.0);
        let last = chain.parity.len().checked_sub(1)?;
        let middle = chain.parity.len() / 2;
        Some(Self {
            low: strike(middle.saturating_sub(1))?,
            middle: strike(middle)?,
            high: strike((middle + 1).min(last))?,
        })
    }
}

fn name(market: usize, chain: &Chain) -> Name<'_> {
    (market, &chain.exchange, &chain.underlying, chain.expiry)
}

/// Whether an assignment was made for the market that its account uses.
fn is_of_market(base: &Assignment, spec: &AccountSpec) -> bool {
    (&base.websocket, base.account.mock) == (&spec.websocket, spec.mock)
}
