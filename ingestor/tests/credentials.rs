//! Credentials that are missing, refused, or refused and accepted by two dials at once.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::report::{ConnectionState, CredentialRemark, CredentialsReport, Report};
use futures::{FutureExt, SinkExt};
use service::clock::Clock;
use stage::kite_server::{HEARTBEAT_EVERY, Seen, heartbeat};
use stage::scene::Scene;
use stage::{ACCESS_TOKEN, API_KEY, Folders, assignment, is_live, option, servers, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A dial that waits for its answer.
async fn dial(listener: &TcpListener) -> TcpStream {
    within("a dial", listener.accept()).await.unwrap().0
}

async fn refuse(stream: TcpStream) {
    answer(stream, "403 Forbidden").await;
}

async fn answer(mut stream: TcpStream, status: &str) {
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// Accepts a dial; the socket gets heartbeats until this is dropped.
async fn accept(stream: TcpStream) -> JoinSet<()> {
    let accepted = tokio_tungstenite::accept_async(stream);
    let mut socket = within("a handshake", accepted).await.unwrap();
    let mut beating = JoinSet::new();
    beating.spawn(async move {
        let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
        loop {
            beat.tick().await;
            drop(socket.send(heartbeat()).await);
        }
    });
    beating
}

fn is_refused(report: &Report) -> bool {
    matches!(report.credentials, CredentialsReport::Refused { .. })
}

fn live(report: &Report) -> usize {
    let connections = report.connections.iter();
    let live = connections.filter(|one| one.state == ConnectionState::Live);
    live.count()
}

#[tokio::test]
async fn an_acceptance_after_a_refusal_leads_out_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scene = Scene::with(1..=2, |assigned| {
        assigned.websocket = format!("ws://{}", listener.local_addr().unwrap());
        assigned.tokens_per_connection = 1;
    });
    let scene = scene.await;
    let ingestor = &scene.ingestor;
    let (one, other) = (dial(&listener).await, dial(&listener).await);
    refuse(one).await;
    ingestor.until("a refusal", is_refused).await;

    let first = accept(other).await;
    let second = accept(dial(&listener).await).await;
    let report = ingestor.until("both", |report| live(report) == 2).await;
    assert_eq!(report.credentials, CredentialsReport::Accepted);

    // What was accepted is good for another dial.
    drop((first, second));
    let _again = (accept(dial(&listener).await).await, dial(&listener).await);
}

/// Kite has refused good tokens for whole mornings.
#[tokio::test]
async fn a_refusal_that_was_kites_own_fault_ends_without_new_credentials() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scene = Scene::with(1..=3, |assigned| {
        assigned.websocket = format!("ws://{}", listener.local_addr().unwrap());
        assigned.tokens_per_connection = 1;
    });
    let scene = scene.await;
    let ingestor = &scene.ingestor;
    let mut dials = Vec::new();
    for _ in 0..3 {
        dials.push(dial(&listener).await);
    }
    let mut kept = vec![accept(dials.remove(0)).await];
    ingestor.until("one", |report| live(report) == 1).await;
    for stream in dials {
        refuse(stream).await;
    }
    let report = ingestor.until("a refusal", is_refused).await;
    let CredentialsReport::Refused { next_try, .. } = report.credentials else {
        unreachable!("it was waited for");
    };

    let stream = dial(&listener).await;
    let asked = Clock::system().wall_micros() / 1_000_000;
    assert!(asked >= next_try.unwrap(), "{asked} {next_try:?}");
    let report = ingestor.report().await;
    assert_eq!(live(&report), 1, "a live socket stays: {report:?}");
    assert!(
        listener.accept().now_or_never().is_none(),
        "one connection asks"
    );
    kept.push(accept(stream).await);
    kept.push(accept(dial(&listener).await).await);
    let report = ingestor.until("all", |report| live(report) == 3).await;
    assert_eq!(report.credentials, CredentialsReport::Accepted);
}

/// A try of refused credentials that Kite answers with another status is no refusal, and no secret.
#[tokio::test]
async fn a_try_that_kite_does_not_answer_is_told_until_other_credentials_come() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scene = Scene::with([1], |assigned| {
        assigned.websocket = format!("ws://{}", listener.local_addr().unwrap());
    });
    let scene = scene.await;
    refuse(dial(&listener).await).await;
    scene.ingestor.until("a refusal", is_refused).await;
    for _ in 0..2 {
        answer(dial(&listener).await, "500 Internal Server Error").await;
    }
    let told = |report: &Report| {
        let error = report.connections[0].last_error.as_deref();
        let past = CredentialsReport::Refused {
            next_try: None,
            remark: Some(CredentialRemark::NeverAccepted),
        };
        error.is_some_and(|error| error.contains("500")) && report.credentials == past
    };
    scene.ingestor.until("the status", told).await;
    scene.folders.credentials_of("fake-token-of-today");
    let _beating = loop {
        let stream = dial(&listener).await;
        let mut start = [0; 512];
        let read = stream.peek(&mut start).await.unwrap();
        if String::from_utf8_lossy(&start[..read]).contains("fake-token-of-today") {
            break accept(stream).await;
        }
        // It went out before the files were read.
        answer(stream, "500 Internal Server Error").await;
    };
    let report = scene
        .ingestor
        .until("live", |report| live(report) == 1)
        .await;
    assert_eq!(report.credentials, CredentialsReport::Accepted);
}

#[tokio::test]
async fn refused_credentials_wait_for_new_ones_and_are_never_logged() {
    let (kite, redis, folders) = servers().await;
    kite.accept_only("fake-token-of-today");
    folders.credentials_of("fake-token-of-yesterday");
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    assert_eq!(scene.kite.seen().await, Seen::Refused);
    let report = scene.ingestor.until("refused", is_refused).await;
    assert_eq!(report.connections[0].state, ConnectionState::Refused);
    let error = report.connections[0].last_error.clone().unwrap();
    assert!(error.contains("403"), "{error}");
    assert!(scene.kite.nothing_seen(), "refused once");

    scene.folders.credentials_of("fake-token-of-today");
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    let report = scene.ingestor.until("live", is_live).await;
    assert_eq!(report.credentials, CredentialsReport::Accepted);
    let text = format!(
        "{} {} {}",
        scene.ingestor.logged("ticker connection is open").await,
        scene.ingestor.get("/health").await.1,
        scene.ingestor.get("/metrics").await.1
    );
    for secret in ["fake-token", API_KEY] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn missing_credentials_are_named_and_appear_later() {
    let (kite, redis, _) = servers().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    let mut scene = Scene::between(kite, redis, Folders::new(), assigned).await;
    let files = vec!["api_key".to_owned(), "access_token".to_owned()];
    let missing = CredentialsReport::Missing { files };
    scene
        .ingestor
        .until("missing", |report| {
            report.credentials == missing && report.assigned == 1
        })
        .await;
    scene.folders.credentials_of(ACCESS_TOKEN);
    assert_eq!(scene.kite.seen().await, Seen::Opened);
}
