//! Tests of the packet layouts against readings of the official Python client.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Any packet that the wire can carry.
pub(crate) fn any_packet() -> impl Strategy<Value = Packet> {
    (any::<u32>(), any::<i32>(), any_detail()).prop_map(|(token, last_price, detail)| Packet {
        token: Token(token),
        last_price,
        detail,
    })
}

fn any_detail() -> impl Strategy<Value = Detail> {
    prop_oneof![
        Just(Detail::Ltp),
        any_index().prop_map(Detail::IndexQuote),
        (any_index(), any::<u32>()).prop_map(|(index, time)| Detail::IndexFull(index, time)),
        any_quote().prop_map(Detail::Quote),
        (any_quote(), any_full()).prop_map(|(quote, full)| Detail::Full(quote, full)),
    ]
}

fn any_index() -> impl Strategy<Value = IndexQuote> {
    any::<[i32; 5]>().prop_map(|[high, low, open, close, change]| IndexQuote {
        high,
        low,
        open,
        close,
        change,
    })
}

fn any_quote() -> impl Strategy<Value = Quote> {
    (any::<[u32; 4]>(), any::<[i32; 5]>()).prop_map(|(counts, prices)| Quote {
        last_quantity: counts[0],
        average_price: prices[0],
        volume: counts[1],
        total_buy: counts[2],
        total_sell: counts[3],
        open: prices[1],
        high: prices[2],
        low: prices[3],
        close: prices[4],
    })
}

fn any_full() -> impl Strategy<Value = Full> {
    let level = || {
        any::<(u32, i32, u16)>().prop_map(|(quantity, price, orders)| Level {
            quantity,
            price,
            orders,
        })
    };
    let side = || proptest::array::uniform5(level());
    (any::<[u32; 5]>(), side(), side()).prop_map(|(counts, buy, sell)| Full {
        last_trade_time: counts[0],
        oi: counts[1],
        oi_day_high: counts[2],
        oi_day_low: counts[3],
        exchange_time: counts[4],
        depth: Depth { buy, sell },
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// The client's float price as the integer it came from.
fn raw(parsed: &Value, path: &str, token: Token) -> i32 {
    let price = parsed
        .pointer(path)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("no {path}"));
    (price * f64::from(token.segment().divisor())).round() as i32
}

fn count(parsed: &Value, path: &str) -> u32 {
    let count = parsed
        .pointer(path)
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("no {path}"));
    u32::try_from(count).unwrap()
}

fn assert_quote(quote: &Quote, parsed: &Value, token: Token) {
    assert_eq!(quote.last_quantity, count(parsed, "/last_traded_quantity"));
    assert_eq!(
        quote.average_price,
        raw(parsed, "/average_traded_price", token)
    );
    assert_eq!(quote.volume, count(parsed, "/volume_traded"));
    assert_eq!(quote.total_buy, count(parsed, "/total_buy_quantity"));
    assert_eq!(quote.total_sell, count(parsed, "/total_sell_quantity"));
    assert_eq!(quote.open, raw(parsed, "/ohlc/open", token));
    assert_eq!(quote.high, raw(parsed, "/ohlc/high", token));
    assert_eq!(quote.low, raw(parsed, "/ohlc/low", token));
    assert_eq!(quote.close, raw(parsed, "/ohlc/close", token));
}

fn assert_index(index: &IndexQuote, parsed: &Value, token: Token) {
    assert_eq!(index.high, raw(parsed, "/ohlc/high", token));
    assert_eq!(index.low, raw(parsed, "/ohlc/low", token));
    assert_eq!(index.open, raw(parsed, "/ohlc/open", token));
    assert_eq!(index.close, raw(parsed, "/ohlc/close", token));
}

fn assert_full(full: &Full, parsed: &Value, token: Token) {
    assert_eq!(full.oi, count(parsed, "/oi"));
    assert_eq!(full.oi_day_high, count(parsed, "/oi_day_high"));
    assert_eq!(full.oi_day_low, count(parsed, "/oi_day_low"));
    assert_eq!(full.exchange_time, count(parsed, "/exchange_timestamp"));
    assert_eq!(full.last_trade_time, count(parsed, "/last_trade_time"));
    for (side, levels) in [("buy", full.depth.buy), ("sell", full.depth.sell)] {
        for (at, level) in levels.iter().enumerate() {
            let path = |field: &str| format!("/depth/{side}/{at}/{field}");
            assert_eq!(level.quantity, count(parsed, &path("quantity")));
            assert_eq!(level.price, raw(parsed, &path("price"), token));
            assert_eq!(u32::from(level.orders), count(parsed, &path("orders")));
        }
    }
}

/// `tests/golden/packets.py` makes the file by running the official Python client.
#[test]
fn every_kind_and_segment_reads_as_in_the_official_python_client() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../golden/packets.json")).unwrap();
    assert_eq!(cases.len(), 16);
    for case in &cases {
        let (bytes, parsed) = (from_hex(case["packet"].as_str().unwrap()), &case["parsed"]);
        let packet = Packet::decode(&bytes).unwrap();
        let token = packet.token;
        assert_eq!(
            token.0,
            count(parsed, "/instrument_token"),
            "{}",
            case["case"]
        );
        assert_eq!(
            packet.last_price,
            raw(parsed, "/last_price", token),
            "{}",
            case["case"]
        );
        match &packet.detail {
            Detail::Ltp => assert_eq!(parsed["mode"], "ltp"),
            Detail::IndexQuote(index) => assert_index(index, parsed, token),
            Detail::IndexFull(index, time) => {
                assert_index(index, parsed, token);
                assert_eq!(*time, count(parsed, "/exchange_timestamp"));
            }
            Detail::Quote(quote) => assert_quote(quote, parsed, token),
            Detail::Full(quote, full) => {
                assert_quote(quote, parsed, token);
                assert_full(full, parsed, token);
            }
        }
        let mut encoded = Vec::new();
        packet.encode(&mut encoded);
        assert_eq!(encoded, bytes, "{}", case["case"]);
    }
}

