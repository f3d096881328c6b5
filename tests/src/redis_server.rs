//! A Redis server of the test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Result;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Program, eventually};

/// A real Redis on a loopback port.
#[derive(Debug)]
pub struct RedisServer {
    program: Option<Program>,
    folder: TempDir,
    port: u16,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// When `redis-server` is not installed.
    pub async fn start() -> Result<Self> {
        let mut server = Self::reserve()?;
        server.restart().await?;
        Ok(server)
    }

    /// Chooses a port without starting the server.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn reserve() -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        Ok(Self {
            program: None,
            folder: tempfile::tempdir()?,
            port,
        })
    }

    /// Starts the server, or starts it again.
    ///
    /// # Errors
    /// When `redis-server` is not installed.
    pub async fn restart(&mut self) -> Result<()> {
        self.program = None;
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.args(["--client-output-buffer-limit", "pubsub 0 0 0"]);
        command.current_dir(self.folder.path());
        self.program = Some(Program::start(
            &mut command,
            &self.folder.path().join("redis.log"),
        )?);
        eventually("redis answers", async || {
            let mut connection = self.connection().await?;
            redis::cmd("PING")
                .query_async::<String>(&mut connection)
                .await
        })
        .await;
        Ok(())
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// The server's process id.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program
            .as_ref()
            .map(Program::pid)
            .unwrap_or_else(|| panic!("redis is not running"))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// A connection to it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn connection(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        redis::Client::open(self.url())?
            .get_multiplexed_async_connection()
            .await
    }
}
