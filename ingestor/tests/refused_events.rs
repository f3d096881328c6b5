//! Redis refuses a part of what belongs to an event: it is told, and everything else goes on.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use std::collections::BTreeMap;

use contract::Report;
use stage::redis_server::Subscriber;
use stage::scene::Scene;
use stage::{DIRECTORY, servers, stored_options};
use tokio_tungstenite::tungstenite::Message;

/// Sockets that are closed by Kite, one after the other: two events each.
const SOCKETS: usize = 4;

fn remarks<'a>(report: &'a Report, about: &str) -> Vec<&'a String> {
    let remarks = report.redis.remarks.iter();
    remarks.filter(|remark| remark.contains(about)).collect()
}

/// Closes sockets and counts the events on `channel`, until the last socket was told.
async fn close_sockets(scene: &mut Scene, messages: &mut Subscriber, channel: &str) {
    for _ in 0..SOCKETS {
        let socket = scene.kite.socket().await;
        socket.send(Message::Close(None)).unwrap();
    }
    let _last = scene.kite.socket().await;
    let mut counts = BTreeMap::new();
    while counts.get("connected") != Some(&(SOCKETS + 1)) {
        let (found, json) = messages.any_message().await;
        if found == channel {
            let kind = json["event_type"].as_str().unwrap_or_default();
            *counts.entry(kind.to_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.get("disconnected"), Some(&SOCKETS), "{counts:?}");
}

#[tokio::test]
async fn an_event_is_published_once_although_its_log_is_refused() {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    redis
        .command(&["SET", "ticker:events:log", "no stream"])
        .await;
    let assigned = stored_options(&kite, &redis, &[1, 2]);
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    close_sockets(&mut scene, &mut messages, "ticker:events").await;
    let told = |report: &Report| !remarks(report, "WRONGTYPE").is_empty();
    let report = scene.ingestor.until("what is refused", told).await;
    let remark = remarks(&report, "WRONGTYPE")[0];
    assert!(remark.starts_with("events are not added to the stream ticker:events:log"));
    assert!(report.redis.connected && report.redis.keys_error.is_none());
    let metrics = scene.ingestor.get("/metrics").await.1;
    assert!(
        metrics.contains("kiteticker_events_failures_total 0"),
        "{metrics}"
    );
    assert!(!metrics.contains("kiteticker_events_refused_total{part=\"log\"} 0"));
    // The directory is kept all the same.
    scene
        .redis
        .answers(&["HLEN", DIRECTORY], |count| count == "2")
        .await;
    scene
        .ingestor
        .logged("events are not added to the stream")
        .await;
}

#[tokio::test]
async fn events_go_on_although_the_directory_is_refused() {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    redis.command(&["SET", DIRECTORY, "no hash"]).await;
    let assigned = stored_options(&kite, &redis, &[1]);
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    close_sockets(&mut scene, &mut messages, "ticker:events").await;
    let told = |report: &Report| !remarks(report, "the directory of instruments").is_empty();
    scene.ingestor.until("what is refused", told).await;
    let metrics = scene.ingestor.get("/metrics").await.1;
    assert!(
        metrics.contains("kiteticker_events_failures_total 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn events_go_on_although_one_of_their_channels_is_refused() {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    redis
        .publisher(&["resetchannels", "&ticker:test:options", "&ticker:events"])
        .await;
    let assigned = stored_options(&kite, &redis, &[1]);
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    close_sockets(&mut scene, &mut messages, "ticker:events").await;
    let told = |report: &Report| !remarks(report, "ticker:test:events").is_empty();
    let report = scene.ingestor.until("what is refused", told).await;
    assert!(remarks(&report, "NOPERM").len() == 1, "{report:?}");
    let log = scene.redis.command(&["XLEN", "ticker:events:log"]).await;
    assert!(log.trim().parse::<usize>().unwrap() > 2 * SOCKETS, "{log}");
}
