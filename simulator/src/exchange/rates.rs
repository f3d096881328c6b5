//! How often instruments tick. Owns reading the settings.

use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::universe::Universe;

/// Maximum seconds between two ticks: thirty years, for rates that are almost zero.
const LONGEST: f64 = 1e9;

/// Ticks per second of every instrument.
#[derive(Clone, Debug)]
pub struct Rates {
    usual: f64,
    special: FxHashMap<usize, f64>,
}

/// A rate that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Not `EXCHANGE:SYMBOL=RATE`.
    #[error("rate {0:?} is not EXCHANGE:SYMBOL=TICKS_PER_SECOND, such as \"NSE:NIFTY 50=5\"")]
    Shape(String),
    /// Negative, infinite or not a number.
    #[error("rate {0:?} must be a number of ticks per second from 0 to 1000")]
    Value(String),
    /// No instrument of that name.
    #[error("rate names {0:?}, which is not listed")]
    Unknown(String),
}

impl Rates {
    /// The same for all; zero is never.
    #[must_use]
    pub fn uniform(usual: f64) -> Self {
        Self {
            usual,
            special: FxHashMap::default(),
        }
    }

    /// Applies lines of `EXCHANGE:SYMBOL=RATE`.
    ///
    /// # Errors
    /// At the first line that cannot be used.
    pub fn with<'a>(
        mut self,
        lines: impl IntoIterator<Item = &'a str>,
        universe: &Universe,
    ) -> Result<Self, RateError> {
        for line in lines {
            let (symbol, rate) = line
                .rsplit_once('=')
                .ok_or_else(|| RateError::Shape(line.to_owned()))?;
            let position = universe
                .find_symbol(symbol.trim())
                .ok_or_else(|| RateError::Unknown(symbol.to_owned()))?;
            self.set(position, parse(rate.trim())?);
        }
        Ok(self)
    }

    /// The same with other positions; those that have none lose their rate.
    pub(super) fn at_positions(&self, position: impl Fn(usize) -> Option<usize>) -> Self {
        let special = self.special.iter();
        let special = special.filter_map(|(at, rate)| Some((position(*at)?, *rate)));
        Self {
            usual: self.usual,
            special: special.collect(),
        }
    }

    /// Changes one instrument.
    pub fn set(&mut self, position: usize, rate: f64) {
        self.special.insert(position, rate);
    }

    /// Mean time between two ticks; `None` if it never ticks.
    #[must_use]
    pub fn interval(&self, position: usize) -> Option<Duration> {
        let rate = self.special.get(&position).copied().unwrap_or(self.usual);
        (rate > 0.0).then(|| Duration::from_secs_f64((1.0 / rate).min(LONGEST)))
    }
}

/// Reads a number of ticks per second.
///
/// # Errors
/// When it is not a number, negative or above 1000.
pub fn parse(rate: &str) -> Result<f64, RateError> {
    rate.parse()
        .ok()
        .filter(|rate| (0.0..=1_000.0).contains(rate))
        .ok_or_else(|| RateError::Value(rate.to_owned()))
}

#[cfg(test)]
mod tests {
    use calendar::Calendar;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn single_instruments_have_their_own_rate() {
        let universe = Universe::generate(1, date(2026, 12, 1), Calendar::india()).unwrap();
        let rates = Rates::uniform(2.0)
            .with(["NSE:NIFTY 50=5", "NSE:INFY = 0"], &universe)
            .unwrap();
        let of = |symbol| rates.interval(universe.find_symbol(symbol).unwrap());
        assert_eq!(of("NSE:NIFTY 50"), Some(Duration::from_millis(200)));
        assert_eq!(of("NSE:INFY"), None);
        assert_eq!(of("NSE:TCS"), Some(Duration::from_millis(500)));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let universe = Universe::generate(1, date(2026, 12, 1), Calendar::india()).unwrap();
        let error = |line| Rates::uniform(1.0).with([line], &universe).unwrap_err();
        assert!(matches!(error("NSE:INFY"), RateError::Shape(line) if line == "NSE:INFY"));
        assert!(
            matches!(error("NSE:NOBODY=1"), RateError::Unknown(symbol) if symbol == "NSE:NOBODY")
        );
        for rate in ["-1", "x", "inf", "NaN", "1001"] {
            assert_eq!(parse(rate), Err(RateError::Value(rate.to_owned())));
        }
    }
}
