//! The best prices of both sides of an order book.

/// The best bid and the best offer, in rupees; zero where a side is empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Book {
    /// What is bid.
    pub bid: f64,
    /// What is asked.
    pub ask: f64,
}

/// Differences of decimal prices are off by less than this part of themselves.
const ROUNDING: f64 = 1e-9;

/// A spread of so many price steps is narrow for an option of any price.
const OPTION_STEPS: f64 = 3.0;

/// Or this part of the middle.
const OPTION_PART: f64 = 0.1;

impl Book {
    /// The middle, if both sides are there and do not cross. An empty side is no price of zero.
    #[must_use]
    pub fn middle(self) -> Option<f64> {
        let two_sided = self.bid > 0.0 && self.ask >= self.bid && self.ask.is_finite();
        two_sided.then(|| self.bid + (self.ask - self.bid) / 2.0)
    }

    /// The middle of an option's book: the spread is three price steps or a tenth of it at most.
    #[must_use]
    pub fn option_middle(self, step: f64) -> Option<f64> {
        let middle = self.middle()?;
        self.within(middle, (OPTION_STEPS * step).max(OPTION_PART * middle))
    }

    /// The middle of a future's book: the spread is so many basis points of it at most.
    #[must_use]
    pub fn future_middle(self, basis_points: f64) -> Option<f64> {
        let middle = self.middle()?;
        self.within(middle, middle * basis_points * 1e-4)
    }

    fn within(self, middle: f64, widest: f64) -> Option<f64> {
        (self.ask - self.bid <= widest + ROUNDING * middle).then_some(middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(bid: f64, ask: f64) -> Book {
        Book { bid, ask }
    }

    #[test]
    fn a_middle_has_two_sides() {
        assert_eq!(book(1.0, 1.1).middle(), Some(1.05));
        assert_eq!(
            book(0.0, 0.05).option_middle(0.05),
            None,
            "one step wide, without a bid"
        );
        assert_eq!(book(1.0, 0.0).middle(), None);
        assert_eq!(book(1.1, 1.0).middle(), None, "crossed");
        assert_eq!(book(-1.0, 1.0).middle(), None);
        assert_eq!(book(f64::NAN, 1.0).middle(), None);
        assert_eq!(book(1.0, f64::INFINITY).middle(), None);
        assert_eq!(book(f64::MAX, f64::MAX).middle(), Some(f64::MAX));
    }

    #[test]
    fn an_options_spread_is_three_steps_or_a_tenth() {
        assert!(book(0.15, 0.30).option_middle(0.05).is_some());
        assert!(book(0.15, 0.35).option_middle(0.05).is_none());
        assert!(book(95.0, 105.0).option_middle(0.05).is_some());
        assert!(book(94.9, 105.0).option_middle(0.05).is_none());
    }

    #[test]
    fn a_futures_spread_is_measured_in_basis_points() {
        assert!(book(24_000.0, 24_012.0).future_middle(5.0).is_some());
        assert!(book(24_000.0, 24_012.1).future_middle(5.0).is_none());
        assert!(book(24_000.0, 24_048.0).future_middle(20.0).is_some());
    }
}
