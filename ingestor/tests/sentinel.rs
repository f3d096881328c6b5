//! Redis behind Sentinels: the master is found, and found again after a failover.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::Report;
use stage::folders::LOGIN;
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::{RedisServer, free_port};
use stage::sentinel::{PASSWORD, Sentinel};
use stage::{ACCESS_TOKEN, Folders, Ingestor, assignment, option, servers, token};
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;

/// Whether the report has this text about Redis.
fn says(what: &str) -> impl Fn(&Report) -> bool {
    move |report| {
        let error = report.redis.error.as_deref();
        error.is_some_and(|error| error.contains(what))
    }
}

/// An ingestor that publishes the ticks of one instrument to the master that these Sentinels name.
struct Scene {
    folders: Folders,
    ingestor: Ingestor,
    socket: UnboundedSender<Message>,
    _kite: KiteServer,
}

impl Scene {
    async fn of(sentinels: &[u16], files: &[(&str, &str)]) -> Self {
        let (mut kite, folders) = (KiteServer::start().await, Folders::new());
        let nodes = sentinels.iter().map(|port| format!("127.0.0.1:{port}"));
        let nodes: Vec<String> = nodes.collect();
        let mut assigned = assignment(&kite, 1);
        assigned.redis_url = format!("redis-sentinel://{}/ours", nodes.join(","));
        assigned.instruments = vec![option(1)];
        folders.assign(&assigned);
        folders.credentials_of(ACCESS_TOKEN);
        folders.redis_of(&[&LOGIN, files].concat());
        let ingestor = Ingestor::start(&folders).await;
        Self {
            folders,
            socket: kite.socket().await,
            ingestor,
            _kite: kite,
        }
    }

    /// Ticks arrive at `redis`.
    async fn publishes_to(&self, redis: &RedisServer) {
        let mut ticks = redis.subscribe().await;
        self.ingestor
            .until("the master", |report| report.redis.connected)
            .await;
        self.socket.send(frame(&[full(token(1), 1)])).unwrap();
        ticks.tick().await;
    }
}

/// A master, and its replica as soon as it has all data.
async fn pair() -> (RedisServer, RedisServer) {
    let (master, replica) = (RedisServer::start().await, RedisServer::start().await);
    let port = master.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    replica
        .answers(&["ROLE"], |role| role.contains("connected"))
        .await;
    (master, replica)
}

#[tokio::test]
async fn a_failover_is_followed() {
    let (mut kite, mut first, second) = (
        KiteServer::start().await,
        RedisServer::start().await,
        RedisServer::start().await,
    );
    let port = first.port().to_string();
    second.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let sentinel = Sentinel::of(first.port()).await;
    let port = sentinel.port;
    // A Sentinel that is away is skipped.
    let nowhere = free_port().await;
    let folders = Folders::new();
    let mut assigned = assignment(&kite, first.port());
    assigned.redis_url = format!("redis-sentinel://127.0.0.1:{nowhere},127.0.0.1:{port}/ours");
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor
        .until("the master", |report| report.redis.connected)
        .await;
    let mut ticks = first.subscribe().await;
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    assert_eq!(ticks.tick().await["seq"], 1);

    // The Sentinel has to know of the replica before it can choose it.
    let second_port = second.port().to_string();
    sentinel
        .answers(&["SENTINEL", "replicas", "ours"], |replicas| {
            replicas.contains(&second_port)
        })
        .await;
    first.kill().await;
    ingestor
        .until("away", |report| !report.redis.connected)
        .await;
    socket.send(frame(&[full(token(1), 2)])).unwrap();
    let report = ingestor
        .until("the new master", |report| report.redis.connected)
        .await;
    assert_eq!(report.connections[0].reconnects, 0);
    let mut ticks = second.subscribe().await;
    socket.send(frame(&[full(token(1), 3)])).unwrap();
    while ticks.tick().await["seq"] != 3 {}
    assert_eq!(
        second.command(&["ROLE"]).await.lines().next(),
        Some("master")
    );
}

