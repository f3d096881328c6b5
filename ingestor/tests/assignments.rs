//! Assignments one after the other: what changes, and what stays as it is.

mod stage;

use contract::Sealed;
use kite::Command;
use stage::kite_server::{KiteServer, Seen, frame, full};
use stage::scene::Scene;
use stage::{is_live, option, token};

#[tokio::test]
async fn a_change_of_the_assignment_disturbs_nobody() {
    let mut scene = Scene::of(1..=2).await;
    let mut ticks = scene.redis.subscribe().await;
    let socket = scene.kite.socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    scene.kite.sees_subscription(&[1, 2]).await;
    // At once: what has not come after a while is asked for again.
    socket
        .send(frame(&[full(token(1), 10), full(token(2), 10)]))
        .unwrap();
    scene.ingestor.until("live", is_live).await;
    assert_eq!(ticks.tick().await["seq"], 1);
    assert_eq!(ticks.tick().await["seq"], 2);

    scene.reassign(|assigned| assigned.instruments = vec![option(1), option(3)]);
    assert_eq!(
        scene.kite.seen().await,
        Seen::Command(Command::Unsubscribe(vec![token(2)]))
    );
    scene.kite.sees_subscription(&[3]).await;
    socket
        .send(frame(&[
            full(token(1), 12),
            full(token(2), 12),
            full(token(3), 12),
        ]))
        .unwrap();
    let first = ticks.tick().await;
    assert_eq!(
        (&first["seq"], &first["volume_delta"]),
        (&3.into(), &2.into())
    );
    assert_eq!(
        first.get("snapshot"),
        None,
        "it was not subscribed to again"
    );
    let second = ticks.tick().await;
    assert_eq!(
        (&second["seq"], &second["snapshot"]),
        (&4.into(), &true.into())
    );
    assert_eq!(second["tradingsymbol"], "TEST3CE");
    let report = scene.ingestor.until("both", |report| report.streaming == 2);
    assert_eq!(report.await.connections[0].reconnects, 0);
    assert!(scene.kite.nothing_seen(), "one socket, no more commands");
    let metrics = scene.ingestor.get("/metrics").await.1;
    assert!(
        metrics.contains(r#"errors_total{error_type="unknown_token"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_bad_assignment_changes_nothing_and_is_reported() {
    let mut scene = Scene::of([1]).await;
    let mut ticks = scene.redis.subscribe().await;
    let socket = scene.live_socket().await;
    let mut broken = Sealed::new(&scene.assigned);
    broken.gzip.truncate(30);
    scene.folders.assign_sealed(&broken);
    let report = scene
        .ingestor
        .until("complaint", |report| report.assignment_error.is_some())
        .await;
    assert_eq!(report.assignment.unwrap().generation, 1);
    socket.send(frame(&[full(token(1), 5)])).unwrap();
    assert_eq!(ticks.tick().await["seq"], 1);
    let health = scene.ingestor.get("/health").await.1;
    assert!(health.contains("cannot be used"));

    scene.reassign(|_same| {});
    let report = scene
        .ingestor
        .until("no complaint", |report| report.assignment_error.is_none())
        .await;
    assert_eq!(report.assignment.unwrap().generation, 2);
    assert_eq!(report.connections[0].reconnects, 0);
}

#[tokio::test]
async fn another_endpoint_is_dialled_and_the_old_socket_closed() {
    let (mut scene, mut other) = (Scene::of([1]).await, KiteServer::start().await);
    let socket = scene.kite.socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    scene.kite.sees_subscription(&[1]).await;
    // Otherwise it is asked for again after a while.
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    scene.reassign(|assigned| assigned.websocket = other.origin());
    assert_eq!(scene.kite.seen().await, Seen::CloseFrame);
    let _socket = other.socket().await;
    assert_eq!(other.seen().await, Seen::Opened);
    other.sees_subscription(&[1]).await;
}
