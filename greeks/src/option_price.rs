//! The price of an option that its volatility is solved from.

use crate::book::Book;

/// A trade this long ago is no price any more, in seconds.
const OLDEST_TRADE_S: i64 = 60;

/// Where a price comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionPriceSource {
    /// The middle of its book.
    Mid,
    /// Its last trade, whose time is known.
    Last,
    /// The option of the other right at the same strike.
    Twin,
    /// Its last trade, where packets carry neither book nor time.
    LastUndated,
}

impl OptionPriceSource {
    /// As it is spelled in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mid => "mid",
            Self::Last => "last",
            Self::Twin => "twin",
            Self::LastUndated => "last_undated",
        }
    }
}

/// A price and its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionPrice {
    /// Rupees.
    pub price: f64,
    /// Where it comes from.
    pub source: OptionPriceSource,
}

/// The last trade of an option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastTrade {
    /// Rupees.
    pub price: f64,
    /// When it was; `None` if never.
    pub at: Option<i64>,
}

/// The price of an option: the middle of its book if that is narrow, else the last trade if that is not older than a minute.
///
/// `book` is `None` where packets carry no book: they carry no time of the trade either, and its price is taken as it is.
/// `step` is the instrument's price step.
#[must_use]
pub fn option_price(
    book: Option<Book>,
    last: LastTrade,
    step: f64,
    now: i64,
) -> Option<OptionPrice> {
    use OptionPriceSource::{Last, LastUndated, Mid};
    let Some(book) = book else {
        return traded(last.price, LastUndated);
    };
    if let Some(price) = book.option_middle(step) {
        return Some(OptionPrice { price, source: Mid });
    }
    let at = last.at?;
    let recent = now.saturating_sub(at).saturating_abs() <= OLDEST_TRADE_S;
    recent.then_some(last.price).and_then(|it| traded(it, Last))
}

fn traded(price: f64, source: OptionPriceSource) -> Option<OptionPrice> {
    (price > 0.0 && price.is_finite()).then_some(OptionPrice { price, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_796_100_000;

    fn chosen(
        book: Option<(f64, f64)>,
        last: f64,
        age: Option<i64>,
    ) -> Option<(f64, &'static str)> {
        let book = book.map(|(bid, ask)| Book { bid, ask });
        let at = age.map(|age| NOW - age);
        let price = option_price(book, LastTrade { price: last, at }, 0.05, NOW);
        price.map(|it| (it.price, it.source.as_str()))
    }

    #[test]
    fn the_middle_comes_before_the_trade() {
        assert_eq!(
            chosen(Some((100.0, 101.0)), 90.0, Some(1)),
            Some((100.5, "mid"))
        );
        let wide = Some((80.0, 101.0));
        assert_eq!(chosen(wide, 90.0, Some(60)), Some((90.0, "last")));
        assert_eq!(chosen(wide, 90.0, Some(61)), None);
        assert_eq!(
            chosen(wide, 90.0, Some(-61)),
            None,
            "the clock was put back"
        );
        assert_eq!(chosen(wide, 90.0, None), None);
        let empty = Some((0.0, 0.05));
        assert_eq!(chosen(empty, 0.05, Some(1)), Some((0.05, "last")));
    }

    #[test]
    fn packets_without_a_book_say_only_the_trade() {
        assert_eq!(chosen(None, 90.0, None), Some((90.0, "last_undated")));
        assert_eq!(chosen(None, 0.0, None), None);
        assert_eq!(chosen(None, -1.0, None), None);
        assert_eq!(chosen(None, f64::NAN, None), None);
        assert_eq!(chosen(Some((0.0, 0.0)), 0.0, Some(1)), None);
    }
}
