//! What is stored in Redis beside the messages: the newest tick of each instrument, and streams.

mod stage;

use std::time::Duration;

use contract::{Assignment, ClassSessions, LastValuePersistence, SessionSpan, StreamLength};
use kite::{Detail, MarketSession, Packet};
use serde_json::Value;
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::RedisServer;
use stage::{Ingestor, assignment, keep_all, option, servers, token};
use tokio::time::{Instant, interval};

/// Two options of a real account whose newest tick and last four ticks are stored.
fn kept(kite: &KiteServer, redis: &RedisServer) -> Assignment {
    let mut assigned = assignment(kite, redis.port());
    assigned.account.mock = false;
    assigned.instruments = vec![option(1), option(2)];
    keep_all(&mut assigned, Some(StreamLength::Entries(4)));
    assigned
}

/// The tick under `field` of a hash, once its price is `price`.
async fn last(redis: &RedisServer, hash: &str, number: u32, price: &str) -> Value {
    let field = token(number).0.to_string();
    let price = format!("\"price\":{price},");
    let fits = |answer: &str| answer.contains(&price);
    let text = redis.answers(&["HGET", hash, &field], fits).await;
    serde_json::from_str(&text).expect("a tick")
}

#[tokio::test]
async fn the_newest_tick_and_price_are_kept_and_every_tick_streams() {
    let (mut kite, redis, folders) = servers().await;
    let mut ticks = redis.subscribe().await;
    folders.assign(&kept(&kite, &redis));
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    let start = Instant::now();
    for price in 1..=500 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    socket.send(frame(&[full(token(2), 7)])).unwrap();
    let mut published = Value::Null;
    for _ in 1..=500 {
        published = ticks.tick().await;
    }
    let mut newest = last(&redis, "ticker:test:last", 1, "5.00").await;
    assert!(newest["pub_us"].as_i64() >= published["pub_us"].as_i64());
    newest["pub_us"] = published["pub_us"].take();
    published["pub_us"] = newest["pub_us"].clone();
    assert_eq!(newest, published);
    last(&redis, "ticker:test:last", 2, "0.07").await;

    let by_token = format!("ticker:{}:ltp", token(1).0);
    for key in ["ltp:NFO:TEST1CE", &by_token] {
        assert_eq!(
            redis.answers(&["GET", key], |text| text == "5.00").await,
            "5.00"
        );
        let ttl: i64 = redis.command(&["TTL", key]).await.trim().parse().unwrap();
        assert!((500..=600).contains(&ttl), "{ttl}");
    }
    let added: u64 = {
        let info = redis
            .command(&["XINFO", "STREAM", "ticker:test:stream"])
            .await;
        let mut lines = info.lines().skip_while(|line| *line != "entries-added");
        lines.nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(added, 501);
    let newest = redis
        .command(&["XREVRANGE", "ticker:test:stream", "+", "-", "COUNT", "1"])
        .await;
    assert!(newest.contains("\"tradingsymbol\":\"TEST2CE\""), "{newest}");
    // Ticks are counted as before: writes of keys are not messages.
    let report = ingestor
        .until("all", |report| report.redis.published == 501)
        .await;
    assert_eq!((report.redis.conflated, report.redis.unknown), (0, 0));
    // Not one write for each of five hundred ticks: three an interval, however long they took.
    let intervals = start.elapsed().as_millis() as u64 / 50 + 1;
    let metrics = ingestor.get("/metrics").await.1;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("kiteticker_redis_kept_total"));
    let kept: u64 = line.unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let most = 300.max(3 * intervals);
    assert!((501 + 4..501 + most).contains(&kept), "{kept}");
}

#[tokio::test]
async fn keys_of_a_mock_account_say_so() {
    let (mut kite, redis, folders) = servers().await;
    let mut assigned = kept(&kite, &redis);
    assigned.account.mock = true;
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    socket.send(frame(&[full(token(1), 123)])).unwrap();
    last(&redis, "mock:ticker:test:last", 1, "1.23").await;
    redis
        .answers(&["GET", "mock:ltp:NFO:TEST1CE"], |text| text == "1.23")
        .await;
    let keys = redis.command(&["KEYS", "*"]).await;
    assert!(keys.lines().all(|key| key.starts_with("mock:")), "{keys}");
}

