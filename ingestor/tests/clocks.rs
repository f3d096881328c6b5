//! A Redis whose clock differs from this machine's: streams keep what they should, and the difference
//! is told.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::{Report, StreamLength};
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::{RedisServer, free_port};
use stage::scene::Scene;
use stage::{ACCESS_TOKEN, Folders, LOOK, assignment, keep_all, option, token, within};

/// Nodes of a stream are removed whole: with these small ones it is trimmed to the entry.
const SMALL_NODES: [&str; 2] = ["--stream-node-max-entries", "1"];

const STREAM: &str = "ticker:test:stream";

/// One instrument whose ticks stay in a stream for so many seconds, in a Redis whose clock is ahead.
async fn scene(ahead: i64, seconds: u32) -> Scene {
    let (kite, folders) = (KiteServer::start().await, Folders::new());
    folders.credentials_of(ACCESS_TOKEN);
    let redis = RedisServer::start_ahead(ahead, free_port().await, &SMALL_NODES).await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.account.mock = false;
    assigned.instruments = vec![option(1)];
    keep_all(&mut assigned, Some(StreamLength::Seconds(seconds)));
    Scene::between(kite, redis, folders, assigned).await
}

#[tokio::test]
async fn a_stream_is_trimmed_by_the_time_of_its_server() {
    let mut scene = scene(-90, 60).await;
    let socket = scene.live_socket().await;
    let mut ticks = scene.redis.subscribe().await;
    for price in 1..=20 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
        assert_eq!(ticks.tick().await["volume"], price);
    }
    scene
        .redis
        .answers(&["XLEN", STREAM], |count| count == "20")
        .await;
    let differs = |report: &Report| report.redis.clock_ahead_ms.is_some();
    let redis = scene.ingestor.until("the difference", differs).await.redis;
    let ahead = redis.clock_ahead_ms.unwrap();
    assert!((-92_000..=-89_000).contains(&ahead), "{ahead}");
    let remark = "the clock of this machine is more than a minute ahead of that of redis";
    let mut remarks = redis.remarks.iter();
    assert!(remarks.any(|it| it.starts_with(remark)), "{redis:?}");
    let metrics = scene.ingestor.get("/metrics").await.1;
    assert!(
        metrics.contains("kiteticker_redis_clock_ahead_seconds -"),
        "{metrics}"
    );
}

#[tokio::test]
async fn old_entries_leave_a_stream_whatever_the_clock_of_its_server_is() {
    let mut scene = scene(-90, 1).await;
    let socket = scene.live_socket().await;
    let mut look = tokio::time::interval(10 * LOOK);
    let trimmed = async {
        for sent in 1.. {
            look.tick().await;
            socket.send(frame(&[full(token(1), sent)])).unwrap();
            let count = scene.redis.command(&["XLEN", STREAM]).await;
            if sent > count.trim().parse::<i32>().unwrap() + 5 {
                return;
            }
        }
    };
    within("old entries leave", trimmed).await;
}

/// The log of a day, in a server whose clock is more than a day behind.
#[tokio::test]
async fn the_log_of_events_is_trimmed_by_the_time_of_its_server() {
    let mut scene = scene(-90_000, 60).await;
    for _ in 0..3 {
        let socket = scene.live_socket().await;
        socket
            .send(tokio_tungstenite::tungstenite::Message::Close(None))
            .unwrap();
    }
    let log = ["XRANGE", "ticker:events:log", "-", "+"];
    scene
        .redis
        .answers(&log, |log| log.matches("\"disconnected\"").count() == 3)
        .await;
}
