//! Tests of the shape of contracts.

use super::*;

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
        r#""oi_high":3000000,"oi_low":2900000,"volume_delta":150,"session":"open"}"#,
    ];
    assert_eq!(
        scene.text(70, Detail::Full(quote(), full)),
        expected.concat()
    );
}

#[test]
fn greeks_stand_where_they_always_did_and_new_keys_at_the_end() {
    let plain = Scene::of(option(), Shape::Contract);
    let with = Scene {
        greeks: Some(GreeksStamp::unknown(1_762_250_400)),
        ..Scene::of(option(), Shape::Contract)
    };
    let [plain, with] = [plain, with].map(|it| it.text(70, Detail::Full(quote(), full())));
    assert!(!plain.contains("greeks") && !plain.contains("expiry_ts"));
    let added = concat!(
        r#","volume_delta":null,"rho":null,"greeks":"stale_input","fwd":null,"fwd_src":null,"#,
        r#""iv_px":null,"iv_src":null,"greeks_ts":null,"expiry_ts":1762250400,"session":"open"}"#,
    );
    let end = r#","volume_delta":null,"session":"open"}"#;
    assert_eq!(with, plain.replace(end, added));
    // An underlying has none.
    let underlying = Scene {
        greeks: Some(GreeksStamp::unknown(1_762_250_400)),
        ..Scene::of(option(), Shape::Underlying)
    };
    let text = underlying.text(70, Detail::Full(quote(), full()));
    assert!(!text.contains("greeks"));
}

#[test]
fn open_interest_has_changed_since_the_day_before() {
    let ends = |before, detail| {
        let scene = Scene {
            prev_oi: Some(before),
            ..Scene::of(option(), Shape::Contract)
        };
        let text = scene.text(70, detail);
        let (_, end) = text.split_once(r#","volume_delta":null"#).unwrap();
        end.to_owned()
    };
    let detail = Detail::Full(quote(), full());
    assert_eq!(
        ends(Some(3_000_000), detail),
        r#","prev_oi":3000000,"oi_change":-47475,"session":"open"}"#
    );
    assert_eq!(
        ends(None, detail),
        r#","prev_oi":null,"oi_change":null,"session":"open"}"#
    );
    assert_eq!(ends(None, Detail::Quote(quote())), r#","session":"open"}"#);
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
        r#""volume_delta":null,"snapshot":true,"session":"open","namespace":"trading"}"#,
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
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"volume_delta":null,"session":"open"}"#,
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
        r#""volume_delta":null,"session":"open"}"#,
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
        r#""oi_high":0,"oi_low":0,"volume_delta":null,"session":"open"}"#,
    ];
    assert_eq!(
        scene.text(157_370, Detail::Full(quote(), full)),
        expected.concat()
    );
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
