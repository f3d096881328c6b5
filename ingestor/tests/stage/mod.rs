//! The stage of the tests: a real Redis, a small Kite, and the ingestor as a process.
//!
//! Everything listens on loopback and lives in a temporary folder; everything ends with the test.

#![allow(
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "compiled into each test, and every test uses another part of it"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

pub mod cluster_scene;
pub mod folders;
pub mod ingestor;
pub mod kite_server;
pub mod lateness;
pub mod network;
pub mod network_scene;
#[path = "../../../tests/src/proxy_server.rs"]
pub mod proxy_server;
pub mod redis_cluster;
pub mod redis_server;
pub mod scene;
pub mod sentinel;
pub mod witness;

use std::sync::Arc;
use std::time::Duration;

use contract::assignment::Account;
use contract::report::ConnectionState;
use contract::{
    Assignment, LastValuePersistence, Output, Persistence, Report, Row, Shape, StreamLength,
};
pub use folders::Folders;
pub use ingestor::Ingestor;
use kite::{InstrumentType, Mode, Token};
use redis_link::access::{Access, FILES, ReadFiles};
use service::tls::Roots;

pub const API_KEY: &str = "fake-api-key";
pub const ACCESS_TOKEN: &str = "fake-access-token";

/// A wait of a test ends after this time, or when nothing has changed for this time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is checked without notifications.
pub const LOOK: Duration = Duration::from_millis(10);

/// Waits, with a time limit.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// The login of the user that the servers of the stage know.
pub fn access() -> Access {
    service::tls::install();
    let contents = FILES.map(|name| {
        let found = folders::LOGIN.iter().find(|(other, _)| *other == name);
        found.map(|(_, text)| text.as_bytes().to_vec())
    });
    let read: ReadFiles = Arc::new(move || Ok(contents.clone()));
    Access::new(Some(read), Roots::of_machine()).unwrap()
}

/// A Kite, a Redis and folders with credentials.
pub async fn servers() -> (kite_server::KiteServer, redis_server::RedisServer, Folders) {
    let folders = Folders::new();
    folders.credentials_of(ACCESS_TOKEN);
    let kite = kite_server::KiteServer::start().await;
    (kite, redis_server::RedisServer::start().await, folders)
}

/// Whether a socket and Redis are up.
pub fn is_live(report: &Report) -> bool {
    let mut connections = report.connections.iter();
    report.redis.connected && connections.any(|one| one.state == ConnectionState::Live)
}

/// Turns on last values of every instrument, and the stream if `stream` is given.
pub fn keep_all(assigned: &mut Assignment, stream: Option<StreamLength>) {
    let last = Some(LastValuePersistence {
        interval_ms: 50,
        ttl_s: 600,
        until_session: false,
    });
    assigned.keeps = vec![Persistence { last, stream }];
    for row in &mut assigned.instruments {
        row.outputs[0].keep = Some(0);
    }
}

/// Options of a real account whose newest ticks are stored.
pub fn stored_options(
    kite: &kite_server::KiteServer,
    redis: &redis_server::RedisServer,
    numbers: &[u32],
) -> Assignment {
    let mut assigned = assignment(kite, redis.port());
    assigned.account.mock = false;
    assigned.instruments = numbers.iter().map(|number| option(*number)).collect();
    keep_all(&mut assigned, None);
    assigned
}

/// The key of the directory.
pub const DIRECTORY: &str = "ticker:instruments";

/// Kite's number of the option of this number.
pub fn token(number: u32) -> Token {
    option(number).token
}

/// A valid assignment with nothing in it.
pub fn assignment(kite: &kite_server::KiteServer, redis_port: u16) -> Assignment {
    Assignment {
        version: 1,
        generation: 1,
        account: Account {
            name: "acct-a".to_owned(),
            namespace: None,
            uid: "uid-1".to_owned(),
            mock: true,
        },
        websocket: kite.origin(),
        credentials: contract::CredentialChoice::default(),
        egress: contract::Egress::default(),
        redis_url: format!("redis://127.0.0.1:{redis_port}"),
        connections: 3,
        tokens_per_connection: 3000,
        sets: vec!["set-a".to_owned()],
        channels: vec!["ticker:test:options".to_owned()],
        keeps: Vec::new(),
        order_updates: false,
        standby: false,
        events: true,
        quiet_prefixes: Vec::new(),
        moves: Vec::new(),
        sessions: Vec::new(),
        chains: Vec::new(),
        always_open: false,
        instruments: Vec::new(),
    }
}

/// Fifty instruments.
pub fn fifty(kite: &kite_server::KiteServer, redis_port: u16) -> Assignment {
    Assignment {
        instruments: (1..=50).map(option).collect(),
        ..assignment(kite, redis_port)
    }
}

/// An option that goes to the first channel.
pub fn option(number: u32) -> Row {
    Row {
        token: Token(number << 8 | 2),
        mode: Mode::Full,
        symbol: "TEST".into(),
        tradingsymbol: format!("TEST{number}CE").into(),
        exchange: "NFO".into(),
        segment: "NFO-OPT".into(),
        instrument_type: InstrumentType::Call,
        strike: Some(f64::from(number)),
        expiry: None,
        lot_size: Some(1),
        tick_size: Some(0.05),
        class: None,
        chain: None,
        sets: vec![0],
        outputs: vec![Output {
            channel: 0,
            shape: Shape::Contract,
            depth: false,
            greeks: false,
            keep: None,
        }],
        reference: false,
        handover: false,
        move_at: None,
        retained: None,
        former: None,
    }
}
