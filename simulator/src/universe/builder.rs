//! Collects listings and rejects contradictions between them.

use std::collections::HashMap;
use std::sync::Arc;

use calendar::{Calendar, TradedKind};
use jiff::civil::Date;
use kite::{Instrument, InstrumentType, Segment, Token};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustc_hash::{FxHashMap, FxHashSet};

use super::days::Overnight;
use super::expiries::ExpiryDays;
use super::numbering::{Numbering, number};
use super::terms::{ContractTerms, Expiry, StrikeGrid, Venue, raw};
use super::{
    Contract, Listing, Right, Underlying, Universe, UniverseError, classes, leads, symbols,
};

pub(super) struct Builder {
    pub(super) date: Date,
    pub(super) rng: ChaCha8Rng,
    calendar: Arc<Calendar>,
    strikes: u16,
    listings: Vec<Listing>,
    underlyings: Vec<Underlying>,
    by_name: HashMap<String, usize>,
    numbering: Numbering,
    texts: FxHashSet<Arc<str>>,
    overnight: Overnight,
    error: Option<UniverseError>,
}

impl Builder {
    pub(super) fn new(seed: u64, date: Date, calendar: Arc<Calendar>, strikes: u16) -> Self {
        // Days since year 0 make tomorrow's numbers differ from today's.
        let day = u64::from(date.year().unsigned_abs()) * 366
            + u64::from(date.day_of_year().unsigned_abs());
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ day.rotate_left(32));
        let numbering = Numbering::new(&mut rng);
        Self {
            date,
            rng,
            calendar,
            strikes,
            listings: Vec::new(),
            underlyings: Vec::new(),
            by_name: HashMap::new(),
            numbering,
            texts: FxHashSet::default(),
            overnight: Overnight::default(),
            error: None,
        }
    }

    /// The list of a day after another one.
    pub(super) fn after(
        seed: u64,
        date: Date,
        calendar: Arc<Calendar>,
        strikes: u16,
        overnight: Overnight,
    ) -> Self {
        let mut builder = Self::new(seed, date, calendar, strikes);
        builder
            .numbering
            .go_on(|segment| overnight.highest(segment));
        builder.overnight = overnight;
        builder
    }

    /// Adds an underlying. Its opening gap is drawn here.
    pub(super) fn add_underlying(
        &mut self,
        name: &str,
        close: f64,
        beta: f64,
        volatility: f64,
        implied: f64,
    ) -> usize {
        let gap = self.rng.random_range(-0.006..0.006) * beta.abs().clamp(0.3, 2.0);
        let close = self.overnight.close(name).unwrap_or(close);
        let position = self.underlyings.len();
        self.underlyings.push(Underlying {
            name: name.to_owned(),
            close,
            gap,
            beta,
            volatility,
            implied,
        });
        self.by_name.insert(name.to_owned(), position);
        position
    }

    pub(super) fn underlying(&self, name: &str) -> Result<usize, UniverseError> {
        self.by_name
            .get(name)
            .copied()
            .ok_or_else(|| UniverseError::UnknownUnderlying(name.to_owned()))
    }

    /// The days on which contracts of this name trade.
    pub(super) fn trading_days(
        &self,
        venue: Venue,
        kind: TradedKind,
        name: &str,
    ) -> ExpiryDays<'_> {
        let class = classes::of_contracts(&self.calendar, venue, kind, name);
        ExpiryDays::new(&self.calendar, class)
    }

    fn end(&self, venue: Venue, kind: TradedKind, name: &str, date: Date) -> i64 {
        let class = classes::of_contracts(&self.calendar, venue, kind, name);
        classes::end(&self.calendar, class, date)
    }

    pub(super) fn close_of(&self, underlying: usize) -> f64 {
        self.underlyings[underlying].close
    }

    /// Adds an index under its own token.
    pub(super) fn index(&mut self, token: Token, symbol: &str, exchange: &str, underlying: usize) {
        let instrument = Instrument {
            token,
            exchange_token: token.0 >> 8,
            tradingsymbol: symbol.into(),
            name: self.text(symbol),
            expiry: None,
            strike: 0.0,
            tick_size: 0.0,
            lot_size: 0,
            instrument_type: InstrumentType::Equity,
            segment: self.text(Instrument::INDICES),
            exchange: self.text(exchange),
        };
        self.push(instrument, Contract::Index, underlying, 1);
    }

    /// Adds a share; `exchange_token` zero assigns a number that depends only on the symbol.
    pub(super) fn share(
        &mut self,
        venue: Venue,
        exchange_token: u32,
        symbol: &str,
        name: &str,
        tick_size: f64,
        underlying: usize,
    ) {
        let exchange_token = if exchange_token == 0 {
            self.numbering.stable_exchange_token(venue, symbol)
        } else {
            exchange_token
        };
        let instrument = Instrument {
            token: number(venue.segment, exchange_token),
            exchange_token,
            tradingsymbol: symbol.into(),
            name: self.text(name),
            expiry: None,
            strike: 0.0,
            tick_size,
            lot_size: 1,
            instrument_type: InstrumentType::Equity,
            segment: self.text(venue.exchange),
            exchange: self.text(venue.exchange),
        };
        let tick = raw(tick_size, venue.segment);
        self.push(instrument, Contract::Share, underlying, tick);
    }

    /// Adds one future.
    pub(super) fn future(
        &mut self,
        venue: Venue,
        underlying: usize,
        name: &str,
        expiry: Expiry,
        terms: ContractTerms,
    ) {
        let symbol = symbols::future(name, expiry);
        let contract = Contract::Future {
            expiry: self.end(venue, TradedKind::Future, name, expiry.date),
        };
        self.derivative(venue, underlying, name, &symbol, expiry, terms, contract);
    }

    /// Adds the calls and puts of one expiry around the money.
    pub(super) fn chain(
        &mut self,
        venue: Venue,
        underlying: usize,
        name: &str,
        expiry: Expiry,
        terms: ContractTerms,
        strikes: StrikeGrid,
    ) {
        let ends = self.end(venue, TradedKind::Option, name, expiry.date);
        let middle = (self.close_of(underlying) / strikes.step).round();
        let each_side = strikes.each_side.max(i32::from(self.strikes));
        for offset in -each_side..=each_side {
            let strike = (middle + f64::from(offset)) * strikes.step;
            if strike <= 0.0 {
                continue;
            }
            for right in [Right::Call, Right::Put] {
                let symbol = symbols::option(name, expiry, strike, right);
                let contract = Contract::Option {
                    expiry: ends,
                    strike,
                    right,
                };
                self.derivative(venue, underlying, name, &symbol, expiry, terms, contract);
            }
        }
    }

    pub(super) fn finish(mut self) -> Result<Universe, UniverseError> {
        self.take_over_the_rest();
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        classes::assign(&self.calendar, &mut self.listings);
        leads::assign(&mut self.listings);
        let mut by_token = FxHashMap::default();
        let mut by_symbol = FxHashMap::default();
        for (position, listing) in self.listings.iter().enumerate() {
            by_token.insert(listing.instrument.token, position);
            if by_symbol.insert(listing.symbol(), position).is_some() {
                return Err(UniverseError::DuplicateSymbol(listing.symbol()));
            }
        }
        Ok(Universe {
            date: self.date,
            calendar: self.calendar,
            strikes: self.strikes,
            listings: self.listings,
            underlyings: self.underlyings,
            by_token,
            by_symbol,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one row of the dump")]
    fn derivative(
        &mut self,
        venue: Venue,
        underlying: usize,
        name: &str,
        symbol: &str,
        expiry: Expiry,
        terms: ContractTerms,
        contract: Contract,
    ) {
        let (instrument_type, strike, kind) = match contract {
            Contract::Option { strike, right, .. } => (right.into(), strike, "OPT"),
            Contract::Index | Contract::Share | Contract::Future { .. } => {
                (InstrumentType::Future, 0.0, "FUT")
            }
        };
        let known = format!("{}:{symbol}", venue.exchange);
        let exchange_token = match self.overnight.exchange_token(&known) {
            Some(known) => known,
            None => self.new_exchange_token(venue.segment),
        };
        let instrument = Instrument {
            token: number(venue.segment, exchange_token),
            exchange_token,
            tradingsymbol: symbol.into(),
            name: self.text(name),
            expiry: Some(expiry.date),
            strike,
            tick_size: terms.tick,
            lot_size: terms.lot,
            instrument_type,
            segment: self.text(&format!("{}-{kind}", venue.exchange)),
            exchange: self.text(venue.exchange),
        };
        self.push(
            instrument,
            contract,
            underlying,
            raw(terms.tick, venue.segment),
        );
    }

    fn new_exchange_token(&mut self, segment: Segment) -> u32 {
        let freed = self.overnight.freed(segment.byte());
        freed.unwrap_or_else(|| self.numbering.next_exchange_token(segment, &mut self.rng))
    }

    /// Lists what lives on although it would not be listed today: strikes that are far from the money by now.
    fn take_over_the_rest(&mut self) {
        let listed: FxHashSet<String> = self.listings.iter().map(Listing::symbol).collect();
        let overnight = std::mem::take(&mut self.overnight);
        for (listing, underlying) in overnight.rest(&listed) {
            match self.underlying(underlying) {
                Ok(at) => self.push(listing.instrument, listing.contract, at, listing.tick),
                Err(error) => self.error = self.error.take().or(Some(error)),
            }
        }
    }

    fn push(&mut self, instrument: Instrument, contract: Contract, underlying: usize, tick: i32) {
        let listing = Listing {
            instrument,
            contract,
            class: None,
            underlying,
            future: None,
            tick,
        };
        if !self.numbering.take(listing.instrument.token) && self.error.is_none() {
            self.error = Some(UniverseError::DuplicateToken(listing.symbol()));
        }
        self.listings.push(listing);
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}