#[tokio::test]
async fn who_knows_no_master_is_told_apart_from_who_does_not_answer() {
    let (mut kite, redis, folders) = servers().await;
    let sentinel = Sentinel::of(redis.port()).await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.redis_url = format!("redis-sentinel://127.0.0.1:{}/theirs", sentinel.port);
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    let ingestor = Ingestor::start(&folders).await;
    let _socket = kite.socket().await;
    ingestor
        .until("no master", says("know no master theirs"))
        .await;
    assigned.generation += 1;
    assigned.redis_url = format!("redis-sentinel://127.0.0.1:{}/ours", free_port().await);
    folders.assign(&assigned);
    ingestor
        .until("no sentinel", says("no sentinel answers"))
        .await;
}

#[tokio::test]
async fn a_sentinel_with_a_password_is_asked_with_it() {
    let redis = RedisServer::start().await;
    let settings = format!("requirepass {PASSWORD}\n");
    let sentinel = Sentinel::with(redis.port(), &settings).await;
    let scene = Scene::of(&[sentinel.port], &[]).await;
    let refused = "the sentinels refuse the login: check sentinel_password";
    let report = scene.ingestor.until("no login", says(refused)).await;
    assert!(says("NOAUTH")(&report), "{report:?}");
    let wrong = [("sentinel_password", "fake-wrong")];
    scene.folders.redis_of(&[&LOGIN, &wrong[..]].concat());
    scene.ingestor.until("a wrong one", says("WRONGPASS")).await;
    for user in [None, Some(("sentinel_username", "default"))] {
        let right: Vec<_> = [Some(("sentinel_password", PASSWORD)), user]
            .into_iter()
            .flatten()
            .collect();
        Scene::of(&[sentinel.port], &right)
            .await
            .publishes_to(&redis)
            .await;
    }
    scene
        .ingestor
        .shows_none_of(&[PASSWORD, "fake-wrong"])
        .await;
}

/// One that was away during a failover, or was set up for a replica.
#[tokio::test]
async fn a_sentinel_that_names_a_replica_is_not_believed() {
    let (master, replica) = pair().await;
    let (wrong, right) = (
        Sentinel::of(replica.port()).await,
        Sentinel::of(master.port()).await,
    );
    Scene::of(&[wrong.port, right.port], &[])
        .await
        .publishes_to(&master)
        .await;
    let scene = Scene::of(&[wrong.port], &[]).await;
    let server = format!(
        "127.0.0.1:{}, named by 127.0.0.1:{}",
        replica.port(),
        wrong.port
    );
    let report = scene.ingestor.until("what it said", says(&server)).await;
    assert!(says("redis is a replica")(&report), "{report:?}");
}

/// The former master was cut off from its Sentinels only: it still answers, and has no readers.
#[tokio::test]
async fn a_master_that_was_replaced_is_left_although_it_answers() {
    let (former, next) = (RedisServer::start().await, RedisServer::start().await);
    let sentinel = Sentinel::of(former.port()).await;
    let scene = Scene::of(&[sentinel.port], &[]).await;
    scene.publishes_to(&former).await;
    let mut ticks = next.subscribe().await;
    sentinel
        .answers(&["SENTINEL", "REMOVE", "ours"], |_| true)
        .await;
    let port = next.port().to_string();
    sentinel
        .answers(
            &["SENTINEL", "MONITOR", "ours", "127.0.0.1", &port, "1"],
            |_| true,
        )
        .await;
    scene
        .ingestor
        .until(
            "the former one is left",
            says("name another server as the master"),
        )
        .await;
    scene
        .ingestor
        .until("the next one", |report| report.redis.connected)
        .await;
    scene.socket.send(frame(&[full(token(1), 2)])).unwrap();
    while ticks.tick().await["volume"] != 2 {}
}
