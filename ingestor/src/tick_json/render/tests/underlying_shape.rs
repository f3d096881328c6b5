//! Tests of the shape of underlyings.

use super::*;

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
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"volume_delta":null,"session":"open"}"#,
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
        r#""recv_us":1762238671000250,"pub_us":1762238671000300,"volume_delta":null,"session":"open"}"#,
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
        r#""oi_high":3000000,"oi_low":2900000,"volume_delta":0,"session":"open"}"#,
    ];
    assert_eq!(
        scene.text(157_370, Detail::Full(quote(), full())),
        expected.concat()
    );
    let ltp = scene.text(157_370, Detail::Ltp);
    assert!(ltp.contains(r#""ohlc":null,"volume":null,"#));
}
