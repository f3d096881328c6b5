//! A Redis Cluster: which node gets which command, and what happens when the cluster changes.

mod stage;

use std::time::Duration;

use contract::Report;
use serde_json::Value;
use stage::cluster_scene::{CHANNEL, ClusterScene, LAST};
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_cluster::{RedisCluster, last_line};
use stage::redis_server::Subscriber;
use stage::{ACCESS_TOKEN, Folders, Ingestor, assignment, keep_all, option, token, within};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// Ticks of the other instrument, ten a second: without any the socket would be mute.
async fn flow(socket: mpsc::UnboundedSender<Message>) {
    let mut every = tokio::time::interval(Duration::from_millis(100));
    for price in 1.. {
        every.tick().await;
        socket
            .send(frame(&[full(token(2), price)]))
            .expect("a socket");
    }
}

/// The next ticks are the numbers from `first` to `last`, each once and in order.
async fn are_next(ticks: &mut Subscriber, first: i32, last: i32) {
    for seq in first..=last {
        assert_eq!(ticks.tick().await["seq"], seq);
    }
}

#[tokio::test]
async fn every_node_has_the_ticks_and_keys_are_where_they_belong() {
    let mut scene = ClusterScene::start("").await;
    let mut everywhere = Vec::new();
    for node in &scene.cluster.nodes {
        everywhere.push(node.subscribe().await);
    }
    for _ in 0..100 {
        scene.tick();
    }
    for ticks in &mut everywhere {
        are_next(ticks, 1, 100).await;
    }
    scene.newest_is_kept().await;
    let keys = ["mock:ltp:NFO:TEST1CE", "mock:ticker:258:ltp"];
    for key in keys {
        let owner = scene.cluster.owner(key).await;
        let price = scene.cluster.nodes[owner].command(&["GET", key]).await;
        assert!(price.contains('.'), "{key}: {price}");
    }
    let entries = &["XLEN", "mock:ticker:test:stream"];
    assert_eq!(scene.cluster.command(entries).await, "100");
    let row = &["HGET", "mock:ticker:instruments", "258"];
    assert!(scene.cluster.command(row).await.contains("TEST1CE"));
    // Two instruments came, and the socket is open.
    let events = ["-c", "XLEN", "mock:ticker:events:log"];
    let all = |count: &str| last_line(count) == "3";
    scene.cluster.nodes[1].answers(&events, all).await;
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn a_slot_that_moves_is_followed() {
    let mut scene = ClusterScene::start("").await;
    let mut ticks = scene.cluster.nodes[2].subscribe().await;
    let first = scene.tick();
    are_next(&mut ticks, first, first).await;
    scene.newest_is_kept().await;
    let from = scene.cluster.owner(LAST).await;
    let to = (from + 1) % 3;
    scene.cluster.move_slot(LAST, from, to).await;
    let next = scene.tick();
    scene.newest_is_kept().await;
    are_next(&mut ticks, next, next).await;
    let field = token(1).0.to_string();
    let kept = scene.cluster.nodes[to]
        .command(&["HGET", LAST, &field])
        .await;
    assert!(kept.contains("\"seq\":2"));
    // The earlier rejection is over.
    let whole = |report: &Report| report.redis.connected && report.redis.keys_error.is_none();
    scene.ingestor.until("no complaint", whole).await;
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn sharded_channels_are_followed_too() {
    let mut scene = ClusterScene::start("/sharded").await;
    let from = scene.cluster.owner(CHANNEL).await;
    let mut ticks = scene.cluster.nodes[from].subscribe_shard(CHANNEL).await;
    for _ in 0..10 {
        scene.tick();
    }
    are_next(&mut ticks, 1, 10).await;
    let to = (from + 1) % 3;
    scene.cluster.move_slot(CHANNEL, from, to).await;
    let mut ticks = scene.cluster.nodes[to].subscribe_shard(CHANNEL).await;
    // Commands that the old owner rejects are counted: its answer names the new owner.
    scene.tick();
    let refused = |report: &Report| report.redis.refused == 1;
    scene.ingestor.until("one refused", refused).await;
    let next = scene.tick();
    let tick = ticks.tick().await;
    assert_eq!(
        (&tick["seq"], &tick["volume_delta"]),
        (&next.into(), &Value::Null)
    );
    scene.newest_is_kept().await;
}

#[tokio::test]
async fn a_master_that_dies_is_replaced_by_its_replica() {
    let mut scene = ClusterScene::start("").await;
    let mut ticks = scene.cluster.nodes[2].subscribe().await;
    let first = scene.tick();
    are_next(&mut ticks, first, first).await;
    // All messages go over the master that has slot 0.
    let flowing = tokio::spawn(flow(scene.socket.clone()));
    scene.cluster.nodes[0].kill().await;
    let away = |report: &Report| !report.redis.connected;
    scene.ingestor.until("away", away).await;
    for _ in 0..20 {
        scene.tick();
    }
    let back = |report: &Report| report.redis.connected && report.redis.keys_error.is_none();
    let report = scene.ingestor.until("the replica", back).await;
    assert_eq!(report.connections[0].reconnects, 0);
    flowing.abort();
    assert!(report.redis.conflated >= 19, "{:?}", report.redis);
    let tick = ticks.tick().await;
    let seq = tick["seq"].as_u64().expect("a number");
    assert!(seq > 20, "only the newest of each: {tick}");
    scene.newest_is_kept().await;
}

/// More than a link may leave unanswered, twice.
const MANY: i32 = 8_000;
const PART: i32 = 500;

#[tokio::test]
async fn a_master_that_stands_still_holds_up_its_keys_alone() {
    let mut scene = ClusterScene::start_on("", "ticker:far:options").await;
    assert_eq!(scene.cluster.owner("mock:ticker:far:stream").await, 1);
    for node in &scene.cluster.nodes {
        let setting = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
        node.command(&setting).await;
    }
    let mut ticks = scene.cluster.nodes[2].subscribe().await;
    scene.cluster.nodes[1].signal("-STOP");
    // A part at a time: the home is not to be the one that is too slow.
    for part in 0..MANY / PART {
        for _ in 0..PART {
            scene.tick();
        }
        are_next(&mut ticks, part * PART + 1, (part + 1) * PART).await;
    }
    // Keys of other masters are written meanwhile.
    let field = token(1).0.to_string();
    let kept = ["HGET", "mock:ticker:far:last", &field];
    let newest = |tick: &str| tick.contains(&format!("\"seq\":{MANY},"));
    assert_eq!(scene.cluster.owner("mock:ticker:far:last").await, 0);
    scene.cluster.nodes[0].answers(&kept, newest).await;
    let told = |report: &Report| report.redis.keys_error.is_some();
    let report = scene.ingestor.until("its keys", told).await;
    assert!(report.redis.connected, "ticks flow");
    let error = report.redis.keys_error.unwrap_or_default();
    assert!(error.contains("a master of the redis cluster"), "{error}");
    let metrics = scene.ingestor.get("/metrics").await.1;
    let dropped = metrics.lines().find_map(|line| {
        line.strip_prefix("kiteticker_redis_kept_failures_total ")?
            .parse::<u64>()
            .ok()
    });
    assert!(dropped > Some(0), "what it cannot take is not gathered");
    scene.cluster.nodes[1].signal("-CONT");
    let flowing = tokio::spawn(flow(scene.socket.clone()));
    let over = |report: &Report| report.redis.keys_error.is_none();
    scene.ingestor.until("it answers", over).await;
    flowing.abort();
    // Keys that were rejected meanwhile are written, although no newer tick arrived.
    let price = ["-c", "GET", "mock:ltp:NFO:TEST1CE"];
    let newest = |price: &str| last_line(price) == format!("{}.{:02}", MANY / 100, MANY % 100);
    assert_eq!(scene.cluster.owner(price[2]).await, 1);
    scene.cluster.nodes[2].answers(&price, newest).await;
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn a_master_that_stands_still_is_replaced_by_its_replica() {
    let mut scene = ClusterScene::start("").await;
    let mut ticks = scene.cluster.nodes[2].subscribe().await;
    let first = scene.tick();
    are_next(&mut ticks, first, first).await;
    scene.cluster.nodes[0].signal("-STOP");
    // More than the way to it takes, so that there are newer ones.
    for _ in 0..MANY {
        scene.tick();
    }
    let newest = async { while ticks.tick().await["seq"] != MANY + 1 {} };
    within("the newest, over its replica", newest).await;
    let sent = scene.sent as u64;
    let report = scene.ingestor.until("all is accounted for", |report| {
        let redis = &report.redis;
        let all = redis.published + redis.conflated + redis.unknown + redis.refused;
        redis.connected && redis.keys_error.is_none() && all == sent
    });
    let redis = report.await.redis;
    assert!(redis.unknown > 0 && redis.conflated > 0, "{redis:?}");
    scene.newest_is_kept().await;
}

#[tokio::test]
async fn a_server_that_is_no_cluster_is_told_apart() {
    let (mut kite, redis, folders) = stage::servers().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.redis_url = format!("redis-cluster://127.0.0.1:{}", redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    let ingestor = Ingestor::start(&folders).await;
    let _socket = kite.socket().await;
    let says = |what: &'static str| {
        move |report: &Report| {
            let error = report.redis.error.as_deref();
            error.is_some_and(|error| error.contains(what))
        }
    };
    ingestor
        .until("no cluster", says("it is not part of a cluster"))
        .await;
    drop(redis);
    ingestor
        .until("nobody", says("no node of the redis cluster"))
        .await;
}

/// Messages reach all readers, and most keys are rejected.
#[tokio::test]
async fn a_node_that_is_named_like_a_redis_of_its_own_is_told() {
    let (mut kite, cluster) = (KiteServer::start().await, RedisCluster::start(3).await);
    let folders = Folders::new();
    let mut assigned = assignment(&kite, 1);
    let url = cluster.url("").replace("redis-cluster://", "redis://");
    url.split(',')
        .next()
        .expect("a node")
        .clone_into(&mut assigned.redis_url);
    assigned.channels = vec![CHANNEL.to_owned()];
    assigned.instruments = (1..=20).map(option).collect();
    keep_all(&mut assigned, None);
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    for number in 1..=20 {
        socket
            .send(frame(&[full(token(number), 1)]))
            .expect("a socket");
    }
    let told = |report: &Report| report.redis.keys_error.is_some();
    let redis = ingestor.until("what is wrong", told).await.redis;
    assert!(redis.connected, "ticks flow");
    let error = redis.keys_error.unwrap_or_default();
    assert!(
        error.contains("name it in spec.redis.cluster.nodes"),
        "{error}"
    );
}
