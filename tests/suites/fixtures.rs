//! Recorded packets and answers of the real Kite, read from the folder that `KITE_FIXTURES` names.
//! They are not part of this repository.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;

use jiff::Timestamp;
use kite::instruments::Rejected;
use kite::rest::{Answer, Profile, UserSession};
use kite::{Detail, Instrument, InstrumentType, Packet, Segment};
use operator::instruments::{IndexNames, InstrumentTable};
use serde_json::Value;

fn fixture(name: &str) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "the one setting of this suite")]
    let folder =
        std::env::var("KITE_FIXTURES").expect("KITE_FIXTURES names the folder of recorded data");
    let path = PathBuf::from(folder).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Decodes the base64 of one recorded packet.
fn packet(name: &str) -> Packet {
    let text = String::from_utf8(fixture(name)).unwrap();
    let (mut bytes, mut bits, mut width) = (Vec::new(), 0_u32, 0);
    for letter in text.trim().trim_end_matches('=').bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
            .iter()
            .position(|known| *known == letter)
            .unwrap();
        bits = bits << 6 | value as u32;
        width += 6;
        if width >= 8 {
            width -= 8;
            bytes.push((bits >> width) as u8);
        }
    }
    Packet::decode(&bytes).unwrap()
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&fixture(name)).unwrap()
}

fn paise(price: &Value) -> i32 {
    (price.as_f64().unwrap() * f64::from(Segment::Nse.divisor())).round() as i32
}

fn assert_quote(quote: &kite::Quote, expected: &Value) {
    assert_eq!(u64::from(quote.last_quantity), expected["last_quantity"]);
    assert_eq!(quote.average_price, paise(&expected["average_price"]));
    assert_eq!(u64::from(quote.volume), expected["volume"]);
    assert_eq!(u64::from(quote.total_buy), expected["buy_quantity"]);
    assert_eq!(u64::from(quote.total_sell), expected["sell_quantity"]);
    let ohlc = &expected["ohlc"];
    assert_eq!(
        [quote.open, quote.high, quote.low, quote.close],
        [
            paise(&ohlc["open"]),
            paise(&ohlc["high"]),
            paise(&ohlc["low"]),
            paise(&ohlc["close"])
        ]
    );
}

#[test]
fn the_recorded_quote_packet() {
    let packet = packet("ticker_quote.packet");
    let expected = expected("ticker_quote.json");
    assert_eq!(u64::from(packet.token.0), expected["instrument_token"]);
    assert_eq!(packet.last_price, paise(&expected["last_price"]));
    let Detail::Quote(quote) = packet.detail else {
        panic!("{packet:?}")
    };
    assert_quote(&quote, &expected);
}

#[test]
fn the_recorded_full_packet() {
    let packet = packet("ticker_full.packet");
    let expected = expected("ticker_full.json");
    assert_eq!(packet.last_price, paise(&expected["last_price"]));
    // 2021-07-05T10:41:27+05:30
    assert_eq!(packet.exchange_time(), Some(1_625_461_887));
    assert_eq!(packet.last_trade_time(), Some(1_625_461_887));
    let Detail::Full(quote, full) = packet.detail else {
        panic!("{packet:?}")
    };
    assert_quote(&quote, &expected);
    assert_eq!(u64::from(full.oi), expected["oi"]);
    for (side, levels) in [("buy", full.depth.buy), ("sell", full.depth.sell)] {
        for (level, expected) in levels
            .iter()
            .zip(expected["depth"][side].as_array().unwrap())
        {
            assert_eq!(u64::from(level.quantity), expected["quantity"]);
            assert_eq!(level.price, paise(&expected["price"]));
            assert_eq!(u64::from(level.orders), expected["orders"]);
        }
    }
}

#[test]
fn the_recorded_dumps_are_read_whole() {
    for name in ["instruments_all.csv", "instruments_nse.csv"] {
        let dump = kite::instruments::read(fixture(name).as_slice()).unwrap();
        assert_eq!(
            dump.rejected.count, 0,
            "{name}: {:?}",
            dump.rejected.samples
        );
        assert!(dump.instruments.len() > 50, "{name}");
    }
}

#[test]
fn rows_of_all_kinds_are_read() {
    for name in ["odd_rows", "tool_rewritten", "index_names", "mcx_nco_twins"] {
        let list = fixture(&format!("lists/{name}.csv"));
        let dump = kite::instruments::read(list.as_slice()).unwrap();
        assert_eq!(dump.rejected, Rejected::default(), "{name}");
        let lines = list
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        assert_eq!(dump.instruments.len() + 1, lines.count(), "{name}");
        let quotes =
            |row: &Instrument| row.name.contains('"') || row.name != row.name.trim().into();
        assert!(!dump.instruments.iter().any(quotes), "{name}");
    }
}

/// In a whole list of NFO and BFO, together with the rows of indices that were recorded.
#[test]
fn each_index_finds_the_derivatives_of_its_name() {
    let mut list = fixture("lists/index_names.csv");
    let mut derivatives = String::new();
    flate2::read::GzDecoder::new(fixture("lists/nfo_bfo_2026-08-18.csv.gz").as_slice())
        .read_to_string(&mut derivatives)
        .unwrap();
    // The same columns in the same order.
    let (header, rows) = derivatives.split_once('\n').unwrap();
    assert!(list.starts_with(header.trim().as_bytes()));
    list.extend_from_slice(rows.as_bytes());
    let dump = kite::instruments::read(list.as_slice()).unwrap();
    assert_eq!(dump.rejected, Rejected::default());
    let futures: BTreeSet<String> = dump
        .instruments
        .iter()
        .filter(|row| row.instrument_type == InstrumentType::Future)
        .map(|row| row.name.to_string())
        .collect();
    assert!(futures.len() > 200);
    let table = InstrumentTable::new(dump, Timestamp::UNIX_EPOCH, &IndexNames::default());
    for (index, underlying) in [
        ("NSE:NIFTY 50", Some("NIFTY")),
        ("NSE:NIFTY BANK", Some("BANKNIFTY")),
        ("NSE:NIFTY MID SELECT", Some("MIDCPNIFTY")),
        ("BSE:SENSEX", Some("SENSEX")),
        ("BSE:BANKEX", Some("BANKEX")),
        ("BSE:SNSX50", Some("SENSEX50")),
        ("BSE:BSE SENSEX SIXTY 65:35", None),
        ("BSE:BSE POWER & ENERGY", None),
        ("NSEIX:GIFT NIFTY", None),
        ("GLOBAL:US30", None),
        ("GLOBAL:US10YRYIELD", None),
        ("MCX:MCXBULLDEX", None),
    ] {
        let row = table.by_symbol(index).unwrap();
        let found = table.underlying_of_index(row.token).map(|name| &**name);
        assert_eq!(found, underlying, "{index}");
        if let Some(underlying) = underlying {
            assert!(futures.contains(underlying) && table.has_derivatives(underlying));
        }
    }
}

#[test]
fn the_recorded_answers_are_read() {
    let session: Answer<UserSession> =
        serde_json::from_slice(&fixture("generate_session.json")).unwrap();
    assert!(
        matches!(session, Answer::Success { data } if data.login_time == "2021-01-01 16:15:14")
    );
    let profile: Answer<Profile> = serde_json::from_slice(&fixture("profile.json")).unwrap();
    assert!(matches!(profile, Answer::Success { data } if data.exchanges.len() == 8));
    let ended: Answer<bool> = serde_json::from_slice(&fixture("session_logout.json")).unwrap();
    assert_eq!(ended, Answer::Success { data: true });
}
