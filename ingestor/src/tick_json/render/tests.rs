//! Tests of the JSON against texts written by hand, key by key from what consumers are promised.

use contract::assignment::Account;
use jiff::civil::date;
use kite::{IndexQuote, InstrumentType, Mode, Token};

use super::*;
use crate::tick_json::template::write_head;

fn row(token: u32, kind: InstrumentType) -> contract::Row {
    contract::Row {
        token: Token(token),
        mode: Mode::Full,
        symbol: "NIFTY".into(),
        tradingsymbol: "NIFTY25N0425150PE".into(),
        exchange: "NFO".into(),
        segment: "NFO-OPT".into(),
        instrument_type: kind,
        strike: Some(25_150.0),
        expiry: Some(date(2025, 11, 4)),
        lot_size: Some(75),
        tick_size: Some(0.05),
        sets: Vec::new(),
        outputs: Vec::new(),
    }
}

fn option() -> contract::Row {
    row(12_192_002, InstrumentType::Put)
}

fn share(token: u32, symbol: &str, segment: &str) -> contract::Row {
    contract::Row {
        symbol: symbol.into(),
        tradingsymbol: symbol.into(),
        exchange: segment[..3].into(),
        segment: segment.into(),
        strike: None,
        expiry: None,
        lot_size: Some(1),
        ..row(token, InstrumentType::Equity)
    }
}

fn index() -> contract::Row {
    contract::Row {
        tradingsymbol: "NIFTY 50".into(),
        lot_size: None,
        tick_size: None,
        ..share(256_265, "NIFTY", "INDICES")
    }
}

fn quote() -> Quote {
    Quote {
        last_quantity: 75,
        average_price: 95,
        volume: 123_456_789,
        total_buy: 4_000_000_000,
        total_sell: 7,
        open: 100,
        high: 130,
        low: 65,
        close: 1_005,
    }
}

fn full() -> Full {
    Full {
        last_trade_time: 1_762_238_600,
        oi: 2_952_525,
        oi_day_high: 3_000_000,
        oi_day_low: 2_900_000,
        exchange_time: 1_762_238_671,
        depth: Depth::default(),
    }
}

fn depth() -> Depth {
    let mut depth = Depth::default();
    depth.buy[0] = Level {
        quantity: 150,
        price: 65,
        orders: 2,
    };
    depth.sell[0] = Level {
        quantity: 75,
        price: 70,
        orders: 65_535,
    };
    depth
}

fn index_quote() -> IndexQuote {
    IndexQuote {
        high: 2_570_000,
        low: 2_550_005,
        open: 2_560_010,
        close: 2_555_550,
        change: 10_000,
    }
}

struct Scene {
    row: contract::Row,
    shape: Shape,
    depth: bool,
    namespace: Option<String>,
    mock: bool,
    snapshot: bool,
    volume_delta: Option<u32>,
}

impl Scene {
    fn of(row: contract::Row, shape: Shape) -> Self {
        Self {
            row,
            shape,
            depth: true,
            namespace: None,
            mock: false,
            snapshot: false,
            volume_delta: None,
        }
    }

    fn text(&self, last_price: i32, detail: Detail) -> String {
        let account = Account {
            name: "acct-a".to_owned(),
            namespace: self.namespace.clone(),
            uid: String::new(),
            mock: self.mock,
        };
        let template = JsonTemplate::new(&account, "1762238000000001");
        let mut head = Vec::new();
        write_head(&mut head, self.shape, &self.row);
        let packet = Packet {
            token: self.row.token,
            last_price,
            detail,
        };
        let format = OutputFormat {
            head: &head,
            template: &template,
            shape: self.shape,
            decimals: Decimals::new(self.row.token.segment().decimals()),
            option: self.row.instrument_type.is_option(),
            index: self.row.token.segment() == kite::Segment::Indices,
            depth: self.depth,
        };
        let tick = Tick {
            packet: &packet,
            seq: 18_446_744_073_709_551_615,
            connection: 2,
            ts: 1_762_238_671,
            received_us: 1_762_238_671_000_250,
            published_us: 1_762_238_671_000_300,
            volume_delta: self.volume_delta,
            snapshot: self.snapshot,
        };
        let mut out = vec![0; max_len(head.len(), &template)];
        let len = write(&mut out, &format, &tick);
        out.truncate(len);
        let text = String::from_utf8(out).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        text
    }
}

const OPTION: &str = concat!(
    r#"{"symbol":"NIFTY","token":12192002,"tradingsymbol":"NIFTY25N0425150PE","segment":"NFO-OPT","#,
    r#""exchange":"NFO","strike":25150.0,"expiry":"2025-11-04","type":"PE","lot_size":75,"tick_size":0.05,"#,
);

