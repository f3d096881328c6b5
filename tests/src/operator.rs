//! `kite-operator run` as a process of this machine, with the proxy between it and the API server.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::Result;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::binary;
use crate::{ApiProxy, Program};

/// So many lines of its log say why a test failed.
const LAST_LINES: usize = 40;

/// An operator that can be killed and started again. If a test panics, it prints the end of its log.
#[derive(Debug)]
pub struct Operator {
    folder: TempDir,
    arguments: Vec<String>,
    program: Option<Program>,
    starts: u32,
}

impl Drop for Operator {
    #[expect(clippy::print_stdout, reason = "beside the message of a panic")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "--- the operator beside the cluster, start {}\n{}",
                self.starts,
                self.log_end()
            );
        }
    }
}

impl Operator {
    /// An operator for `namespace` that is not started yet.
    ///
    /// # Errors
    /// Of the file system.
    pub fn new(
        proxy: &ApiProxy,
        namespace: &str,
        ingestor_image: &str,
        redis_url: &str,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("kubeconfig"), proxy.kubeconfig())?;
        let arguments = [
            "run",
            "--namespace",
            namespace,
            "--ingestor-image",
            ingestor_image,
            "--redis-url",
            redis_url,
        ];
        Ok(Self {
            folder,
            arguments: arguments.map(str::to_owned).to_vec(),
            program: None,
            starts: 0,
        })
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> Result<()> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        self.starts += 1;
        let mut command = Command::new(binary("kite-operator"));
        command
            .args(&self.arguments)
            .args(["--listen", &port.to_string()])
            // Several run at a time.
            .args(["--login-listen", "off"])
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        let log = self.log_file(self.starts);
        self.program = Some(Program::start(&mut command, &log)?);
        Ok(())
    }

    /// Kills it.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut program) = self.program.take() {
            program.signal("KILL").await?;
            program.ended().await?;
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.program.as_mut().is_some_and(Program::has_ended)
    }

    /// What it logged since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file(self.starts)).unwrap_or_default()
    }

    /// The end of that.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = self.log();
        let skipped = log.lines().count().saturating_sub(LAST_LINES);
        let end: Vec<&str> = log.lines().skip(skipped).collect();
        end.join("\n")
    }

    fn log_file(&self, start: u32) -> PathBuf {
        self.folder.path().join(format!("operator-{start}.log"))
    }
}
