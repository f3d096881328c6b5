//! From a folder and a socket to Redis, with real servers on both sides.

mod stage;

use contract::Sealed;
use contract::report::{CredentialsReport, Report};
use stage::kite_server::{KiteServer, Seen, frame, full};
use stage::redis_server::RedisServer;
use stage::scene::Scene;
use stage::{ACCESS_TOKEN, API_KEY, Folders, Ingestor, assignment, is_live, option, token, within};
use tokio_tungstenite::tungstenite::Message;

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
    kite.sees_subscription(&[1, 2]).await;
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
    ingestor.until_status("/readyz", 200).await;
    assert_eq!(ingestor.get("/livez").await.0, 200);
    assert!(ingestor.get("/health").await.1.contains(r#""status":"ok""#));
    let metrics = ingestor.get("/metrics").await.1;
    assert!(metrics.contains("redis_publish_total 3"), "{metrics}");
}

#[tokio::test]
async fn broken_frames_disturb_nothing() {
    let mut scene = Scene::of([1]).await;
    let mut ticks = scene.redis.subscribe().await;
    let socket = scene.live_socket().await;
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
    let report = scene
        .ingestor
        .until("ticks", |report| report.redis.published == 2)
        .await;
    assert_eq!(report.connections[0].reconnects, 0);
    assert_eq!(
        report.connections[0].last_error.as_deref(),
        Some("the server reports: a complaint")
    );
    // Some errors repeat what the server was asked with.
    let error = format!(r#"{{"type":"error","data":"no session for {API_KEY}: {ACCESS_TOKEN}"}}"#);
    socket.send(Message::text(error)).unwrap();
    let told = |report: &Report| {
        let error = report.connections[0].last_error.as_deref();
        error == Some("the server reports: no session for [api key]: [access token]")
    };
    scene.ingestor.until("no secrets", told).await;
    let log = scene.ingestor.logged("no session for").await;
    assert!(
        !log.contains(API_KEY) && !log.contains(ACCESS_TOKEN),
        "{log}"
    );
    let metrics = scene.ingestor.get("/metrics").await.1;
    for (kind, count) in [
        ("truncated_frame", 2),
        ("unknown_packet", 1),
        ("server_error", 2),
    ] {
        let line = format!("tick_processing_errors_total{{error_type=\"{kind}\"}} {count}");
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_lost_socket_is_replaced_and_told_everything_again() {
    let mut scene = Scene::of([1]).await;
    let socket = scene.kite.socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    scene.kite.sees_subscription(&[1]).await;
    socket.send(frame(&[full(token(1), 5)])).unwrap();
    scene
        .ingestor
        .until("streaming", |report| report.streaming == 1)
        .await;
    drop(socket);
    let _next = scene.kite.socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    scene.kite.sees_subscription(&[1]).await;
    let report = scene.ingestor.until("live again", is_live).await;
    assert_eq!(report.connections[0].reconnects, 1);
    assert_eq!(
        report.streaming, 0,
        "nothing was seen on the present socket"
    );
}

#[tokio::test]
async fn connections_open_one_after_the_other() {
    let mut scene = Scene::with(1..=2, |assigned| assigned.tokens_per_connection = 2).await;
    let first = scene.kite.socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    scene.kite.sees_subscription(&[1, 2]).await;
    // Otherwise they are asked for again after a while.
    first
        .send(frame(&[full(token(1), 1), full(token(2), 1)]))
        .unwrap();
    scene.reassign(|assigned| assigned.instruments = (1..=3).map(option).collect());
    let second = scene.kite.socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    scene.kite.sees_subscription(&[3]).await;
    second.send(frame(&[full(token(3), 1)])).unwrap();
    let report = scene
        .ingestor
        .until("two connections", |report| report.streaming == 3)
        .await;
    let loads: Vec<_> = report
        .connections
        .iter()
        .map(|one| (one.instruments, one.streaming))
        .collect();
    assert_eq!(loads, [(2, 2), (1, 1)]);

    scene.reassign(|assigned| assigned.instruments = (1..=2).map(option).collect());
    assert_eq!(
        scene.kite.seen().await,
        Seen::CloseFrame,
        "a connection without instruments ends"
    );
}

#[tokio::test]
async fn the_end_is_announced_to_the_server() {
    for stdin in [false, true] {
        let mut scene = Scene::of([1]).await;
        let mut ticks = scene.redis.subscribe().await;
        let socket = scene.kite.socket().await;
        assert_eq!(scene.kite.seen().await, Seen::Opened);
        scene.kite.sees_subscription(&[1]).await;
        // At once: what has not come after a while is asked for again.
        socket.send(frame(&[full(token(1), 5)])).unwrap();
        scene.ingestor.until("live", is_live).await;
        assert_eq!(ticks.tick().await["seq"], 1);
        if stdin {
            drop(scene.ingestor.child.stdin.take());
        } else {
            scene.ingestor.terminate();
        }
        assert_eq!(scene.kite.seen().await, Seen::CloseFrame);
        let status = within("the end", scene.ingestor.child.wait())
            .await
            .unwrap();
        assert!(status.success(), "{status}\n{}", scene.ingestor.log());
    }
}

/// A change of Kite's protocol: what cannot be read is counted and shown, and the rest streams on.
#[tokio::test]
async fn packets_and_texts_that_nobody_knows_are_told() {
    let mut scene = Scene::of([1]).await;
    let mut ticks = scene.redis.subscribe().await;
    let socket = scene.kite.socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    scene.kite.sees_subscription(&[1]).await;
    scene.ingestor.until("live", is_live).await;
    assert_eq!(scene.ingestor.report().await.unknown_packets, None);
    let mut builder = kite::FrameBuilder::default();
    for (length, byte) in [(192, 0xab), (3, 1), (192, 2), (60, 3), (61, 4)] {
        assert!(builder.push_raw(&vec![byte; length]));
    }
    assert!(builder.push(&full(token(1), 5)));
    socket.send(Message::binary(builder.finish())).unwrap();
    socket
        .send(Message::text(r#"{"type":"instruments_meta","data":{}}"#))
        .unwrap();
    assert_eq!(ticks.tick().await["volume"], 5);
    let known = |report: &contract::Report| report.unknown_packets.is_some();
    let report = scene.ingestor.until("unknown packets", known).await;
    let unknown = report.unknown_packets.unwrap();
    assert_eq!(
        (
            unknown.total,
            unknown.minute_packets,
            unknown.minute_unknown
        ),
        (5, 6, 5)
    );
    let samples = unknown.samples.iter();
    let samples: Vec<_> = samples.map(|it| (it.length, &*it.bytes)).collect();
    let (first, third) = ("ab".repeat(32), "03".repeat(32));
    assert_eq!(samples, [(192, &*first), (3, "010101"), (60, &*third)]);
    let text = r#"tick_processing_errors_total{error_type="unknown_text"} 1"#;
    let mut look = tokio::time::interval(stage::LOOK);
    let counted = async {
        while !scene.ingestor.get("/metrics").await.1.contains(text) {
            look.tick().await;
        }
    };
    within(text, counted).await;
}
