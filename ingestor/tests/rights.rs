//! Rights in Redis: the documented ones are enough for everything, and what is missing costs only
//! itself.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::{Report, StreamLength};
use stage::kite_server::{frame, full};
use stage::redis_server::{PUBLISHER, Subscriber};
use stage::scene::Scene;
use stage::{DIRECTORY, keep_all, token};
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;

/// Longer than the silence after which a link is suspect, and a few probes. Sockets without ticks
/// would be replaced after a second more.
const PAUSE: &str = "4000";

/// Writes are held back for a while; every tick arrives, on the same link.
async fn outlasts_a_pause(
    scene: &mut Scene,
    socket: &UnboundedSender<Message>,
    ticks: &mut Subscriber,
) {
    let links = scene.ingestor.get("/metrics").await.1;
    let links = reconnects(&links);
    let before = scene.ingestor.report().await.redis;
    scene
        .redis
        .command(&["CLIENT", "PAUSE", PAUSE, "WRITE"])
        .await;
    for price in 1..=10 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    let mut seen = 0;
    while seen < 10 {
        let tick = ticks.tick().await;
        if tick["token"] == token(1).0 && tick["volume"] == seen + 1 {
            seen += 1;
        }
    }
    let all = before.published + 10;
    let report = scene
        .ingestor
        .until("all published", |report| report.redis.published >= all)
        .await;
    assert_eq!(report.redis.unknown, before.unknown);
    let metrics = scene.ingestor.get("/metrics").await.1;
    assert_eq!(reconnects(&metrics), links, "the link stays");
}

/// The line of this metric.
fn reconnects(metrics: &str) -> String {
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.starts_with("kiteticker_redis_reconnects_total "));
    line.unwrap().to_owned()
}

/// Ends the ingestor's connections; new ones are opened.
async fn is_cut_and_comes_back(scene: &Scene) {
    let before = scene.ingestor.get("/metrics").await.1;
    let before = reconnects(&before);
    let clients = scene.redis.command(&["CLIENT", "LIST"]).await;
    for line in clients
        .lines()
        .filter(|line| line.contains("name=kite-ingestor:"))
    {
        let id = line.split(' ').next().unwrap().replace("id=", "");
        scene.redis.command(&["CLIENT", "KILL", "ID", &id]).await;
    }
    let again = |report: &Report| report.redis.connected;
    while reconnects(&scene.ingestor.get("/metrics").await.1) == before {
        scene.ingestor.until("another link", again).await;
    }
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_everything() {
    let mut scene = Scene::with([1, 2], |assigned| {
        assigned.account.mock = false;
        assigned.order_updates = true;
        keep_all(assigned, Some(StreamLength::Seconds(60)));
    })
    .await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    scene
        .redis
        .answers(&["HLEN", DIRECTORY], |count| count == "2")
        .await;
    is_cut_and_comes_back(&scene).await;
    let order = r#"{"type":"order","id":"","data":{"order_id":"7"}}"#;
    socket.send(Message::text(order)).unwrap();
    while ticks.any_message().await.0 != "orders:acct-a" {}
    // The other instrument leaves with its keys.
    for number in [1, 2] {
        socket.send(frame(&[full(token(number), 0)])).unwrap();
    }
    scene
        .redis
        .answers(&["HLEN", "ticker:test:last"], |count| count == "2")
        .await;
    scene.reassign(|assigned| assigned.instruments.truncate(1));
    scene
        .redis
        .answers(&["HLEN", DIRECTORY], |count| count == "1")
        .await;
    scene
        .redis
        .answers(&["HLEN", "ticker:test:last"], |count| count == "1")
        .await;
    outlasts_a_pause(&mut scene, &socket, &mut ticks).await;
    let redis = scene.ingestor.report().await.redis;
    assert_eq!((redis.error, redis.keys_error), (None, None));
    assert!(redis.remarks.is_empty(), "{:?}", redis.remarks);
    scene.redis.has_refused_nothing().await;
}

/// Only the right to publish: nothing of what is stored is configured either.
#[tokio::test]
async fn a_pause_is_waited_out_with_no_right_but_to_publish() {
    let mut scene = Scene::of([1]).await;
    scene
        .redis
        .publisher(&["-@all", "resetkeys", "+publish", "+@connection"])
        .await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    outlasts_a_pause(&mut scene, &socket, &mut ticks).await;
}

/// Some services forbid CLIENT and CONFIG: the link is named and ended by nobody, which is told.
#[tokio::test]
async fn without_client_and_config_only_what_they_are_for_is_missing() {
    let mut scene = Scene::with([1], |assigned| keep_all(assigned, None)).await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    is_cut_and_comes_back(&scene).await;
    scene.redis.publisher(&["-client", "-config"]).await;
    is_cut_and_comes_back(&scene).await;
    let told = |report: &Report| {
        let mut remarks = report.redis.remarks.iter();
        report.redis.connected && remarks.any(|remark| remark.contains("CLIENT KILL"))
    };
    scene.ingestor.until("what is missing", told).await;
    socket.send(frame(&[full(token(1), 7)])).unwrap();
    while ticks.tick().await["volume"] != 7 {}
    outlasts_a_pause(&mut scene, &socket, &mut ticks).await;
    let log = scene
        .ingestor
        .logged("redis forbids something useful")
        .await;
    assert_eq!(log.matches("redis forbids something useful").count(), 1);
    // A later link that has the right withdraws the remark.
    scene.redis.publisher(&["+client"]).await;
    let kill = ["CLIENT", "KILL", "USER", PUBLISHER];
    scene.redis.command(&kill).await;
    let nothing = |report: &Report| report.redis.connected && report.redis.remarks.is_empty();
    scene.ingestor.until("no remark", nothing).await;
}
