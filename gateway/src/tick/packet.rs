//! A tick as one of Kite's binary packets.
//!
//! Owns the way back from published text to the integers of the wire: by decimal digits, never through
//! floating point. What a tick lacks is not invented: it becomes a poorer packet. Pure.

use kite::{Depth, Detail, Full, IndexQuote, Level, Mode, Packet, Quote, Segment, Token};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A published price.
type Price<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
struct Members<'a> {
    token: u32,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    open: Price<'a>,
    #[serde(borrow)]
    high: Price<'a>,
    #[serde(borrow)]
    low: Price<'a>,
    #[serde(borrow)]
    prev_close: Price<'a>,
    #[serde(borrow)]
    avg_price: Price<'a>,
    last_qty: Option<u32>,
    volume: Option<u32>,
    total_buy_quantity: Option<u32>,
    total_sell_quantity: Option<u32>,
    oi: Option<u32>,
    oi_high: Option<u32>,
    oi_low: Option<u32>,
    exchange_ts: Option<u32>,
    last_trade_ts: Option<u32>,
    #[serde(borrow)]
    depth: Option<Book<'a>>,
}

#[derive(Deserialize)]
struct Book<'a> {
    #[serde(borrow)]
    buy: Vec<Row<'a>>,
    #[serde(borrow)]
    sell: Vec<Row<'a>>,
}

#[derive(Deserialize)]
struct Row<'a> {
    quantity: u32,
    #[serde(borrow)]
    price: &'a RawValue,
    orders: u16,
}

/// The packet of a published tick for a client in `mode`; none if the text is no tick.
pub(super) fn encode(payload: &str, mode: Mode) -> Option<Vec<u8>> {
    let members: Members<'_> = serde_json::from_str(payload).ok()?;
    let token = Token(members.token);
    let decimals = token.segment().decimals();
    let last_price = wire_price(members.price.get(), decimals)?;
    let detail = if token.segment() == Segment::Indices {
        index(&members, last_price, decimals, mode)
    } else {
        contract(&members, decimals, mode)
    };
    let packet = Packet {
        token,
        last_price,
        detail: detail.unwrap_or(Detail::Ltp),
    };
    let mut bytes = Vec::with_capacity(packet.encoded_len());
    packet.encode(&mut bytes);
    Some(bytes)
}

fn price(text: Price<'_>, decimals: u8) -> Option<i32> {
    wire_price(text?.get(), decimals)
}

fn index(members: &Members<'_>, last: i32, decimals: u8, mode: Mode) -> Option<Detail> {
    if mode == Mode::Ltp {
        return None;
    }
    let close = price(members.prev_close, decimals)?;
    let quote = IndexQuote {
        high: price(members.high, decimals)?,
        low: price(members.low, decimals)?,
        open: price(members.open, decimals)?,
        close,
        change: last.checked_sub(close)?,
    };
    Some(match members.exchange_ts {
        Some(time) if mode == Mode::Full => Detail::IndexFull(quote, time),
        _ => Detail::IndexQuote(quote),
    })
}

fn contract(members: &Members<'_>, decimals: u8, mode: Mode) -> Option<Detail> {
    if mode == Mode::Ltp {
        return None;
    }
    let quote = Quote {
        last_quantity: members.last_qty?,
        average_price: price(members.avg_price, decimals)?,
        volume: members.volume?,
        total_buy: members.total_buy_quantity?,
        total_sell: members.total_sell_quantity?,
        open: price(members.open, decimals)?,
        high: price(members.high, decimals)?,
        low: price(members.low, decimals)?,
        close: price(members.prev_close, decimals)?,
    };
    let full = (mode == Mode::Full)
        .then(|| full(members, decimals))
        .flatten();
    Some(match full {
        Some(full) => Detail::Full(quote, full),
        None => Detail::Quote(quote),
    })
}

fn full(members: &Members<'_>, decimals: u8) -> Option<Full> {
    Some(Full {
        last_trade_time: members.last_trade_ts.unwrap_or_default(),
        oi: members.oi?,
        oi_day_high: members.oi_high.unwrap_or_default(),
        oi_day_low: members.oi_low.unwrap_or_default(),
        exchange_time: members.exchange_ts?,
        depth: match &members.depth {
            Some(book) => Depth {
                buy: side(&book.buy, decimals)?,
                sell: side(&book.sell, decimals)?,
            },
            // As Kite's own after the close.
            None => Depth::default(),
        },
    })
}

