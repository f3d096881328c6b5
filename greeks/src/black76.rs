//! Black's formula of 1976: the price of a European option on a forward price, and its derivatives.
//!
//! The forward price is held fixed in all of them: delta is in futures, and rho is that of the discount alone. They differ from
//! those of Black and Scholes on a spot price, where theta and rho also carry the growth of the forward.

use implied_vol::{DefaultSpecialFn, PriceBlackScholes};

use crate::normal::{cumulative, density};

/// Days of a year, for what is said a day.
const DAYS: f64 = 365.0;

/// For what is said for one per cent.
const PER_CENT: f64 = 100.0;

/// What an option is the right to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptionRight {
    /// To buy.
    Call,
    /// To sell.
    Put,
}

impl OptionRight {
    /// What an option pays at this price, never below zero.
    #[must_use]
    pub fn payoff(self, price: f64, strike: f64) -> f64 {
        match self {
            Self::Call => price - strike,
            Self::Put => strike - price,
        }
        .max(0.0)
    }

    /// What an undiscounted option is worth less than, whatever the volatility.
    #[must_use]
    pub fn bound(self, forward: f64, strike: f64) -> f64 {
        match self {
            Self::Call => forward,
            Self::Put => strike,
        }
    }

    /// The other right.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Call => Self::Put,
            Self::Put => Self::Call,
        }
    }

    /// +1 for a call, −1 for a put.
    fn sign(self) -> f64 {
        match self {
            Self::Call => 1.0,
            Self::Put => -1.0,
        }
    }
}

/// What the formula is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Black76 {
    /// Call or put.
    pub right: OptionRight,
    /// The forward price of the underlying at expiry.
    pub forward: f64,
    /// The strike.
    pub strike: f64,
    /// Time to expiry in years.
    pub years: f64,
    /// Interest rate a year, continuously compounded.
    pub rate: f64,
    /// Volatility a year.
    pub volatility: f64,
}

/// The derivatives of a price, in the units that traders use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Greeks {
    /// Per unit of the forward price: how many futures hedge one option.
    pub delta: f64,
    /// Change of delta per unit of the forward price.
    pub gamma: f64,
    /// Change of the price in a calendar day.
    pub theta: f64,
    /// Change of the price per point of volatility (from 0.19 to 0.20).
    pub vega: f64,
    /// Change of the price per per cent of interest (from 0.05 to 0.06).
    pub rho: f64,
}

impl Black76 {
    /// The price; `None` where an input is out of the formula's domain, or the price is no finite number.
    #[must_use]
    pub fn price(&self) -> Option<f64> {
        self.is_defined().then_some(())?;
        finite(self.discount() * self.undiscounted()?)
    }

    /// The derivatives; `None` where an input is out of the formula's domain, or one of them is no finite number.
    #[must_use]
    pub fn greeks(&self) -> Option<Greeks> {
        let price = self.price()?;
        let root = self.years.sqrt();
        let deviation = self.volatility * root;
        let d1 = log_ratio(self.forward, self.strike) / deviation + deviation / 2.0;
        let sign = self.right.sign();
        let (discount, bell) = (self.discount(), density(d1));
        let decay = self.forward * discount * bell * self.volatility / (2.0 * root);
        Some(Greeks {
            delta: finite(sign * discount * cumulative(sign * d1))?,
            gamma: finite(discount * bell / (self.forward * deviation))?,
            theta: finite((self.rate * price - decay) / DAYS)?,
            vega: finite(self.forward * discount * bell * root / PER_CENT)?,
            rho: finite(-self.years * price / PER_CENT)?,
        })
    }

    /// The price at expiry. By Jäckel's expansions: the difference of two products, as the formula is usually written, loses
    /// most of its digits far out of the money.
    fn undiscounted(&self) -> Option<f64> {
        let forward = PriceBlackScholes::builder()
            .forward(self.forward)
            .strike(self.strike)
            .volatility(self.volatility)
            .expiry(self.years)
            .is_call(self.right == OptionRight::Call);
        finite(forward.build()?.calculate::<DefaultSpecialFn>())
    }

    fn discount(&self) -> f64 {
        libm::exp(-self.rate * self.years)
    }

    fn is_defined(&self) -> bool {
        let positive = [self.forward, self.strike, self.years, self.volatility];
        positive.iter().all(|it| *it > 0.0 && it.is_finite()) && self.rate.is_finite()
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// ln(a / b). Near each other their difference is exact, while the quotient is not.
fn log_ratio(a: f64, b: f64) -> f64 {
    if a > b / 2.0 && a < b * 2.0 {
        libm::log1p((a - b) / b)
    } else {
        libm::log(a) - libm::log(b)
    }
}

#[cfg(test)]
mod tests;
