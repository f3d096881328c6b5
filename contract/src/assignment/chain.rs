//! What Greeks of the options of one underlying and expiry are computed from.
//!
//! Owns the description of a chain and its checks. Must not know formulas or a calendar: every instant is given.

use jiff::civil::Date;
use kite::Token;
use serde::{Deserialize, Serialize};

/// The most chains of an assignment; as many as an account can have instruments.
pub const MOST_CHAINS: usize = 9_000;

/// The options of one underlying that expire on one day, and the references of their forward price.
///
/// The instruments that are named here are rows of the assignment; those that no set asks for have no sets and no outputs. One
/// that is not among the rows counts as not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Exchange of the options, such as `NFO`.
    pub exchange: String,
    /// Name of the underlying, as in the instruments list.
    pub underlying: String,
    /// Day of expiry.
    pub expiry: Date,
    /// When the options expire, Unix seconds.
    pub expiry_ts: i64,
    /// From when the price is being fixed that pays, Unix seconds; `None` where trading ends before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles_ts: Option<i64>,
    /// Interest rate a year, continuously compounded (0.0525: 5.25 %). `None` where none is known: there are no Greeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<f64>,
    /// Dividend yield a year, of the same kind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub q: f64,
    /// The future whose price is the forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub future: Option<Token>,
    /// Calls and puts near the money from whose prices the forward follows by put-call parity, by strike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parity: Vec<ParityPair>,
    /// The chain whose forward gives the cost of carry, as a position in [`Assignment::chains`](super::Assignment::chains).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry: Option<u16>,
    /// The underlying itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<Token>,
}

/// A strike in rupees, its call and its put.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParityPair(pub f64, pub Token, pub Token);

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Chain {
    /// Whether its numbers can be computed with; `chains`: how many there are.
    #[must_use]
    pub(super) fn is_valid(&self, chains: usize) -> bool {
        let carry = self.carry.is_none_or(|at| usize::from(at) < chains);
        let settles = self.settles_ts.is_none_or(|at| at <= self.expiry_ts);
        let strikes = self.parity.iter().all(|pair| is_price(pair.0));
        let rates = self.r.is_none_or(f64::is_finite) && self.q.is_finite();
        carry && settles && strikes && rates
    }

    /// The instruments that it names, each as often as it is named.
    pub fn references(&self) -> impl Iterator<Item = Token> {
        let pairs = self.parity.iter().flat_map(|pair| [pair.1, pair.2]);
        self.future.into_iter().chain(self.spot).chain(pairs)
    }
}

fn is_price(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Chain {
        Chain {
            exchange: "NFO".to_owned(),
            underlying: "NIFTY".to_owned(),
            expiry: jiff::civil::date(2026, 12, 1),
            expiry_ts: 1_796_119_800,
            settles_ts: Some(1_796_119_200),
            r: Some(0.0525),
            q: 0.012,
            future: None,
            parity: vec![ParityPair(24_200.0, Token(12_190_978), Token(12_191_234))],
            carry: None,
            spot: Some(Token(256_265)),
        }
    }

    /// Operators and ingest processes of other builds read this text.
    #[test]
    fn the_document_is_spelled_as_agreed() {
        let text = r#"{"exchange":"NFO","underlying":"NIFTY","expiry":"2026-12-01","expiry_ts":1796119800,"settles_ts":1796119200,"r":0.0525,"q":0.012,"parity":[[24200.0,12190978,12191234]],"spot":256265}"#;
        assert_eq!(serde_json::to_string(&chain()).unwrap(), text);
        assert_eq!(serde_json::from_str::<Chain>(text).unwrap(), chain());
        let least =
            r#"{"exchange":"CDS","underlying":"EURUSD","expiry":"2026-12-28","expiry_ts":1}"#;
        let least: Chain = serde_json::from_str(least).unwrap();
        assert_eq!((least.r, least.q), (None, 0.0));
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        assert!(chain().is_valid(1));
        let wrong = |change: fn(&mut Chain)| {
            let mut chain = chain();
            change(&mut chain);
            !chain.is_valid(1)
        };
        assert!(wrong(|it| it.carry = Some(1)), "no such chain");
        assert!(wrong(|it| it.settles_ts = Some(it.expiry_ts + 1)));
        assert!(wrong(|it| it.r = Some(f64::NAN)));
        assert!(wrong(|it| it.q = f64::INFINITY));
        assert!(wrong(|it| it.parity[0].0 = 0.0));
    }

    #[test]
    fn it_names_its_references() {
        let tokens: Vec<u32> = chain().references().map(|token| token.0).collect();
        assert_eq!(tokens, [256_265, 12_190_978, 12_191_234]);
    }
}
