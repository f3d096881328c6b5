//! What one day's list takes over from the list of the day before.
//!
//! Owns how a list changes overnight: contracts that live keep their tokens, those that have expired free theirs, and
//! the strikes of one share's options are adjusted as after a dividend. Must not know how contracts are chosen.

use std::collections::BTreeSet;

use jiff::civil::Date;
use kite::Token;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Contract, Listing, Right, Universe};

/// Every so many new contracts one gets the number of a contract that has expired.
const REUSED: usize = 3;

/// What is taken over.
#[derive(Debug, Default)]
pub(super) struct Overnight {
    /// Contracts that live on, by `EXCHANGE:SYMBOL` of the new day.
    living: FxHashMap<String, Listing>,
    /// Names of their underlyings, by the position that a listing holds.
    underlyings: Vec<String>,
    /// Prices of underlyings at the end of the day, by name.
    closes: FxHashMap<String, f64>,
    /// Exchange tokens of contracts that have expired, by segment.
    freed: FxHashMap<u8, Vec<u32>>,
    /// Exchange tokens in use, by segment the highest.
    highest: FxHashMap<u8, u32>,
    taken: FxHashSet<Token>,
    asked: usize,
}

impl Overnight {
    /// From `before` to `date`; `closes` are the prices of its underlyings, in their order.
    pub(super) fn new(before: &Universe, closes: &[f64], date: Date) -> Self {
        let names = before.underlyings.iter().map(|it| it.name.clone());
        let mut overnight = Self {
            underlyings: names.collect(),
            ..Self::default()
        };
        let closes = overnight
            .underlyings
            .iter()
            .cloned()
            .zip(closes.iter().copied());
        overnight.closes = closes.collect();
        let adjusted = adjusted(before, date);
        for listing in &before.listings {
            let Some(expiry) = listing.instrument.expiry else {
                continue;
            };
            let token = listing.instrument.token;
            let (segment, number) = ((token.0 & 0xff) as u8, token.0 >> 8);
            let highest = overnight.highest.entry(segment).or_default();
            *highest = number.max(*highest);
            if expiry < date {
                overnight.freed.entry(segment).or_default().push(number);
                continue;
            }
            overnight.taken.insert(token);
            let mut listing = listing.clone();
            if adjusted == Some(listing.underlying) {
                let close = before.underlyings[listing.underlying].close;
                adjust(&mut listing, close);
            }
            overnight.living.insert(listing.symbol(), listing);
        }
        overnight
    }

    /// The close of an underlying, unless it is new.
    pub(super) fn close(&self, name: &str) -> Option<f64> {
        self.closes.get(name).copied()
    }

    /// The exchange token of a contract that was listed before.
    pub(super) fn exchange_token(&self, symbol: &str) -> Option<u32> {
        let listing = self.living.get(symbol)?;
        Some(listing.instrument.exchange_token)
    }

    /// The number of an expired contract for a new one, now and then.
    pub(super) fn freed(&mut self, segment: u8) -> Option<u32> {
        self.asked += 1;
        if !self.asked.is_multiple_of(REUSED) {
            return None;
        }
        self.freed.get_mut(&segment)?.pop()
    }

    /// The highest exchange token of a segment.
    pub(super) fn highest(&self, segment: u8) -> Option<u32> {
        self.highest.get(&segment).copied()
    }

    /// Contracts that live on and are not among `listed`, in the order of their tokens, each with the name of its
    /// underlying.
    pub(super) fn rest(&self, listed: &FxHashSet<String>) -> Vec<(Listing, &str)> {
        let rest = self
            .living
            .iter()
            .filter(|(symbol, _)| !listed.contains(*symbol));
        let mut rest: Vec<_> = rest
            .map(|(_, listing)| (listing.clone(), &*self.underlyings[listing.underlying]))
            .collect();
        rest.sort_by_key(|(listing, _)| listing.instrument.token);
        rest
    }
}

/// The share whose options are adjusted on `date`: another one each day.
fn adjusted(before: &Universe, date: Date) -> Option<usize> {
    let options = before.listings.iter().filter(|listing| {
        let of_shares = &*listing.instrument.exchange == "NFO";
        of_shares && matches!(listing.contract, Contract::Option { .. })
    });
    let of_options: BTreeSet<usize> = options.map(|listing| listing.underlying).collect();
    let shares = before
        .listings
        .iter()
        .filter(|it| it.contract == Contract::Share);
    let shares: BTreeSet<usize> = shares.map(|listing| listing.underlying).collect();
    let candidates: Vec<usize> = of_options.intersection(&shares).copied().collect();
    let day = usize::from(date.day_of_year().unsigned_abs());
    candidates.get(day % candidates.len().max(1)).copied()
}

/// Lowers a strike by a dividend; the name follows.
fn adjust(listing: &mut Listing, close: f64) {
    let Contract::Option { strike, right, .. } = &mut listing.contract else {
        return;
    };
    let dividend = (close * 0.01).floor() + 0.25;
    let end = match right {
        Right::Call => "CE",
        Right::Put => "PE",
    };
    let before = format!("{strike}{end}");
    let symbol = &*listing.instrument.tradingsymbol;
    let (Some(stem), true) = (symbol.strip_suffix(&before), *strike > dividend) else {
        return;
    };
    *strike -= dividend;
    listing.instrument.tradingsymbol = format!("{stem}{strike}{end}").into();
    listing.instrument.strike = *strike;
}
