//! The ingestor as a process, and what can be waited for in its outputs.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::Report;
use service::clock::Clock;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::network::Network;
use super::{Folders, LOOK, PATIENCE, within};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kite-ingestor");

/// For how long changes count as progress: a counter that always runs is not progress.
const PROGRESS: Duration = Duration::from_secs(300);

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
        Self::start_at("127.0.0.1", folders).await
    }

    /// Starts it at this address of the machine, and waits until it listens.
    pub async fn start_at(host: &str, folders: &Folders) -> Self {
        Self::start_as(Command::new(PROGRAM), host, folders).await
    }

    /// Starts it with a wall clock that is so many seconds ahead, or behind.
    pub async fn start_ahead(seconds: i64, folders: &Folders) -> Self {
        let origin = Clock::system().wall();
        let start = origin.saturating_add(jiff::SignedDuration::from_secs(seconds));
        let mut command = Command::new(PROGRAM);
        command.args(["--wall-clock", &format!("{},1,{origin}", start.unwrap())]);
        Self::start_as(command, "127.0.0.1", folders).await
    }

    /// Starts it behind a network that can fail.
    pub async fn start_behind(network: &Network, folders: &Folders) -> Self {
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

    /// The address that it says it listens on.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// From now on it is asked at this address.
    pub fn reach_at(&mut self, address: &str) {
        self.base = format!("http://{address}");
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

    /// Waits until the path has this status.
    pub async fn until_status(&self, path: &str, status: u16) {
        let mut look = tokio::time::interval(LOOK);
        let has = async {
            while self.get(path).await.0 != status {
                look.tick().await;
            }
        };
        within(path, has).await;
    }

    /// Its log, as soon as it holds this text: lines take a way of their own.
    pub async fn logged(&self, text: &str) -> String {
        let mut look = tokio::time::interval(LOOK);
        let holds = async {
            while !self.log().contains(text) {
                look.tick().await;
            }
            self.log()
        };
        within(text, holds).await
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}
