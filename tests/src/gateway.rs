//! The gateway as a process, with a user of Redis who may only read.

use std::net::SocketAddr;

use anyhow::Result;
use redis_link::rights::reader_rules;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::binary;
use crate::{Program, RedisServer, TickSocket, eventually};

/// The secret of tokens.
pub const SECRET: &str = "fake-secret-of-the-gateway-0123456789";

const READER: &str = "reader";
const PASSWORD: &str = "fake-password-of-reader";

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    program: Program,
    folder: TempDir,
    address: SocketAddr,
    metrics: SocketAddr,
    client: reqwest::Client,
}

impl Gateway {
    /// Starts one that reads `redis` and checks tokens by [`SECRET`], and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(redis: &RedisServer) -> Result<Self> {
        Self::start_with(redis, &[]).await
    }

    /// The same with further arguments.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start_with(redis: &RedisServer, arguments: &[&str]) -> Result<Self> {
        allow_reading(redis).await?;
        let gateway = Self::start_at(&redis.url(), arguments).await?;
        gateway.ready().await;
        Ok(gateway)
    }

    /// Starts one that reads the Redis at `url`, whether it is there or not.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start_at(url: &str, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("secret"), SECRET)?;
        std::fs::create_dir(path("redis"))?;
        std::fs::write(path("redis/username"), READER)?;
        std::fs::write(path("redis/password"), PASSWORD)?;
        let mut command = Command::new(binary("kite-gateway"));
        command
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(["--log-level", "trace", "--redis-url", url, "--redis-dir"])
            .arg(path("redis"))
            .arg("--port-file")
            .arg(path("port"))
            .arg("--metrics-port-file")
            .arg(path("metrics-port"));
        let keys = ["--jwks-url", "--jwt-public-key-file"];
        if !arguments.iter().any(|it| keys.contains(it)) {
            command.arg("--jwt-secret-file").arg(path("secret"));
        }
        command.args(arguments);
        let mut program = Program::start(&mut command, &path("gateway.log"))?;
        let address = program.address(&path("port")).await;
        let metrics = program.address(&path("metrics-port")).await;
        Ok(Self {
            program,
            folder,
            address,
            metrics,
            client: crate::simulator::client()?,
        })
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        eventually("the gateway is ready", async || {
            let answer = self.metrics("/readyz").await?;
            anyhow::ensure!(answer.0 == 200, "{}", answer.1);
            anyhow::Ok(())
        })
        .await;
    }

    /// Status and text of a page of the port of metrics.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self, path: &str) -> Result<(u16, String)> {
        let url = format!("http://{}{path}", self.metrics);
        let answer = self.client.get(url).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Status and JSON of a page for clients, asked with a token.
    ///
    /// # Errors
    /// When it does not answer with JSON.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Result<(u16, Value)> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.text().await?)?))
    }

    /// A token of a user, as the program makes it.
    ///
    /// # Errors
    /// When the program fails.
    pub async fn token(&self, user: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(binary("kite-gateway"));
        command.arg("token").arg("--jwt-secret-file");
        command.arg(self.folder.path().join("secret"));
        let output = command
            .args(["--sub", user])
            .args(arguments)
            .output()
            .await?;
        let error = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{error}");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A connected client of this user; its first message was read.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn client(&self, user: &str) -> Result<TickSocket> {
        let token = self.token(user, &[]).await?;
        self.client_of(&token).await
    }

    /// A connected client with this token; its first message was read.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn client_of(&self, token: &str) -> Result<TickSocket> {
        let mut socket = self.open(&format!("/ws/ticks?token={token}")).await?;
        let first = socket.next().await?;
        anyhow::ensure!(first["type"] == "connected", "{first}");
        Ok(socket)
    }

    /// A socket at this path.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(&self, path: &str) -> Result<TickSocket> {
        TickSocket::open(&format!("ws://{}{path}", self.address), &[]).await
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    pub const fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Everything it printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }
}

/// Makes the user who may read, and nothing else.
///
/// # Errors
/// When Redis refuses it.
pub async fn allow_reading(redis: &RedisServer) -> Result<()> {
    let mut command = redis::cmd("ACL");
    command
        .arg("SETUSER")
        .arg(READER)
        .arg("reset")
        .arg("on")
        .arg(format!(">{PASSWORD}"))
        .arg(reader_rules("ticker"));
    command
        .query_async::<()>(&mut redis.connection().await?)
        .await?;
    Ok(())
}