#[test]
fn an_option_in_full_mode_with_depth() {
    let scene = Scene {
        volume_delta: Some(150),
        ..Scene::of(option(), Shape::Contract)
    };
    let full = Full {
        depth: depth(),
        ..full()
    };
    let expected = [
        OPTION,
        r#""price":0.70,"volume":123456789,"oi":2952525,"#,
        r#""iv":null,"delta":null,"gamma":null,"theta":null,"vega":null,"ts":1762238671,"is_mock":false,"#,
        r#""depth":{"buy":[{"quantity":150,"price":0.65,"orders":2},"#,
        r#"{"quantity":0,"price":0.00,"orders":0},{"quantity":0,"price":0.00,"orders":0},"#,
        r#"{"quantity":0,"price":0.00,"orders":0},{"quantity":0,"price":0.00,"orders":0}],"#,
        r#""sell":[{"quantity":75,"price":0.70,"orders":65535},"#,
        r#"{"quantity":0,"price":0.00,"orders":0},{"quantity":0,"price":0.00,"orders":0},"#,
        r#"{"quantity":0,"price":0.00,"orders":0},{"quantity":0,"price":0.00,"orders":0}]},"#,
        r#""total_buy_quantity":4000000000,"total_sell_quantity":7,"#,
        r#""v":1,"seq":18446744073709551615,"epoch":"1762238000000001","src":"acct-a","conn":2,"mode":"full","#,
        r#""exchange_ts":1762238671,"last_trade_ts":1762238600,"#,
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"#,
        r#""last_qty":75,"avg_price":0.95,"open":1.00,"high":1.30,"low":0.65,"prev_close":10.05,"#,
        r#""oi_high":3000000,"oi_low":2900000,"volume_delta":150}"#,
    ];
    assert_eq!(
        scene.text(70, Detail::Full(quote(), full)),
        expected.concat()
    );
}

#[test]
fn depth_is_left_out_when_empty_or_not_wanted() {
    let empty = Scene::of(option(), Shape::Contract);
    assert!(
        !empty
            .text(70, Detail::Full(quote(), full()))
            .contains("depth")
    );
    let unwanted = Scene {
        depth: false,
        ..Scene::of(option(), Shape::Contract)
    };
    let full = Full {
        depth: depth(),
        ..full()
    };
    assert!(
        !unwanted
            .text(70, Detail::Full(quote(), full))
            .contains("depth")
    );
}

#[test]
fn an_option_in_quote_mode() {
    let scene = Scene {
        namespace: Some("trading".to_owned()),
        mock: true,
        snapshot: true,
        ..Scene::of(option(), Shape::Contract)
    };
    let expected = [
        OPTION,
        r#""price":0.70,"volume":123456789,"oi":null,"#,
        r#""iv":null,"delta":null,"gamma":null,"theta":null,"vega":null,"ts":1762238671,"is_mock":true,"#,
        r#""total_buy_quantity":4000000000,"total_sell_quantity":7,"#,
        r#""v":1,"seq":18446744073709551615,"epoch":"1762238000000001","src":"acct-a","conn":2,"mode":"quote","#,
        r#""exchange_ts":null,"last_trade_ts":null,"#,
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"#,
        r#""last_qty":75,"avg_price":0.95,"open":1.00,"high":1.30,"low":0.65,"prev_close":10.05,"#,
        r#""volume_delta":null,"snapshot":true,"namespace":"trading"}"#,
    ];
    assert_eq!(scene.text(70, Detail::Quote(quote())), expected.concat());
}

#[test]
fn an_option_in_ltp_mode() {
    let scene = Scene::of(option(), Shape::Contract);
    let expected = [
        OPTION,
        r#""price":25150.05,"volume":null,"oi":null,"#,
        r#""iv":null,"delta":null,"gamma":null,"theta":null,"vega":null,"ts":1762238671,"is_mock":false,"#,
        r#""v":1,"seq":18446744073709551615,"epoch":"1762238000000001","src":"acct-a","conn":2,"mode":"ltp","#,
        r#""exchange_ts":null,"last_trade_ts":null,"#,
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"volume_delta":null}"#,
    ];
    assert_eq!(scene.text(2_515_005, Detail::Ltp), expected.concat());
}

