//! `kite-operator local` on a folder of the test.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result};
use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE};
use contract::{Sealed, mount};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::binary;
use crate::{Program, RedisServer, Simulator, eventually};

/// A folder of manifests, and the program that runs on it.
#[derive(Debug)]
pub struct Local {
    folder: TempDir,
    operator: PathBuf,
    redis_url: String,
    environment: Vec<(String, String)>,
    program: Option<Program>,
    client: reqwest::Client,
}

impl Local {
    /// An empty folder; ticks are published to `redis`.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn new(redis: &RedisServer) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("manifests"))?;
        Ok(Self {
            folder,
            operator: binary("kite-operator"),
            redis_url: redis.url(),
            environment: Vec::new(),
            program: None,
            client: crate::simulator::client()?,
        })
    }

    /// The folder of manifests.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    /// Writes a manifest file.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        // Written to another name and renamed, so that the file is never incomplete.
        let fresh = self.folder.path().join("fresh");
        std::fs::write(&fresh, text)?;
        Ok(std::fs::rename(fresh, self.manifests().join(name))?)
    }

    /// Removes a manifest file.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.manifests().join(name))?)
    }

    /// Writes a mock account of `simulator` with its Secret, both called `name`.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write_account(&self, name: &str, simulator: &Simulator, more: &str) -> Result<()> {
        self.write_real_account(name, simulator, &format!("  mock: true\n{more}"))
    }

    /// Writes an account that is no mock account: its keys and events have the names that readers know.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write_real_account(&self, name: &str, simulator: &Simulator, more: &str) -> Result<()> {
        let address = simulator.address();
        // Tests run at any time of the day.
        let hours = if more.contains("marketHours:") {
            ""
        } else {
            "  marketHours: Always\n"
        };
        self.write_secret(name, &format!("{name}-fake-token"))?;
        self.write(
            &format!("account-{name}.yaml"),
            &format!(
                "apiVersion: kiteticker.dev/v1alpha1\nkind: TickerAccount\nmetadata: {{name: {name}}}\n\
                 spec:\n  credentialsSecretRef: {{name: {name}}}\n  endpoint:\n    \
                 websocket: ws://{address}\n    api: http://{address}\n{hours}{more}"
            ),
        )
    }

    /// Writes the Secret called `name`.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write_secret(&self, name: &str, access_token: &str) -> Result<()> {
        self.write(
            &format!("secret-{name}.yaml"),
            &format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData:\n  \
                 api_key: {name}-fake-key\n  access_token: {access_token}\n"
            ),
        )
    }

    /// Writes a set of symbols.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write_set(&self, name: &str, mode: &str, symbols: &[&str], more: &str) -> Result<()> {
        let symbols: String = symbols
            .iter()
            .map(|symbol| format!("      - {symbol:?}\n"))
            .collect();
        self.write(
            &format!("set-{name}.yaml"),
            &format!(
                "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {{name: {name}}}\n\
                 spec:\n  mode: {mode}\n  instruments:\n    symbols:\n{symbols}{more}"
            ),
        )
    }

    /// Sets a variable of the environment from the next start on.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Makes the next start run another build of the operator.
    pub fn use_operator(&mut self, program: PathBuf) {
        self.operator = program;
    }

    /// Makes the next start of an ingest process run `program`. Call it before [`Self::start`] too,
    /// so that it can be called again later. A program that does not exist keeps the process down.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn use_ingestor(&self, program: &Path) -> Result<()> {
        let fresh = self.folder.path().join("fresh");
        std::os::unix::fs::symlink(program, &fresh)?;
        Ok(std::fs::rename(fresh, self.ingestor())?)
    }

    fn ingestor(&self) -> PathBuf {
        self.folder.path().join("kite-ingestor")
    }

    /// The command line.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.operator);
        command.arg("local").arg("-f").arg(self.manifests());
        command.envs(self.environment.iter().cloned());
        command
            .args(["--redis-url", &self.redis_url, "--state-dir"])
            .arg(self.folder.path().join("state"));
        // The link exists, whether its target does or not.
        if self.ingestor().is_symlink() {
            command.arg("--ingestor-bin").arg(self.ingestor());
        }
        command
    }

    /// Starts the program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&[])
    }

    /// Starts the program with further arguments.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with(&mut self, arguments: &[&str]) -> Result<()> {
        let log = self.folder.path().join("local.log");
        let mut command = self.command();
        command.args(arguments);
        self.program = Some(Program::start(&mut command, &log)?);
        Ok(())
    }

    /// Ends the program, its ingest processes included.
    ///
    /// # Errors
    /// When it is not running.
    ///
    /// # Panics
    /// When it fails.
    pub async fn stop(&mut self) -> Result<()> {
        self.program().signal("TERM").await?;
        let status = self.program().ended().await?;
        assert!(status.success(), "{status}:\n{}", self.printed());
        Ok(())
    }

    /// Runs the program with `--once` and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn once(&self) -> Result<Output> {
        Ok(self.command().arg("--once").output().await?)
    }

    /// The running program.
    ///
    /// # Panics
    /// When it was not started.
    #[must_use]
    pub fn program(&mut self) -> &mut Program {
        self.program
            .as_mut()
            .unwrap_or_else(|| panic!("not started"))
    }

    /// Everything that it printed.
    #[must_use]
    pub fn printed(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }

    /// The last table row of an object, as its cells.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<Vec<String>> {
        let printed = self.printed();
        let is_row = |line: &&str| line.split_whitespace().next() == Some(name);
        let row = printed
            .lines()
            .filter(|line| !line.contains(": "))
            .rfind(is_row)?;
        Some(row.split_whitespace().map(str::to_owned).collect())
    }

    /// Waits until the object's row says READY and REASON.
    pub async fn shows(&self, name: &str, ready: &str, reason: &str) {
        eventually(&format!("{name} {ready} {reason}"), async || {
            match self.row(name) {
                Some(row) if row[1] == ready && row[2] == reason => Ok(()),
                _ => Err(self.printed()),
            }
        })
        .await;
    }

    /// What the ingest process of an account reports.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn report(&self, account: &str) -> Result<contract::Report> {
        let page = self.page(account, contract::REPORT_PATH).await?;
        Ok(serde_json::from_str(&page)?)
    }

    /// What the ingest process of an account serves at `path`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn page(&self, account: &str, path: &str) -> Result<String> {
        let address = std::fs::read_to_string(self.state(account)?.join("port"))
            .with_context(|| format!("{account} has no address yet"))?;
        let url = format!("http://{}{path}", address.trim());
        let answer = self.client.get(url).send().await?.error_for_status()?;
        Ok(answer.text().await?)
    }

    /// How many first packets the ingest process of `account` has kept and not published, because they say nothing about
    /// their age.
    ///
    /// # Errors
    /// When its metrics cannot be read.
    pub async fn undated_snapshots(&self, account: &str) -> Result<u64> {
        let page = self.page(account, "/metrics").await?;
        let of_them = |line: &&str| {
            line.starts_with("ticks_processed_total{") && line.contains("\"undated_snapshot\"")
        };
        let counts = page.lines().filter(of_them);
        let counts = counts.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
        Ok(counts.sum::<Result<u64, _>>()?)
    }

    /// All files of the state folder.
    #[must_use]
    pub fn state_folder(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The folder of an account's assignment.
    ///
    /// # Errors
    /// When the account has no state.
    pub fn assignment_folder(&self, account: &str) -> Result<PathBuf> {
        Ok(self.state(account)?.join("assignment"))
    }

    /// The stored assignment of an account.
    ///
    /// # Errors
    /// When there is none.
    pub fn sealed(&self, account: &str) -> Result<Sealed> {
        sealed_in(&self.assignment_folder(account)?)?
            .with_context(|| format!("{account} has no assignment"))
    }

    /// All files of an account.
    fn state(&self, account: &str) -> Result<PathBuf> {
        for state in std::fs::read_dir(self.folder.path().join("state"))? {
            let folder = state?.path().join("accounts").join(account);
            if folder.exists() {
                return Ok(folder);
            }
        }
        anyhow::bail!("{account} has no state")
    }

    /// Process ids of the ingest processes.
    ///
    /// # Errors
    /// When the program is not running.
    pub fn children(&mut self) -> Result<Vec<u32>> {
        let pid = self.program().pid();
        let mut children = Vec::new();
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            children.extend(
                text.split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
        Ok(children)
    }

    /// Process id of the ingest process of an account.
    ///
    /// # Errors
    /// When there is none.
    pub fn child_of(&mut self, account: &str) -> Result<u32> {
        let folder = format!("/accounts/{account}/");
        let is_of = |pid: &u32| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains(&folder)
        };
        let found = self.children()?.into_iter().find(is_of);
        found.with_context(|| format!("{account} has no process"))
    }
}

/// The assignment in a folder, as a process reads it.
///
/// # Errors
/// When the folder cannot be read.
pub fn sealed_in(folder: &Path) -> Result<Option<Sealed>> {
    mount::read_together(folder, |folder| {
        let read = |name| mount::read(folder, name, contract::sealed::LARGEST_JSON);
        Ok((read(ASSIGNMENT_FILE)?, read(SHA256_FILE)?))
    })
    .map(|(gzip, sha256)| {
        Some(Sealed {
            gzip: gzip?,
            sha256: String::from_utf8(sha256?).ok()?,
        })
    })
    .map_err(Into::into)
}
