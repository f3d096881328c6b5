//! Which members of a tick a client of a poorer mode is sent.
//!
//! Owns the lists. Pure.

use std::fmt;

use kite::Mode;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// All that a client in ltp mode is sent, beside the two second names.
const LTP: [&str; 14] = [
    "token",
    "instrument_token",
    "symbol",
    "tradingsymbol",
    "exchange",
    "price",
    "last_price",
    "ts",
    "seq",
    "src",
    "epoch",
    "is_mock",
    "session",
    "snapshot",
];

/// What only a client in full mode is sent.
const FULL: [&str; 17] = [
    "depth",
    "oi",
    "oi_high",
    "oi_low",
    "prev_oi",
    "oi_change",
    "iv",
    "delta",
    "gamma",
    "theta",
    "vega",
    "rho",
    "greeks",
    "fwd",
    "fwd_src",
    "iv_px",
    "iv_src",
];

/// Begins with this: the time of Greeks.
const GREEKS: &str = "greeks_";

/// The members of `object` that `mode` has, in their order, without the braces; `None` if it is no object.
pub(super) fn kept(object: &str, mode: Mode) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_str(object);
    let kept = reader.deserialize_map(Keep { mode }).ok()?;
    Some(kept)
}

fn has(mode: Mode, name: &str) -> bool {
    match mode {
        Mode::Ltp => LTP.contains(&name),
        Mode::Quote => !FULL.contains(&name) && !name.starts_with(GREEKS),
        Mode::Full => true,
    }
}

struct Keep {
    mode: Mode,
}

impl<'de> Visitor<'de> for Keep {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut kept = String::new();
        while let Some((name, value)) = map.next_entry::<&str, &RawValue>()? {
            if !has(self.mode, name) {
                continue;
            }
            if !kept.is_empty() {
                kept.push(',');
            }
            kept.push('"');
            kept.push_str(name);
            kept.push_str("\":");
            kept.push_str(value.get());
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_were_written() {
        let object = r#"{"token": 1, "price": 0.70, "volume": 5, "greeks_ts": 1, "name": "a\"b"}"#;
        assert_eq!(
            kept(object, Mode::Ltp).unwrap(),
            r#""token":1,"price":0.70"#
        );
        assert_eq!(
            kept(object, Mode::Quote).unwrap(),
            r#""token":1,"price":0.70,"volume":5,"name":"a\"b""#
        );
        assert!(kept("[1]", Mode::Quote).is_none());
    }
}