/// Crude oil settled at −37.63 USD in April 2020. Documentation and the Java, JavaScript and Rust
/// clients read prices as signed, Python and Go do not: bytes made by hand from the documentation.
#[test]
fn negative_prices_stay_negative() {
    let mut bytes = from_hex("0009da07fffff14d");
    assert_eq!(Packet::decode(&bytes).unwrap().last_price, -3763);
    bytes.extend(from_hex(
        "0000000afffff14c00000064000000010000000200000000fffff0ecfffff0ec00000000",
    ));
    let Detail::Quote(quote) = Packet::decode(&bytes).unwrap().detail else {
        panic!("44 bytes")
    };
    assert_eq!(
        (quote.average_price, quote.high, quote.low),
        (-3764, -3860, -3860)
    );
}

#[test]
fn counts_above_two_billion_stay_positive() {
    let mut bytes = vec![0; QUOTE_LEN];
    bytes[16..20].copy_from_slice(&[0xff; 4]);
    let Detail::Quote(quote) = Packet::decode(&bytes).unwrap().detail else {
        panic!("44 bytes")
    };
    assert_eq!(quote.volume, u32::MAX);
}

#[test]
fn zero_is_no_time_and_an_empty_book_is_no_book() {
    let packet = Packet::decode(&[0; FULL_LEN]).unwrap();
    assert_eq!(
        (packet.exchange_time(), packet.last_trade_time()),
        (None, None)
    );
    let Detail::Full(_, full) = packet.detail else {
        panic!("184 bytes")
    };
    assert!(full.depth.is_absent());
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let known = [LTP_LEN, INDEX_QUOTE_LEN, INDEX_FULL_LEN, QUOTE_LEN, FULL_LEN];
        prop_assert_eq!(Packet::decode(&bytes).is_ok(), known.contains(&bytes.len()));
    }

    #[test]
    fn packets_round_trip(packet in any_packet()) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), packet.encoded_len());
        prop_assert_eq!(Packet::decode(&bytes), Ok(packet));
    }
}
