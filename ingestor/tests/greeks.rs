//! Greeks of options, in their ticks, in their last values and in the hash of their chain.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::{Assignment, Chain, Report};
use kite::{Detail, Level, Packet};
use serde_json::{Value, json};
use service::clock::Clock;
use stage::kite_server::{frame, full};
use stage::redis_server::{RedisServer, Subscriber};
use stage::scene::Scene;
use stage::{keep_all, token};

const DAY: i64 = 86_400;
const KEY: &str = "ticker:test:chain:NFO:TEST:2026-12-01";

/// The future of the chain, and two of its options.
const FUTURE: u32 = 1;
const TICKS: u32 = 2;
const RESTS: u32 = 3;

fn with_a_chain(assigned: &mut Assignment) {
    assigned.account.mock = false;
    keep_all(assigned, None);
    assigned.chains = vec![Chain {
        exchange: "NFO".to_owned(),
        underlying: "TEST".to_owned(),
        expiry: jiff::civil::date(2026, 12, 1),
        expiry_ts: Clock::system().wall_micros() / 1_000_000 + 30 * DAY,
        settles_ts: None,
        r: Some(0.0525),
        q: 0.0,
        future: Some(token(FUTURE)),
        parity: Vec::new(),
        carry: None,
        spot: None,
    }];
    for row in &mut assigned.instruments[1..] {
        row.chain = Some(0);
        row.strike = Some(990.0 + 10.0 * f64::from(row.token.0 >> 8));
        row.outputs[0].greeks = true;
    }
}

/// A packet with a book around `price`, in paise.
fn book(number: u32, price: i32) -> Packet {
    let mut packet = full(token(number), price);
    if let Detail::Full(_, full) = &mut packet.detail {
        let level = |price| Level {
            quantity: 1,
            price,
            orders: 1,
        };
        full.depth.buy[0] = level(price - 5);
        full.depth.sell[0] = level(price + 5);
    }
    packet
}

async fn tick_of(ticks: &mut Subscriber, number: u32) -> Value {
    loop {
        let tick = ticks.tick().await;
        if tick["token"] == token(number).0 {
            return tick;
        }
    }
}

/// The newest tick that is stored of an option, once it is on this forward.
async fn stored(redis: &RedisServer, number: u32, forward: &str) -> Value {
    let field = token(number).0.to_string();
    let forward = format!("\"fwd\":{forward},");
    let get = ["HGET", "ticker:test:last", &field];
    let text = redis.answers(&get, |text| text.contains(&forward)).await;
    serde_json::from_str(&text).unwrap()
}

async fn field(redis: &RedisServer, field: &str, fits: impl Fn(&str) -> bool) -> String {
    redis.answers(&["HGET", KEY, field], fits).await
}

#[tokio::test]
async fn options_have_greeks_that_follow_their_future() {
    let mut scene = Scene::with([FUTURE, TICKS, RESTS], with_a_chain).await;
    let mut ticks = scene.redis.subscribe().await;
    let socket = scene.live_socket().await;
    let send = |packets: &[Packet]| socket.send(frame(packets)).unwrap();
    send(&[
        book(FUTURE, 100_000),
        book(TICKS, 3_000),
        book(RESTS, 2_500),
    ]);
    let tick = tick_of(&mut ticks, TICKS).await;
    assert_eq!(
        (&tick["greeks"], &tick["fwd"], &tick["iv_px"]),
        (&json!("ok"), &json!(1000.0), &json!(30.0))
    );
    let published = tick_of(&mut ticks, RESTS).await;
    let before = stored(&scene.redis, RESTS, "1000.0").await;
    assert_eq!(
        (&before["iv"], &before["seq"]),
        (&published["iv"], &published["seq"])
    );

    // The future moves, and one option ticks: the other one is renewed where it is stored.
    send(&[book(FUTURE, 100_200), book(TICKS, 3_100)]);
    let tick = tick_of(&mut ticks, TICKS).await;
    assert_eq!(tick["fwd"], 1002.0);
    let after = stored(&scene.redis, RESTS, "1002.0").await;
    assert_eq!(
        (&after["iv"], &after["seq"]),
        (&before["iv"], &before["seq"])
    );
    assert!(after["delta"].as_f64() > before["delta"].as_f64());
    assert!(after["greeks_ts"].as_i64() >= before["greeks_ts"].as_i64());

    field(&scene.redis, "forward", |it| it == "1002.0").await;
    for (name, text) in [
        ("source", "future"),
        ("atm", "1010.0"),
        ("r", "0.0525"),
        ("settles_ts", ""),
    ] {
        assert_eq!(field(&scene.redis, name, |_| true).await, text, "{name}");
    }
    let ttl: i64 = scene
        .redis
        .command(&["TTL", KEY])
        .await
        .trim()
        .parse()
        .unwrap();
    assert!((30 * DAY..=31 * DAY).contains(&ttl), "{ttl}");

    let has_followed = |report: &Report| {
        let chain = &report.chains[0];
        chain.source.as_deref() == Some("future") && chain.forward.as_deref() == Some("1002.0")
    };
    let report = scene.ingestor.until("the forward", has_followed).await;
    assert_eq!(report.sets[0].greeks["ok"], 2);
    for line in [
        r#"greeks_calculations_total{status="ok"} 3"#,
        "kiteticker_greeks_refreshed_total 1",
    ] {
        while !scene.ingestor.get("/metrics").await.1.contains(line) {
            scene.ingestor.until("another report", has_followed).await;
        }
    }
    scene.redis.has_refused_nothing().await;
}