/// Friday's last tick on Monday morning is the newest there is, and not the last price.
#[tokio::test]
async fn an_old_snapshot_is_kept_and_is_no_price() {
    let (mut kite, redis, folders) = servers().await;
    let mut ticks = redis.subscribe().await;
    folders.assign(&kept(&kite, &redis));
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    let mut old: Packet = full(token(1), 99);
    if let Detail::Full(_, full) = &mut old.detail {
        full.exchange_time = 1_764_570_600;
    }
    ingestor
        .until("subscribed", |report| report.connections.len() == 1)
        .await;
    socket.send(frame(&[old, full(token(2), 5)])).unwrap();
    let kept = last(&redis, "ticker:test:last", 1, "0.99").await;
    assert_eq!(
        (&kept["snapshot"], &kept["exchange_ts"]),
        (&true.into(), &1_764_570_600.into())
    );
    redis
        .answers(&["GET", "ltp:NFO:TEST2CE"], |text| text == "0.05")
        .await;
    assert_eq!(
        redis.command(&["EXISTS", "ltp:NFO:TEST1CE"]).await.trim(),
        "0"
    );
    assert_eq!(ticks.tick().await["tradingsymbol"], "TEST2CE");
}

#[tokio::test]
async fn a_redis_that_forgot_everything_is_told_again() {
    let (mut kite, mut redis, folders) = servers().await;
    folders.assign(&kept(&kite, &redis));
    let _ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    socket
        .send(frame(&[full(token(1), 11), full(token(2), 12)]))
        .unwrap();
    last(&redis, "ticker:test:last", 2, "0.12").await;
    redis.kill().await;
    redis.restart().await;
    // Nothing ticks meanwhile.
    last(&redis, "ticker:test:last", 1, "0.11").await;
    redis
        .answers(&["GET", "ltp:NFO:TEST2CE"], |text| text == "0.12")
        .await;
}

/// The keys follow an assignment with other keys.
#[tokio::test]
async fn another_prefix_gets_what_is_known_already() {
    let (mut kite, redis, folders) = servers().await;
    let mut assigned = kept(&kite, &redis);
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    socket.send(frame(&[full(token(1), 11)])).unwrap();
    last(&redis, "ticker:test:last", 1, "0.11").await;
    assigned.generation += 1;
    assigned.channels = vec!["ticker:other:options".to_owned()];
    folders.assign(&assigned);
    last(&redis, "ticker:other:last", 1, "0.11").await;
}

/// Its newest tick is removed; its price stays until it expires.
#[tokio::test]
async fn the_price_of_an_instrument_that_leaves_is_its_last() {
    let (mut kite, redis, folders) = servers().await;
    let mut ticks = redis.subscribe().await;
    let mut assigned = kept(&kite, &redis);
    assigned.keeps[0].last = Some(LastValuePersistence {
        interval_ms: 600_000,
        ttl_s: 6_000,
        until_session: false,
    });
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    for price in 11..=13 {
        socket
            .send(frame(&[full(token(1), price), full(token(2), price)]))
            .unwrap();
        assert_eq!(ticks.tick().await["volume"], price);
        assert_eq!(ticks.tick().await["volume"], price);
        redis
            .answers(&["EXISTS", "ltp:NFO:TEST1CE", "ltp:NFO:TEST2CE"], |count| {
                count == "2"
            })
            .await;
    }
    // One leaves, and the keys of the other are turned off.
    assigned.generation += 1;
    assigned.instruments.remove(0);
    assigned.instruments[0].outputs[0].keep = None;
    folders.assign(&assigned);
    for key in ["ltp:NFO:TEST1CE", "ltp:NFO:TEST2CE"] {
        redis.answers(&["GET", key], |price| price == "0.13").await;
    }
    redis
        .answers(&["HLEN", "ticker:test:last"], |count| count == "0")
        .await;
}

