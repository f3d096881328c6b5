//! From a folder and a socket to Redis, with real servers on both sides.

mod stage;

use contract::Sealed;
use contract::report::{ConnectionState, CredentialsReport};
use kite::{Command, Mode, Token};
use stage::kite_server::{KiteServer, Seen, frame, full};
use stage::redis_server::RedisServer;
use stage::{ACCESS_TOKEN, API_KEY, Folders, Ingestor, assignment, is_live, option, token, within};
use tokio_tungstenite::tungstenite::Message;

async fn expect_subscription(kite: &mut KiteServer, numbers: &[u32]) {
    let tokens: Vec<Token> = numbers.iter().map(|number| token(*number)).collect();
    assert_eq!(
        kite.seen().await,
        Seen::Command(Command::Subscribe(tokens.clone()))
    );
    let mode = Command::SetMode(Mode::Full, tokens);
    assert_eq!(kite.seen().await, Seen::Command(mode));
}

#[tokio::test]
async fn a_subscribed_instrument_arrives_in_redis() {
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    let mut ticks = redis.subscribe().await;
    let ingestor = Ingestor::start(&folders).await;
    assert_eq!(ingestor.get("/readyz").await.0, 503);
    folders.credentials_of(ACCESS_TOKEN);
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1), option(2)];
    folders.assign(&assigned);

    let socket = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    expect_subscription(&mut kite, &[1, 2]).await;
    ingestor.until("live", is_live).await;
    socket
        .send(frame(&[full(token(1), 70), full(token(2), 71)]))
        .unwrap();
    socket.send(frame(&[full(token(1), 75)])).unwrap();

    let (channel, first) = ticks.message().await;
    assert_eq!(channel, "ticker:test:options");
    assert_eq!(
        (&first["tradingsymbol"], &first["price"]),
        (&"TEST1CE".into(), &0.70.into())
    );
    assert_eq!(
        (&first["seq"], &first["snapshot"]),
        (&1.into(), &true.into())
    );
    assert_eq!(
        (&first["src"], &first["is_mock"]),
        (&"acct-a".into(), &true.into())
    );
    assert_eq!(ticks.tick().await["tradingsymbol"], "TEST2CE");
    let third = ticks.tick().await;
    assert_eq!(
        (&third["seq"], &third["volume_delta"]),
        (&3.into(), &5.into())
    );
    assert!(third["pub_us"].as_i64() >= third["recv_us"].as_i64());

    let report = ingestor
        .until("three ticks", |report| report.redis.published == 3)
        .await;
    assert_eq!(
        (report.assigned, report.streaming, report.ticks_total),
        (2, 2, 3)
    );
    assert_eq!(report.credentials, CredentialsReport::Accepted);
    assert_eq!(
        report.assignment.unwrap().sha256,
        Sealed::new(&assigned).sha256
    );
    assert_eq!((report.sets[0].assigned, report.sets[0].streaming), (2, 2));
    assert_eq!(ingestor.get("/readyz").await.0, 200);
    assert_eq!(ingestor.get("/livez").await.0, 200);
    assert!(ingestor.get("/health").await.1.contains(r#""status":"ok""#));
    let metrics = ingestor.get("/metrics").await.1;
    assert!(metrics.contains("redis_publish_total 3"), "{metrics}");
}

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
    expect_subscription(&mut kite, &[1, 2]).await;
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
    expect_subscription(&mut kite, &[3]).await;
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
async fn refused_credentials_wait_for_new_ones_and_are_never_logged() {
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    kite.accept_only("fake-token-of-today");
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    folders.credentials_of("fake-token-of-yesterday");
    let ingestor = Ingestor::start(&folders).await;
    assert_eq!(kite.seen().await, Seen::Refused);
    let report = ingestor
        .until("refused", |report| {
            report.credentials == CredentialsReport::Refused
        })
        .await;
    assert_eq!(report.connections[0].state, ConnectionState::Refused);
    let error = report.connections[0].last_error.clone().unwrap();
    assert!(error.contains("403"), "{error}");
    assert!(kite.nothing_seen(), "refused once");

    folders.credentials_of("fake-token-of-today");
    assert_eq!(kite.seen().await, Seen::Opened);
    let report = ingestor.until("live", is_live).await;
    assert_eq!(report.credentials, CredentialsReport::Accepted);
    let text = format!(
        "{} {} {}",
        ingestor.log(),
        ingestor.get("/health").await.1,
        ingestor.get("/metrics").await.1
    );
    assert!(
        text.contains("ticker connection is open"),
        "the log was read"
    );
    for secret in ["fake-token", API_KEY] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn missing_credentials_are_named_and_appear_later() {
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    let ingestor = Ingestor::start(&folders).await;
    let files = vec!["api_key".to_owned(), "access_token".to_owned()];
    let missing = CredentialsReport::Missing { files };
    ingestor
        .until("missing", |report| {
            report.credentials == missing && report.assigned == 1
        })
        .await;
    folders.credentials_of(ACCESS_TOKEN);
    assert_eq!(kite.seen().await, Seen::Opened);
}

#[tokio::test]
async fn broken_frames_disturb_nothing() {
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
    let whole = frame(&[full(token(1), 5), full(token(1), 6)]).into_data();
    let cut = whole.slice(..whole.len() - 1);
    socket.send(Message::Binary(cut)).unwrap();
    socket.send(Message::binary(vec![0])).unwrap();
    socket
        .send(Message::binary(vec![0, 1, 0, 3, 1, 2, 3]))
        .unwrap();
    socket.send(Message::binary(vec![255; 100])).unwrap();
    socket
        .send(Message::text(r#"{"type":"error","data":"a complaint"}"#))
        .unwrap();
    socket.send(Message::text("<html>")).unwrap();
    socket.send(frame(&[full(token(1), 7)])).unwrap();
    assert_eq!(ticks.tick().await["price"], 0.05);
    assert_eq!(ticks.tick().await["price"], 0.07);
    let report = ingestor
        .until("ticks", |report| report.redis.published == 2)
        .await;
    assert_eq!(report.connections[0].reconnects, 0);
    assert_eq!(
        report.connections[0].last_error.as_deref(),
        Some("the server reports: a complaint")
    );
    let metrics = ingestor.get("/metrics").await.1;
    for (kind, count) in [
        ("truncated_frame", 2),
        ("unknown_packet", 1),
        ("server_error", 1),
    ] {
        let line = format!("tick_processing_errors_total{{error_type=\"{kind}\"}} {count}");
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
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
async fn a_lost_socket_is_replaced_and_told_everything_again() {
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    expect_subscription(&mut kite, &[1]).await;
    socket.send(frame(&[full(token(1), 5)])).unwrap();
    ingestor
        .until("streaming", |report| report.streaming == 1)
        .await;
    drop(socket);
    let _next = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    expect_subscription(&mut kite, &[1]).await;
    let report = ingestor.until("live again", is_live).await;
    assert_eq!(report.connections[0].reconnects, 1);
    assert_eq!(
        report.streaming, 0,
        "nothing was seen on the present socket"
    );
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
    expect_subscription(&mut kite, &[1]).await;
    assigned.generation = 2;
    assigned.websocket = other.origin();
    folders.assign(&assigned);
    assert_eq!(kite.seen().await, Seen::CloseFrame);
    let _socket = other.socket().await;
    assert_eq!(other.seen().await, Seen::Opened);
    expect_subscription(&mut other, &[1]).await;
}

#[tokio::test]
async fn connections_open_one_after_the_other() {
    let (mut kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    let mut assigned = assignment(&kite, redis.port());
    assigned.tokens_per_connection = 2;
    assigned.instruments = (1..=2).map(option).collect();
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let _first = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    expect_subscription(&mut kite, &[1, 2]).await;
    assigned.generation = 2;
    assigned.instruments = (1..=3).map(option).collect();
    folders.assign(&assigned);
    let second = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    expect_subscription(&mut kite, &[3]).await;
    second.send(frame(&[full(token(3), 1)])).unwrap();
    let report = ingestor
        .until("two connections", |report| report.streaming == 1)
        .await;
    let loads: Vec<_> = report
        .connections
        .iter()
        .map(|one| (one.instruments, one.streaming))
        .collect();
    assert_eq!(loads, [(2, 0), (1, 1)]);

    assigned.generation = 3;
    assigned.instruments = (1..=2).map(option).collect();
    folders.assign(&assigned);
    assert_eq!(
        kite.seen().await,
        Seen::CloseFrame,
        "a connection without instruments ends"
    );
}

#[tokio::test]
async fn the_end_is_announced_to_the_server() {
    for stdin in [false, true] {
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
        let mut ingestor = Ingestor::start(&folders).await;
        let socket = kite.socket().await;
        assert_eq!(kite.seen().await, Seen::Opened);
        expect_subscription(&mut kite, &[1]).await;
        ingestor.until("live", is_live).await;
        socket.send(frame(&[full(token(1), 5)])).unwrap();
        assert_eq!(ticks.tick().await["seq"], 1);
        if stdin {
            drop(ingestor.child.stdin.take());
        } else {
            ingestor.terminate();
        }
        assert_eq!(kite.seen().await, Seen::CloseFrame);
        let status = within("the end", ingestor.child.wait()).await.unwrap();
        assert!(status.success(), "{status}\n{}", ingestor.log());
    }
}
