//! What sets around the money have to have, from the instruments list and the price alone: nothing of the operator is used.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use jiff::civil::Date;
use kite::{Instrument, InstrumentType};

/// Strikes on each side of the money.
const EACH_SIDE: usize = 2;

/// A set of NIFTY's options around the money of one expiry.
#[derive(Debug)]
pub(super) struct SelectedSet {
    pub(super) name: &'static str,
    pub(super) expiry: Date,
    pub(super) types: &'static [InstrumentType],
    /// Whether what the money leaves behind stays.
    pub(super) retains: bool,
    selected: BTreeSet<u32>,
    left_behind: BTreeSet<u32>,
}

/// What is expected after a step of the day.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) list: Vec<Instrument>,
    pub(super) sets: Vec<SelectedSet>,
    /// The instruments that are needed for their price alone.
    pub(super) references: BTreeSet<u32>,
    /// The trading day.
    pub(super) day: Date,
}

/// An instrument of the assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assigned {
    pub(super) sets: BTreeSet<String>,
    /// The day on which the money left it behind, if no set selects it.
    pub(super) retained: Option<Date>,
}

impl SelectedSet {
    pub(super) fn new(
        name: &'static str,
        expiry: Date,
        types: &'static [InstrumentType],
        retains: bool,
    ) -> Self {
        Self {
            name,
            expiry,
            types,
            retains,
            selected: BTreeSet::new(),
            left_behind: BTreeSet::new(),
        }
    }

    /// What it has.
    pub(super) fn instruments(&self) -> BTreeSet<u32> {
        &self.selected | &self.left_behind
    }

    fn select(&mut self, list: &[Instrument], price: f64) {
        let around = around(list, self.expiry, self.types, price);
        let before = std::mem::replace(&mut self.selected, around);
        if self.retains {
            self.left_behind.extend(before);
            self.left_behind = &self.left_behind - &self.selected;
        }
    }
}

impl Expected {
    /// The money of every expiry is at the strike nearest to this price.
    pub(super) fn money_at(&mut self, price: f64) {
        for set in &mut self.sets {
            set.select(&self.list, price);
        }
    }

    /// The contracts of an expiry have ended: its sets go on to the next one, and keep nothing of it.
    pub(super) fn roll(&mut self, from: Date, to: Date, price: f64) {
        for set in self.sets.iter_mut().filter(|set| set.expiry == from) {
            *set = SelectedSet::new(set.name, to, set.types, set.retains);
            set.select(&self.list, price);
        }
    }

    /// Another day begins: nothing of the last one is kept.
    pub(super) fn begin_day(&mut self, day: Date) {
        self.day = day;
        for set in &mut self.sets {
            set.left_behind.clear();
        }
    }

    /// The directory of what streams: tokens and names.
    pub(super) fn directory(&self) -> BTreeMap<u32, String> {
        let tokens: BTreeSet<u32> = self
            .sets
            .iter()
            .flat_map(SelectedSet::instruments)
            .collect();
        let rows = self.list.iter().filter(|row| tokens.contains(&row.token.0));
        rows.map(|row| (row.token.0, row.tradingsymbol.to_string()))
            .collect()
    }

    /// What the account is given, without what is needed for its price alone.
    pub(super) fn assigned(&self) -> BTreeMap<u32, Assigned> {
        let mut assigned: BTreeMap<u32, Assigned> = BTreeMap::new();
        for set in &self.sets {
            for token in set.instruments() {
                let of_token = assigned.entry(token).or_insert_with(|| Assigned {
                    retained: Some(self.day),
                    ..Assigned::default()
                });
                of_token.sets.insert(set.name.to_owned());
                if set.selected.contains(&token) {
                    of_token.retained = None;
                }
            }
        }
        assigned
    }

    /// How the table counts each set: streaming and selected.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, String> {
        let counts = self.sets.iter().map(|set| {
            let count = set.instruments().len();
            (set.name, format!("{count}/{count}"))
        });
        counts.collect()
    }
}

/// The days on which NIFTY's options expire, ascending.
pub(super) fn expiries(list: &[Instrument]) -> Vec<Date> {
    let days: BTreeSet<Date> = nifty(list).filter_map(|row| row.expiry).collect();
    days.into_iter().collect()
}

/// The strikes of an expiry, ascending.
pub(super) fn strikes(list: &[Instrument], expiry: Date) -> Vec<f64> {
    let of_expiry = nifty(list).filter(|row| row.expiry == Some(expiry));
    let mut strikes: Vec<f64> = of_expiry.map(|row| row.strike).collect();
    strikes.sort_by(f64::total_cmp);
    strikes.dedup();
    strikes
}

/// The tokens of all contracts of an expiry.
pub(super) fn of_expiry(list: &[Instrument], expiry: Date) -> BTreeSet<u32> {
    let contracts = list.iter().filter(|row| row.expiry == Some(expiry));
    contracts.map(|row| row.token.0).collect()
}

/// The token of a call.
pub(super) fn call(list: &[Instrument], expiry: Date, strike: f64) -> Result<u32> {
    let mut calls = nifty(list).filter(|row| row.instrument_type == InstrumentType::Call);
    let call = calls.find(|row| row.expiry == Some(expiry) && row.strike == strike);
    Ok(call.context("no such call")?.token.0)
}

/// The token of an instrument by its name.
pub(super) fn token(list: &[Instrument], exchange: &str, symbol: &str) -> Result<u32> {
    let mut found = list.iter();
    let found = found.find(|row| &*row.exchange == exchange && &*row.tradingsymbol == symbol);
    let found = found.with_context(|| format!("{exchange}:{symbol} is not listed"))?;
    Ok(found.token.0)
}

fn nifty(list: &[Instrument]) -> impl Iterator<Item = &Instrument> {
    let options = list.iter().filter(|row| row.instrument_type.is_option());
    options.filter(|row| &*row.name == "NIFTY" && &*row.exchange == "NFO")
}

fn around(
    list: &[Instrument],
    expiry: Date,
    types: &[InstrumentType],
    price: f64,
) -> BTreeSet<u32> {
    let strikes = strikes(list, expiry);
    let distance = |at: &usize| (strikes[*at] - price).abs();
    let money = (0..strikes.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let money = money.unwrap_or_default();
    let (first, last) = (money - EACH_SIDE, money + EACH_SIDE);
    let range = strikes[first]..=strikes[last];
    let chosen = nifty(list).filter(|row| {
        row.expiry == Some(expiry)
            && range.contains(&row.strike)
            && types.contains(&row.instrument_type)
    });
    chosen.map(|row| row.token.0).collect()
}
