//! One tick as it was published, and how clients are sent it.
//!
//! Owns which of two ticks is newer, and the text per mode, which is made once and shared by every client
//! that wants the same. Pure; must not know clients.

mod members;
mod packet;

use std::sync::OnceLock;

use axum::extract::ws::Utf8Bytes;
use kite::Mode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::instrument::InstrumentId;

/// What stands before the object in a message of one tick.
const HEAD: &str = r#"{"type":"tick","data":"#;

/// One tick. Clones of what it makes are cheap.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) id: InstrumentId,
    pub(crate) order: TickOrder,
    /// When the publisher received it, Unix seconds.
    pub(crate) received: f64,
    /// Exchange, where the object says it, and tradingsymbol.
    contract: (Option<Box<str>>, Box<str>),
    /// The object as published.
    payload: Box<str>,
    /// Members that clients of older services look for, and that this shape lacks.
    added: String,
    /// Whether the object says that it is a snapshot.
    says_snapshot: bool,
    /// By mode, and as a snapshot by mode.
    messages: [OnceLock<Utf8Bytes>; 6],
    /// By mode, in Kite's format.
    packets: [OnceLock<Option<Box<[u8]>>>; 3],
}

/// Where a tick stands among others of its instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TickOrder {
    src: Box<str>,
    epoch: Box<str>,
    seq: u64,
    recv_us: i64,
}

impl TickOrder {
    /// Whether this tick came after `other`: of one account and start by its number, otherwise by the
    /// time of receipt.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        if (&self.src, &self.epoch) == (&other.src, &other.epoch) {
            self.seq > other.seq
        } else {
            self.recv_us > other.recv_us
        }
    }
}

/// What has to be known of a message to pass it on.
#[derive(Deserialize)]
struct Head<'a> {
    token: u32,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(default)]
    is_mock: bool,
    #[serde(default)]
    src: &'a str,
    #[serde(default)]
    epoch: &'a str,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    recv_us: i64,
    #[serde(default)]
    snapshot: bool,
    exchange: Option<&'a str>,
    #[serde(default)]
    tradingsymbol: &'a str,
    instrument_token: Option<IgnoredAny>,
    last_price: Option<IgnoredAny>,
}

impl Tick {
    /// Reads a message of a channel of ticks, or a field of a hash of newest ticks; `None` if it is not one.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let payload = std::str::from_utf8(payload).ok()?.trim();
        let head: Head<'_> = serde_json::from_str(payload).ok()?;
        let mut added = String::new();
        if head.instrument_token.is_none() {
            added = format!(r#""instrument_token":{},"#, head.token);
        }
        if head.last_price.is_none() {
            added.push_str(&format!(r#""last_price":{},"#, head.price.get()));
        }
        Some(Self {
            id: InstrumentId {
                token: head.token,
                is_mock: head.is_mock,
            },
            order: TickOrder {
                src: head.src.into(),
                epoch: head.epoch.into(),
                seq: head.seq,
                recv_us: head.recv_us,
            },
            received: seconds(head.recv_us),
            contract: (head.exchange.map(Box::from), head.tradingsymbol.into()),
            added,
            says_snapshot: head.snapshot,
            payload: payload.into(),
            messages: Default::default(),
            packets: Default::default(),
        })
    }

    /// Whether it is of the contract of this name. An index has no exchange in its ticks.
    pub(crate) fn is_of(&self, exchange: &str, tradingsymbol: &str) -> bool {
        let (known, name) = &self.contract;
        **name == *tradingsymbol && known.as_ref().is_none_or(|known| **known == *exchange)
    }

    /// The message of this tick in `mode`, marked as a snapshot if it is sent as one.
    pub(crate) fn message(&self, mode: Mode, as_snapshot: bool) -> Utf8Bytes {
        let slot = place(mode) + 3 * usize::from(as_snapshot);
        self.messages[slot]
            .get_or_init(|| self.render(mode, as_snapshot).into())
            .clone()
    }

    /// Kite's packet of this tick in `mode`; none if its members are not those of a tick.
    pub(crate) fn packet(&self, mode: Mode) -> Option<&[u8]> {
        let packet = self.packets[place(mode)]
            .get_or_init(|| packet::encode(&self.payload, mode).map(Vec::into_boxed_slice));
        packet.as_deref()
    }

    /// The object within a message that [`Tick::message`] returned.
    pub(crate) fn object(message: &str) -> &str {
        &message[HEAD.len()..message.len() - 1]
    }

    fn render(&self, mode: Mode, as_snapshot: bool) -> String {
        let snapshot = if as_snapshot && !self.says_snapshot {
            r#""snapshot":true,"#
        } else {
            ""
        };
        let added = &self.added;
        let whole = || format!("{HEAD}{{{snapshot}{added}{}}}", &self.payload[1..]);
        if mode == Mode::Full {
            return whole();
        }
        match members::kept(&self.payload, mode) {
            Some(kept) => format!("{HEAD}{{{snapshot}{added}{kept}}}}}"),
            None => whole(),
        }
    }
}

const fn place(mode: Mode) -> usize {
    match mode {
        Mode::Ltp => 0,
        Mode::Quote => 1,
        Mode::Full => 2,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a date fit into 53 bits"
)]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Members of the sample of docs/reading-ticks.md.
    const OPTION: &str = r#"{"symbol": "NIFTY", "token": 12192002, "tradingsymbol": "NIFTY26D0125150PE", "exchange": "NFO",
        "price": 0.70, "volume": 1200, "oi": 2952525, "iv": null, "ts": 1795493167, "is_mock": false,
        "depth": {"buy": [], "sell": []}, "seq": 48211, "epoch": "1795489200000001", "src": "acct-a",
        "recv_us": 1795493167000250, "session": "open"}"#;

