//! Where the money is: the strike at the money of every chain that a set selects by it.
//!
//! Owns what is asked about each chain once in a pass, and what the next pass has to know. Must not select contracts.

mod band;
mod decide;
mod hours;

use std::ops::RangeInclusive;
use std::sync::Arc;

use calendar::Calendar;
use crds::InstrumentSetSpec;
use crds::account::MarketHours;
use crds::set::AtmStrike;
use jiff::Timestamp;
use jiff::civil::Date;
use kite::Token;
use rustc_hash::FxHashMap;

pub use band::PriceBands;

pub(crate) use decide::ChainMoney;

use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::{MarketKey, Price, Quotes};
use band::PriceBand;
use decide::{ChainQuotes, decide};
use hours::TradingHours;

/// One expiry of an underlying's options, and the instruments whose prices say where its money is.
#[derive(Debug)]
pub(crate) struct ChainPrices {
    pub(crate) exchange: Arc<str>,
    pub(crate) underlying: Arc<str>,
    pub(crate) expiry: Date,
    /// Ascending, each once.
    pub(crate) strikes: Vec<Price>,
    /// The future whose price is the forward, where there is one.
    pub(crate) future: Option<Reference>,
    /// The index or share, where there is one.
    pub(crate) spot: Option<Reference>,
}

/// An instrument whose price is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reference {
    pub(crate) token: Token,
    pub(crate) row: RowIx,
}

/// The chains of a set whose strikes depend on the money, each with the place of its selector in `options`; by place and
/// expiry.
#[derive(Debug, Default)]
pub(crate) struct MoneyChains {
    pub(crate) chains: Vec<(usize, ChainPrices)>,
    /// The instruments whose prices are needed, each once, by token.
    pub(crate) references: Vec<Reference>,
    /// The spec that says so.
    pub(super) spec: Option<Arc<InstrumentSetSpec>>,
}

/// Where the money of a set's chains is, by the position of the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct MoneyAt<'s> {
    pub(super) chains: &'s MoneyChains,
    pub(super) money: &'s [ChainMoney],
}

/// Where the money of one selector's chains is.
#[derive(Clone, Copy, Debug)]
pub(super) struct MoneyOf<'s> {
    at: MoneyAt<'s>,
    place: usize,
}

/// What identifies a chain from pass to pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChainKey {
    market: MarketKey,
    exchange: Arc<str>,
    underlying: Arc<str>,
    expiry: Date,
}

/// Where the money was in the last pass.
pub(crate) type MoneyMemory = FxHashMap<ChainKey, ChainMoney>;

/// Where the money of every chain is in this pass.
#[derive(Debug)]
pub(crate) struct Money<'a> {
    calendar: &'a Calendar,
    quotes: Quotes,
    last: &'a MoneyMemory,
    now: Timestamp,
    decided: FxHashMap<ChainKey, Option<ChainMoney>>,
    bands: FxHashMap<(MarketKey, Token), PriceBand>,
    due: Option<Timestamp>,
    moves: u32,
}

/// What a pass found out about the money, once every set has asked.
#[derive(Debug, Default)]
pub(crate) struct MoneyFindings {
    /// For the next pass.
    pub(crate) memory: MoneyMemory,
    bands: FxHashMap<(MarketKey, Token), PriceBand>,
    /// When to look again even if no price changes.
    pub(crate) due: Option<Timestamp>,
    /// Of how many chains the strike at the money is another one than before.
    pub(crate) moves: u32,
}

impl MoneyChains {
    pub(super) fn new(chains: Vec<(usize, ChainPrices)>, spec: &Arc<InstrumentSetSpec>) -> Self {
        let references = chains.iter();
        let references = references.flat_map(|(_, chain)| [chain.future, chain.spot]);
        let mut references: Vec<Reference> = references.flatten().collect();
        references.sort_unstable();
        references.dedup();
        Self {
            chains,
            references,
            spec: Some(Arc::clone(spec)),
        }
    }
}

impl<'s> MoneyAt<'s> {
    /// That of the selector at this place in `options`.
    pub(super) fn of(self, place: usize) -> MoneyOf<'s> {
        MoneyOf { at: self, place }
    }
}

impl MoneyOf<'_> {
    /// The lowest and the highest of the strike at the money and so many on each side.
    pub(super) fn around(self, expiry: Date, count: usize) -> Option<RangeInclusive<Price>> {
        let (chain, money) = self.chain(expiry)?;
        let at = chain.strikes.binary_search(&money.atm).ok()?;
        let last = chain.strikes.len().checked_sub(1)?;
        let (first, last) = (at.saturating_sub(count), at.saturating_add(count).min(last));
        Some(*chain.strikes.get(first)?..=*chain.strikes.get(last)?)
    }

    /// The bounds so many percent below and above the strike at the money.
    pub(super) fn within(self, expiry: Date, percent: f64) -> Option<RangeInclusive<Price>> {
        let (_, money) = self.chain(expiry)?;
        let atm = money.atm.rupees();
        let distance = atm * percent / 100.0;
        let low = Price::new(atm - distance).unwrap_or(Price::MIN);
        let high = Price::new(atm + distance).unwrap_or(Price::MAX);
        Some(low..=high)
    }

    fn chain(&self, expiry: Date) -> Option<(&ChainPrices, &ChainMoney)> {
        let chains = &self.at.chains.chains;
        let key = (self.place, expiry);
        let at = chains.binary_search_by_key(&key, |(place, chain)| (*place, chain.expiry));
        let at = at.ok()?;
        Some((&chains[at].1, self.at.money.get(at)?))
    }
}

