//! Redis away, stopped, or back: what is sent, what is counted, and that the sockets are not
//! affected.

mod stage;

use std::time::Duration;

use contract::Report;
use redis_link::handshake::establish;
use redis_link::target::ServerTarget;
use service::address::Address;
use stage::kite_server::{frame, full, round};
use stage::redis_server::RedisServer;
use stage::scene::Scene;
use stage::{access, assignment, option, servers, token, within};
use tokio::io::AsyncReadExt;

/// Between two rounds, where ticks have to go on.
const BEAT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn ticks_wait_for_a_redis_that_comes_later() {
    let (kite, mut redis, folders) = servers().await;
    redis.kill().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1), option(2)];
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    let socket = scene.kite.socket().await;
    for price in 1..=10 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    socket.send(frame(&[full(token(2), 1)])).unwrap();
    let report = scene
        .ingestor
        .until("ticks", |report| {
            let error = report.redis.error.as_deref().unwrap_or_default();
            report.ticks_total == 11 && error.contains("cannot connect")
        })
        .await;
    assert!(!report.redis.connected);
    assert_eq!((report.redis.conflated, report.redis.published), (9, 0));

    scene.redis.restart().await;
    // A subscriber this late may miss waiting ticks; the server counts them.
    scene
        .ingestor
        .until("both", |report| report.redis.published == 2)
        .await;
    let mut ticks = scene.redis.subscribe().await;
    socket.send(frame(&[full(token(1), 11)])).unwrap();
    let tick = ticks.tick().await;
    assert_eq!(
        (&tick["seq"], &tick["volume_delta"]),
        (&12.into(), &1.into())
    );
    let report = scene
        .ingestor
        .until("all", |report| report.redis.published == 3)
        .await;
    assert_eq!((report.redis.conflated, report.redis.unknown), (9, 0));
    assert_eq!(report.connections[0].reconnects, 0);
}

#[tokio::test]
async fn a_redis_that_dies_and_returns_gets_the_newest_of_each() {
    let mut scene = Scene::of(1..=50).await;
    let socket = scene.live_socket().await;
    socket.send(round(1)).unwrap();
    scene
        .ingestor
        .until("first round", |report| report.redis.published == 50)
        .await;

    scene.redis.kill().await;
    scene
        .ingestor
        .until("away", |report| !report.redis.connected)
        .await;
    for price in 2..=20 {
        socket.send(round(price)).unwrap();
    }
    scene
        .ingestor
        .until("all rounds", |report| report.ticks_total == 1000)
        .await;
    scene.redis.restart().await;
    let report = scene
        .ingestor
        .until("newest", |report| report.redis.published == 100)
        .await;
    assert_eq!((report.redis.conflated, report.redis.unknown), (900, 0));
    assert_eq!(report.connections[0].reconnects, 0);
    let mut ticks = scene.redis.subscribe().await;
    socket.send(round(21)).unwrap();
    for number in 1..=50 {
        let tick = ticks.tick().await;
        assert_eq!(
            (&tick["seq"], &tick["volume_delta"]),
            (&(1000 + number).into(), &1.into())
        );
    }
}

#[tokio::test]
async fn a_frozen_redis_stops_neither_sockets_nor_order() {
    let mut scene = Scene::of(1..=50).await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    socket.send(round(1)).unwrap();
    scene
        .ingestor
        .until("first round", |report| report.redis.published == 50)
        .await;

    scene.redis.signal("-STOP");
    // Several windows of unanswered messages.
    for price in 2..=201 {
        socket.send(round(price)).unwrap();
    }
    // Ticks go on until the silence is noticed: a socket without any would be mute.
    let mut newest_price = 201;
    let noticed = async {
        let mut beat = tokio::time::interval(BEAT);
        while scene.ingestor.report().await.redis.connected {
            beat.tick().await;
            newest_price += 1;
            socket.send(round(newest_price)).unwrap();
        }
    };
    within("the silence is noticed", noticed).await;
    let total = 50 * newest_price as u64;
    let report = scene
        .ingestor
        .until("all rounds", |report| {
            report.ticks_total == total && !report.redis.connected
        })
        .await;
    assert_eq!(report.redis.error.as_deref(), Some("redis does not answer"));
    assert!(report.redis.conflated > 0, "the window is bounded");

    scene.redis.signal("-CONT");
    let all = |report: &Report| report.redis.published + report.redis.conflated == total;
    let report = scene.ingestor.until("everything", all).await;
    assert_eq!(
        (report.redis.unknown, report.connections[0].reconnects),
        (0, 0)
    );
    let mut last_seq = 0;
    let mut newest = std::collections::HashMap::new();
    for _ in 0..report.redis.published {
        let tick = ticks.tick().await;
        let seq = tick["seq"].as_u64().unwrap();
        assert!(seq > last_seq, "{seq} after {last_seq}");
        last_seq = seq;
        newest.insert(
            tick["token"].as_u64().unwrap(),
            tick["volume"].as_u64().unwrap(),
        );
    }
    assert_eq!(last_seq, total);
    let newest_volume = newest_price as u64;
    assert!(
        newest.len() == 50 && newest.values().all(|volume| *volume == newest_volume),
        "{newest:?}"
    );
}

/// Commands of a link must not be executed after the first command of the next one.
#[tokio::test]
async fn a_new_link_ends_the_one_before_and_no_other() {
    let (redis, access) = (RedisServer::start().await, access());
    let target = ServerTarget::node(Address::parse("127.0.0.1", redis.port(), false).unwrap());
    let mut old = establish(&target, &access, "ours", None).await.unwrap();
    let other = establish(&target, &access, "theirs", None).await.unwrap();
    let _fails_to_end_other = establish(&target, &access, "ours", other.id).await.unwrap();
    let _next = establish(&target, &access, "ours", old.id).await.unwrap();
    let mut byte = [0];
    let ended = within("the end of the old link", old.stream.read(&mut byte)).await;
    assert_eq!(ended.unwrap(), 0);
    let other = format!("id={} ", other.id.unwrap());
    let open = redis.command(&["CLIENT", "LIST"]).await;
    assert!(
        open.lines().any(|line| line.starts_with(&other)),
        "another's link stays although its number was named: {open}"
    );
}

/// A server with paused writes answers everything else: that must not end a link.
#[tokio::test]
async fn a_pause_of_writes_is_waited_out() {
    let mut scene = Scene::of([1]).await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    scene
        .redis
        .command(&["CLIENT", "PAUSE", "4000", "WRITE"])
        .await;
    for price in 1..=10 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    for seq in 1..=10 {
        assert_eq!(ticks.tick().await["seq"], seq);
    }
    let all = |report: &Report| report.redis.published == 10;
    let report = scene.ingestor.until("all published", all).await;
    assert_eq!(report.redis.unknown, 0);
    let metrics = scene.ingestor.get("/metrics").await.1;
    assert!(metrics.contains("kiteticker_redis_reconnects_total 0"));
}
