//! Credentials that are missing, refused, or refused and accepted by two dials at once.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::report::{ConnectionState, CredentialsReport, Report};
use stage::kite_server::{KiteServer, Seen};
use stage::redis_server::RedisServer;
use stage::{ACCESS_TOKEN, API_KEY, Folders, Ingestor, assignment, is_live, option, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;

/// A dial that waits for its answer.
async fn dial(listener: &TcpListener) -> TcpStream {
    within("a dial", listener.accept()).await.unwrap().0
}

async fn refuse(mut stream: TcpStream) {
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(refusal).await.unwrap();
}

async fn accept(stream: TcpStream) -> WebSocketStream<TcpStream> {
    let accepted = tokio_tungstenite::accept_async(stream);
    within("a handshake", accepted).await.unwrap()
}

fn live(report: &Report) -> usize {
    let connections = report.connections.iter();
    let live = connections.filter(|one| one.state == ConnectionState::Live);
    live.count()
}

#[tokio::test]
async fn an_acceptance_after_a_refusal_leads_out_of_it() {
    let (kite, redis, folders) = (
        KiteServer::start().await,
        RedisServer::start().await,
        Folders::new(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut assigned = assignment(&kite, redis.port());
    assigned.websocket = format!("ws://{}", listener.local_addr().unwrap());
    assigned.tokens_per_connection = 1;
    assigned.instruments = vec![option(1), option(2)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let (one, other) = (dial(&listener).await, dial(&listener).await);
    refuse(one).await;
    ingestor
        .until("a refusal", |report| {
            report.credentials == CredentialsReport::Refused
        })
        .await;

    let first = accept(other).await;
    let second = accept(dial(&listener).await).await;
    let report = ingestor.until("both", |report| live(report) == 2).await;
    assert_eq!(report.credentials, CredentialsReport::Accepted);

    // What was accepted is good for another dial.
    drop((first, second));
    let _again = (accept(dial(&listener).await).await, dial(&listener).await);
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
