//! The simulated Kite as a process, and its control API.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::binary;
use crate::{Program, eventually};

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    /// The process and its folder, if the test started it.
    program: Option<(Program, TempDir)>,
    address: SocketAddr,
    client: reqwest::Client,
}

impl Simulator {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one with further arguments, such as `--rate 5`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start_with(arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port_file = folder.path().join("port");
        let mut command = Command::new(binary("kite-simulator"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--port-file"])
            .arg(&port_file)
            .args(arguments);
        let mut program = Program::start(&mut command, &folder.path().join("simulator.log"))?;
        let address = program.address(&port_file).await;
        Ok(Self {
            program: Some((program, folder)),
            ..Self::at(address)?
        })
    }

    /// A simulator that runs elsewhere.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn at(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            program: None,
            address,
            client: client()?,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it runs elsewhere.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program
            .as_ref()
            .map(|(program, _)| program.pid())
            .unwrap_or_else(|| panic!("it runs elsewhere"))
    }

    /// Posts to the control API.
    ///
    /// # Errors
    /// When the simulator returns an error.
    pub async fn control(&self, path: &str, body: Value) -> Result<Value> {
        let url = format!("http://{}/sim/{path}", self.address);
        let answer = self.client.post(url).body(body.to_string()).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Reads from the control API.
    ///
    /// # Errors
    /// When the simulator returns an error.
    pub async fn read(&self, path: &str) -> Result<Value> {
        let url = format!("http://{}/sim/{path}", self.address);
        let answer = self.client.get(url).send().await?.error_for_status()?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    /// The open connections.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn connections(&self) -> Result<Vec<Value>> {
        let answer = self.read("connections").await?;
        answer["connections"]
            .as_array()
            .cloned()
            .context("no list of connections")
    }

    /// Waits until `count` instruments in all are subscribed to over all connections.
    pub async fn subscribed(&self, count: u64) {
        eventually("subscriptions", async || {
            let connections = self
                .connections()
                .await
                .map_err(|error| error.to_string())?;
            let seen: u64 = connections.iter().map(subscriptions).sum();
            if seen == count {
                Ok(())
            } else {
                Err(format!("{seen} of {count}"))
            }
        })
        .await;
    }

    /// The instruments dump.
    ///
    /// # Errors
    /// When the simulator does not answer with one.
    pub async fn instruments(&self) -> Result<kite::instruments::Dump> {
        let url = format!("http://{}/instruments", self.address);
        let dump = self
            .client
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        Ok(kite::instruments::read(dump.as_ref())?)
    }

    /// Stops or starts the market.
    ///
    /// # Errors
    /// When the simulator returns an error.
    pub async fn pause(&self, paused: bool) -> Result<()> {
        self.control("pause", json!({"paused": paused}))
            .await
            .map(drop)
    }

    /// The manifests of `symbols --count N --kind KIND`.
    ///
    /// # Errors
    /// When the program fails.
    pub async fn symbols(count: usize, kind: &str) -> Result<String> {
        let output = Command::new(binary("kite-simulator"))
            .args(["symbols", "--count", &count.to_string(), "--kind", kind])
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// How many instruments one connection carries.
fn subscriptions(connection: &Value) -> u64 {
    let subscribed = &connection["subscribed"];
    match subscribed.as_u64() {
        Some(count) => count,
        None => subscribed
            .as_object()
            .map(|modes| modes.values().filter_map(Value::as_u64).sum())
            .unwrap_or_default(),
    }
}

/// An HTTP client for loopback.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client() -> Result<reqwest::Client> {
    service::tls::install();
    let tls = service::tls::client_config()?;
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured((*tls).clone())
        .no_proxy()
        .build()?)
}

/// Reads the hexadecimal of a recorded packet.
///
/// # Panics
/// When it is not hexadecimal.
#[must_use]
pub fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| {
            u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|_| panic!("no hex: {text}"))
        })
        .collect()
}