#[test]
fn a_currency_future_has_seven_decimals_trimmed_and_no_greek_keys() {
    // 268801 << 8 | 3
    let future = contract::Row {
        symbol: "USDINR".into(),
        tradingsymbol: "USDINR25NOVFUT".into(),
        exchange: "CDS".into(),
        segment: "CDS-FUT".into(),
        strike: None,
        tick_size: Some(0.0025),
        lot_size: Some(1),
        ..row(268_801 << 8 | 3, InstrumentType::Future)
    };
    let scene = Scene::of(future, Shape::Contract);
    let quote = Quote {
        average_price: 887_512_345,
        open: 887_500_000,
        high: 890_000_000,
        low: 887_000_000,
        close: 886_225_000,
        ..quote()
    };
    let expected = [
        r#"{"symbol":"USDINR","token":68813059,"tradingsymbol":"USDINR25NOVFUT","segment":"CDS-FUT","#,
        r#""exchange":"CDS","strike":null,"expiry":"2025-11-04","type":"FUT","lot_size":1,"tick_size":0.0025,"#,
        r#""price":88.7525,"volume":123456789,"oi":null,"ts":1762238671,"is_mock":false,"#,
        r#""total_buy_quantity":4000000000,"total_sell_quantity":7,"#,
        r#""v":1,"seq":18446744073709551615,"epoch":"1762238000000001","src":"acct-a","conn":2,"mode":"quote","#,
        r#""exchange_ts":null,"last_trade_ts":null,"recv_us":1762238671000250,"pub_us":1762238671000300,"#,
        r#""last_qty":75,"avg_price":88.7512345,"open":88.75,"high":89.0,"low":88.7,"prev_close":88.6225,"#,
        r#""volume_delta":null}"#,
    ];
    assert_eq!(
        scene.text(887_525_000, Detail::Quote(quote)),
        expected.concat()
    );
}

#[test]
fn other_segments_have_their_own_decimals() {
    let price = |token: u32, raw| {
        let text =
            Scene::of(row(token, InstrumentType::Future), Shape::Contract).text(raw, Detail::Ltp);
        let from = text.split("\"price\":").nth(1).unwrap();
        from.split(',').next().unwrap().to_owned()
    };
    assert_eq!(price(0x100 | 1, 157_370), "1573.70"); // NSE
    assert_eq!(price(0x100 | 4, 157_375), "1573.75"); // BSE
    assert_eq!(price(0x100 | 5, 5), "0.05"); // BFO
    assert_eq!(price(0x100 | 6, 887_525), "88.7525"); // BCD
    assert_eq!(price(0x100 | 7, -3_763), "-37.63"); // MCX
}

#[test]
fn a_share_has_no_greek_keys_and_no_strike() {
    let scene = Scene {
        depth: false,
        ..Scene::of(share(408_065, "M&M \"é\"", "NSE"), Shape::Contract)
    };
    let full = Full {
        oi: 0,
        oi_day_high: 0,
        oi_day_low: 0,
        last_trade_time: 0,
        exchange_time: 0,
        ..full()
    };
    let expected = [
        r#"{"symbol":"M&M \"é\"","token":408065,"tradingsymbol":"M&M \"é\"","segment":"NSE","#,
        r#""exchange":"NSE","strike":null,"expiry":null,"type":"EQ","lot_size":1,"tick_size":0.05,"#,
        r#""price":1573.70,"volume":123456789,"oi":0,"ts":1762238671,"is_mock":false,"#,
        r#""total_buy_quantity":4000000000,"total_sell_quantity":7,"#,
        r#""v":1,"seq":18446744073709551615,"epoch":"1762238000000001","src":"acct-a","conn":2,"mode":"full","#,
        r#""exchange_ts":null,"last_trade_ts":null,"recv_us":1762238671000250,"pub_us":1762238671000300,"#,
        r#""last_qty":75,"avg_price":0.95,"open":1.00,"high":1.30,"low":0.65,"prev_close":10.05,"#,
        r#""oi_high":0,"oi_low":0,"volume_delta":null}"#,
    ];
    assert_eq!(
        scene.text(157_370, Detail::Full(quote(), full)),
        expected.concat()
    );
}

const INDEX: &str = concat!(
    r#"{"symbol":"NIFTY","token":256265,"instrument_token":256265,"tradingsymbol":"NIFTY 50","#,
    r#""price":25659.05,"last_price":25659.05,"close":25659.05,"#,
);

#[test]
fn an_index_in_full_mode() {
    let scene = Scene::of(index(), Shape::Underlying);
    let expected = [
        INDEX,
        r#""open":25600.10,"high":25700.00,"low":25500.05,"prev_close":25555.50,"#,
        r#""ohlc":{"open":25600.10,"high":25700.00,"low":25500.05,"close":25555.50},"#,
        r#""volume":0,"ts":1762238671,"timestamp":1762238671,"is_mock":false,"#,
        r#""v":1,"seq":18446744073709551615,"epoch":"1762238000000001","src":"acct-a","conn":2,"mode":"full","#,
        r#""exchange_ts":1762238671,"last_trade_ts":null,"#,
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"volume_delta":null}"#,
    ];
    let detail = Detail::IndexFull(index_quote(), 1_762_238_671);
    assert_eq!(scene.text(2_565_905, detail), expected.concat());
}

