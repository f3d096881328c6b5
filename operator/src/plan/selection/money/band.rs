//! Prices between which no decision changes.
//!
//! Pure. Owns when a report of prices is news. Must not decide where the money is.

use std::sync::Arc;
use std::time::Duration;

use contract::Report;
use contract::report::ReferencePrice;
use kite::Token;

use crate::plan::input::Price;

/// During the session an older price is none.
pub(super) const FRESH: Duration = Duration::from_secs(60);

/// The lowest and the highest price of one instrument that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PriceBand {
    low: Price,
    high: Price,
}

impl PriceBand {
    /// No price changes anything.
    pub(super) const ANY: Self = Self {
        low: Price::MIN,
        high: Price::MAX,
    };

    pub(super) const fn new(low: Price, high: Price) -> Self {
        Self { low, high }
    }

    /// So many percent around a price.
    pub(super) fn around(price: Price, percent: u64) -> Self {
        let percent = i64::try_from(percent).unwrap_or(i64::MAX);
        Self::new(price.percent(100 - percent), price.percent(100 + percent))
    }

    /// What is in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self::new(self.low.max(other.low), self.high.min(other.high))
    }

    pub(super) fn holds(self, price: Price) -> bool {
        self.low <= price && price <= self.high
    }
}

/// The bands of the instruments whose prices one process reports: while a report leaves none of them, it changes no plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBands(Arc<[(Token, PriceBand)]>);

impl PriceBands {
    /// Of so many instruments, each once.
    pub(super) fn new(mut bands: Vec<(Token, PriceBand)>) -> Self {
        bands.sort_unstable_by_key(|(token, _)| *token);
        Self(bands.into())
    }

    /// Whether the prices in a report may change the plan that was made with the report before.
    #[must_use]
    pub fn are_left(&self, before: &Report, now: &Report) -> bool {
        let same = before.references.len() == now.references.len();
        let mut pairs = before.references.iter().zip(&now.references);
        !same || pairs.any(|(before, now)| kind(before) != kind(now) || !self.hold(now))
    }

    fn hold(&self, reference: &ReferencePrice) -> bool {
        let token = Token(reference.token);
        let band = self.0.binary_search_by_key(&token, |(token, _)| *token);
        let price = reference.price.as_deref().and_then(Price::parse);
        match (band, price) {
            (Ok(at), Some(price)) => self.0[at].1.holds(price),
            _ => true,
        }
    }
}

#[cfg(test)]
impl PriceBands {
    /// The band of one instrument.
    pub(crate) fn sample(token: u32, low: f64, high: f64) -> Self {
        let [low, high] = [low, high].map(|rupees| Price::new(rupees).unwrap());
        Self::new(vec![(Token(token), PriceBand::new(low, high))])
    }
}

/// What kind of price it is: another kind may be news at the same price.
fn kind(reference: &ReferencePrice) -> (u32, bool, bool, bool) {
    let age = reference.age_ms.map_or(u128::MAX, u128::from);
    let has_price = reference.price.is_some();
    (
        reference.token,
        has_price,
        reference.first,
        age <= FRESH.as_millis(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(price: Option<&str>, age: u64, first: bool) -> Report {
        Report {
            references: vec![ReferencePrice {
                token: 1,
                price: price.map(str::to_owned),
                close: None,
                age_ms: Some(age),
                exchange_ts: None,
                first,
            }],
            ..Report::default()
        }
    }

    #[test]
    fn only_what_leaves_its_band_or_changes_its_kind_is_news() {
        let price = |text| Price::parse(text).unwrap();
        let band = PriceBand::new(price("100"), price("110"));
        let bands = PriceBands::new(vec![(Token(1), band)]);
        let before = report(Some("105"), 10, false);
        for same in ["100", "110", "104.95"] {
            assert!(!bands.are_left(&before, &report(Some(same), 59_000, false)));
        }
        for left in ["99.95", "110.05"] {
            assert!(
                bands.are_left(&before, &report(Some(left), 10, false)),
                "{left}"
            );
        }
        assert!(
            bands.are_left(&before, &report(Some("105"), 10, true)),
            "another kind"
        );
        assert!(
            bands.are_left(&before, &report(Some("105"), 60_001, false)),
            "too old"
        );
        assert!(
            bands.are_left(&before, &report(None, 10, false)),
            "no price"
        );
        assert!(bands.are_left(&before, &Report::default()), "not reported");
        let unknown = PriceBands::default();
        assert!(
            !unknown.are_left(&before, &report(Some("1"), 10, false)),
            "nobody asks for it"
        );
    }

    #[test]
    fn a_band_around_a_price_includes_its_bounds() {
        let price = |text| Price::parse(text).unwrap();
        let band = PriceBand::around(price("200"), 20);
        assert!(band.holds(price("160")) && band.holds(price("240")));
        assert!(!band.holds(price("159.95")) && !band.holds(price("240.05")));
        let both = band.and(PriceBand::new(price("190"), Price::MAX));
        assert!(both.holds(price("190")) && !both.holds(price("180")) && !both.holds(price("241")));
    }
}
