//! The hash of a chain: its forward price, and what its options cost at the money.
//!
//! Owns its key, its fields and their spelling. Every process of a chain writes the same, from the same references; what needs
//! all options of a chain is not in it. Must not decide when it is written.

use contract::Chain;
use contract::assignment::prefix_of;
use greeks::ChainSummary;
use redis_link::resp::write_command;
use redis_link::slots::slot_of;

use super::keys::key_start;
use crate::tick_json::greeks::decimal_text;

/// It is gone so long after the expiry, in seconds.
const KEPT_S: i64 = 86_400;

/// The key of one chain under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct ChainHash {
    /// Its slot.
    pub(crate) slot: u16,
    key: String,
}

/// What its fields say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainFields<'a> {
    /// The chain.
    pub(crate) chain: &'a Chain,
    /// The forward price and its source.
    pub(crate) forward: (f64, &'static str),
    /// When it was computed, epoch seconds.
    pub(crate) forward_ts: i64,
    /// The chain at the money, if a strike is known.
    pub(crate) summary: Option<ChainSummary>,
    /// When the hash is written, epoch seconds.
    pub(crate) ts: i64,
}

impl ChainHash {
    /// That of `chain` under the prefix of `channel`.
    pub(crate) fn new(channel: &str, chain: &Chain, mock: bool) -> Self {
        let Chain {
            exchange,
            underlying,
            expiry,
            ..
        } = chain;
        let (start, prefix) = (key_start(mock), prefix_of(channel));
        let key = format!("{start}{prefix}:chain:{exchange}:{underlying}:{expiry}");
        Self {
            slot: slot_of(key.as_bytes()),
            key,
        }
    }

    /// Whether both are one key.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Appends the command that stores `fields`. What is not known is empty: it was known before, perhaps.
    pub(crate) fn write(&self, out: &mut Vec<u8>, fields: &ChainFields<'_>) {
        let number = |value: Option<f64>| value.map_or_else(String::new, decimal_text);
        let second = |value: Option<i64>| value.map_or_else(String::new, |it| it.to_string());
        let ChainFields { chain, summary, .. } = fields;
        let texts = [
            ("forward", decimal_text(fields.forward.0)),
            ("source", fields.forward.1.to_owned()),
            ("forward_ts", fields.forward_ts.to_string()),
            ("atm", number(summary.map(|it| it.atm))),
            ("atm_iv", number(summary.and_then(|it| it.atm_iv))),
            ("straddle", number(summary.and_then(|it| it.straddle))),
            ("expiry_ts", chain.expiry_ts.to_string()),
            ("settles_ts", second(chain.settles_ts)),
            ("r", number(chain.r)),
            ("q", decimal_text(chain.q)),
            ("ts", fields.ts.to_string()),
        ];
        let mut arguments: Vec<&[u8]> = vec![b"HSET", self.key.as_bytes()];
        for (field, text) in &texts {
            arguments.extend([field.as_bytes(), text.as_bytes()]);
        }
        write_command(out, &arguments);
    }

    /// Appends the command that lets it expire a day after the expiry of `chain`.
    pub(crate) fn write_end(&self, out: &mut Vec<u8>, chain: &Chain) {
        let end = chain.expiry_ts.saturating_add(KEPT_S).to_string();
        write_command(out, &[b"EXPIREAT", self.key.as_bytes(), end.as_bytes()]);
    }
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
            settles_ts: None,
            r: Some(0.0525),
            q: 0.0,
            future: None,
            parity: Vec::new(),
            carry: None,
            spot: None,
        }
    }

    fn words(command: &[u8]) -> Vec<String> {
        let text = String::from_utf8(command.to_vec()).unwrap();
        let words = text.split("\r\n").skip(2).step_by(2);
        words.map(str::to_owned).collect()
    }

    #[test]
    fn two_underlyings_of_one_prefix_have_two_keys() {
        let nifty = ChainHash::new("ticker:nifty:options", &chain(), false);
        assert_eq!(nifty.key, "ticker:nifty:chain:NFO:NIFTY:2026-12-01");
        let other = Chain {
            underlying: "BANKNIFTY".to_owned(),
            ..chain()
        };
        assert!(!nifty.is(&ChainHash::new("ticker:nifty:options", &other, false)));
        assert!(nifty.is(&ChainHash::new("ticker:nifty:futures", &chain(), false)));
        let mock = ChainHash::new("ticker:nifty:options", &chain(), true);
        assert_eq!(mock.key, "mock:ticker:nifty:chain:NFO:NIFTY:2026-12-01");
    }

    #[test]
    fn fields_are_plain_text_and_empty_where_nothing_is_known() {
        let summary = ChainSummary {
            atm: 24_200.0,
            atm_iv: Some(0.125),
            straddle: None,
        };
        let chain = chain();
        let fields = ChainFields {
            chain: &chain,
            forward: (24_210.25, "parity"),
            forward_ts: 1_796_100_000,
            summary: Some(summary),
            ts: 1_796_100_001,
        };
        let hash = ChainHash::new("ticker:nifty:options", &chain, false);
        let mut out = Vec::new();
        hash.write(&mut out, &fields);
        let expected = "HSET ticker:nifty:chain:NFO:NIFTY:2026-12-01 forward 24210.25 source parity forward_ts 1796100000 \
                        atm 24200.0 atm_iv 0.125 straddle  expiry_ts 1796119800 settles_ts  r 0.0525 q 0.0 ts 1796100001";
        assert_eq!(words(&out).join(" ").trim_end(), expected);
        out.clear();
        hash.write_end(&mut out, &chain);
        let expected = "EXPIREAT ticker:nifty:chain:NFO:NIFTY:2026-12-01 1796206200";
        assert_eq!(words(&out).join(" ").trim_end(), expected);
    }
}