fn side(rows: &[Row<'_>], decimals: u8) -> Option<[Level; 5]> {
    let mut levels = [Level::default(); 5];
    for (level, row) in levels.iter_mut().zip(rows) {
        *level = Level {
            quantity: row.quantity,
            price: wire_price(row.price.get(), decimals)?,
            orders: row.orders,
        };
    }
    Some(levels)
}

/// The integer of the wire that a decimal text stands for; none if it is not one with so many decimals.
fn wire_price(text: &str, decimals: u8) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut value: i64 = 0;
    let fraction = fraction.trim_end_matches('0');
    let decimals = usize::from(decimals);
    if whole.is_empty() || fraction.len() > decimals {
        return None;
    }
    let zeros = std::iter::repeat_n(b'0', decimals - fraction.len());
    for byte in whole.bytes().chain(fraction.bytes()).chain(zeros) {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    i32::try_from(sign * value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An option of NFO, with the members that an ingestor publishes.
    fn option(more: &str) -> String {
        format!(
            r#"{{"token":12192002,"price":0.70,"volume":1200,"last_qty":75,"avg_price":0.95,"open":1.00,"high":1.30,
            "low":0.65,"prev_close":10.05,"total_buy_quantity":40250,"total_sell_quantity":975{more}}}"#
        )
    }

    const FULL: &str = r#","oi":2952525,"oi_high":3000000,"oi_low":2900000,"exchange_ts":1795493167,"last_trade_ts":1795493165"#;

    fn len(text: &str, mode: Mode) -> usize {
        encode(text, mode).unwrap().len()
    }

    #[test]
    fn a_packet_has_what_the_tick_has_and_the_client_wants() {
        let lens = |text: &str| [Mode::Full, Mode::Quote, Mode::Ltp].map(|mode| len(text, mode));
        assert_eq!(lens(&option(FULL)), [184, 44, 8]);
        assert_eq!(
            lens(&option(r#","oi":null,"exchange_ts":null"#)),
            [44, 44, 8]
        );
        assert_eq!(
            lens(r#"{"token":12192002,"price":0.70,"volume":null}"#),
            [8, 8, 8]
        );
        let index = r#"{"token":256265,"price":101.05,"open":100.0,"high":102.0,"low":99.5,"prev_close":100.10"#;
        assert_eq!(
            lens(&format!(r#"{index},"exchange_ts":1795493167}}"#)),
            [32, 28, 8]
        );
        assert_eq!(
            lens(&format!(r#"{index},"exchange_ts":null}}"#)),
            [28, 28, 8]
        );
        assert!(encode("{}", Mode::Full).is_none());
    }

    #[test]
    fn what_is_decoded_is_what_was_published() {
        let level = r#"{"quantity":150,"price":0.65,"orders":2}"#;
        let depth = format!(r#"{FULL},"depth":{{"buy":[{level}],"sell":[]}}"#);
        let bytes = encode(&option(&depth), Mode::Full).unwrap();
        let packet = Packet::decode(&bytes).unwrap();
        assert_eq!((packet.token, packet.last_price), (Token(12_192_002), 70));
        let Detail::Full(quote, full) = packet.detail else {
            panic!("{packet:?}")
        };
        assert_eq!(
            (quote.close, quote.average_price, quote.volume),
            (1005, 95, 1200)
        );
        assert_eq!((full.oi, full.exchange_time), (2_952_525, 1_795_493_167));
        let first = Level {
            quantity: 150,
            price: 65,
            orders: 2,
        };
        assert_eq!(full.depth.buy[0], first);
        let index =
            r#"{"token":256265,"price":99.05,"open":1,"high":1,"low":1,"prev_close":100.10}"#;
        let packet = Packet::decode(&encode(index, Mode::Quote).unwrap()).unwrap();
        let Detail::IndexQuote(quote) = packet.detail else {
            panic!("{packet:?}")
        };
        assert_eq!(quote.change, -105);
    }

    #[test]
    fn prices_are_read_digit_by_digit() {
        for (text, decimals, wire) in [
            ("0.70", 2, Some(70)),
            ("25150.0", 2, Some(2_515_000)),
            ("-1.5", 2, Some(-150)),
            ("83.1225", 7, Some(831_225_000)),
            ("7", 4, Some(70_000)),
            ("0.705", 2, None),
            ("99999999999", 2, None),
            ("1e5", 2, None),
            ("", 2, None),
            ("null", 2, None),
        ] {
            assert_eq!(wire_price(text, decimals), wire, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_comes_back(wire in any::<i32>(), decimals in prop::sample::select(vec![2_u8, 4, 7])) {
            let scale = 10_u64.pow(decimals.into());
            let size = u64::from(wire.unsigned_abs());
            let sign = if wire < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:0width$}", size / scale, size % scale, width = decimals.into());
            prop_assert_eq!(wire_price(&text, decimals), Some(wire));
        }
    }
}
