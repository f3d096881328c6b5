//! What instruments are worth: the price of their underlying, their forward, their volatility.
//!
//! Owns how a contract is priced, and at which moment. Must not know books: their prices are rounded.

use serde::Serialize;

use super::{Market, SimulationTime, pricing};
use crate::universe::Contract;

/// What an instrument is worth at one moment, in rupees and years.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Valuation {
    /// Price of the underlying.
    pub spot: f64,
    /// Forward price on which a contract is valued; an index and a share have none.
    pub forward: Option<f64>,
    /// The value, before it is rounded to an order book.
    pub fair: f64,
    /// Volatility a year with which an option is valued.
    pub iv: Option<f64>,
    /// Years until a contract ends.
    pub years: Option<f64>,
}

impl Market {
    /// Lets all prices and the time to expiry stand still from now on, or go on. Books go on to tick.
    pub const fn freeze(&mut self, frozen: bool, now: SimulationTime) {
        self.frozen = match self.frozen {
            Some(since) if frozen => Some(since),
            _ if frozen => Some(now),
            _ => None,
        };
    }

    /// The present value of the instrument at `position` of the universe.
    pub fn valuation(&mut self, position: usize, now: SimulationTime) -> Valuation {
        let spot = self.spot(self.universe.listings[position].underlying, now);
        Valuation {
            fair: self.price(position, spot, now),
            ..self.valued(position, spot, now)
        }
    }

    /// The moment of which everything is priced at `now`.
    pub(super) fn priced_at(&self, now: SimulationTime) -> SimulationTime {
        self.frozen.unwrap_or(now)
    }

    /// Price of the instrument if its underlying costs `spot`, in rupees: its value, unless it was set.
    pub(super) fn price(&self, position: usize, spot: f64, now: SimulationTime) -> f64 {
        let model = self.model(position, spot, now);
        let anchor = self.set_contracts.get(&position);
        anchor.map_or(model, |anchor| anchor.price(model))
    }

    /// Value of the instrument if its underlying costs `spot`, in rupees.
    pub(super) fn model(&self, position: usize, spot: f64, now: SimulationTime) -> f64 {
        self.valued(position, spot, now).fair
    }

