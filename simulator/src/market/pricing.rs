//! Fair values: futures by cost of carry, options by Black's formula of 1976 on the forward, with a
//! smile. Pure; rupees and years in, rupees out.

use crate::universe::Right;

/// Interest a year, continuously compounded.
pub const RATE: f64 = 0.065;

/// Seconds of a year.
const YEAR: f64 = 365.0 * 86_400.0;

/// A contract in its last minutes is priced as if this much time was left, so that nothing divides
/// by zero: one minute.
const SHORTEST: f64 = 60.0 / YEAR;

/// Years between two Unix times.
#[must_use]
pub fn years(now: i64, expiry: i64) -> f64 {
    ((expiry - now) as f64 / YEAR).max(SHORTEST)
}

/// Price of delivery in `years` of something that costs `spot` today.
#[must_use]
pub fn forward(spot: f64, years: f64) -> f64 {
    spot * libm::exp(RATE * years)
}

/// Price of a European option on a forward.
#[must_use]
pub fn black76(forward: f64, strike: f64, years: f64, volatility: f64, right: Right) -> f64 {
    let deviation = volatility * years.sqrt();
    let d1 = libm::log(forward / strike) / deviation + deviation / 2.0;
    let d2 = d1 - deviation;
    let discount = libm::exp(-RATE * years);
    let value = match right {
        Right::Call => forward * normal(d1) - strike * normal(d2),
        Right::Put => strike * normal(-d2) - forward * normal(-d1),
    };
    (discount * value).max(0.0)
}

/// Implied volatility of a strike: dearer below the money than above it, dearest far away.
///
/// `at_the_money` is annual; distance is measured in standard deviations and cut at four.
#[must_use]
pub fn smile(at_the_money: f64, forward: f64, strike: f64, years: f64) -> f64 {
    const SKEW: f64 = -0.05;
    const CURVE: f64 = 0.03;
    let distance = libm::log(strike / forward) / (at_the_money * years.sqrt());
    let distance = distance.clamp(-4.0, 4.0);
    at_the_money * (1.0 + SKEW * distance + CURVE * distance * distance)
}

/// The standard normal distribution.
fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hull, Options, Futures and Other Derivatives, example of Black's model: a put on a futures
    /// contract at 20, strike 20, four months, 9 % interest and 25 % volatility is worth 1.12.
    #[test]
    fn a_textbook_value() {
        let discount = libm::exp((RATE - 0.09) * 4.0 / 12.0);
        let put = black76(20.0, 20.0, 4.0 / 12.0, 0.25, Right::Put) * discount;
        assert!((put - 1.12).abs() < 0.005, "{put}");
    }

    #[test]
    fn the_smile_is_lowest_near_the_money() {
        let middle = smile(0.13, 24_000.0, 24_000.0, 0.05);
        assert!((middle - 0.13).abs() < 1e-12);
        assert!(smile(0.13, 24_000.0, 20_000.0, 0.05) > middle);
        assert!(smile(0.13, 24_000.0, 28_000.0, 0.05) > middle);
    }

    proptest! {
        #[test]
        fn calls_and_puts_keep_parity_and_bounds(
            forward in 1.0..200_000.0_f64, moneyness in 0.3..3.0_f64,
            years in 0.0001..6.0_f64, volatility in 0.02..1.5_f64,
        ) {
            let strike = forward * moneyness;
            let call = black76(forward, strike, years, volatility, Right::Call);
            let put = black76(forward, strike, years, volatility, Right::Put);
            let discount = libm::exp(-RATE * years);
            prop_assert!((call - put - discount * (forward - strike)).abs() < forward * 1e-9);
            prop_assert!(call >= 0.0 && call <= forward * discount * (1.0 + 1e-12));
            prop_assert!(put >= 0.0 && put <= strike * discount * (1.0 + 1e-12));
        }
    }
}
