//! The directory of what streams, events for back ends, and order updates, in a real Redis.

mod stage;

use serde_json::Value;
use stage::kite_server::{frame, full};
use stage::redis_server::{RedisServer, Subscriber};
use stage::{DIRECTORY, Ingestor, servers, stored_options, token, within};
use tokio_tungstenite::tungstenite::Message;

/// The next event for all readers, other than a sign of life.
async fn event(messages: &mut Subscriber) -> Value {
    loop {
        let (channel, json) = messages.any_message().await;
        if channel == "ticker:events" && json["event_type"] != "alive" {
            return json;
        }
    }
}

/// The next events for all readers, by kind and instrument, until there are `count`.
async fn events(messages: &mut Subscriber, count: usize) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let event = event(messages).await;
        let kind = event["event_type"].as_str().unwrap_or_default().to_owned();
        if kind.starts_with("subscription_") {
            seen.push((kind, event["instrument_token"].as_u64().unwrap_or_default()));
        }
    }
    seen
}

fn created(number: u32) -> (String, u64) {
    ("subscription_created".to_owned(), token(number).0.into())
}

#[tokio::test]
async fn the_directory_is_kept_true_and_only_what_is_new_or_gone_is_told() {
    let (mut kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    folders.assign(&stored_options(&kite, &redis, &[1, 2]));
    let mut ingestor = Ingestor::start(&folders).await;
    assert_eq!(events(&mut messages, 2).await, [created(1), created(2)]);
    let field = token(1).0.to_string();
    let row = redis.command(&["HGET", DIRECTORY, &field]).await;
    assert!(row.contains("\"tradingsymbol\":\"TEST1CE\""), "{row}");
    let socket = kite.socket().await;
    socket
        .send(frame(&[full(token(1), 11), full(token(2), 12)]))
        .unwrap();
    redis
        .answers(&["HLEN", "ticker:test:last"], |count| count == "2")
        .await;

    // A restart gives no event; a change meanwhile does.
    ingestor.terminate();
    within("the end", ingestor.child.wait()).await.unwrap();
    let mut assigned = stored_options(&kite, &redis, &[2, 3]);
    assigned.generation = 2;
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let gone = ("subscription_deleted".to_owned(), token(1).0.into());
    assert_eq!(events(&mut messages, 2).await, [created(3), gone]);
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "2")
        .await;
    redis
        .answers(&["HEXISTS", "ticker:test:last", &field], |there| {
            there == "0"
        })
        .await;
    let log = redis.command(&["XLEN", "ticker:events:log"]).await;
    assert!(log.trim().parse::<u64>().unwrap() >= 4, "{log}");
}

/// The exchange adjusted a strike: the token stays, its name does not.
#[tokio::test]
async fn a_renamed_instrument_is_told_and_its_price_leaves_the_former_name() {
    let (mut kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    let mut assigned = stored_options(&kite, &redis, &[1]);
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    assert_eq!(events(&mut messages, 1).await, [created(1)]);
    let socket = kite.socket().await;
    socket.send(frame(&[full(token(1), 11)])).unwrap();
    let price = |name: &'static str| ["EXISTS", name];
    let there = |count: &str| count == "1";
    redis.answers(&price("ltp:NFO:TEST1CE"), there).await;

    assigned.generation = 2;
    let row = &mut assigned.instruments[0];
    (row.tradingsymbol, row.strike) = ("TEST0.75CE".into(), Some(0.75));
    folders.assign(&assigned);
    let changed = loop {
        let event = event(&mut messages).await;
        if event["event_type"] == "instrument_changed" {
            break event["changed"].clone();
        }
    };
    let expected = serde_json::json!({
        "tradingsymbol": {"old": "TEST1CE", "new": "TEST0.75CE"},
        "strike": {"old": 1.0, "new": 0.75},
    });
    assert_eq!(changed, expected);
    redis
        .answers(&price("ltp:NFO:TEST1CE"), |count| count == "0")
        .await;
    socket.send(frame(&[full(token(1), 12)])).unwrap();
    redis.answers(&price("ltp:NFO:TEST0.75CE"), there).await;
}

/// In a directory that several accounts share, each changes only its own rows.
#[tokio::test]
async fn a_row_of_another_account_is_left_alone() {
    let (kite, redis, folders) = servers().await;
    let field = token(9).0.to_string();
    let foreign = r#"{"symbol":"X","tradingsymbol":"X","segment":"NSE","exchange":"NSE","strike":null,"expiry":null,
        "type":"EQ","lot_size":1,"tick_size":0.05,"channel":"ticker:equity","set":"s","account":"acct-b",
        "namespace":null,"mode":"full"}"#;
    let own = foreign.replace("acct-b", "acct-a");
    redis
        .command(&[
            "HSET", DIRECTORY, &field, foreign, "77", &own, "junk", "{", "88", "{",
        ])
        .await;
    let mut messages = redis.subscribe().await;
    folders.assign(&stored_options(&kite, &redis, &[1]));
    let _ingestor = Ingestor::start(&folders).await;
    // Rows left by an earlier process of this account are removed, with an event; others are not ours.
    let gone = ("subscription_deleted".to_owned(), 77);
    while events(&mut messages, 1).await != [gone.clone()] {}
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "4")
        .await;
    let kept = redis.command(&["HGET", DIRECTORY, &field]).await;
    assert!(kept.contains("acct-b"), "{kept}");
}

