//! Prices on demand: what an instrument costs from now on.
//!
//! Owns which prices can be set. Must not know how prices move.

use kite::Token;
use serde::Deserialize;

use super::Exchange;
use crate::market::SimulationTime;
use crate::universe::Listing;

/// At most half of what a packet can carry: from there a price may still rise.
const HIGHEST: i32 = i32::MAX / 2;

/// A request to set prices, all or none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceChange {
    /// The prices.
    pub prices: Vec<TokenPrice>,
    /// Whether they stay from now on.
    #[serde(default)]
    pub hold: bool,
}

/// The price of one instrument.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenPrice {
    /// The instrument.
    pub token: Token,
    /// Its price in rupees.
    pub price: f64,
}

/// A price that cannot be set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PriceError {
    /// No such instrument.
    #[error("token {0} is not listed")]
    Unknown(Token),
    /// Not a price.
    #[error("price {price} of token {token} must be above 0 and at most {highest} rupees")]
    Value {
        /// The instrument.
        token: Token,
        /// What is not a price.
        price: f64,
        /// Its highest price.
        highest: f64,
    },
}

impl Exchange {
    /// Makes each of these instruments trade once at its price, also while paused, and continue from there. Returns how many
    /// they are.
    ///
    /// # Errors
    /// When one of the prices cannot be set: then none is.
    pub fn set_prices(
        &mut self,
        change: &PriceChange,
        now: SimulationTime,
    ) -> Result<usize, PriceError> {
        let universe = self.universe();
        let prices = change.prices.iter().map(|TokenPrice { token, price }| {
            let position = universe.find(*token).ok_or(PriceError::Unknown(*token))?;
            check(&universe.listings[position], *price)?;
            Ok((position, *price))
        });
        let prices: Vec<(usize, f64)> = prices.collect::<Result<_, _>>()?;
        for (position, price) in &prices {
            self.market.set_price(*position, *price, change.hold, now);
            self.send_packets(*position, |_| true);
        }
        self.flush();
        Ok(prices.len())
    }
}

fn check(listing: &Listing, price: f64) -> Result<(), PriceError> {
    let highest = f64::from(HIGHEST) / listing.divisor();
    if price > 0.0 && price <= highest {
        return Ok(());
    }
    Err(PriceError::Value {
        token: listing.instrument.token,
        price,
        highest: highest.floor(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use calendar::Calendar;
    use jiff::civil::date;
    use kite::Mode;

    use super::*;
    use crate::exchange::credentials::AccessTokens;
    use crate::exchange::rates::Rates;
    use crate::market::Market;
    use crate::universe::Universe;

    const NIFTY: u32 = 256_265;
    const INFY: u32 = 408_065;

    fn exchange() -> Exchange {
        let universe =
            Arc::new(Universe::generate(1, date(2026, 12, 1), Calendar::india()).unwrap());
        let market = Market::new(universe, 1);
        Exchange::new(market, Rates::uniform(1.0), AccessTokens::default(), 1)
    }

    fn now() -> SimulationTime {
        SimulationTime {
            elapsed: Duration::ZERO,
            unix: 1_796_101_200,
        }
    }

    fn change(prices: &[(u32, f64)]) -> PriceChange {
        let prices = prices.iter();
        let prices = prices.map(|(token, price)| TokenPrice {
            token: Token(*token),
            price: *price,
        });
        PriceChange {
            prices: prices.collect(),
            hold: false,
        }
    }

    fn price(exchange: &mut Exchange, token: u32) -> i32 {
        let position = exchange.market.universe().find(Token(token)).unwrap();
        let packet = exchange.market.snapshot(position, Mode::Full, now());
        packet.last_price
    }

    #[test]
    fn what_cannot_be_set_is_named_and_changes_nothing() {
        let mut exchange = exchange();
        let before = price(&mut exchange, NIFTY);
        for (token, price, error) in [
            (7, 100.0, "token 7 is not listed"),
            (
                INFY,
                0.0,
                "price 0 of token 408065 must be above 0 and at most 10737418 rupees",
            ),
            (
                INFY,
                -1.0,
                "price -1 of token 408065 must be above 0 and at most 10737418 rupees",
            ),
            (
                INFY,
                f64::NAN,
                "price NaN of token 408065 must be above 0 and at most 10737418 rupees",
            ),
            (
                INFY,
                f64::INFINITY,
                "price inf of token 408065 must be above 0 and at most 10737418 rupees",
            ),
        ] {
            let refused = exchange.set_prices(&change(&[(NIFTY, 25_000.0), (token, price)]), now());
            assert_eq!(refused.unwrap_err().to_string(), error);
        }
        assert_eq!(price(&mut exchange, NIFTY), before);
    }

    #[test]
    fn several_are_set_at_once() {
        let mut exchange = exchange();
        let both = change(&[(NIFTY, 25_123.45), (INFY, 1_500.0)]);
        assert_eq!(exchange.set_prices(&both, now()), Ok(2));
        let prices = [NIFTY, INFY].map(|token| price(&mut exchange, token));
        assert_eq!(prices, [2_512_345, 150_000]);
        assert_eq!(exchange.set_prices(&change(&[]), now()), Ok(0));
    }
}
