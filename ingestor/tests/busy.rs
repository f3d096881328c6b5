//! A Redis that is busy with a long-running script.

mod stage;

use contract::Report;
use stage::kite_server::{frame, full};
use stage::scene::Scene;
use stage::{is_live, token};
use tokio::process::Command;

#[tokio::test]
async fn ticks_wait_while_a_script_keeps_redis_busy() {
    let mut scene = Scene::of(1..=2).await;
    let socket = scene.live_socket().await;
    let Scene {
        redis, ingestor, ..
    } = &scene;
    let mut ticks = redis.subscribe().await;
    let setting = ["CONFIG", "SET", "busy-reply-threshold", "100"];
    redis.command(&setting).await;
    let mut script = Command::new("redis-cli")
        .args(["-p", &redis.port().to_string()])
        .args(["EVAL", "while true do end", "0"])
        .kill_on_drop(true)
        .spawn()
        .expect("redis-cli");
    // From then on every command is rejected.
    let port = redis.port().to_string();
    stage::within("a busy redis", async {
        loop {
            let asked = Command::new("redis-cli")
                .args(["-p", &port, "PING"])
                .output();
            let answer = asked.await.expect("redis-cli").stdout;
            if answer.starts_with(b"BUSY ") {
                return;
            }
        }
    })
    .await;
    socket.send(frame(&[full(token(1), 1)])).expect("a socket");
    let busy = |report: &Report| {
        let error = report.redis.error.as_deref().unwrap_or_default();
        !report.redis.connected && error.contains("BUSY Redis is busy")
    };
    ingestor.until("a link that is given up", busy).await;
    for price in 2..=9 {
        let packets = [full(token(1), price), full(token(2), price)];
        socket.send(frame(&packets)).expect("a socket");
    }
    let conflated = |report: &Report| report.redis.conflated == 14;
    ingestor
        .until("seven of each are conflated", conflated)
        .await;
    redis.command(&["SCRIPT", "KILL"]).await;
    for _ in 0..2 {
        assert_eq!(ticks.tick().await["volume"], 9, "the newest");
    }
    let both = |report: &Report| is_live(report) && report.redis.published == 2;
    let report = ingestor.until("live again", both).await;
    let (unknown, reconnects) = (report.redis.unknown, report.connections[0].reconnects);
    assert_eq!((unknown, reconnects), (0, 0));
    let metrics = ingestor.get("/metrics").await.1;
    let refused = "\nredis_publish_failures_total 1\n";
    assert!(metrics.contains(refused), "{metrics}");
    script.wait().await.expect("its end");
}
