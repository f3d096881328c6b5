//! First packets that do not say how old they are, and prices that are older than their packet.

mod stage;

use contract::Assignment;
use kite::{Detail, Mode, Packet};
use serde_json::Value;
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::{RedisServer, Subscriber};
use stage::{Ingestor, assignment, is_live, keep_all, option, servers, token};

/// Two options of a real account in this mode, whose newest tick is stored.
fn kept(kite: &KiteServer, redis: &RedisServer, mode: Mode) -> Assignment {
    let mut assigned = assignment(kite, redis.port());
    assigned.account.mock = false;
    assigned.instruments = vec![option(1), option(2)];
    for row in &mut assigned.instruments {
        row.mode = mode;
    }
    keep_all(&mut assigned, None);
    assigned
}

/// What a packet holds in quote mode.
fn quote(number: u32, price: i32) -> Packet {
    let packet = full(token(number), price);
    let Detail::Full(quote, _) = packet.detail else {
        unreachable!("it is in full mode");
    };
    Packet {
        detail: Detail::Quote(quote),
        ..packet
    }
}

/// The tick under the token of a hash, once its price is `price`.
async fn last(redis: &RedisServer, number: u32, price: &str) -> Value {
    let field = token(number).0.to_string();
    let price = format!("\"price\":{price},");
    let fits = |answer: &str| answer.contains(&price);
    let text = redis
        .answers(&["HGET", "ticker:test:last", &field], fits)
        .await;
    serde_json::from_str(&text).expect("a tick")
}

async fn price_key(redis: &RedisServer, number: u32) -> String {
    let key = format!("ltp:NFO:TEST{number}CE");
    redis.command(&["GET", &key]).await.trim().to_owned()
}

async fn has_price(redis: &RedisServer, number: u32, price: &str) {
    let key = format!("ltp:NFO:TEST{number}CE");
    redis.answers(&["GET", &key], |text| text == price).await;
}

/// The numbers, prices and marks of the next tick.
async fn next(ticks: &mut Subscriber) -> (Value, Value, bool) {
    let tick = ticks.tick().await;
    let snapshot = tick.get("snapshot").is_some();
    (tick["seq"].clone(), tick["price"].clone(), snapshot)
}

/// At 08:30 it is yesterday's close: a reader would make a bar of it, or fill an order at its price.
#[tokio::test]
async fn a_first_packet_without_a_time_is_kept_and_nothing_else_until_the_instrument_ticks() {
    let (mut kite, redis, folders) = servers().await;
    let mut ticks = redis.subscribe().await;
    folders.assign(&kept(&kite, &redis, Mode::Quote));
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor.until("live", is_live).await;
    socket.send(frame(&[quote(1, 100)])).unwrap();
    let kept = last(&redis, 1, "1.00").await;
    assert_eq!(
        (&kept["snapshot"], &kept["exchange_ts"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(price_key(&redis, 1).await, "");
    let report = ingestor.until("seen", |report| report.streaming == 1).await;
    assert_eq!(report.ticks_total, 0);

    socket.send(frame(&[quote(1, 101)])).unwrap();
    let (seq, price, snapshot) = next(&mut ticks).await;
    assert_eq!((seq, price, snapshot), (1.into(), 1.01.into(), false));
    has_price(&redis, 1, "1.01").await;
}

/// On a new socket the same is nothing new, and something else happened meanwhile.
#[tokio::test]
async fn a_first_packet_that_differs_from_what_was_known_today_is_a_tick() {
    let (mut kite, redis, folders) = servers().await;
    let mut ticks = redis.subscribe().await;
    folders.assign(&kept(&kite, &redis, Mode::Quote));
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor.until("live", is_live).await;
    socket.send(frame(&[quote(1, 100), quote(2, 200)])).unwrap();
    socket.send(frame(&[quote(1, 101), quote(2, 201)])).unwrap();
    assert_eq!(next(&mut ticks).await, (1.into(), 1.01.into(), false));
    assert_eq!(next(&mut ticks).await, (2.into(), 2.01.into(), false));

    drop(socket);
    let socket = kite.socket().await;
    let again =
        |report: &contract::Report| is_live(report) && report.connections[0].reconnects == 1;
    ingestor.until("live again", again).await;
    socket.send(frame(&[quote(1, 101), quote(2, 250)])).unwrap();
    assert_eq!(next(&mut ticks).await, (3.into(), 2.5.into(), true));
    has_price(&redis, 1, "1.01").await;
    has_price(&redis, 2, "2.50").await;
}

/// The exchange's time is of now, because the book changed; the trade is weeks old.
#[tokio::test]
async fn a_price_of_an_older_day_is_published_and_is_not_the_last_price() {
    let (mut kite, redis, folders) = servers().await;
    let mut ticks = redis.subscribe().await;
    folders.assign(&kept(&kite, &redis, Mode::Full));
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor.until("live", is_live).await;
    let mut weeks_ago = full(token(1), 100);
    let mut outside = full(token(2), 200);
    if let (Detail::Full(_, times), Detail::Full(day, _)) =
        (&mut weeks_ago.detail, &mut outside.detail)
    {
        times.last_trade_time -= 35 * 86_400;
        (day.high, day.low) = (199, 190);
    }
    socket.send(frame(&[weeks_ago, outside])).unwrap();
    assert_eq!(next(&mut ticks).await.1, Value::from(1.0));
    assert_eq!(next(&mut ticks).await.1, Value::from(2.0));
    last(&redis, 1, "1.00").await;
    last(&redis, 2, "2.00").await;
    for number in [1, 2] {
        assert_eq!(price_key(&redis, number).await, "");
    }
    ingestor
        .until("both", |report| report.ticks_total == 2)
        .await;
    let metrics = ingestor.get("/metrics").await.1;
    for reason in ["trade_time", "outside_day"] {
        let line = format!("kiteticker_undated_prices_total{{reason=\"{reason}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    socket.send(frame(&[full(token(1), 101)])).unwrap();
    has_price(&redis, 1, "1.01").await;
}
