//! A Redis that rejects commands: what is reported, and that ticks still flow where they can.

mod stage;

use contract::Report;
use stage::kite_server::{KiteServer, frame, full, round};
use stage::redis_server::{RedisServer, free_port};
use stage::scene::Scene;
use stage::{ACCESS_TOKEN, Folders, assignment, fifty, is_live, keep_all, option, servers, token};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_redis_that_refuses_what_is_published_is_no_redis() {
    let mut scene = Scene::of(1..=50).await;
    let socket = scene.live_socket().await;
    scene.redis.publisher(&["-publish"]).await;
    socket.send(round(1)).unwrap();
    // Answers may come in several parts.
    let refused = |report: &Report| !report.redis.connected && report.redis.refused == 50;
    let report = scene.ingestor.until("refused", refused).await;
    let error = report.redis.error.unwrap();
    assert!(
        error.starts_with("redis refuses what is published: NOPERM"),
        "{error}"
    );
    assert!(scene.ingestor.get("/health").await.1.contains("degraded"));
    let metrics = scene.ingestor.get("/metrics").await.1;
    assert!(
        metrics.contains("redis_publish_failures_total 50"),
        "{metrics}"
    );

    scene.redis.publisher(&["+publish"]).await;
    socket.send(round(2)).unwrap();
    let report = scene
        .ingestor
        .until("taken again", |report| {
            report.redis.connected && report.redis.published == 50
        })
        .await;
    assert_eq!(
        (report.redis.published, report.connections[0].reconnects),
        (50, 0)
    );
    // One line for fifty refusals.
    let log = scene.ingestor.logged("ticks are lost").await;
    assert_eq!(log.matches("ticks are lost").count(), 1);
}

#[tokio::test]
async fn no_volume_is_told_against_a_tick_that_was_refused() {
    let mut scene = Scene::of(1..=50).await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    socket.send(frame(&[full(token(1), 10)])).unwrap();
    assert_eq!(ticks.tick().await["volume"], 10);
    scene.redis.publisher(&["-publish"]).await;
    socket.send(frame(&[full(token(1), 12)])).unwrap();
    let refused = |report: &Report| !report.redis.connected;
    scene.ingestor.until("refused", refused).await;
    scene.redis.publisher(&["+publish"]).await;
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
    let ((kite, replica, folders), master) = (servers().await, RedisServer::start().await);
    let mut assigned = fifty(&kite, replica.port());
    keep_all(&mut assigned, None);
    let port = master.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let mut scene = Scene::between(kite, replica, folders, assigned).await;
    let socket = scene.kite.socket().await;
    socket.send(round(1)).unwrap();
    let report = scene
        .ingestor
        .until("the replica", |report| {
            let error = report.redis.error.as_deref().unwrap_or_default();
            !report.redis.connected && error.contains("replica")
        })
        .await;
    assert_eq!(report.connections[0].reconnects, 0);
    scene.redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    let mut ticks = scene.redis.subscribe().await;
    scene.ingestor.until("the master", is_live).await;
    socket.send(round(2)).unwrap();
    while ticks.tick().await["price"] != 0.02 {}
}

/// The same where nothing is stored: no rejected key shows what the server became.
#[tokio::test]
async fn a_master_that_was_demoted_is_noticed_although_no_key_is_written() {
    let mut scene = Scene::of([1]).await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    assert_eq!(ticks.tick().await["volume"], 1);
    let master = RedisServer::start().await;
    let port = master.port().to_string();
    scene
        .redis
        .command(&["REPLICAOF", "127.0.0.1", &port])
        .await;
    let demoted = |report: &Report| {
        let error = report.redis.error.as_deref().unwrap_or_default();
        !report.redis.connected && error.contains("redis is a replica")
    };
    scene.ingestor.until("the demotion", demoted).await;
    socket.send(frame(&[full(token(1), 2)])).unwrap();
    scene.redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    let mut ticks = scene.redis.subscribe().await;
    scene.ingestor.until("the promotion", is_live).await;
    socket.send(frame(&[full(token(1), 3)])).unwrap();
    while ticks.tick().await["volume"] != 3 {}
}

/// Nor where the user may not send HELLO: a write without effect shows it.
#[tokio::test]
async fn a_replica_that_says_nothing_of_itself_is_noticed() {
    let ((kite, replica, folders), master) = (servers().await, RedisServer::start().await);
    replica.publisher(&["-hello"]).await;
    let port = master.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let mut assigned = assignment(&kite, replica.port());
    assigned.instruments = vec![option(1)];
    let scene = Scene::between(kite, replica, folders, assigned).await;
    let told = |report: &Report| {
        let error = report.redis.error.as_deref().unwrap_or_default();
        error.contains("redis is a replica")
    };
    scene.ingestor.until("the replica", told).await;
}

/// Nor where a write says nothing at first, because the master lacks replicas: it is tried again.
#[tokio::test]
async fn a_master_that_accepted_no_writes_at_first_is_noticed_when_it_is_demoted() {
    let ((kite, redis, folders), master) = (servers().await, RedisServer::start().await);
    redis.publisher(&["-hello"]).await;
    let setting = ["CONFIG", "SET", "min-replicas-to-write", "1"];
    redis.command(&setting).await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    assert_eq!(ticks.tick().await["volume"], 1);
    let port = master.port().to_string();
    let demotion = ["REPLICAOF", "127.0.0.1", &port];
    scene.redis.command(&demotion).await;
    let demoted = |report: &Report| {
        let error = report.redis.error.as_deref().unwrap_or_default();
        !report.redis.connected && error.contains("redis is a replica")
    };
    scene.ingestor.until("the demotion", demoted).await;
}

/// The words of a server that has no room for one more connection.
#[tokio::test]
async fn a_server_that_is_full_is_quoted() {
    let (kite, redis, folders) = servers().await;
    redis.command(&["CONFIG", "SET", "maxclients", "2"]).await;
    let mut others = Vec::new();
    for _ in 0..2 {
        let other = TcpStream::connect(("127.0.0.1", redis.port())).await;
        others.push(other.expect("a connection"));
    }
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    let scene = Scene::between(kite, redis, folders, assigned).await;
    let full = |report: &Report| {
        let error = report.redis.error.as_deref().unwrap_or_default();
        error.contains("max number of clients reached")
    };
    scene.ingestor.until("the words", full).await;
    scene.folders.redis_of(&[]);
    let refused = |report: &Report| {
        report.redis.error.as_deref() == Some("redis refused: ERR max number of clients reached")
    };
    scene
        .ingestor
        .until("the words without a login", refused)
        .await;
    drop(others);
    scene
        .ingestor
        .until("room", |report| report.redis.connected)
        .await;
}

/// A full disk makes Redis reject keys, and a PING; it still carries ticks.
#[tokio::test]
async fn a_redis_that_cannot_save_carries_ticks() {
    let (kite, folders) = (KiteServer::start().await, Folders::new());
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
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    let socket = scene.kite.socket().await;
    let mut ticks = scene.redis.subscribe().await;
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    assert_eq!(ticks.tick().await["seq"], 1);
}