impl<'a> Money<'a> {
    pub(super) fn new(
        quotes: Quotes,
        last: &'a MoneyMemory,
        (calendar, now): (&'a Calendar, Timestamp),
    ) -> Self {
        Self {
            quotes,
            last,
            calendar,
            now,
            decided: FxHashMap::default(),
            bands: FxHashMap::default(),
            due: None,
            moves: 0,
        }
    }

    /// Where the money of a chain is; `None` until there is a price. `hours`: when instruments of the account tick; `known`: what the status of a set says of its chains,
    /// which counts if this process does not know the chain yet.
    pub(super) fn at(
        &mut self,
        (market, hours): (&MarketKey, MarketHours),
        chain: &ChainPrices,
        known: &[AtmStrike],
    ) -> Option<ChainMoney> {
        let key = ChainKey {
            market: Arc::clone(market),
            exchange: Arc::clone(&chain.exchange),
            underlying: Arc::clone(&chain.underlying),
            expiry: chain.expiry,
        };
        if let Some(decided) = self.decided.get(&key) {
            return *decided;
        }
        let before = self.last.get(&key).copied().or_else(|| chain.known(known));
        let quote = |reference: Option<Reference>| self.quotes.get(market, reference?.token);
        let quotes = ChainQuotes {
            strikes: &chain.strikes,
            future: quote(chain.future),
            spot: quote(chain.spot),
        };
        let calendar = self.calendar;
        let phase = TradingHours { calendar, hours }.at(&chain.exchange, self.now);
        let decision = decide(quotes, phase, before.as_ref(), self.now);
        let sources = [(chain.future, decision.future), (chain.spot, decision.spot)];
        for (reference, band) in sources {
            if let Some(reference) = reference {
                let of = (Arc::clone(market), reference.token);
                let known = self.bands.entry(of).or_insert(PriceBand::ANY);
                *known = known.and(band);
            }
        }
        self.due = Some(self.due.map_or(decision.due, |due| due.min(decision.due)));
        let strikes = before.zip(decision.money);
        self.moves += u32::from(strikes.is_some_and(|(before, now)| before.atm != now.atm));
        self.decided.insert(key, decision.money);
        decision.money
    }

    /// What was found out. `all_asked`: whether every set has asked; else what is known of other chains is kept. `roll`: when
    /// what the money has left behind goes.
    pub(super) fn finish(self, all_asked: bool, roll: Option<Timestamp>) -> MoneyFindings {
        let decided = self.decided.iter();
        let decided = decided.filter_map(|(key, money)| Some((key.clone(), (*money)?)));
        let mut memory: MoneyMemory = decided.collect();
        if !all_asked {
            for (key, money) in self.last {
                memory.entry(key.clone()).or_insert(*money);
            }
        }
        MoneyFindings {
            memory,
            bands: self.bands,
            due: [self.due, roll].into_iter().flatten().min(),
            moves: self.moves,
        }
    }
}

impl MoneyFindings {
    /// The strike at the money of each chain that is known: its market, exchange, underlying, expiry and strike in rupees.
    pub(crate) fn strikes(&self) -> impl Iterator<Item = (&MarketKey, &str, &str, Date, f64)> {
        self.memory.iter().map(|(key, money)| {
            let name = (&*key.exchange, &*key.underlying, key.expiry);
            (&key.market, name.0, name.1, name.2, money.atm.rupees())
        })
    }

    /// The bands of these instruments.
    pub(crate) fn bands(
        &self,
        market: &MarketKey,
        tokens: impl Iterator<Item = Token>,
    ) -> PriceBands {
        let bands = tokens.filter_map(|token| {
            let band = self.bands.get(&(Arc::clone(market), token))?;
            Some((token, *band))
        });
        PriceBands::new(bands.collect())
    }
}

impl ChainPrices {
    /// The message of a set that waits for the price of this chain, which its selector at `place` in `options` needs.
    pub(super) fn waits_for(&self, place: usize, table: &InstrumentTable) -> String {
        let (underlying, expiry) = (&self.underlying, self.expiry);
        let references = [self.future, self.spot].into_iter().flatten();
        let names = references.filter_map(|it| table.get(it.row));
        let names: Vec<String> = names
            .map(|it| format!("{}:{}", it.exchange, it.tradingsymbol))
            .collect();
        if names.is_empty() {
            return format!(
                "options[{place}]: the money of {underlying} of {expiry} is not known: the instruments list has neither its \
                 underlying nor a future; use strikes.range"
            );
        }
        format!(
            "options[{place}]: the money of {underlying} of {expiry} is not known until a price of {} comes: what the set has \
             stays",
            names.join(" or ")
        )
    }

    /// What a status says about this chain.
    fn known(&self, known: &[AtmStrike]) -> Option<ChainMoney> {
        let expiry = self.expiry.to_string();
        let known = known.iter().find(|it| {
            let names = (
                it.exchange.as_deref(),
                it.underlying.as_deref(),
                it.expiry.as_deref(),
            );
            names
                == (
                    Some(&*self.exchange),
                    Some(&*self.underlying),
                    Some(&expiry),
                )
        })?;
        let atm = Price::new(known.strike.as_ref()?.as_f64()?)?;
        let forward = known.price.as_ref().and_then(serde_json::Number::as_f64);
        Some(ChainMoney {
            atm,
            forward: forward.and_then(Price::new).unwrap_or(atm),
            source: known.source?,
            away_since: None,
            doubted: None,
        })
    }
}
