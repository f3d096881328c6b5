//! Interest and dividends, with which options are priced.
//!
//! Owns their bounds and what they are for whom. Must not know how users write them.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use jiff::civil::{Date, date};

/// Rates a year, continuously compounded: 0.0525 is 5.25 %.
#[derive(Clone, Debug, PartialEq)]
pub struct PricingRates {
    inr: f64,
    as_of: Date,
    dividends: BTreeMap<String, f64>,
}

/// After so many days somebody has to look the interest rate up again.
const GOOD_FOR_DAYS: i32 = 90;

/// The lowest and the highest rate.
const BOUNDS: std::ops::RangeInclusive<f64> = -0.5..=1.0;

/// The interest rate of those who name none, and when it was looked up.
const INTEREST: (f64, Date) = (0.0525, date(2026, 11, 28));

impl Default for PricingRates {
    fn default() -> Self {
        let (inr, as_of) = INTEREST;
        Self {
            inr,
            as_of,
            dividends: BTreeMap::new(),
        }
    }
}

// Every rate is within bounds, so that none is NaN.
impl Eq for PricingRates {}

impl Hash for PricingRates {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inr.to_bits().hash(state);
        for (underlying, dividend) in &self.dividends {
            (underlying, dividend.to_bits()).hash(state);
        }
    }
}

impl PricingRates {
    /// Whether a number is a rate: from -0.5 to 1.
    #[must_use]
    pub fn is_rate(rate: f64) -> bool {
        BOUNDS.contains(&rate)
    }

    /// With this interest rate of the rupee, as it was on a day; what is no rate changes nothing.
    #[must_use]
    pub fn with_interest(self, inr: f64, as_of: Date) -> Self {
        match Self::is_rate(inr) {
            true => Self { inr, as_of, ..self },
            false => self,
        }
    }

    /// With these dividend yields, by underlying; what is no rate is left out.
    #[must_use]
    pub fn with_dividends(mut self, dividends: BTreeMap<String, f64>) -> Self {
        self.dividends = dividends;
        self.dividends
            .retain(|_, dividend| Self::is_rate(*dividend));
        self
    }

    /// The interest rate of options: that of the rupee, which pairs of other currencies are not priced in.
    pub(crate) fn interest(&self, exchange: &str, underlying: &str) -> Option<f64> {
        let in_rupees = !matches!(exchange, "CDS" | "BCD") || underlying.ends_with("INR");
        in_rupees.then_some(self.inr)
    }

    /// The dividend yield of an underlying; 0 unless it was said.
    pub(crate) fn dividend(&self, underlying: &str) -> f64 {
        self.dividends.get(underlying).copied().unwrap_or(0.0)
    }

    /// How many days ago the interest rate was looked up.
    #[must_use]
    pub fn age_days(&self, today: Date) -> i32 {
        self.as_of.until(today).map_or(0, |it| it.get_days())
    }

    /// That the interest rate is an old one, for people.
    #[must_use]
    pub fn warning(&self, today: Date) -> Option<String> {
        (self.age_days(today) > GOOD_FOR_DAYS).then(|| {
            format!(
                "the interest rate that Greeks are computed with ({}) is of {}: look it up, and say it with its date \
                 (--rate-inr RATE@DATE)",
                self.inr, self.as_of
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_priced_in_rupees_has_their_interest() {
        let dividends = [("NIFTY".to_owned(), 0.012), ("X".to_owned(), f64::NAN)];
        let rates = PricingRates::default().with_interest(0.06, date(2026, 12, 1));
        let rates = rates.with_dividends(dividends.into());
        for (exchange, underlying, interest) in [
            ("NFO", "NIFTY", Some(0.06)),
            ("MCX", "GOLD", Some(0.06)),
            ("CDS", "USDINR", Some(0.06)),
            ("CDS", "EURUSD", None),
            ("BCD", "USDJPY", None),
        ] {
            assert_eq!(rates.interest(exchange, underlying), interest);
        }
        assert_eq!(rates.dividend("NIFTY"), 0.012);
        assert_eq!(rates.dividend("X"), 0.0);
    }

    #[test]
    fn an_interest_rate_is_good_for_ninety_days() {
        let rates = PricingRates::default().with_interest(0.06, date(2026, 12, 1));
        assert_eq!(rates.warning(date(2027, 3, 1)), None);
        let warning = rates.warning(date(2027, 3, 2)).unwrap();
        assert!(warning.contains("(0.06) is of 2026-12-01"), "{warning}");
    }
}
