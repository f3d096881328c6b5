//! The contracts that a selector of options or futures selects.
//!
//! Pure. Owns which expiries and strikes are meant, and what is said if there are none. Must not know names of
//! contracts.

mod priced;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crds::selector::{
    DerivativesExchange, Expiries, FutureSelector, OptionKind, OptionSelector, StrikeRange, Strikes,
};
use jiff::civil::Date;
use kite::{Instrument, InstrumentType};

use super::expiry::TradingDays;
use super::money::MoneyOf;
use crate::instruments::similar::nearest;
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::Price;
use crate::plan::samples::list;

pub(super) use priced::{around_money, rests_on, spot_exchange};

/// What a selector selects, and what it does not find.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: Vec<RowIx>,
    /// Texts without the selector's place.
    pub(super) missing: Vec<String>,
}

/// Futures or options.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Futures,
    Options,
}

/// The contracts of one kind that are traded, of one underlying on one exchange.
struct Chain<'t> {
    /// `NIFTY has no options`, or `NFO:NIFTY has no options` if the exchange was said.
    name: String,
    kind: Kind,
    contracts: Vec<(RowIx, Date, &'t Instrument)>,
}

/// The options that a selector selects. `money`: where the money is, for strikes that depend on it.
pub(super) fn options(
    selector: &OptionSelector,
    table: &InstrumentTable,
    days: &TradingDays,
    money: MoneyOf<'_>,
) -> Found {
    let underlying = (selector.exchange, selector.underlying.as_str());
    let mut chain = match Chain::find(underlying, Kind::Options, table, days) {
        Ok(chain) => chain,
        Err(missing) => return Found::none(missing),
    };
    let mut missing = chain.keep_expiries(&selector.expiries, days);
    missing.extend(chain.keep_strikes(&selector.strikes, money));
    let wanted = |kind| match kind {
        InstrumentType::Call => selector.types.contains(&OptionKind::Call),
        InstrumentType::Put => selector.types.contains(&OptionKind::Put),
        InstrumentType::Equity | InstrumentType::Future => false,
    };
    if !selector.types.is_empty() {
        let contracts = &mut chain.contracts;
        contracts.retain(|(_, _, contract)| wanted(contract.instrument_type));
    }
    chain.found(missing)
}

pub(super) fn futures(
    selector: &FutureSelector,
    table: &InstrumentTable,
    days: &TradingDays,
) -> Found {
    let underlying = (selector.exchange, selector.underlying.as_str());
    match Chain::find(underlying, Kind::Futures, table, days) {
        Ok(mut chain) => {
            let missing = chain.keep_expiries(&selector.expiries, days);
            chain.found(missing)
        }
        Err(missing) => Found::none(missing),
    }
}

impl Found {
    fn none(missing: String) -> Self {
        Self {
            rows: Vec::new(),
            missing: vec![missing],
        }
    }
}

impl Kind {
    fn of(contract: &Instrument) -> Option<Self> {
        match contract.instrument_type {
            InstrumentType::Future => Some(Self::Futures),
            InstrumentType::Call | InstrumentType::Put => Some(Self::Options),
            InstrumentType::Equity => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Futures => "futures",
            Self::Options => "options",
        }
    }
}

impl<'t> Chain<'t> {
    /// The contracts on the exchange, or on the first that has some; else what is missing.
    fn find(
        (exchange, underlying): (Option<DerivativesExchange>, &str),
        kind: Kind,
        table: &'t InstrumentTable,
        days: &TradingDays,
    ) -> Result<Self, String> {
        let said = exchange.map(|it| [it]);
        let exchanges = said.as_ref().map_or(DerivativesExchange::ALL, |it| &it[..]);
        let name = match exchange {
            Some(exchange) => format!("{}:{underlying}", exchange.as_str()),
            None => underlying.to_owned(),
        };
        let chains = exchanges.iter().map(|exchange| {
            let first = days.first(exchange.as_str());
            let contracts = table.contracts(exchange.as_str(), underlying);
            let contracts = contracts.filter_map(|(row, contract)| {
                let expiry = contract.expiry.filter(|expiry| *expiry >= first)?;
                (Kind::of(contract) == Some(kind)).then_some((row, expiry, contract))
            });
            contracts.collect::<Vec<_>>()
        });
        let mut chains = chains.filter(|contracts| !contracts.is_empty());
        if let Some(contracts) = chains.next() {
            return Ok(Self {
                name,
                kind,
                contracts,
            });
        }
        let known = table.underlyings();
        let known = known.filter(|(at, _)| exchanges.iter().any(|it| it.as_str() == *at));
        let hint = nearest(underlying, known.map(|(_, name)| name));
        let hint = hint.filter(|hint| *hint != underlying);
        let hint = hint.map_or_else(String::new, |hint| format!("; the nearest is {hint}"));
        Err(format!("{name} has no {}{hint}", kind.as_str()))
    }

