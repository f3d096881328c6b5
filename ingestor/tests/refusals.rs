//! A Redis that rejects commands: what is reported, and that ticks still flow where they can.

mod stage;

use contract::Report;
use stage::kite_server::{KiteServer, frame, full, round};
use stage::redis_server::{RedisServer, free_port};
use stage::{ACCESS_TOKEN, Folders, Ingestor, assignment, fifty, is_live, keep_all, option, token};

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