#[tokio::test]
async fn a_reconnect_is_told_with_one_gap() {
    let (mut kite, redis, folders) = servers().await;
    folders.assign(&stored_options(&kite, &redis, &[1, 2]));
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    for price in 1..=5 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    ingestor
        .until("ticks", |report| report.redis.published == 5)
        .await;
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "2")
        .await;
    let mut messages = redis.subscribe().await;
    socket.send(Message::Close(None)).unwrap();
    let socket = kite.socket().await;
    for price in 6..=9 {
        socket
            .send(frame(&[full(token(1), price), full(token(2), price)]))
            .unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = event(&mut messages).await;
        if !event["event_type"]
            .as_str()
            .unwrap_or_default()
            .starts_with("sub")
        {
            seen.push(event);
        }
    }
    let kinds: Vec<&str> = seen
        .iter()
        .filter_map(|event| event["event_type"].as_str())
        .collect();
    assert_eq!(kinds, ["disconnected", "connected", "gap"]);
    assert_eq!(seen[0]["conn"], 0);
    let gap = &seen[2];
    let (from, to) = (
        gap["from_ts"].as_i64().unwrap(),
        gap["to_ts"].as_i64().unwrap(),
    );
    assert!(from <= to && to - from < 30, "{gap}");
    let mut tokens: Vec<u64> = gap["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    tokens.sort_unstable();
    assert_eq!(tokens, [u64::from(token(1).0), u64::from(token(2).0)]);
}

#[tokio::test]
async fn orders_and_tokens_are_told_where_they_are_wanted() {
    let (mut kite, redis, folders) = servers().await;
    let mut assigned = stored_options(&kite, &redis, &[1]);
    assigned.order_updates = true;
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "1")
        .await;
    let mut messages = redis.subscribe().await;
    let order = r#"{"type":"order","id":"","data":{"order_id":"7","status":"COMPLETE"}}"#;
    socket.send(Message::text(order)).unwrap();
    let received = async {
        loop {
            let (channel, json) = messages.any_message().await;
            if channel == "orders:acct-a" {
                return json;
            }
        }
    };
    assert_eq!(within("the order", received).await["status"], "COMPLETE");

    kite.accept_only("another-token");
    drop(socket.send(Message::Close(None)));
    let mut seen = Vec::new();
    while seen.last() != Some(&"token_expired".to_owned()) {
        seen.push(
            event(&mut messages).await["event_type"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    folders.credentials_of("another-token");
    while seen.last() != Some(&"token_rotated".to_owned()) {
        seen.push(
            event(&mut messages).await["event_type"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    assert_eq!(
        seen.iter().filter(|kind| *kind == "token_expired").count(),
        1
    );
}

/// Events that happen while Redis is away are sent when it is back.
#[tokio::test]
async fn events_wait_for_redis() {
    let (mut kite, mut redis, folders) = servers().await;
    folders.assign(&stored_options(&kite, &redis, &[1]));
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "1")
        .await;
    redis.kill().await;
    socket.send(Message::Close(None)).unwrap();
    let _socket = kite.socket().await;
    ingestor
        .until("another socket", |report| {
            report.connections[0].reconnects == 1
        })
        .await;
    redis.restart().await;
    // A subscriber may come too late; the log does not.
    redis
        .answers(&["XREVRANGE", "ticker:events:log", "+", "-"], |log| {
            ["disconnected", "connected", "subscription_created"]
                .iter()
                .all(|kind| log.contains(&format!("\"event_type\":\"{kind}\"")))
        })
        .await;
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "1")
        .await;
}

/// Another Redis: the rows in the old one are removed.
#[tokio::test]
async fn the_directory_moves_with_its_account() {
    let (kite, old, folders) = servers().await;
    let new = RedisServer::start().await;
    let mut assigned = stored_options(&kite, &old, &[1, 2]);
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    old.answers(&["HLEN", DIRECTORY], |count| count == "2")
        .await;
    assigned.generation += 1;
    assigned.redis_url = format!("redis://127.0.0.1:{}", new.port());
    folders.assign(&assigned);
    new.answers(&["HLEN", DIRECTORY], |count| count == "2")
        .await;
    old.answers(&["HLEN", DIRECTORY], |count| count == "0")
        .await;
}

/// An earlier process published under another prefix: its successor removes the keys there.
#[tokio::test]
async fn what_was_kept_under_another_prefix_goes_after_a_restart() {
    let (mut kite, redis, folders) = servers().await;
    let mut assigned = stored_options(&kite, &redis, &[1]);
    folders.assign(&assigned);
    let mut ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    socket.send(frame(&[full(token(1), 11)])).unwrap();
    redis
        .answers(&["HLEN", "ticker:test:last"], |count| count == "1")
        .await;
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "1")
        .await;
    ingestor.terminate();
    within("the end", ingestor.child.wait()).await.unwrap();
    assigned.generation += 1;
    assigned.channels = vec!["ticker:other:options".to_owned()];
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    redis
        .answers(&["HLEN", "ticker:test:last"], |count| count == "0")
        .await;
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "1")
        .await;
}
