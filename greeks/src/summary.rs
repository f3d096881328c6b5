//! A chain in three numbers: where its money is, and what its options cost there.

use crate::black76::OptionRight;

/// What is known of the options at one strike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StrikePrices {
    /// Volatilities of call and put that are ok.
    pub volatilities: [Option<f64>; 2],
    /// Middles of the books of call and put.
    pub middles: [Option<f64>; 2],
}

impl StrikePrices {
    /// Notes what is known of one of the two.
    pub fn set(&mut self, right: OptionRight, volatility: Option<f64>, middle: Option<f64>) {
        let at = right as usize;
        (self.volatilities[at], self.middles[at]) = (volatility, middle);
    }
}

/// A chain at its money.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainSummary {
    /// The strike at the money.
    pub atm: f64,
    /// The mean volatility of its call and put, or that of the one that is ok.
    pub atm_iv: Option<f64>,
    /// What both cost together, if both books have a middle.
    pub straddle: Option<f64>,
}

impl ChainSummary {
    /// Of the strike at the money and its options.
    #[must_use]
    pub fn new(atm: f64, prices: &StrikePrices) -> Self {
        let [call, put] = prices.volatilities;
        let mean = call.zip(put).map(|(call, put)| (call + put) / 2.0);
        let [call_middle, put_middle] = prices.middles;
        let straddle = call_middle.zip(put_middle).map(|(call, put)| call + put);
        Self {
            atm,
            atm_iv: mean.or(call).or(put).and_then(crate::rounded),
            straddle: straddle.and_then(crate::rounded),
        }
    }
}

/// The strike nearest the forward price, the lower one at a tie.
#[must_use]
pub fn at_the_money(strikes: impl Iterator<Item = f64>, forward: f64) -> Option<f64> {
    let distance = |strike: f64| (strike - forward).abs();
    strikes.filter(|it| it.is_finite()).reduce(|best, strike| {
        let nearer = distance(strike) < distance(best);
        let tie = distance(strike) == distance(best) && strike < best;
        if nearer || tie { strike } else { best }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_money_is_at_the_nearest_strike() {
        let strikes = [24_300.0, 24_100.0, 24_200.0, 24_150.0];
        let money = |forward| at_the_money(strikes.into_iter(), forward);
        assert_eq!(money(24_180.0), Some(24_200.0));
        assert_eq!(money(24_175.0), Some(24_150.0), "the lower at a tie");
        assert_eq!(money(1.0), Some(24_100.0));
        assert_eq!(at_the_money(std::iter::empty(), 1.0), None);
        assert_eq!(
            at_the_money([100.0].into_iter(), 24_000.0),
            Some(100.0),
            "one strike"
        );
    }

    #[test]
    fn a_straddle_needs_both_options_and_a_volatility_one() {
        let mut prices = StrikePrices::default();
        prices.set(OptionRight::Call, Some(0.2), Some(101.25));
        let summary = ChainSummary::new(100.0, &prices);
        assert_eq!((summary.atm_iv, summary.straddle), (Some(0.2), None));
        prices.set(OptionRight::Put, Some(0.1), Some(99.5));
        let summary = ChainSummary::new(100.0, &prices);
        assert_eq!(
            (summary.atm_iv, summary.straddle),
            (Some(0.15), Some(200.75))
        );
        prices.set(OptionRight::Put, Some(0.1), None);
        assert_eq!(ChainSummary::new(100.0, &prices).straddle, None);
    }
}
