//! The moving market: fair values of everything that depends on an underlying, and the order books
//! of subscribed instruments.
//!
//! Owns prices; must not know the subscribers. An instrument costs nothing until it is first used.
//! Time is an argument. Underlyings share one market factor, futures follow by carry and options by
//! Black's formula, so that what belongs together moves together; INDIA VIX moves the other way.

use std::sync::Arc;
use std::time::Duration;

use kite::{Mode, Packet};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;

use crate::universe::{Contract, Listing, Universe};

mod anchor;
mod book;
pub mod pricing;
mod valuation;
mod walk;

use anchor::PriceAnchor;
pub use book::Changed;
use book::{Book, OrderTerms};
pub use valuation::Valuation;
use walk::Walk;

/// A moment in both times of the simulator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimulationTime {
    /// Since the simulator started; the time of the market's movement.
    pub elapsed: Duration,
    /// Unix seconds; the time in packets.
    pub unix: i64,
}

/// Prices of one universe.
#[derive(Debug)]
pub struct Market {
    universe: Arc<Universe>,
    rng: ChaCha8Rng,
    factor: Walk,
    own: Vec<Walk>,
    /// Prices of underlyings that were set.
    set_underlyings: FxHashMap<usize, PriceAnchor>,
    /// Prices of contracts that were set, by their position.
    set_contracts: FxHashMap<usize, PriceAnchor>,
    /// Prices of underlyings of which nothing trades at this time of the day.
    resting: FxHashMap<usize, f64>,
    /// The underlyings of which something has traded.
    has_moved: Vec<bool>,
    /// The moment of which everything is priced while the market is frozen.
    frozen: Option<SimulationTime>,
    books: Vec<Option<Box<Book>>>,
}

