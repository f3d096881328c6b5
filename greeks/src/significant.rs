//! Numbers of twelve significant digits.
//!
//! Owns what is left of a value that others read as decimal text. A volatility and a forward are cut to these digits before
//! anything is computed from them: who reads them and computes again then gets the same results.

/// How many digits are left.
pub const DIGITS: u32 = 12;

/// The first number that has one digit more.
const TOO_LARGE: f64 = 1e12;

/// The largest power of ten that a double holds exactly.
const LARGEST_EXACT: i32 = 22;

const POWERS: [f64; LARGEST_EXACT as usize + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A number as `mantissa · 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Significant {
    /// Zero, or twelve digits with a sign.
    pub mantissa: i64,
    /// The power of ten of its last digit.
    pub exponent: i32,
}

impl Significant {
    /// The number of twelve digits nearest to `value`; `None` if that is no finite number.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        if value == 0.0 {
            return Some(Self {
                mantissa: 0,
                exponent: 0,
            });
        }
        if !value.is_finite() {
            return None;
        }
        let magnitude = value.abs();
        let digits = i32::try_from(DIGITS).unwrap_or(i32::MAX);
        // The logarithm may be off by one beside a power of ten.
        let mut exponent = libm::log10(magnitude).floor() as i32 - (digits - 1);
        let mut mantissa = scaled(magnitude, -exponent).round_ties_even();
        if mantissa >= TOO_LARGE {
            exponent += 1;
            mantissa = scaled(magnitude, -exponent).round_ties_even();
        } else if mantissa < TOO_LARGE / 10.0 {
            exponent -= 1;
            mantissa = scaled(magnitude, -exponent).round_ties_even();
            if mantissa >= TOO_LARGE {
                exponent += 1;
                mantissa /= 10.0;
            }
        }
        Some(Self {
            mantissa: mantissa.copysign(value) as i64,
            exponent,
        })
    }

    /// The double nearest to it, where the power of ten is an exact double.
    #[must_use]
    pub fn value(self) -> f64 {
        scaled(self.mantissa as f64, self.exponent)
    }
}

/// A value with twelve significant digits; `None` if it is no finite number.
#[must_use]
pub fn rounded(value: f64) -> Option<f64> {
    Significant::new(value)
        .map(Significant::value)
        .filter(|it| it.is_finite())
}

/// `value · 10^power`, with one rounding where the power is an exact double.
fn scaled(mut value: f64, mut power: i32) -> f64 {
    while power > LARGEST_EXACT {
        value *= POWERS[LARGEST_EXACT as usize];
        power -= LARGEST_EXACT;
    }
    while power < -LARGEST_EXACT {
        value /= POWERS[LARGEST_EXACT as usize];
        power += LARGEST_EXACT;
    }
    let factor = POWERS[power.unsigned_abs() as usize];
    if power < 0 {
        value / factor
    } else {
        value * factor
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_beyond_the_twelfth_are_rounded() {
        assert_eq!(rounded(0.200_694_096_262_410_43), Some(0.200_694_096_262));
        assert_eq!(rounded(23_659.123_456_789), Some(23_659.123_456_8));
        assert_eq!(rounded(-0.1 - 0.2), Some(-0.3));
        assert_eq!(rounded(0.999_999_999_999_9), Some(1.0));
        assert_eq!(rounded(0.0), Some(0.0));
        assert_eq!(rounded(f64::NAN), None);
        assert_eq!(rounded(f64::INFINITY), None);
        let thousand = Significant::new(1_000.0).unwrap();
        assert_eq!(
            (thousand.mantissa, thousand.exponent),
            (100_000_000_000, -8)
        );
    }

    proptest! {
        /// The formatter of the standard library cuts digits exactly. Ties of the binary value are beyond its digits.
        #[test]
        fn it_is_what_the_formatter_makes_of_it(value in prop_oneof![any::<f64>(), -1e9_f64..1e9, 1e-6_f64..10.0]) {
            prop_assume!(value.is_finite());
            let text = format!("{value:.11e}");
            let (mantissa, exponent) = text.split_once('e').unwrap();
            let mantissa: i64 = mantissa.replace('.', "").parse().unwrap();
            let exponent = exponent.parse::<i32>().unwrap() - 11;
            let found = Significant::new(value).unwrap();
            // Where the power of ten is no double, its error may move a value across the middle of two numbers.
            let far = exponent.abs() > LARGEST_EXACT;
            if mantissa == 0 {
                prop_assert_eq!(found.mantissa, 0);
            } else if far {
                let ratio = found.value() / value;
                prop_assert!(found.exponent == exponent || found.mantissa.abs() == 100_000_000_000, "{:?} {}", found, text);
                prop_assert!(!ratio.is_finite() || (ratio - 1.0).abs() < 1e-11 || value.abs() < 1e-300);
            } else {
                prop_assert_eq!(found.exponent, exponent, "{}", text);
                prop_assert!((found.mantissa - mantissa).abs() <= 1, "{:?} {}", found, text);
                prop_assert_eq!(found.value(), format!("{}e{}", found.mantissa, found.exponent).parse::<f64>().unwrap());
            }
        }

        #[test]
        fn to_round_twice_changes_nothing(value in -1e9_f64..1e9) {
            let once = rounded(value).unwrap();
            prop_assert_eq!(rounded(once), Some(once));
        }
    }
}
