//! Assignments one after the other: what changes, and what stays as it is.

mod stage;

use contract::Sealed;
use kite::Command;
use stage::kite_server::{KiteServer, Seen, frame, full};
use stage::redis_server::RedisServer;
use stage::{ACCESS_TOKEN, Folders, Ingestor, assignment, is_live, option, token};

#[tokio::test]
async fn a_change_of_the_assignment_disturbs_nobody() {
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    let mut ticks = redis.subscribe().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1), option(2)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    kite.sees_subscription(&[1, 2]).await;
    ingestor.until("live", is_live).await;
    socket
        .send(frame(&[full(token(1), 10), full(token(2), 10)]))
        .unwrap();
    assert_eq!(ticks.tick().await["seq"], 1);
    assert_eq!(ticks.tick().await["seq"], 2);

    assigned.generation = 2;
    assigned.instruments = vec![option(1), option(3)];
    folders.assign(&assigned);
    assert_eq!(
        kite.seen().await,
        Seen::Command(Command::Unsubscribe(vec![token(2)]))
    );
    kite.sees_subscription(&[3]).await;
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
    let report = ingestor.until("both", |report| report.streaming == 2).await;
    assert_eq!(report.connections[0].reconnects, 0);
    assert!(kite.nothing_seen(), "one socket, no more commands");
    let metrics = ingestor.get("/metrics").await.1;
    assert!(
        metrics.contains(r#"errors_total{error_type="unknown_token"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_bad_assignment_changes_nothing_and_is_reported() {
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    let mut ticks = redis.subscribe().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor.until("live", is_live).await;
    let mut broken = Sealed::new(&assigned);
    broken.gzip.truncate(30);
    folders.assign_sealed(&broken);
    let report = ingestor
        .until("complaint", |report| report.assignment_error.is_some())
        .await;
    assert_eq!(report.assignment.unwrap().generation, 1);
    socket.send(frame(&[full(token(1), 5)])).unwrap();
    assert_eq!(ticks.tick().await["seq"], 1);
    assert!(ingestor.get("/health").await.1.contains("cannot be used"));

    assigned.generation = 2;
    folders.assign(&assigned);
    let report = ingestor
        .until("no complaint", |report| report.assignment_error.is_none())
        .await;
    assert_eq!(report.assignment.unwrap().generation, 2);
    assert_eq!(report.connections[0].reconnects, 0);
}

#[tokio::test]
async fn another_endpoint_is_dialled_and_the_old_socket_closed() {
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    let mut other = KiteServer::start().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let _ingestor = Ingestor::start(&folders).await;
    let _socket = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    kite.sees_subscription(&[1]).await;
    assigned.generation = 2;
    assigned.websocket = other.origin();
    folders.assign(&assigned);
    assert_eq!(kite.seen().await, Seen::CloseFrame);
    let _socket = other.socket().await;
    assert_eq!(other.seen().await, Seen::Opened);
    other.sees_subscription(&[1]).await;
}