    fn valued(&self, position: usize, spot: f64, now: SimulationTime) -> Valuation {
        let listing = &self.universe.listings[position];
        let until = |expiry| pricing::years(self.priced_at(now).unix, expiry);
        let whole = Valuation {
            spot,
            forward: None,
            fair: spot,
            iv: None,
            years: None,
        };
        match listing.contract {
            Contract::Index | Contract::Share => whole,
            Contract::Future { expiry } => {
                let forward = pricing::forward(spot, until(expiry));
                Valuation {
                    forward: Some(forward),
                    fair: forward,
                    years: Some(until(expiry)),
                    ..whole
                }
            }
            Contract::Option {
                expiry,
                strike,
                right,
            } => {
                let years = until(expiry);
                // An option that leads to a future is one on it, whenever that ends.
                let forward = match listing.future {
                    Some(future) => self.price(future, spot, now),
                    None => pricing::forward(spot, years),
                };
                let implied = self.universe.underlyings[listing.underlying].implied;
                let volatility = pricing::smile(implied, forward, strike, years);
                Valuation {
                    forward: Some(forward),
                    fair: pricing::black76(forward, strike, years, volatility, right),
                    iv: Some(volatility),
                    years: Some(years),
                    ..whole
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use calendar::Calendar;
    use jiff::civil::date;
    use kite::Mode;
    use kite::packet::Detail;

    use super::*;
    use crate::universe::Universe;

    /// 2026-12-01 05:00 UTC.
    const START: i64 = 1_796_101_200;

    fn market() -> Market {
        let universe = Universe::generate(3, date(2026, 12, 1), Calendar::india()).unwrap();
        Market::new(Arc::new(universe), 3)
    }

    fn at(seconds: u64) -> SimulationTime {
        SimulationTime {
            elapsed: Duration::from_secs(seconds),
            unix: START + seconds as i64,
        }
    }

    fn truth(market: &mut Market, symbol: &str, seconds: u64) -> Valuation {
        let position = market.universe().find_symbol(symbol).unwrap();
        market.valuation(position, at(seconds))
    }

    /// Calls less puts are the discounted distance of forward and strike, whatever the volatility.
    #[test]
    fn what_it_says_of_a_chain_fits_together() {
        let mut market = market();
        let spot = truth(&mut market, "NSE:NIFTY 50", 1);
        assert_eq!((spot.forward, spot.iv, spot.years), (None, None, None));
        assert_eq!(spot.fair, spot.spot);
        let call = truth(&mut market, "NFO:NIFTY26DEC24000CE", 1);
        let put = truth(&mut market, "NFO:NIFTY26DEC24000PE", 1);
        let (forward, years) = (call.forward.unwrap(), call.years.unwrap());
        let parity = (forward - 24_000.0) * libm::exp(-pricing::RATE * years);
        assert!((call.fair - put.fair - parity).abs() < 1e-8);
        assert_eq!(call.spot, spot.spot);
        assert_eq!(call.iv, put.iv);
        let future = truth(&mut market, "NFO:NIFTY26DECFUT", 1);
        assert_eq!(future.forward, call.forward, "of one day");
        assert_eq!(future.fair, forward);
    }

    #[test]
    fn options_of_commodities_are_priced_on_the_next_future() {
        let mut market = market();
        let option = truth(&mut market, "MCX:CRUDEOIL26DEC5400CE", 1);
        let future = truth(&mut market, "MCX:CRUDEOIL26DECFUT", 1);
        assert_eq!(option.forward, Some(future.fair));
        assert!(option.years < future.years, "it ends before its future");
        let position = market.universe().find_symbol("MCX:CRUDEOIL26DECFUT");
        market.set_price(position.unwrap(), 5_000.0, true, at(2));
        let option = truth(&mut market, "MCX:CRUDEOIL26DEC5400CE", 3);
        assert_eq!(option.forward, Some(5_000.0));
        let listings = &market.universe().listings;
        for listing in listings.iter().filter(|it| it.future.is_some()) {
            let future = &listings[listing.future.unwrap()];
            assert_eq!(future.instrument.exchange, listing.instrument.exchange);
            assert_eq!(future.instrument.name, listing.instrument.name);
            assert!(future.instrument.expiry >= listing.instrument.expiry);
        }
    }

    #[test]
    fn a_frozen_market_stands_still_and_its_books_tick() {
        let mut market = market();
        market.freeze(true, at(10));
        let symbols = ["NFO:NIFTY26DEC24000CE", "NFO:NIFTY26DECFUT", "NSE:INFY"];
        let before = symbols.map(|symbol| truth(&mut market, symbol, 10));
        market.freeze(true, at(600));
        assert_eq!(symbols.map(|it| truth(&mut market, it, 3_600)), before);
        let position = market.universe().find_symbol(symbols[0]).unwrap();
        let mut books = [3_601, 3_602, 3_603, 3_604].map(|second| {
            market.advance(position, false, at(second));
            market.packet(position, Mode::Full)
        });
        let Detail::Full(_, full) = books[0].detail else {
            panic!("no book");
        };
        assert_eq!(i64::from(full.exchange_time), START + 3_601);
        let bids = books.map(|packet| match packet.detail {
            Detail::Full(_, full) => full.depth.buy[0].price,
            _ => panic!("no book"),
        });
        assert!(bids.iter().all(|bid| *bid == bids[0]), "the value stands");
        books.as_mut_slice().sort_by_key(|packet| packet.last_price);
        market.freeze(false, at(3_605));
        let after = symbols.map(|symbol| truth(&mut market, symbol, 3_605));
        assert!(after[0].fair != before[0].fair && after[0].years < before[0].years);
    }
}
