//! Redis away, stopped, or back: what is sent, what is counted, and that the sockets are not
//! affected.

mod stage;

use contract::Report;
use redis_link::access::Access;
use redis_link::handshake::establish;
use redis_link::target::ServerTarget;
use service::stream::Address;
use service::tls::Roots;
use stage::kite_server::{KiteServer, frame, full, round};
use stage::redis_server::{RedisServer, free_port};
use stage::{
    ACCESS_TOKEN, Folders, Ingestor, assignment, fifty, is_live, option, servers, token, within,
};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn ticks_wait_for_a_redis_that_comes_later() {
    let (mut kite, port, folders) = (KiteServer::start().await, free_port().await, Folders::new());
    let mut assigned = assignment(&kite, port);
    assigned.instruments = vec![option(1), option(2)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    for price in 1..=10 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    socket.send(frame(&[full(token(2), 1)])).unwrap();
    let report = ingestor
        .until("ticks", |report| report.ticks_total == 11)
        .await;
    assert!(!report.redis.connected);
    let error = report.redis.error.clone().unwrap();
    assert!(error.contains("cannot connect"), "{error}");
    assert_eq!((report.redis.conflated, report.redis.published), (9, 0));

    let redis = RedisServer::start_at(port).await;
    // A subscriber this late may miss waiting ticks; the server counts them.
    ingestor
        .until("both", |report| report.redis.published == 2)
        .await;
    let mut ticks = redis.subscribe().await;
    socket.send(frame(&[full(token(1), 11)])).unwrap();
    let tick = ticks.tick().await;
    assert_eq!(
        (&tick["seq"], &tick["volume_delta"]),
        (&12.into(), &1.into())
    );
    let report = ingestor
        .until("all", |report| report.redis.published == 3)
        .await;
    assert_eq!((report.redis.conflated, report.redis.unknown), (9, 0));
    assert_eq!(report.connections[0].reconnects, 0);
}

#[tokio::test]
async fn a_redis_that_dies_and_returns_gets_the_newest_of_each() {
    let (mut kite, mut redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    folders.assign(&fifty(&kite, redis.port()));
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor.until("live", is_live).await;
    socket.send(round(1)).unwrap();
    ingestor
        .until("first round", |report| report.redis.published == 50)
        .await;

    redis.kill().await;
    ingestor
        .until("away", |report| !report.redis.connected)
        .await;
    for price in 2..=20 {
        socket.send(round(price)).unwrap();
    }
    ingestor
        .until("all rounds", |report| report.ticks_total == 1000)
        .await;
    redis.restart().await;
    let report = ingestor
        .until("newest", |report| report.redis.published == 100)
        .await;
    assert_eq!((report.redis.conflated, report.redis.unknown), (900, 0));
    assert_eq!(report.connections[0].reconnects, 0);
    let mut ticks = redis.subscribe().await;
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
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    folders.assign(&fifty(&kite, redis.port()));
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor.until("live", is_live).await;
    let mut ticks = redis.subscribe().await;
    socket.send(round(1)).unwrap();
    ingestor
        .until("first round", |report| report.redis.published == 50)
        .await;

    redis.signal("-STOP");
    // Several windows of unanswered messages.
    for price in 2..=201 {
        socket.send(round(price)).unwrap();
    }
    let report = ingestor
        .until("all rounds", |report| {
            report.ticks_total == 10_050 && !report.redis.connected
        })
        .await;
    assert_eq!(report.redis.error.as_deref(), Some("redis does not answer"));
    assert!(report.redis.conflated > 0, "the window is bounded");

    redis.signal("-CONT");
    let all = |report: &Report| report.redis.published + report.redis.conflated == 10_050;
    let report = ingestor.until("everything", all).await;
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
    assert_eq!(last_seq, 10_050);
    assert!(newest.values().all(|volume| *volume == 201), "{newest:?}");
}

/// Commands of a link must not be executed after the first command of the next one.
#[tokio::test]
async fn a_new_link_ends_the_one_before_and_no_other() {
    service::tls::install();
    let redis = RedisServer::start().await;
    let access = Access::new(None, Roots::of_machine()).unwrap();
    let target = ServerTarget::at(Address {
        host: "127.0.0.1".to_owned(),
        port: redis.port(),
        tls: false,
    });
    let mut old = establish(&target, &access, "ours", None).await.unwrap();
    let mut other = establish(&target, &access, "theirs", None).await.unwrap();
    let _fails_to_end_other = establish(&target, &access, "ours", other.id).await.unwrap();
    let _next = establish(&target, &access, "ours", old.id).await.unwrap();
    let mut byte = [0];
    let ended = within("the end of the old link", old.stream.read(&mut byte)).await;
    assert_eq!(ended.unwrap(), 0);
    let open = tokio::time::timeout(std::time::Duration::ZERO, other.stream.read(&mut byte)).await;
    assert!(
        open.is_err(),
        "another's link stays although its number was named"
    );
}

/// A server with paused writes answers everything else: that must not end a link.
#[tokio::test]
async fn a_pause_of_writes_is_waited_out() {
    let (mut kite, redis, folders) = servers().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor.until("live", is_live).await;
    let mut ticks = redis.subscribe().await;
    redis.command(&["CLIENT", "PAUSE", "4000", "WRITE"]).await;
    for price in 1..=10 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    for seq in 1..=10 {
        assert_eq!(ticks.tick().await["seq"], seq);
    }
    let all = |report: &Report| report.redis.published == 10;
    let report = ingestor.until("all published", all).await;
    assert_eq!(report.redis.unknown, 0);
    let metrics = ingestor.get("/metrics").await.1;
    assert!(metrics.contains("kiteticker_redis_reconnects_total 0"));
}
