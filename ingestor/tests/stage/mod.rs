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
pub mod kite_server;
pub mod lateness;
pub mod network;
pub mod redis_cluster;
pub mod redis_server;
pub mod scene;
pub mod witness;

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::assignment::Account;
use contract::report::ConnectionState;
use contract::{
    Assignment, LastValuePersistence, Output, Persistence, Report, Row, Shape, StreamLength,
};
pub use folders::Folders;
use kite::{InstrumentType, Mode, Token};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kite-ingestor");

pub const API_KEY: &str = "fake-api-key";
pub const ACCESS_TOKEN: &str = "fake-access-token";

/// A wait of a test ends after this time, or when nothing has changed for this time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// For how long changes count as progress: a counter that always runs is not progress.
const PROGRESS: Duration = Duration::from_secs(300);

/// How often a condition is checked without notifications.
pub const LOOK: Duration = Duration::from_millis(10);

/// Waits, with a time limit.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// A running ingestor.
pub struct Ingestor {
    pub child: Child,
    base: String,
    http: reqwest::Client,
    log: Arc<Mutex<String>>,
}

impl Ingestor {
    /// Starts it and waits until it listens.
    pub async fn start(folders: &Folders) -> Self {
        Self::start_as(Command::new(PROGRAM), "127.0.0.1", folders).await
    }

    /// Starts it behind a network that can fail.
    pub async fn start_behind(network: &network::Network, folders: &Folders) -> Self {
        Self::start_as(network.command(PROGRAM), &network.far(), folders).await
    }

    async fn start_as(mut command: Command, host: &str, folders: &Folders) -> Self {
        service::tls::install();
        let mut child = command
            .arg("--assignment-dir")
            .arg(folders.assignment())
            .arg("--credentials-dir")
            .arg(folders.credentials())
            .arg("--redis-dir")
            .arg(folders.redis())
            .args(["--listen", &format!("{host}:0"), "--exit-on-stdin-close"])
            .args(["--log-level", "trace"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it still runs");
                if let Some((_, addr)) = line.split_once("addr=") {
                    return addr.trim().to_owned();
                }
            }
        };
        let addr = within("listening", listening).await;
        let gathered = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                gathered.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self {
            child,
            base: format!("http://{addr}"),
            http: reqwest::Client::new(),
            log,
        }
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self
            .http
            .get(self.base.clone() + path)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn report(&self) -> Report {
        serde_json::from_str(&self.get(contract::REPORT_PATH).await.1).unwrap()
    }

    /// Waits for a matching report, as long as reports change.
    pub async fn until(&self, what: &str, fits: impl Fn(&Report) -> bool) -> Report {
        let mut look = tokio::time::interval(LOOK);
        let start = Instant::now();
        let (mut last, mut changed) = (None, start);
        loop {
            look.tick().await;
            let report = within("a report", self.report()).await;
            if fits(&report) {
                return report;
            }
            let now = Instant::now();
            if last.as_ref() != Some(&report) {
                (last, changed) = (Some(report), now);
            }
            let (still, all) = (now - changed, now - start);
            assert!(
                still < PATIENCE && all < PROGRESS,
                "{what}: not after {all:?}, of which {still:?} without progress, but {last:#?}\n{}",
                self.log()
            );
        }
    }

    /// Its present memory in bytes.
    pub fn resident(&self) -> u64 {
        let pid = self.child.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes = line.trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    pub fn terminate(&self) {
        let pid = self.child.id().unwrap().to_string();
        let status = std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status();
        assert!(status.unwrap().success());
    }

    /// Neither its log nor anything that it serves holds one of these texts.
    pub async fn shows_none_of(&self, secrets: &[&str]) {
        let mut shown = self.log();
        for path in [contract::REPORT_PATH, "/metrics", "/health", "/readyz"] {
            shown += &self.get(path).await.1;
        }
        for secret in secrets {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
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
    });
    assigned.keeps = vec![Persistence { last, stream }];
    for row in &mut assigned.instruments {
        row.outputs[0].keep = Some(0);
    }
}

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
        redis_url: format!("redis://127.0.0.1:{redis_port}"),
        connections: 3,
        tokens_per_connection: 3000,
        sets: vec!["set-a".to_owned()],
        channels: vec!["ticker:test:options".to_owned()],
        keeps: Vec::new(),
        order_updates: false,
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
        sets: vec![0],
        outputs: vec![Output {
            channel: 0,
            shape: Shape::Contract,
            depth: false,
            keep: None,
        }],
    }
}