    fn data(tick: &Tick, mode: Mode, as_snapshot: bool) -> Value {
        let message = tick.message(mode, as_snapshot);
        let whole: Value = serde_json::from_str(&message).unwrap();
        assert_eq!(whole["type"], "tick");
        let object: Value = serde_json::from_str(Tick::object(&message)).unwrap();
        assert_eq!(whole["data"], object);
        object
    }

    #[test]
    fn both_names_of_token_and_price_are_in_every_mode() {
        let tick = Tick::parse(OPTION.as_bytes()).unwrap();
        for mode in Mode::ALL {
            let data = data(&tick, mode, false);
            assert_eq!(data["instrument_token"], data["token"]);
            assert_eq!(data["last_price"], data["price"]);
            assert!(data.get("snapshot").is_none());
        }
        let message = tick.message(Mode::Full, false);
        assert!(
            message.contains(r#""last_price":0.70"#),
            "as published: {message}"
        );
    }

    #[test]
    fn a_mode_has_its_members() {
        let tick = Tick::parse(OPTION.as_bytes()).unwrap();
        let quote = data(&tick, Mode::Quote, false);
        assert!(
            quote.get("depth").is_none() && quote.get("oi").is_none() && quote.get("iv").is_none()
        );
        assert_eq!(quote["volume"], 1200);
        let ltp = data(&tick, Mode::Ltp, true);
        let mut names: Vec<&str> = ltp
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "epoch",
                "exchange",
                "instrument_token",
                "is_mock",
                "last_price",
                "price",
                "seq",
                "session",
                "snapshot",
                "src",
                "symbol",
                "token",
                "tradingsymbol",
                "ts"
            ]
        );
    }

    #[test]
    fn an_index_that_has_both_names_keeps_them_once() {
        let index = r#"{"token":256265,"instrument_token":256265,"price":1.5,"last_price":1.5,"snapshot":true}"#;
        let tick = Tick::parse(index.as_bytes()).unwrap();
        let message = tick.message(Mode::Full, true);
        assert_eq!(message.as_str(), format!("{HEAD}{index}}}"));
    }

    #[test]
    fn a_number_or_a_later_receipt_says_what_is_newer() {
        let order = |src: &str, seq, recv_us| TickOrder {
            src: src.into(),
            epoch: "1".into(),
            seq,
            recv_us,
        };
        assert!(order("a", 2, 1).is_after(&order("a", 1, 5)));
        assert!(!order("a", 1, 5).is_after(&order("a", 1, 1)));
        assert!(order("b", 1, 5).is_after(&order("a", 9, 4)));
        assert!(!order("b", 1, 4).is_after(&order("a", 9, 4)));
    }

    proptest! {
        #[test]
        fn no_message_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in 0..400_usize) {
            let _none = Tick::parse(&bytes);
            let text = OPTION.as_bytes();
            let _none = Tick::parse(&text[..cut.min(text.len())]);
        }
    }
}
