//! The volatility that gives a price.

use implied_vol::{ImpliedBlackVolatility, solver};

use crate::black76::OptionRight;
use crate::significant::rounded;

/// A volatility outside of these, a year, is none: the price or the forward is wrong.
const LEAST: f64 = 0.001;
const MOST: f64 = 10.0;

/// Why no volatility gives a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsolved {
    /// The price is not below the forward (call) or the strike (put), an input is not positive, or the volatility would be
    /// outside 0.001 to 10.
    OutOfRange,
    /// The price is below what the option pays at the forward price.
    BelowIntrinsic,
}

/// The volatility a year, of twelve significant digits, at which the **undiscounted** price of an option is `price`.
///
/// # Errors
/// When there is none.
pub fn implied_volatility(
    right: OptionRight,
    forward: f64,
    strike: f64,
    years: f64,
    price: f64,
) -> Result<f64, Unsolved> {
    let positive = [forward, strike, years, price];
    if !positive.iter().all(|it| *it > 0.0 && it.is_finite())
        || price >= right.bound(forward, strike)
    {
        return Err(Unsolved::OutOfRange);
    }
    if price < right.payoff(forward, strike) {
        return Err(Unsolved::BelowIntrinsic);
    }
    let inputs = ImpliedBlackVolatility::builder()
        .option_price(price)
        .forward(forward)
        .strike(strike)
        .expiry(years)
        .is_call(right == OptionRight::Call)
        .build();
    // At the intrinsic value and at the bound the solver says zero and infinity.
    let volatility = inputs
        .and_then(|it| it.calculate_with::<solver::Jaeckel>())
        .and_then(rounded);
    volatility
        .filter(|it| (LEAST..=MOST).contains(it))
        .ok_or(Unsolved::OutOfRange)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::black76::Black76;

    /// From 40-digit arithmetic.
    #[test]
    fn volatilities_have_all_digits_that_are_kept() {
        let call =
            |strike, price| implied_volatility(OptionRight::Call, 23_659.0, strike, 0.0137, price);
        assert_eq!(call(23_650.0, 226.2), Ok(0.200_694_096_262));
        assert_eq!(call(30_000.0, 0.05), Ok(0.552_390_298_956));
    }

    #[test]
    fn a_price_that_no_volatility_gives_has_none() {
        use OptionRight::{Call, Put};
        use Unsolved::{BelowIntrinsic, OutOfRange};
        let of =
            |right, forward, strike, price| implied_volatility(right, forward, strike, 0.1, price);
        assert_eq!(of(Call, 100.0, 90.0, 9.99), Err(BelowIntrinsic));
        assert_eq!(of(Put, 90.0, 100.0, 9.99), Err(BelowIntrinsic));
        assert_eq!(of(Call, 100.0, 90.0, 10.0), Err(OutOfRange), "intrinsic");
        assert_eq!(of(Call, 100.0, 90.0, 100.0), Err(OutOfRange));
        assert_eq!(of(Put, 100.0, 90.0, 90.0), Err(OutOfRange));
        assert_eq!(of(Call, 0.0, 90.0, 1.0), Err(OutOfRange));
        assert_eq!(of(Call, 100.0, 0.0, 1.0), Err(OutOfRange));
        assert_eq!(of(Call, -1.0, -1.0, -1.0), Err(OutOfRange));
        assert_eq!(of(Call, f64::NAN, 90.0, 1.0), Err(OutOfRange));
        assert_eq!(of(Call, 100.0, 90.0, f64::NAN), Err(OutOfRange));
        assert_eq!(
            of(Call, 100.0, 100.0, 99.0),
            Err(OutOfRange),
            "above 1,000 %"
        );
    }

    proptest! {
        /// Of the out-of-the-money side, where a double holds the time value.
        #[test]
        fn a_volatility_is_found_again(
            forward in 1.0_f64..1e5,
            distance in -6.0_f64..6.0,
            years in 2e-6_f64..10.0,
            volatility in 0.01_f64..3.0,
            rate in -0.05_f64..0.12,
        ) {
            let strike = forward * (distance * volatility * years.sqrt()).exp();
            let right = if strike >= forward { OptionRight::Call } else { OptionRight::Put };
            let inputs = Black76 { right, forward, strike, years, rate, volatility };
            let growth = (rate * years).exp();
            let found = implied_volatility(right, forward, strike, years, inputs.price().unwrap() * growth);
            prop_assert!((found.unwrap() / volatility - 1.0).abs() < 1e-9, "{:?} {:?}", found, inputs);
        }

        #[test]
        fn nothing_is_made_up(forward: f64, strike: f64, years: f64, price: f64, call: bool) {
            let right = if call { OptionRight::Call } else { OptionRight::Put };
            if let Ok(it) = implied_volatility(right, forward, strike, years, price) {
                prop_assert!((LEAST..=MOST).contains(&it));
            }
        }
    }
}
