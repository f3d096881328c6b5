//! What options are priced with, as users write it.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::Args;
use jiff::civil::Date;

use crate::plan::PricingRates;

/// What options are priced with.
#[derive(Args, Clone, Debug, Default)]
pub struct PricingArgs {
    /// Interest of the rupee with which Greeks are computed: a rate a year, continuously compounded,
    /// and the day on which it was looked up, such as 0.0525@2026-11-28
    #[arg(
        long,
        env = "RATE_INR",
        value_name = "RATE@DATE",
        allow_hyphen_values = true
    )]
    pub rate_inr: Option<DatedRate>,
    /// Dividend yield a year of an underlying, such as NIFTY=0.012; may be repeated; 0 for all others.
    /// It matters only where neither a future nor options near the money have a price
    #[arg(
        long = "dividend",
        env = "DIVIDENDS",
        value_delimiter = ',',
        value_name = "UNDERLYING=RATE"
    )]
    pub dividends: Vec<Dividend>,
}

impl PricingArgs {
    /// The rates: the release's, as far as none are named.
    #[must_use]
    pub fn rates(self) -> PricingRates {
        let dividends = self.dividends.into_iter();
        let dividends: BTreeMap<String, f64> =
            dividends.map(|it| (it.underlying, it.rate)).collect();
        let rates = PricingRates::default().with_dividends(dividends);
        match self.rate_inr {
            Some(DatedRate { rate, as_of }) => rates.with_interest(rate, as_of),
            None => rates,
        }
    }
}

/// A rate, and when it was looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DatedRate {
    /// A year, continuously compounded.
    pub rate: f64,
    /// The day.
    pub as_of: Date,
}

/// A text that is not such a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a rate from -0.5 to 1 and its day, such as 0.0525@2026-11-28: 5.25 % is 0.0525"
)]
pub struct InvalidRate(String);

impl FromStr for DatedRate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (number, day) = text.trim().split_once('@')?;
            let (rate, as_of) = (rate(number)?, day.parse().ok()?);
            Some(Self { rate, as_of })
        };
        read().ok_or_else(|| InvalidRate(text.to_owned()))
    }
}

/// The dividend yield of an underlying.
#[derive(Clone, Debug, PartialEq)]
pub struct Dividend {
    /// Its name, in capital letters.
    pub underlying: String,
    /// A year, continuously compounded.
    pub rate: f64,
}

/// A text that is not such a yield.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an underlying and a rate from -0.5 to 1, such as NIFTY=0.012: 1.2 % is 0.012"
)]
pub struct InvalidDividend(String);

impl FromStr for Dividend {
    type Err = InvalidDividend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (name, number) = text.trim().split_once('=')?;
            let name = Some(name.trim()).filter(|name| !name.is_empty())?;
            Some(Self {
                underlying: name.to_ascii_uppercase(),
                rate: rate(number)?,
            })
        };
        read().ok_or_else(|| InvalidDividend(text.to_owned()))
    }
}

fn rate(text: &str) -> Option<f64> {
    let rate = text.trim().parse().ok()?;
    PricingRates::is_rate(rate).then_some(rate)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_rate_has_its_day() {
        let read = |text: &str| text.parse::<DatedRate>().ok();
        let dated = |rate| {
            let as_of = date(2026, 11, 28);
            Some(DatedRate { rate, as_of })
        };
        assert_eq!(read("0.0525@2026-11-28"), dated(0.0525));
        assert_eq!(read("-0.05@2026-11-28"), dated(-0.05));
        for wrong in [
            "",
            "0.0525",
            "5.25@2026-11-28",
            "-0.51@2026-11-28",
            "NaN@2026-11-28",
            "inf@2026-11-28",
            "0.0525@2026-11-31",
            "0.0525@today",
            "0.0525%@2026-11-28",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let error = "5.25".parse::<DatedRate>().unwrap_err().to_string();
        assert!(error.contains("5.25 % is 0.0525"), "{error}");
    }

    #[test]
    fn a_dividend_has_its_underlying() {
        let read = |text: &str| text.parse::<Dividend>().ok();
        let underlying = "NIFTY".to_owned();
        let rate = 0.012;
        assert_eq!(read("nifty=0.012"), Some(Dividend { underlying, rate }));
        for wrong in ["", "NIFTY", "=0.012", "NIFTY=", "NIFTY=1.2", "NIFTY=NaN"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_named_is_that_of_the_release() {
        assert_eq!(PricingArgs::default().rates(), PricingRates::default());
        let args = PricingArgs {
            rate_inr: Some("0.06@2026-12-01".parse().unwrap()),
            dividends: vec!["NIFTY=0.012".parse().unwrap()],
        };
        let rates = args.rates();
        assert_eq!(rates.interest("NFO", "NIFTY"), Some(0.06));
        assert_eq!(rates.dividend("NIFTY"), 0.012);
    }
}