    /// Keeps the contracts of these expiries. Returns what is missing.
    fn keep_expiries(&mut self, wanted: &Expiries, days: &TradingDays) -> Vec<String> {
        let mut listed: Vec<Date> = self
            .contracts
            .iter()
            .map(|(_, expiry, _)| *expiry)
            .collect();
        listed.sort_unstable();
        listed.dedup();
        let (chosen, missing) = match (wanted.nearest, wanted.monthly) {
            (Some(count), _) => (first(&listed, count), Vec::new()),
            (None, Some(count)) => (first(&last_of_months(&listed), count), Vec::new()),
            (None, None) => self.dates(&wanted.dates, &listed, days),
        };
        let contracts = &mut self.contracts;
        contracts.retain(|(_, expiry, _)| chosen.contains(expiry));
        missing
    }

    fn dates(
        &self,
        wanted: &[String],
        listed: &[Date],
        days: &TradingDays,
    ) -> (Vec<Date>, Vec<String>) {
        let (mut chosen, mut missing) = (Vec::new(), Vec::new());
        for text in wanted {
            match text.parse::<Date>() {
                Ok(date) if listed.contains(&date) => chosen.push(date),
                Ok(date) => missing.push(self.no_expiry(date, listed, days)),
                Err(_) => missing.push(format!("{text} is no day: write it like 2026-12-29")),
            }
        }
        (chosen, missing)
    }

    fn no_expiry(&self, date: Date, listed: &[Date], days: &TradingDays) -> String {
        let exchange = self
            .contracts
            .first()
            .map(|(_, _, contract)| &*contract.exchange);
        let listed: Vec<String> = listed.iter().map(Date::to_string).collect();
        let listed = list(&listed);
        if date < days.first(exchange.unwrap_or_default()) {
            return format!("{date} is past; the expiries of {} are {listed}", self.name);
        }
        let kind = self.kind.as_str();
        format!(
            "{} has no {kind} of {date}; the expiries are {listed}",
            self.name
        )
    }

    /// Keeps the contracts of these strikes. Returns what is missing.
    fn keep_strikes(&mut self, strikes: &Strikes, money: MoneyOf<'_>) -> Option<String> {
        if let Some(count) = strikes.around_atm {
            self.keep_between(|expiry| money.around(expiry, count as usize));
        } else if let Some(percent) = &strikes.within_percent {
            let percent = percent.as_f64()?;
            self.keep_between(|expiry| money.within(expiry, percent));
        } else if let Some(range) = &strikes.range {
            return self.keep_range(range);
        }
        None
    }

    fn keep_range(&mut self, range: &StrikeRange) -> Option<String> {
        let (min, max) = (range.min.as_f64()?, range.max.as_f64()?);
        if self.contracts.is_empty() {
            return None;
        }
        let strikes = self
            .contracts
            .iter()
            .map(|(_, _, contract)| contract.strike);
        let bounds = strikes.fold(None, |bounds, strike| match bounds {
            None => Some((strike, strike)),
            Some((low, high)) => Some((strike.min(low), strike.max(high))),
        });
        let contracts = &mut self.contracts;
        contracts.retain(|(_, _, contract)| (min..=max).contains(&contract.strike));
        let (low, high) = bounds.filter(|_| self.contracts.is_empty())?;
        let name = &self.name;
        Some(format!(
            "{name} has no strikes from {min} to {max}; the listed ones are {low} to {high}"
        ))
    }

    /// Keeps the strikes of each expiry that are within its bounds.
    fn keep_between(&mut self, bounds: impl Fn(Date) -> Option<RangeInclusive<Price>>) {
        let mut known: Option<(Date, Option<RangeInclusive<Price>>)> = None;
        self.contracts.retain(|(_, expiry, contract)| {
            if known.as_ref().is_none_or(|(known, _)| known != expiry) {
                known = Some((*expiry, bounds(*expiry)));
            }
            let bounds = known.as_ref().and_then(|(_, bounds)| bounds.as_ref());
            let strike = Price::new(contract.strike);
            bounds
                .zip(strike)
                .is_some_and(|(bounds, strike)| bounds.contains(&strike))
        });
    }

    fn found(self, missing: Vec<String>) -> Found {
        Found {
            rows: self.contracts.into_iter().map(|(row, _, _)| row).collect(),
            missing,
        }
    }
}

fn first(dates: &[Date], count: u32) -> Vec<Date> {
    dates.iter().copied().take(count as usize).collect()
}

/// Of the dates in each month the last.
fn last_of_months(dates: &[Date]) -> Vec<Date> {
    let months: BTreeMap<_, Date> = dates
        .iter()
        .map(|date| ((date.year(), date.month()), *date))
        .collect();
    months.into_values().collect()
}
