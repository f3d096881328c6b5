//! A network whose only way out is a proxy. The name of Kite's host exists nowhere: only the proxy
//! can resolve it.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use std::net::SocketAddr;

use contract::report::CredentialsReport;
use contract::{Assignment, Report};
use stage::kite_server::{KiteServer, frame, full};
use stage::proxy_server::{ProxyServer, opens_tls};
use stage::redis_server::RedisServer;
use stage::{
    ACCESS_TOKEN, API_KEY, Folders, Ingestor, assignment, is_live, option, servers, token,
};
use tokio_tungstenite::tungstenite::Message;

const HOST: &str = "kite.invalid";

/// A Kite, a Redis, and an assignment that leads to the one by name only.
struct World {
    kite: KiteServer,
    redis: RedisServer,
    folders: Folders,
    assigned: Assignment,
}

impl World {
    async fn new(scheme: &str) -> Self {
        let (kite, redis, folders) = servers().await;
        let mut assigned = assignment(&kite, redis.port());
        assigned.websocket = format!("{scheme}://{HOST}:7");
        assigned.instruments = vec![option(1)];
        Self {
            kite,
            redis,
            folders,
            assigned,
        }
    }

    fn kite_address(&self) -> SocketAddr {
        let origin = self.kite.origin();
        origin.trim_start_matches("ws://").parse().unwrap()
    }

    /// Writes the next generation.
    fn assign(&mut self, proxy: &ProxyServer) {
        self.assigned.generation += 1;
        self.assigned.egress.proxy = Some(proxy.url());
        self.folders.assign(&self.assigned);
    }
}

/// Why the only connection is not up.
fn error(report: &Report) -> &str {
    let connection = report.connections.first();
    connection
        .and_then(|connection| connection.last_error.as_deref())
        .unwrap_or_default()
}

#[tokio::test]
async fn ticks_arrive_through_a_proxy_and_another_one_counts_from_the_next_dial() {
    let mut world = World::new("ws").await;
    let address = world.kite_address();
    let (first, second) = (
        ProxyServer::start(address, None).await,
        ProxyServer::start(address, None).await,
    );
    let mut ticks = world.redis.subscribe().await;
    world.assign(&first);
    let ingestor = Ingestor::start(&world.folders).await;
    let socket = world.kite.socket().await;
    ingestor.until("live", is_live).await;
    socket.send(frame(&[full(token(1), 70)])).unwrap();
    assert_eq!(ticks.tick().await["tradingsymbol"], "TEST1CE");
    assert_eq!(first.asked(), [format!("CONNECT {HOST}:7 HTTP/1.1")]);

    world.assign(&second);
    let generation = world.assigned.generation;
    let report = ingestor
        .until("the next assignment", |report| {
            let applied = report.assignment.as_ref();
            applied.is_some_and(|applied| applied.generation == generation)
        })
        .await;
    assert_eq!((report.connections[0].reconnects, error(&report)), (0, ""));
    socket.send(frame(&[full(token(1), 71)])).unwrap();
    ticks.tick().await;
    socket.send(Message::Close(None)).unwrap();
    world.kite.socket().await;
    assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
    ingestor.shows_none_of(&[API_KEY, ACCESS_TOKEN]).await;
}

/// A refusal of the proxy is none of Kite: the token is good, and the dial is repeated.
#[tokio::test]
async fn what_the_proxy_says_is_told_and_is_no_word_of_kite() {
    let mut world = World::new("ws").await;
    let proxy = ProxyServer::start(world.kite_address(), None).await;
    proxy.refuse(Some(403));
    world.assign(&proxy);
    let ingestor = Ingestor::start(&world.folders).await;
    let report = ingestor
        .until("refused", |report| error(report).contains("403"))
        .await;
    let said = error(&report);
    assert!(said.contains(&proxy.url()) && said.contains(HOST), "{said}");
    assert!(matches!(
        report.credentials,
        CredentialsReport::Present { .. }
    ));
    proxy.refuse(Some(407));
    ingestor
        .until("a login is asked for", |report| {
            error(report).contains("demands a login")
        })
        .await;
    proxy.refuse(None);
    world.kite.socket().await;
    ingestor.until("live", is_live).await;
}

/// The proxy opens TLS with a certificate of an authority that only the account knows.
#[tokio::test]
async fn a_private_authority_is_trusted_when_the_account_names_it() {
    service::tls::install();
    let mut world = World::new("wss").await;
    let (authority, config) = opens_tls(HOST);
    let proxy = ProxyServer::start(world.kite_address(), Some(config)).await;
    world.assign(&proxy);
    let ingestor = Ingestor::start(&world.folders).await;
    ingestor
        .until("refused", |report| error(report).contains("UnknownIssuer"))
        .await;
    world.assigned.egress.ca = Some(authority);
    world.assign(&proxy);
    world.kite.socket().await;
    ingestor.until("live", is_live).await;
}