#[test]
fn an_index_in_quote_mode_has_no_exchange_time() {
    let text =
        Scene::of(index(), Shape::Underlying).text(2_565_905, Detail::IndexQuote(index_quote()));
    assert!(text.starts_with(INDEX));
    assert!(text.contains(r#""mode":"quote","exchange_ts":null,"last_trade_ts":null,"#));
    assert!(text.contains(r#""prev_close":25555.50,"ohlc":{"open":25600.10,"#));
}

#[test]
fn an_index_in_ltp_mode() {
    let expected = [
        INDEX,
        r#""open":null,"high":null,"low":null,"prev_close":null,"ohlc":null,"#,
        r#""volume":0,"ts":1762238671,"timestamp":1762238671,"is_mock":false,"#,
        r#""v":1,"seq":18446744073709551615,"epoch":"1762238000000001","src":"acct-a","conn":2,"mode":"ltp","#,
        r#""exchange_ts":null,"last_trade_ts":null,"#,
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"volume_delta":null}"#,
    ];
    let text = Scene::of(index(), Shape::Underlying).text(2_565_905, Detail::Ltp);
    assert_eq!(text, expected.concat());
}

#[test]
fn a_share_in_the_underlying_shape_has_its_volume() {
    let scene = Scene {
        volume_delta: Some(0),
        ..Scene::of(share(408_065, "INFY", "NSE"), Shape::Underlying)
    };
    let expected = [
        r#"{"symbol":"INFY","token":408065,"instrument_token":408065,"tradingsymbol":"INFY","#,
        r#""price":1573.70,"last_price":1573.70,"close":1573.70,"#,
        r#""open":1.00,"high":1.30,"low":0.65,"prev_close":10.05,"#,
        r#""ohlc":{"open":1.00,"high":1.30,"low":0.65,"close":10.05},"#,
        r#""volume":123456789,"ts":1762238671,"timestamp":1762238671,"is_mock":false,"#,
        r#""v":1,"seq":18446744073709551615,"epoch":"1762238000000001","src":"acct-a","conn":2,"mode":"full","#,
        r#""exchange_ts":1762238671,"last_trade_ts":1762238600,"#,
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"last_qty":75,"avg_price":0.95,"#,
        r#""oi_high":3000000,"oi_low":2900000,"volume_delta":0}"#,
    ];
    assert_eq!(
        scene.text(157_370, Detail::Full(quote(), full())),
        expected.concat()
    );
    let ltp = scene.text(157_370, Detail::Ltp);
    assert!(ltp.contains(r#""ohlc":null,"volume":null,"#));
}

/// What the replaced service sent, key by key: the same keys with the same types come first.
#[test]
fn the_keys_of_the_replaced_service_come_first() {
    let legacy = [
        "symbol",
        "token",
        "tradingsymbol",
        "segment",
        "exchange",
        "strike",
        "expiry",
        "type",
        "lot_size",
        "tick_size",
        "price",
        "volume",
        "oi",
        "iv",
        "delta",
        "gamma",
        "theta",
        "vega",
        "ts",
        "is_mock",
    ];
    let text = Scene::of(option(), Shape::Contract).text(70, Detail::Full(quote(), full()));
    let mut rest = text.as_str();
    for key in legacy {
        let name = format!("\"{key}\":");
        let at = rest
            .find(&name)
            .unwrap_or_else(|| panic!("{key} in order in {text}"));
        rest = &rest[at + name.len()..];
    }
}

/// Every number at its longest, every level there; head and tail, which have room of their own, count
/// too.
#[test]
fn the_longest_tick_has_room() {
    let level = Level {
        quantity: u32::MAX,
        price: i32::MIN,
        orders: u16::MAX,
    };
    let quote = Quote {
        last_quantity: u32::MAX,
        average_price: i32::MIN,
        volume: u32::MAX,
        total_buy: u32::MAX,
        total_sell: u32::MAX,
        open: i32::MIN,
        high: i32::MIN,
        low: i32::MIN,
        close: i32::MIN,
    };
    let full = Full {
        last_trade_time: u32::MAX,
        oi: u32::MAX,
        oi_day_high: u32::MAX,
        oi_day_low: u32::MAX,
        exchange_time: u32::MAX,
        depth: Depth {
            buy: [level; 5],
            sell: [level; 5],
        },
    };
    let mut longest = 0;
    for shape in [Shape::Contract, Shape::Underlying] {
        let scene = Scene {
            volume_delta: Some(u32::MAX),
            snapshot: true,
            mock: true,
            ..Scene::of(option(), shape)
        };
        longest = longest.max(scene.text(i32::MIN, Detail::Full(quote, full)).len());
    }
    assert!(longest < LONGEST_BODY, "{longest}");
}
