//! A real Redis on its own port, and a plain subscriber.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::within;

/// How often a command is repeated until its answer fits.
const LOOK: Duration = Duration::from_millis(20);

/// Ports for servers, and how far apart the first ones of two processes are.
const PORTS: std::ops::Range<u16> = 10_000..30_000;
const APART: u32 = 97;

/// The user as which everything under test logs in: it has the documented rights and no others.
pub const PUBLISHER: &str = "publisher";
pub const PASSWORD_OF_PUBLISHER: &str = "fake-password-of-publisher";

/// The program to start: REDIS_SERVER may name another server that speaks the protocol.
#[expect(clippy::disallowed_methods, reason = "a test has no arguments")]
pub fn program() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

pub struct RedisServer {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    settings: Vec<String>,
    /// By how many seconds its clock is ahead of the machine's.
    ahead: i64,
    /// The password of the default user.
    password: String,
}

/// A port without a listener, and not one of those that the system gives to connections: a server may
/// be started there later, or again.
pub async fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Processes that run at the same time start apart.
        let number = std::process::id() * APART + TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (number % PORTS.len() as u32) as u16;
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
}

impl RedisServer {
    pub async fn start() -> Self {
        Self::start_at(free_port().await).await
    }

    pub async fn start_at(port: u16) -> Self {
        Self::start_with(port, &[]).await
    }

    /// With further settings, as on its command line.
    pub async fn start_with(port: u16, settings: &[&str]) -> Self {
        Self::start_ahead(0, port, settings).await
    }

    /// With a clock that is ahead of the machine's by so many seconds.
    pub async fn start_ahead(ahead: i64, port: u16, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        let child = spawn(port, folder.path(), &settings, ahead).await;
        Self {
            child,
            port,
            folder,
            settings,
            ahead,
            password: String::new(),
        }
    }

    /// From now on new connections have to log in; existing ones stay.
    pub async fn require(&mut self, password: &str) {
        self.command(&["CONFIG", "SET", "requirepass", password])
            .await;
        password.clone_into(&mut self.password);
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let status = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(status.unwrap().success());
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub async fn restart(&mut self) {
        let folder = self.folder.path();
        self.child = spawn(self.port, folder, &self.settings, self.ahead).await;
    }

    /// Carries out one command, which must succeed, and returns the answer.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-e", "-p", &self.port.to_string()]);
        if !self.password.is_empty() {
            command.env("REDISCLI_AUTH", &self.password);
        }
        let output = command.args(arguments).output().await;
        let output = output.expect("redis-cli is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Carries out one command again and again until the answer fits.
    pub async fn answers(&self, arguments: &[&str], fits: impl Fn(&str) -> bool) -> String {
        let mut look = tokio::time::interval(LOOK);
        let answer = async {
            loop {
                look.tick().await;
                let answer = self.command(arguments).await.trim_end().to_owned();
                if fits(&answer) {
                    return answer;
                }
            }
        };
        within(&arguments.join(" "), answer).await
    }

    /// Gives or takes rights of the user as which everything under test logs in.
    pub async fn publisher(&self, rules: &[&str]) {
        let arguments = [&["ACL", "SETUSER", PUBLISHER], rules].concat();
        self.command(&arguments).await;
    }

    /// Nothing that was sent needed a right that is not documented.
    pub async fn has_refused_nothing(&self) {
        assert_eq!(self.command(&["ACL", "LOG"]).await.trim(), "");
    }

    /// Everything that is published from now on.
    pub async fn subscribe(&self) -> Subscriber {
        self.subscribe_with("PSUBSCRIBE", "*").await
    }

    /// What is published on a sharded channel, which this server has, from now on.
    pub async fn subscribe_shard(&self, channel: &str) -> Subscriber {
        self.subscribe_with("SSUBSCRIBE", channel).await
    }

    async fn subscribe_with(&self, word: &str, channel: &str) -> Subscriber {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let mut subscriber = Subscriber {
            stream: BufReader::new(stream),
        };
        let (length, len) = (word.len(), channel.len());
        let command = format!("*2\r\n${length}\r\n{word}\r\n${len}\r\n{channel}\r\n");
        let sent = subscriber.stream.write_all(command.as_bytes());
        sent.await.unwrap();
        subscriber.array().await;
        subscriber
    }
}

/// Compiles what gives a program another time.
async fn other_time(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("other_time.c"), folder.join("other_time.so"));
    std::fs::write(&source, include_str!("other_time.c")).unwrap();
    let mut command = Command::new("cc");
    command
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source);
    assert!(command.status().await.unwrap().success());
    library
}

async fn spawn(port: u16, folder: &Path, settings: &[String], ahead: i64) -> Child {
    let mut command = Command::new(program());
    if ahead != 0 {
        command.env("LD_PRELOAD", other_time(folder).await);
        command.env("CLOCK_AHEAD", ahead.to_string());
    }
    let password = format!(">{PASSWORD_OF_PUBLISHER}");
    let mut child = command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(folder)
        .args(["--user", PUBLISHER, "on", &password])
        .args(redis_link::rights::rules("ticker"))
        .args(settings)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("Ready to accept connections") {
                return;
            }
        }
        panic!("redis-server ended");
    };
    within("redis", ready).await;
    child
}

pub struct Subscriber {
    stream: BufReader<TcpStream>,
}

impl Subscriber {
    /// The next tick: its channel and its JSON.
    pub async fn message(&mut self) -> (String, Value) {
        loop {
            let (channel, json) = self.any_message().await;
            if !channel.ends_with(":events") {
                return (channel, json);
            }
        }
    }

    /// The next message, a tick or an event.
    pub async fn any_message(&mut self) -> (String, Value) {
        within("a message", self.next()).await
    }

    /// The same, without a time limit.
    pub async fn next(&mut self) -> (String, Value) {
        loop {
            let (channel, json) = self.raw().await;
            // What Sentinels tell each other is no JSON.
            if channel != "__sentinel__:hello" {
                return (channel, serde_json::from_str(&json).unwrap());
            }
        }
    }

    /// The same, unparsed.
    pub async fn raw(&mut self) -> (String, String) {
        let mut parts = self.array().await;
        let json = parts.pop().unwrap();
        (parts.pop().unwrap(), json)
    }

    /// The next tick's JSON.
    pub async fn tick(&mut self) -> Value {
        self.message().await.1
    }

    async fn array(&mut self) -> Vec<String> {
        let len = self.number().await;
        let mut parts = Vec::new();
        for _ in 0..len {
            parts.push(self.part().await);
        }
        parts
    }

    async fn part(&mut self) -> String {
        let line = self.line().await;
        if !line.starts_with('$') {
            return line;
        }
        let len: usize = line[1..].parse().unwrap();
        let mut bytes = vec![0; len + 2];
        self.stream.read_exact(&mut bytes).await.unwrap();
        bytes.truncate(len);
        String::from_utf8(bytes).unwrap()
    }

    async fn number(&mut self) -> usize {
        self.line().await[1..].parse().unwrap()
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }
}
