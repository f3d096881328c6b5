//! The forward price of an underlying at an expiry: what it rests on, and which of several it is.

mod parity;
mod selection;

pub use parity::{MOST_STRIKES, StrikePair, parity};
pub use selection::{ChosenForward, ForwardChoice, SourcePrices};

use crate::tenor::years;

/// The widest spread of a future on an index, in basis points of its middle.
pub const INDEX_SPREAD_BP: f64 = 5.0;

/// That of any other future.
pub const OTHER_SPREAD_BP: f64 = 20.0;

/// Where a forward price comes from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForwardSource {
    /// The future of the expiry.
    Future,
    /// Put-call parity of the options near the money.
    Parity,
    /// The cost of carry of another expiry, on the price of the underlying.
    Carry,
    /// The rates, on the price of the underlying.
    Spot,
}

impl ForwardSource {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Future, Self::Parity, Self::Carry, Self::Spot];

    /// As it is spelled in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Future => "future",
            Self::Parity => "parity",
            Self::Carry => "carry",
            Self::Spot => "spot",
        }
    }
}

/// The forward price of an expiry, and how far away that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownForward {
    /// The forward price.
    pub forward: f64,
    /// Years to its expiry.
    pub years: f64,
}

/// The forward price by the cost of carry that another expiry shows: what it costs a year to have the underlying then instead
/// of now.
#[must_use]
pub fn carry(spot: f64, neighbour: KnownForward, expiry_ts: i64, now: i64) -> Option<f64> {
    let positive = spot > 0.0 && neighbour.forward > 0.0 && neighbour.years > 0.0;
    let a_year = libm::log(neighbour.forward / spot) / neighbour.years;
    let forward = spot * libm::exp(a_year * years(expiry_ts, now));
    (positive && is_price(forward)).then_some(forward)
}

/// The forward price by interest and dividends alone.
#[must_use]
pub fn of_spot(spot: f64, rate: f64, dividend: f64, expiry_ts: i64, now: i64) -> Option<f64> {
    let forward = spot * libm::exp((rate - dividend) * years(expiry_ts, now));
    is_price(forward).then_some(forward)
}

fn is_price(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 31_536_000;

    #[test]
    fn carry_grows_with_time() {
        // 4 % in half a year: 2 % in a quarter, as logarithms.
        let neighbour = KnownForward {
            forward: 104.0,
            years: 0.5,
        };
        let found = carry(100.0, neighbour, YEAR / 4, 0).unwrap();
        assert!((found - 101.980_390_271_855_7).abs() < 1e-10, "{found}");
        assert_eq!(carry(0.0, neighbour, YEAR, 0), None);
        assert_eq!(carry(f64::NAN, neighbour, YEAR, 0), None);
        let wrong = KnownForward {
            forward: -1.0,
            years: 0.5,
        };
        assert_eq!(carry(100.0, wrong, YEAR, 0), None);
        let far = KnownForward {
            forward: 1e300,
            years: 1e-6,
        };
        assert_eq!(carry(100.0, far, YEAR, 0), None, "beyond all numbers");
    }

    #[test]
    fn rates_grow_a_spot() {
        let found = of_spot(24_000.0, 0.065, 0.012, YEAR / 73, 0).unwrap();
        // 24,000 · e^(0.053 / 73), by 40-digit arithmetic.
        assert!((found - 24_017.430_984_454_706).abs() < 1e-8, "{found}");
        assert_eq!(of_spot(0.0, 0.065, 0.0, YEAR, 0), None);
        assert_eq!(of_spot(f64::INFINITY, 0.065, 0.0, YEAR, 0), None);
        assert_eq!(of_spot(100.0, 1e300, 0.0, YEAR, 0), None);
    }
}
