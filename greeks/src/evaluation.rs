//! From the prices of an option and of its forward to its Greeks, or to the word why there are none.
//!
//! Owns the order in which the words are looked for.

use crate::black76::{Black76, Greeks, OptionRight};
use crate::option_price::{OptionPrice, OptionPriceSource};
use crate::tenor::{ExpiryPhase, Tenor, years};
use crate::volatility::{Unsolved, implied_volatility};
use crate::word::GreeksWord;

/// Prices that differ by this part of them are the same: rounding of the discount.
const ROUNDING: f64 = 1e-12;

/// An option and its market, at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionTerms {
    /// Call or put.
    pub right: OptionRight,
    /// The strike.
    pub strike: f64,
    /// The price step.
    pub step: f64,
    /// When it ends.
    pub tenor: Tenor,
    /// Interest rate a year; `None`: not known.
    pub rate: Option<f64>,
    /// Whether it trades now.
    pub open: bool,
    /// The forward price, of twelve significant digits.
    pub forward: Option<f64>,
    /// Now.
    pub now: i64,
}

/// The option of the other right at the same strike, if its own values are ok.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Twin {
    /// Its volatility.
    pub volatility: f64,
    /// The price that this is solved from.
    pub price: f64,
}

/// What is known of an option that is ok.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// Volatility a year, of twelve significant digits.
    pub volatility: f64,
    /// The derivatives at this volatility.
    pub greeks: Greeks,
}

/// The outcome for one option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// What it is.
    pub word: GreeksWord,
    /// The price that was looked at; of twelve significant digits.
    pub price: Option<OptionPrice>,
    /// The values, exactly if the word is [`GreeksWord::Ok`].
    pub values: Option<Values>,
}

impl Evaluation {
    /// No values, and the price that was looked at.
    #[must_use]
    pub const fn without_values(word: GreeksWord, price: Option<OptionPrice>) -> Self {
        Self {
            word,
            price,
            values: None,
        }
    }
}

/// Forward, rate and time, once they are known to be there.
#[derive(Clone, Copy, Debug)]
struct Ground {
    forward: f64,
    rate: f64,
    years: f64,
}

/// Solves the volatility of an option's price and computes its Greeks.
///
/// `price` is by [`option_price`](crate::option_price()), `None` also for a first packet that shows an older state. `twin` is
/// asked for only if the option is in the money and its price holds no volatility.
#[must_use]
pub fn evaluate(
    terms: &OptionTerms,
    price: Option<OptionPrice>,
    twin: impl FnOnce() -> Option<Twin>,
) -> Evaluation {
    let ground = match ground(terms) {
        Ok(ground) => ground,
        Err(word) => return Evaluation::without_values(word, None),
    };
    let price = price.and_then(|it| {
        let price = crate::rounded(it.price)?;
        Some(OptionPrice { price, ..it })
    });
    let Some(price) = price else {
        return Evaluation::without_values(GreeksWord::StaleInput, None);
    };
    match solve(terms, ground, price, twin) {
        Ok((volatility, price)) => computed(terms, ground, volatility, Some(price)),
        Err(word) => Evaluation::without_values(word, Some(price)),
    }
}

/// Computes the Greeks of an option again, at another forward price or a later instant, with the volatility that it has: an
/// old price says nothing about a new forward. What had no volatility keeps its word while it may trade.
#[must_use]
pub fn hold(terms: &OptionTerms, before: &Evaluation) -> Evaluation {
    let ground = match ground(terms) {
        Ok(ground) => ground,
        Err(word) => return Evaluation::without_values(word, None),
    };
    match before.values {
        Some(values) => computed(terms, ground, values.volatility, before.price),
        None => *before,
    }
}

fn ground(terms: &OptionTerms) -> Result<Ground, GreeksWord> {
    let phase = terms.tenor.phase(terms.now);
    if phase == ExpiryPhase::Expired {
        return Err(GreeksWord::Expired);
    }
    if !terms.open {
        return Err(GreeksWord::Closed);
    }
    if phase == ExpiryPhase::Settling {
        return Err(GreeksWord::SettlementWindow);
    }
    match (terms.forward, terms.rate) {
        (Some(forward), Some(rate)) => Ok(Ground {
            forward,
            rate,
            years: years(terms.tenor.expiry_ts, terms.now),
        }),
        _ => Err(GreeksWord::NoForward),
    }
}

fn solve(
    terms: &OptionTerms,
    ground: Ground,
    price: OptionPrice,
    twin: impl FnOnce() -> Option<Twin>,
) -> Result<(f64, OptionPrice), GreeksWord> {
    let OptionTerms { right, strike, .. } = *terms;
    let undiscounted = price.price * libm::exp(ground.rate * ground.years);
    let positive = ground.forward > 0.0 && strike > 0.0 && undiscounted.is_finite();
    if !positive || undiscounted >= right.bound(ground.forward, strike) {
        return Err(GreeksWord::OutOfRange);
    }
    if price.price <= terms.step * (1.0 + ROUNDING) {
        return Err(GreeksWord::PriceFloor);
    }
    let payoff = right.payoff(ground.forward, strike);
    if undiscounted < payoff * (1.0 - ROUNDING) {
        return Err(GreeksWord::BelowIntrinsic);
    }
    if undiscounted - payoff < terms.step / 2.0 {
        let twin = twin().ok_or(GreeksWord::NoTimeValue)?;
        let source = OptionPriceSource::Twin;
        let price = OptionPrice {
            price: twin.price,
            source,
        };
        return Ok((twin.volatility, price));
    }
    let years = ground.years;
    match implied_volatility(right, ground.forward, strike, years, undiscounted) {
        Ok(volatility) => Ok((volatility, price)),
        Err(Unsolved::BelowIntrinsic) => Err(GreeksWord::BelowIntrinsic),
        Err(Unsolved::OutOfRange) => Err(GreeksWord::OutOfRange),
    }
}

fn computed(
    terms: &OptionTerms,
    ground: Ground,
    volatility: f64,
    price: Option<OptionPrice>,
) -> Evaluation {
    let inputs = Black76 {
        right: terms.right,
        forward: ground.forward,
        strike: terms.strike,
        years: ground.years,
        rate: ground.rate,
        volatility,
    };
    match inputs.greeks() {
        Some(greeks) => Evaluation {
            word: GreeksWord::Ok,
            price,
            values: Some(Values { volatility, greeks }),
        },
        None => Evaluation::without_values(GreeksWord::OutOfRange, price),
    }
}

#[cfg(test)]
mod tests;
