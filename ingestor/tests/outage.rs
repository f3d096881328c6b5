//! Redis away, stopped, or back: what is sent, what is counted, and that the sockets are not
//! affected.

mod stage;

use contract::{Assignment, Report};
use redis_link::access::Access;
use redis_link::handshake::establish;
use redis_link::target::ServerTarget;
use service::stream::Address;
use service::tls::Roots;
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::{RedisServer, free_port};
use stage::{
    ACCESS_TOKEN, Folders, Ingestor, assignment, is_live, keep_all, option, servers, token, within,
};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

/// Fifty instruments.
fn fifty(kite: &KiteServer, redis_port: u16) -> Assignment {
    Assignment {
        instruments: (1..=50).map(option).collect(),
        ..assignment(kite, redis_port)
    }
}

/// One packet of each of the fifty.
fn round(price: i32) -> Message {
    let packets: Vec<_> = (1..=50).map(|number| full(token(number), price)).collect();
    frame(&packets)
}

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

#[tokio::test]
async fn a_redis_that_refuses_what_is_published_is_no_redis() {
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
    redis
        .command(&["ACL", "SETUSER", "default", "-publish"])
        .await;
    socket.send(round(1)).unwrap();
    let refused = |report: &Report| !report.redis.connected;
    let report = ingestor.until("refused", refused).await;
    let error = report.redis.error.unwrap();
    assert!(
        error.starts_with("redis refuses what is published: NOPERM"),
        "{error}"
    );
    assert!(ingestor.get("/health").await.1.contains("degraded"));
    let metrics = ingestor.get("/metrics").await.1;
    assert!(
        metrics.contains("redis_publish_failures_total 50"),
        "{metrics}"
    );
    // One line for fifty refusals.
    assert_eq!(ingestor.log().matches("ticks are lost").count(), 1);

    redis
        .command(&["ACL", "SETUSER", "default", "+publish"])
        .await;
    socket.send(round(2)).unwrap();
    let report = ingestor
        .until("taken again", |report| report.redis.connected)
        .await;
    assert_eq!(
        (report.redis.published, report.connections[0].reconnects),
        (50, 0)
    );
}

#[tokio::test]
async fn no_volume_is_told_against_a_tick_that_was_refused() {
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
    socket.send(frame(&[full(token(1), 10)])).unwrap();
    assert_eq!(ticks.tick().await["volume"], 10);
    redis
        .command(&["ACL", "SETUSER", "default", "-publish"])
        .await;
    socket.send(frame(&[full(token(1), 12)])).unwrap();
    let refused = |report: &Report| !report.redis.connected;
    ingestor.until("refused", refused).await;
    redis
        .command(&["ACL", "SETUSER", "default", "+publish"])
        .await;
    socket.send(frame(&[full(token(1), 15)])).unwrap();
    let tick = ticks.tick().await;
    assert_eq!(
        (&tick["volume"], &tick["volume_delta"]),
        (&15.into(), &serde_json::Value::Null)
    );
    socket.send(frame(&[full(token(1), 16)])).unwrap();
    assert_eq!(ticks.tick().await["volume_delta"], 1);
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

/// A master that was replaced accepts messages but has no readers: the link detects it by rejected
/// keys, and goes on when the name leads to a master again.
#[tokio::test]
async fn a_replica_is_no_place_to_publish_to() {
    let (mut kite, master, replica) = (
        KiteServer::start().await,
        RedisServer::start().await,
        RedisServer::start().await,
    );
    let folders = Folders::new();
    let mut assigned = fifty(&kite, replica.port());
    keep_all(&mut assigned, None);
    let port = master.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    socket.send(round(1)).unwrap();
    let report = ingestor
        .until("the replica", |report| {
            let error = report.redis.error.as_deref().unwrap_or_default();
            !report.redis.connected && error.contains("replica")
        })
        .await;
    assert_eq!(report.connections[0].reconnects, 0);
    replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    let mut ticks = replica.subscribe().await;
    ingestor.until("the master", is_live).await;
    socket.send(round(2)).unwrap();
    while ticks.tick().await["price"] != 0.02 {}
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

/// A full disk makes Redis reject keys, and a PING; it still carries ticks.
#[tokio::test]
async fn a_redis_that_cannot_save_carries_ticks() {
    let (mut kite, folders) = (KiteServer::start().await, Folders::new());
    folders.credentials_of(ACCESS_TOKEN);
    let settings = ["--enable-protected-configs", "yes"];
    let redis = RedisServer::start_with(free_port().await, &settings).await;
    // The state after a failed save.
    redis.command(&["CONFIG", "SET", "save", "1 1"]).await;
    redis.command(&["CONFIG", "SET", "dir", "/proc"]).await;
    redis.command(&["SET", "anything", "1"]).await;
    redis
        .answers(&["INFO", "persistence"], |info| {
            info.contains("rdb_last_bgsave_status:err")
        })
        .await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    let mut ticks = redis.subscribe().await;
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    assert_eq!(ticks.tick().await["seq"], 1);
}