/// A user that may publish but not write keys loses no tick, and the report says what to do.
#[tokio::test]
async fn refused_keys_are_told_and_hold_up_no_tick() {
    let (mut kite, redis, folders) = servers().await;
    redis.publisher(&["-hset", "-set"]).await;
    let mut ticks = redis.subscribe().await;
    let mut assigned = kept(&kite, &redis);
    folders.assign(&assigned);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    socket.send(frame(&[full(token(1), 11)])).unwrap();
    assert_eq!(ticks.tick().await["price"], 0.11);
    let report = ingestor
        .until("the refusal", |report| report.redis.keys_error.is_some())
        .await;
    assert!(report.redis.connected, "ticks flow");
    let error = report.redis.keys_error.unwrap_or_default();
    assert!(error.contains("turn off publish.lastValue"), "{error}");
    for price in 1..=300 {
        socket.send(frame(&[full(token(2), price)])).unwrap();
        assert_eq!(ticks.tick().await["seq"], 1 + price);
    }
    // The link stays: another one would cost ticks and change nothing.
    assigned.generation += 1;
    assigned.keeps[0].last = None;
    folders.assign(&assigned);
    let report = ingestor
        .until("all is well", |report| {
            report.redis.keys_error.is_none() && report.redis.published == 301
        })
        .await;
    assert_eq!(report.redis.unknown, 0);
    let metrics = ingestor.get("/metrics").await.1;
    assert!(
        metrics.contains("kiteticker_redis_reconnects_total 0"),
        "{metrics}"
    );
}

/// Its market trades tomorrow too: a reader may want it until that day's close.
#[tokio::test]
async fn a_price_stays_until_the_close_of_the_next_trading_day() {
    let (mut kite, redis, folders) = servers().await;
    let mut assigned = kept(&kite, &redis);
    let wall = || service::clock::Clock::system().wall();
    let today = kite::ist::midnight(kite::ist::date(wall()));
    let day = |days: i64| {
        let open = today + days * kite::ist::DAY;
        SessionSpan(open, open + 60_000, MarketSession::Open)
    };
    assigned.sessions = vec![ClassSessions {
        class: "NFO".to_owned(),
        previous_day: None,
        spans: (0..3).map(day).collect(),
    }];
    let class = assigned.sessions[0].clone();
    for row in &mut assigned.instruments {
        row.class = Some(0);
    }
    let last = assigned.keeps[0].last.as_mut().unwrap();
    (last.ttl_s, last.until_session) = (LastValuePersistence::DAY_S, true);
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let before = wall().as_second();
    let socket = kite.socket().await;
    socket.send(frame(&[full(token(1), 11)])).unwrap();
    redis
        .answers(&["GET", "ltp:NFO:TEST1CE"], |price| price == "0.11")
        .await;
    let ttl = redis.command(&["TTL", "ltp:NFO:TEST1CE"]).await;
    let ttl: i64 = ttl.trim().parse().unwrap();
    let after = wall().as_second();
    // The day may have changed meanwhile.
    let ends = [before, after].map(|at| class.price_end(at).unwrap());
    let left = ends[0] - after - 1..=ends[1] - before;
    assert!(left.contains(&ttl), "{ttl} is not in {left:?}");
}

/// An unchanged price is written again before its keys expire, and not with every tick.
#[tokio::test]
async fn a_price_that_stays_is_not_written_with_every_tick() {
    let (mut kite, redis, folders) = servers().await;
    let mut assigned = kept(&kite, &redis);
    // Renewed every two seconds.
    assigned.keeps[0].last = Some(LastValuePersistence {
        interval_ms: 50,
        ttl_s: 20,
        until_session: false,
    });
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    let (start, mut beat) = (Instant::now(), interval(Duration::from_millis(50)));
    for _ in 0..100 {
        beat.tick().await;
        socket.send(frame(&[full(token(1), 11)])).unwrap();
    }
    let asked = Instant::now();
    let ttl = redis.command(&["TTL", "ltp:NFO:TEST1CE"]).await;
    let (ttl, asking): (u64, _) = (ttl.trim().parse().unwrap(), asked.elapsed().as_secs());
    assert!(ttl <= 20 && ttl + asking >= 17, "{ttl}, {asking} s");
    let calls = redis.command(&["INFO", "commandstats"]).await;
    let sets = calls
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_set:calls="));
    let sets: u64 = sets.unwrap().split(',').next().unwrap().parse().unwrap();
    let seconds = start.elapsed().as_secs();
    // The sign of life is a SET too, every ten seconds.
    let alive = seconds / 10 + 1;
    assert!(
        (4..=2 * (seconds / 2 + 2) + alive).contains(&sets),
        "two keys, every two seconds: {sets} in {seconds} s"
    );
}
