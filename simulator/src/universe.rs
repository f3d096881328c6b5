//! The simulated market: every instrument, its number, its contract terms and its underlying.
//!
//! Owns the instruments list and nothing that moves. The same seed and day give the same universe.
//! Names, numbers and steps follow the public dump: indices and well-known shares carry their real
//! tokens. A universe that follows another keeps the tokens of contracts that live on, and gives some of those of
//! expired ones to new contracts, as Kite does. When contracts
//! end is the calendar's to say: an expiry on a day without a session is on the trading day before.

use std::collections::BTreeSet;
use std::sync::Arc;

use calendar::{Calendar, ClassIx};
use jiff::civil::Date;
use kite::{Instrument, InstrumentType, Token};
use rustc_hash::FxHashMap;

mod builder;
mod cash;
mod classes;
mod commodities;
mod currencies;
mod days;
mod error;
mod expiries;
mod indices;
mod leads;
mod numbering;
mod stocks;
mod symbols;
mod terms;

pub use error::UniverseError;

/// One instrument and what its price depends on.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Its row in the dump.
    pub instrument: Instrument,
    /// Terms of the contract.
    pub contract: Contract,
    /// Its class in [`Universe::calendar`]; `None`: when it trades is not known.
    pub class: Option<ClassIx>,
    /// Position of its underlying in [`Universe::underlyings`].
    pub underlying: usize,
    /// Position of the future in [`Universe::listings`] that an option leads to; `None`: it is one on its underlying.
    pub future: Option<usize>,
    /// Smallest price step as an integer of the wire; 1 for an index.
    pub tick: i32,
}

impl Listing {
    /// `EXCHANGE:SYMBOL`, the name that people use.
    #[must_use]
    pub fn symbol(&self) -> String {
        format!(
            "{}:{}",
            self.instrument.exchange, self.instrument.tradingsymbol
        )
    }

    /// Decimals of a price on the wire, as a factor.
    #[must_use]
    pub fn divisor(&self) -> f64 {
        f64::from(self.instrument.token.segment().divisor())
    }
}

/// What kind of contract a listing is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Contract {
    /// A computed value; nothing trades.
    Index,
    /// The underlying itself.
    Share,
    /// Delivery at `expiry`, Unix seconds.
    Future {
        /// End of trading, Unix seconds.
        expiry: i64,
    },
    /// A European option.
    Option {
        /// End of trading, Unix seconds.
        expiry: i64,
        /// Strike in rupees.
        strike: f64,
        /// Call or put.
        right: Right,
    },
}

impl Contract {
    /// End of trading, Unix seconds; an index and a share have none.
    #[must_use]
    pub const fn end(self) -> Option<i64> {
        match self {
            Self::Index | Self::Share => None,
            Self::Future { expiry } | Self::Option { expiry, .. } => Some(expiry),
        }
    }

    /// Whether it is not traded any more.
    #[must_use]
    pub fn has_ended(self, now: i64) -> bool {
        self.end().is_some_and(|end| now >= end)
    }
}

/// Which side of the strike an option pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

/// An underlying, whose price follows its own random walk.
#[derive(Clone, Debug)]
pub struct Underlying {
    /// Its name, as in the dump's `name` column of derivatives.
    pub name: String,
    /// Close of the previous day in rupees.
    pub close: f64,
    /// Opening gap against `close`, as a logarithm.
    pub gap: f64,
    /// How strongly it follows the market.
    pub beta: f64,
    /// Annual volatility of its own movement.
    pub volatility: f64,
    /// Annual implied volatility of its options at the money.
    pub implied: f64,
}

/// All instruments of one day.
#[derive(Clone, Debug)]
pub struct Universe {
    /// The day, in Indian time.
    pub date: Date,
    /// When they trade.
    pub calendar: Arc<Calendar>,
    /// Strikes on each side of the money that every option chain has at least.
    pub strikes: u16,
    /// Every instrument, in the dump's order.
    pub listings: Vec<Listing>,
    /// Their underlyings.
    pub underlyings: Vec<Underlying>,
    by_token: FxHashMap<Token, usize>,
    by_symbol: FxHashMap<String, usize>,
}

impl Universe {
    /// Makes the universe of `date`; `calendar` decides when its contracts end.
    ///
    /// # Errors
    /// When the built-in tables contradict each other.
    pub fn generate(seed: u64, date: Date, calendar: &Calendar) -> Result<Self, UniverseError> {
        Self::with_strikes(seed, date, calendar, 0)
    }

    /// As [`Universe::generate`], with at least `strikes` strikes on each side of the money in every option chain,
    /// so far as they are above zero.
    ///
    /// # Errors
    /// As [`Universe::generate`].
    pub fn with_strikes(
        seed: u64,
        date: Date,
        calendar: &Calendar,
        strikes: u16,
    ) -> Result<Self, UniverseError> {
        let calendar = Arc::new(calendar.clone());
        Self::build(builder::Builder::new(seed, date, calendar, strikes))
    }

    /// Makes the universe of a later day by the same calendar, after one in which the prices of the underlyings were
    /// `closes`, in their order.
    ///
    /// # Errors
    /// As [`Universe::generate`].
    pub fn next(&self, seed: u64, date: Date, closes: &[f64]) -> Result<Self, UniverseError> {
        let overnight = days::Overnight::new(self, closes, date);
        let calendar = Arc::clone(&self.calendar);
        let strikes = self.strikes;
        Self::build(builder::Builder::after(
            seed, date, calendar, strikes, overnight,
        ))
    }

    fn build(mut builder: builder::Builder) -> Result<Self, UniverseError> {
        indices::list(&mut builder)?;
        cash::list(&mut builder)?;
        indices::list_derivatives(&mut builder)?;
        stocks::list(&mut builder)?;
        currencies::list(&mut builder)?;
        commodities::list(&mut builder)?;
        builder.finish()
    }

    /// Position of an instrument in [`Universe::listings`].
    #[must_use]
    pub fn find(&self, token: Token) -> Option<usize> {
        self.by_token.get(&token).copied()
    }

    /// Position of the instrument called `EXCHANGE:SYMBOL`.
    #[must_use]
    pub fn find_symbol(&self, symbol: &str) -> Option<usize> {
        self.by_symbol.get(symbol).copied()
    }

    /// The exchanges that list something.
    #[must_use]
    pub fn exchanges(&self) -> BTreeSet<&str> {
        self.listings
            .iter()
            .map(|listing| &*listing.instrument.exchange)
            .collect()
    }
}

/// The Indian date at a Unix time.
#[must_use]
pub fn indian_date(unix: i64) -> Option<Date> {
    jiff::Timestamp::from_second(unix).ok().map(kite::ist::date)
}

impl From<Right> for InstrumentType {
    fn from(right: Right) -> Self {
        match right {
            Right::Call => Self::Call,
            Right::Put => Self::Put,
        }
    }
}

#[cfg(test)]
mod tests;
