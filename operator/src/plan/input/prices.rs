//! The prices that ingest processes report of instruments that selectors need.
//!
//! Owns which of several reports of one instrument counts. Must not decide what a price means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Assignment;
use contract::report::ReferencePrice;
use kite::Token;
use rustc_hash::FxHashMap;

use super::account::AccountInput;
use super::checked::AccountSpec;

/// A price in ten-millionths of a rupee: exact for every price and strike of every exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Price(i64);

/// Ten-millionths in a rupee: currencies have up to seven decimals.
const UNITS: f64 = 10_000_000.0;

/// Above this no price is exact, and nothing costs that much.
const HIGHEST: f64 = 100_000_000.0;

impl Price {
    /// The lowest and the highest number that a price can be compared with.
    pub(crate) const MIN: Self = Self(i64::MIN);
    pub(crate) const MAX: Self = Self(i64::MAX);

    /// A price in rupees; `None` if it cannot be one.
    pub(crate) fn new(rupees: f64) -> Option<Self> {
        let is_price = rupees > 0.0 && rupees < HIGHEST;
        is_price.then(|| Self((rupees * UNITS).round() as i64))
    }

    /// From decimal text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::new(text.parse().ok()?)
    }

    pub(crate) fn rupees(self) -> f64 {
        self.0 as f64 / UNITS
    }

    /// How far apart two prices are, in ten-millionths of a rupee.
    pub(crate) fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// Whether the other differs by at most so many percent of this one.
    pub(crate) fn is_within(self, percent: u64, other: Self) -> bool {
        self.distance(other).saturating_mul(100) <= self.0.unsigned_abs().saturating_mul(percent)
    }

    /// The next one below, and the next one above.
    pub(crate) fn neighbours(self) -> (Self, Self) {
        (
            Self(self.0.saturating_sub(1)),
            Self(self.0.saturating_add(1)),
        )
    }

    /// So many percent of it.
    pub(crate) fn percent(self, percent: i64) -> Self {
        Self(self.0.saturating_mul(percent) / 100)
    }
}

/// What is known of the price of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReferenceQuote {
    /// The last price, if a packet has come.
    pub(crate) price: Option<Price>,
    /// The close of the day before.
    pub(crate) close: Option<Price>,
    /// How long ago the newest tick came, if one has.
    pub(crate) age: Option<Duration>,
    /// Whether the price may be of an older day.
    pub(crate) first: bool,
}

impl ReferenceQuote {
    /// The better one comes first: a price of today, then the newest.
    fn rank(&self) -> (bool, bool, Duration) {
        let age = self.age.unwrap_or(Duration::MAX);
        (self.price.is_none(), self.first, age)
    }
}

/// A market: where instruments and prices come from. Prices of one say nothing about another.
pub(crate) type MarketKey = Arc<str>;

/// The market that an account streams from.
pub(crate) fn market(spec: &AccountSpec) -> MarketKey {
    let kind = if spec.mock { "mock" } else { "real" };
    format!("{kind} {} {}", spec.websocket, spec.api).into()
}

/// The newest quotes, by market.
#[derive(Debug, Default)]
pub(crate) struct Quotes(FxHashMap<MarketKey, FxHashMap<Token, ReferenceQuote>>);

impl Quotes {
    /// Those that the accounts' processes report.
    pub(crate) fn of(accounts: &[AccountInput<'_>], now: Instant) -> Self {
        let mut all = Self::default();
        for account in accounts {
            let report = account
                .report()
                .filter(|report| !report.references.is_empty());
            let (Some(report), Ok(spec), Some(base)) = (report, &account.spec, account.base) else {
                continue;
            };
            let scraped = account.observed.scrape.at;
            let waited = scraped.map(|at| now.saturating_duration_since(at));
            let of_market = all.0.entry(market(spec)).or_default();
            let known = report.references.iter();
            for reference in known.filter(|it| means_the_same(account, base, it)) {
                let quote = quote(reference, waited.unwrap_or_default());
                let best = of_market.entry(Token(reference.token)).or_insert(quote);
                if quote.rank() < best.rank() {
                    *best = quote;
                }
            }
        }
        all
    }

    /// The quote of a token.
    pub(crate) fn get(&self, market: &str, token: Token) -> Option<&ReferenceQuote> {
        self.0.get(market)?.get(&token)
    }
}

fn quote(reference: &ReferencePrice, waited: Duration) -> ReferenceQuote {
    let price = |text: &Option<String>| Price::parse(text.as_deref()?);
    let age = reference.age_ms.map(Duration::from_millis);
    ReferenceQuote {
        price: price(&reference.price),
        close: price(&reference.close),
        age: age.map(|age| age.saturating_add(waited)),
        first: reference.first,
    }
}

/// Whether the token that a process reports means the same today: Kite gives tokens to other contracts over time.
fn means_the_same(
    account: &AccountInput<'_>,
    base: &Assignment,
    reference: &ReferencePrice,
) -> bool {
    let token = Token(reference.token);
    let rows = &base.instruments;
    let row = rows.binary_search_by_key(&token, |row| row.token);
    let Some(row) = row.ok().map(|at| &rows[at]) else {
        return false;
    };
    account.is_current(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(rupees: f64) -> Price {
        Price::new(rupees).unwrap()
    }

    #[test]
    fn decimal_texts_and_strikes_are_exact() {
        for (text, strike) in [("25050.5", 25_050.5), ("84.1225", 84.122_5), ("0.05", 0.05)] {
            assert_eq!(Price::parse(text), Price::new(strike));
        }
        assert!(price(0.1).distance(price(0.3)) == price(0.1).distance(price(0.2)) * 2);
        for none in ["0", "-1", "NaN", "inf", "1e12", "", "x", "0.00000001x"] {
            assert_eq!(Price::parse(none), None, "{none}");
        }
    }

    #[test]
    fn percentages_include_their_bound() {
        assert!(price(100.0).is_within(20, price(120.0)));
        assert!(price(100.0).is_within(20, price(80.0)));
        assert!(!price(100.0).is_within(20, price(120.000_000_1)));
        assert_eq!(price(200.0).percent(80), price(160.0));
    }

    #[test]
    fn a_price_of_today_counts_before_another_and_the_newest_of_these() {
        let quote = |price: Option<f64>, age: Option<u64>, first| ReferenceQuote {
            price: price.and_then(Price::new),
            close: None,
            age: age.map(Duration::from_secs),
            first,
        };
        let sorted = [
            quote(Some(1.0), Some(1), false),
            quote(Some(1.0), Some(9), false),
            quote(Some(1.0), None, false),
            quote(Some(1.0), Some(1), true),
            quote(None, None, false),
        ];
        assert!(sorted.is_sorted_by_key(ReferenceQuote::rank));
    }
}