impl Market {
    /// A market at its open.
    #[must_use]
    pub fn new(universe: Arc<Universe>, seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed.wrapping_add(1)),
            factor: Walk::default(),
            own: vec![Walk::default(); universe.underlyings.len()],
            set_underlyings: FxHashMap::default(),
            set_contracts: FxHashMap::default(),
            resting: FxHashMap::default(),
            has_moved: vec![false; universe.underlyings.len()],
            frozen: None,
            books: vec![None; universe.listings.len()],
            universe,
        }
    }

    /// The listed instruments.
    #[must_use]
    pub fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    /// The present state of the instrument at `position` of the universe, as a snapshot.
    pub fn snapshot(&mut self, position: usize, mode: Mode, now: SimulationTime) -> Packet {
        self.open(position, now);
        self.packet(position, mode)
    }

    /// The state of an instrument that has been standing still since `then`.
    pub fn still_snapshot(&mut self, position: usize, mode: Mode, then: SimulationTime) -> Packet {
        self.open(position, then);
        if let Some(book) = &mut self.books[position] {
            book.stand_still(wire_seconds(then.unix));
        }
        self.packet(position, mode)
    }

    /// One event of the instrument at `position`: at least one field of full mode changes. With
    /// `trade`, the last price does.
    pub fn advance(&mut self, position: usize, trade: bool, now: SimulationTime) -> Changed {
        self.open(position, now);
        let spot = self.spot(self.universe.listings[position].underlying, now);
        let rupees = self.price(position, spot, now);
        let fair = rupees * self.universe.listings[position].divisor();
        let seconds = wire_seconds(now.unix);
        match &mut self.books[position] {
            Some(book) => book.advance(fair, trade, seconds, &mut self.rng),
            None => Changed {
                price: false,
                quote: false,
            },
        }
    }

    /// Trades the instrument at `position` at a price, rounded to its grid, which continues from there, or with `hold`
    /// stays. The price of an index or a share is that of its underlying: what depends on it follows.
    pub fn set_price(&mut self, position: usize, rupees: f64, hold: bool, now: SimulationTime) {
        self.open(position, now);
        let (of, contract, raw) = {
            let listing = &self.universe.listings[position];
            let raw = book::on_grid(rupees * listing.divisor(), listing.tick);
            (listing.underlying, listing.contract, raw)
        };
        match contract {
            Contract::Index | Contract::Share => {
                let walked = self.walked(of, now);
                let anchor = PriceAnchor::of_underlying(rupees, walked, hold);
                self.set_underlyings.insert(of, anchor);
                self.resting.entry(of).and_modify(|price| *price = rupees);
            }
            Contract::Future { .. } | Contract::Option { .. } => {
                let spot = self.spot(of, now);
                let model = self.model(position, spot, now);
                let anchor = PriceAnchor::of_contract(rupees, model, hold);
                self.set_contracts.insert(position, anchor);
            }
        }
        if let Some(book) = &mut self.books[position] {
            book.trade_at(raw, wire_seconds(now.unix), &mut self.rng);
        }
    }

    /// The packet of an instrument that was used before.
    ///
    /// # Panics
    /// When it was not used before.
    #[must_use]
    pub fn packet(&self, position: usize, mode: Mode) -> Packet {
        match &self.books[position] {
            Some(book) => book.packet(mode),
            None => panic!("no order book was opened at {position}"),
        }
    }

    /// The prices of the underlyings, in their order.
    pub fn closes(&mut self, now: SimulationTime) -> Vec<f64> {
        let underlyings = 0..self.universe.underlyings.len();
        underlyings.map(|of| self.spot(of, now)).collect()
    }

    /// Lets the price of each underlying rest where it is unless it `moves`. At its first rest nothing of it has traded, and it
    /// costs what it did the day before.
    pub fn rest(&mut self, moves: &[bool], now: SimulationTime) {
        for (of, moves) in moves.iter().enumerate() {
            if *moves {
                self.resting.remove(&of);
                self.has_moved[of] = true;
            } else if !self.resting.contains_key(&of) {
                let close = self.universe.underlyings[of].close;
                let price = if self.has_moved[of] {
                    self.spot(of, now)
                } else {
                    close
                };
                self.resting.insert(of, price);
            }
        }
    }

    /// Opens an order book; open and close follow from the underlying's.
    fn open(&mut self, position: usize, now: SimulationTime) {
        if self.books[position].is_some() {
            return;
        }
        let listing = &self.universe.listings[position];
        let underlying = &self.universe.underlyings[listing.underlying];
        let resting = self.resting.get(&listing.underlying).copied();
        let open = resting.unwrap_or_else(|| walk::price(underlying, 0.0, 0.0));
        let of_day = [underlying.close, open];
        let [close, open] = of_day.map(|spot| {
            let fair = self.model(position, spot, now) * listing.divisor();
            book::on_grid(fair, listing.tick)
        });
        let token = listing.instrument.token;
        let seconds = wire_seconds(now.unix);
        let book = match terms(listing) {
            None => Book::index(token, close, open, seconds),
            Some(terms) => Book::tradable(token, terms, close, open, seconds, &mut self.rng),
        };
        self.books[position] = Some(Box::new(book));
        self.advance(position, false, now);
    }

    /// Price of an underlying, in rupees.
    fn spot(&mut self, of: usize, now: SimulationTime) -> f64 {
        if let Some(price) = self.resting.get(&of) {
            return *price;
        }
        let walked = self.walked(of, now);
        let anchor = self.set_underlyings.get(&of);
        anchor.map_or(walked, |anchor| anchor.price(walked))
    }

    /// What it would be if nobody had set it.
    fn walked(&mut self, of: usize, now: SimulationTime) -> f64 {
        let at = self.priced_at(now).elapsed.as_secs_f64();
        let underlying = &self.universe.underlyings[of];
        let factor = walk::market(&mut self.factor, at, &mut self.rng);
        let own = self.own[of].advance(at, underlying.volatility, &mut self.rng);
        walk::price(underlying, factor, own)
    }
}

fn terms(listing: &Listing) -> Option<OrderTerms> {
    let has_oi = match listing.contract {
        Contract::Index => return None,
        Contract::Share => false,
        Contract::Future { .. } | Contract::Option { .. } => true,
    };
    Some(OrderTerms {
        tick: listing.tick,
        lot: listing.instrument.lot_size.max(1),
        has_oi,
    })
}

/// Packets carry unsigned 32-bit seconds.
fn wire_seconds(unix: i64) -> u32 {
    u32::try_from(unix).unwrap_or(0)
}

#[cfg(test)]
mod tests;
