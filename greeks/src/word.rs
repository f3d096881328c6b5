//! The word that says what the Greeks of an option are, or why there are none.

/// The state of an option's Greeks, in the order in which the states are looked for: the first that fits is the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GreeksWord {
    /// It has ended.
    Expired,
    /// Its market is not open.
    Closed,
    /// The price that pays is being fixed.
    SettlementWindow,
    /// There is no forward price, or no interest rate.
    NoForward,
    /// There is no price that is young enough.
    StaleInput,
    /// No volatility between 0.001 and 10 gives the price, or the forward or the strike is not positive.
    OutOfRange,
    /// The price is the least there is: it holds no volatility.
    PriceFloor,
    /// The price is below what the option would pay at the forward price.
    BelowIntrinsic,
    /// The price is nearly what the option would pay, and the option of the other right gives no volatility.
    NoTimeValue,
    /// All values are there.
    Ok,
}

impl GreeksWord {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Expired,
        Self::Closed,
        Self::SettlementWindow,
        Self::NoForward,
        Self::StaleInput,
        Self::OutOfRange,
        Self::PriceFloor,
        Self::BelowIntrinsic,
        Self::NoTimeValue,
        Self::Ok,
    ];

    /// As it is spelled in messages and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Closed => "closed",
            Self::SettlementWindow => "settlement_window",
            Self::NoForward => "no_forward",
            Self::StaleInput => "stale_input",
            Self::OutOfRange => "out_of_range",
            Self::PriceFloor => "price_floor",
            Self::BelowIntrinsic => "below_intrinsic",
            Self::NoTimeValue => "no_time_value",
            Self::Ok => "ok",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_list_is_that_of_the_type() {
        assert!(GreeksWord::ALL.is_sorted());
        let at = GreeksWord::ALL.map(|word| word as usize);
        assert_eq!(at, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
