//! Prices that were set: where the price of an instrument continues from.
//!
//! Pure, in rupees. Owns how a set price and what would be the price without it go together. Must not know which prices
//! depend on which.

/// What becomes of a price after it was set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PriceAnchor {
    /// It stays.
    Held(f64),
    /// It moves by the same fractions as without it: that of an underlying is never negative.
    Factor(f64),
    /// It moves by the same amounts as without it: the value of an option may have been nothing.
    Offset(f64),
}

impl PriceAnchor {
    /// Of an index or a share that costs `price` from now on, and would cost `walked`.
    pub(super) fn of_underlying(price: f64, walked: f64, hold: bool) -> Self {
        if hold {
            Self::Held(price)
        } else {
            Self::Factor(price / walked)
        }
    }

    /// Of a contract that costs `price` from now on, and would cost `fair`.
    pub(super) fn of_contract(price: f64, fair: f64, hold: bool) -> Self {
        if hold {
            Self::Held(price)
        } else {
            Self::Offset(price - fair)
        }
    }

    /// The price, where it would be `otherwise`.
    pub(super) fn price(self, otherwise: f64) -> f64 {
        match self {
            Self::Held(price) => price,
            Self::Factor(factor) => otherwise * factor,
            Self::Offset(offset) => (otherwise + offset).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_continues_from_where_it_was_set_or_stays() {
        let underlying = |hold| PriceAnchor::of_underlying(50.0, 100.0, hold);
        assert_eq!(underlying(false).price(100.0), 50.0);
        assert_eq!(underlying(false).price(110.0), 55.0);
        assert_eq!(underlying(true).price(110.0), 50.0);
        let option = |hold| PriceAnchor::of_contract(5.0, 0.0, hold);
        assert_eq!(option(false).price(2.0), 7.0);
        assert_eq!(option(true).price(2.0), 5.0);
        let cheaper = PriceAnchor::of_contract(1.0, 10.0, false);
        assert_eq!(cheaper.price(3.0), 0.0, "no price is negative");
    }
}
