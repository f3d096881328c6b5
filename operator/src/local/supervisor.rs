//! One ingest process as a child: started, restarted when it dies, ended with its parent.
//!
//! Owns the process. The child is in a process group of its own, so that a terminal's Ctrl-C
//! reaches only the parent; it ends when its standard input closes, so that it cannot outlive a
//! parent that was killed.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use service::backoff::Backoff;
use service::clock::WallClock;
use service::http::read_port_file;
use service::text::{LONGEST_REASON, printable};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a child may take to close its sockets before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The waits between the starts of a child that keeps ending.
const RESTARTS: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));

/// A child that lived this long and had an address is started again at once.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// A child whose address is not known this long after its start is ended and started again: its
/// port file is lost, and a child writes it only once.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the port file of a child without an address is read.
const ADDRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How long to wait for the rest of the log of a child that ended.
const LOG_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest line of a child's log that is passed on, in bytes.
const LONGEST_LINE: usize = 4096;

/// What a child is started with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChildSpec {
    /// The account.
    pub(crate) account: String,
    /// The program.
    pub(crate) binary: PathBuf,
    /// The folder for recordings, if frames are recorded.
    pub(crate) record: Option<PathBuf>,
    /// Its assignment folder.
    pub(crate) assignment: PathBuf,
    /// Its credentials folder.
    pub(crate) credentials: PathBuf,
    /// Its folder of files for Redis.
    pub(crate) redis: PathBuf,
    /// The file to which it writes its address.
    pub(crate) port_file: PathBuf,
    /// Its log filter.
    pub(crate) log_level: String,
    /// Its simulated wall clock.
    pub(crate) wall_clock: Option<WallClock>,
}

/// What is known of a child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChildState {
    /// Its process id while it runs.
    pub(crate) pid: Option<u32>,
    /// Its address, valid as long as it runs, whatever happens to its port file.
    pub(crate) address: Option<SocketAddr>,
    /// Why it does not run.
    pub(crate) trouble: Option<String>,
}

/// A supervised child.
#[derive(Debug)]
pub(crate) struct Supervised {
    stop: CancellationToken,
    task: JoinHandle<()>,
    state: watch::Receiver<ChildState>,
}

impl Supervised {
    /// Starts the child and keeps it running. `hung`: the process id of one that does not answer any more,
    /// which is ended and started again.
    pub(crate) fn start(spec: ChildSpec, hung: watch::Receiver<Option<u32>>) -> Self {
        let stop = CancellationToken::new();
        let (report, state) = watch::channel(ChildState::default());
        let task = tokio::spawn(supervise(spec, report, hung, stop.clone()));
        Self { stop, task, state }
    }

    /// The state of the child; notifies of every change.
    pub(crate) fn state(&self) -> watch::Receiver<ChildState> {
        self.state.clone()
    }

    /// Ends the child: its standard input closes, it drains; after a grace period it is killed.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the supervisor of an ingest process failed");
        }
    }
}

/// The wait after the `failures`th consecutive end of a child that did not run for long.
fn restart_delay(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => RESTARTS.delay(failures, 0.0),
    }
}

async fn supervise(
    spec: ChildSpec,
    state: watch::Sender<ChildState>,
    mut hung: watch::Receiver<Option<u32>>,
    stop: CancellationToken,
) {
    let mut failures = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(restart_delay(failures)) => {}
        }
        let started = tokio::time::Instant::now();
        let trouble = match start(&spec).await {
            Ok((mut child, log)) => {
                // Waiting for a child closes its standard input, which makes it end.
                let (stdin, pid) = (child.stdin.take(), child.id());
                state.send_replace(ChildState {
                    pid,
                    ..ChildState::default()
                });
                tokio::select! {
                    () = stop.cancelled() => {
                        drop(stdin);
                        return wait_or_kill(child, &spec.account).await;
                    }
                    status = child.wait() => match status {
                        Ok(status) => format!("the ingest process ended ({status}){}", last_error(log).await),
                        Err(error) => format!("the ingest process is lost: {error}"),
                    },
                    () = stays_without_address(&spec.port_file, &state) => {
                        drop(stdin);
                        wait_or_kill(child, &spec.account).await;
                        format!("the address of the ingest process is not known {ADDRESS_TIMEOUT:?} after its start: it is started again")
                    }
                    Ok(()) = async { hung.wait_for(|it| pid.is_some() && *it == pid).await.map(drop) } => {
                        kill(child, &spec.account).await;
                        "the ingest process runs but does not answer: it is started again".to_owned()
                    }
                }
            }
            Err(error) => format!("{} cannot be started: {error}", spec.binary.display()),
        };
        tracing::warn!(account = spec.account, "{trouble}");
        let ended = state.send_replace(ChildState {
            trouble: Some(trouble),
            ..ChildState::default()
        });
        failures = if ended.address.is_some() && started.elapsed() >= STABLE_AFTER {
            0
        } else {
            failures.saturating_add(1)
        };
    }
}

/// Passes on the address of a child as soon as it is known. Ends only if it does not become known
/// in time: a child that had an address is never ended for the lack of one.
async fn stays_without_address(port_file: &Path, state: &watch::Sender<ChildState>) {
    let known = async {
        loop {
            if let Ok(Some(address)) = read_port_file(port_file) {
                return address;
            }
            tokio::time::sleep(ADDRESS_INTERVAL).await;
        }
    };
    if let Ok(address) = tokio::time::timeout(ADDRESS_TIMEOUT, known).await {
        state.send_modify(|state| state.address = Some(address));
        std::future::pending::<()>().await;
    }
}

/// The child, and the task that forwards its log.
async fn start(spec: &ChildSpec) -> std::io::Result<(Child, JoinHandle<Option<String>>)> {
    remove_stale(&spec.port_file).await?;
    let record = spec.record.iter();
    let (name, value) = contract::INGESTOR_ENVIRONMENT;
    let mut child = Command::new(&spec.binary)
        .env(name, value)
        .args(record.flat_map(|folder| [OsStr::new("--record"), folder.as_os_str()]))
        .arg("--assignment-dir")
        .arg(&spec.assignment)
        .arg("--credentials-dir")
        .arg(&spec.credentials)
        .arg("--redis-dir")
        .arg(&spec.redis)
        .args([
            "--listen",
            "127.0.0.1:0",
            "--exit-on-stdin-close",
            "--log-level",
            &spec.log_level,
        ])
        .arg("--port-file")
        .arg(&spec.port_file)
        .args(spec.wall_clock.map(|it| format!("--wall-clock={it}")))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let (log, account) = (child.stderr.take(), spec.account.clone());
    let log = tokio::spawn(async move { forward_log(log?, account).await });
    Ok((child, log))
}

/// The last error that a child logged before it ended, to be added to its exit status.
async fn last_error(log: JoinHandle<Option<String>>) -> String {
    let Ok(Ok(Some(line))) = tokio::time::timeout(LOG_TIMEOUT, log).await else {
        return String::new();
    };
    format!(": {}", printable(&line, LONGEST_REASON))
}

/// The error text of a line: of a log line without time and level, or of the process's last words.
fn error_of(line: &str) -> Option<&str> {
    let logged = line.split_once(" ERROR ").map(|it| it.1);
    logged.or_else(|| line.strip_prefix("error: "))
}

/// An old address would be used for the new process.
async fn remove_stale(port_file: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_file(port_file).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits for a child whose standard input was closed.
async fn wait_or_kill(mut child: Child, account: &str) {
    if tokio::time::timeout(STOP_TIMEOUT, child.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            account,
            "the ingest process did not end in time and is killed"
        );
        kill(child, account).await;
    }
}

async fn kill(mut child: Child, account: &str) {
    if let Err(error) = child.kill().await {
        tracing::error!(account, %error, "the ingest process cannot be killed");
    }
}

/// Forwards the child's log line by line; ends with the child, and returns its last error.
async fn forward_log(log: impl AsyncRead + Unpin, account: String) -> Option<String> {
    let mut lines = BufReader::with_capacity(LONGEST_LINE, log);
    let mut line = Vec::new();
    let mut last = None;
    while let Ok(chunk) = lines.fill_buf().await {
        if chunk.is_empty() {
            break;
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(chunk.len(), |at| at + 1);
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&chunk[..end.unwrap_or(taken).min(room)]);
        lines.consume(taken);
        if end.is_some() {
            line.push(b'\n');
            // If the log is not read, the child goes on.
            let whole = [account.as_bytes(), b": ", &line].concat();
            let _written = tokio::io::stderr().write_all(&whole).await;
            let text = String::from_utf8_lossy(line.trim_ascii_end());
            last = error_of(&text).map(str::to_owned).or(last);
            line.clear();
        }
    }
    last
}

#[cfg(test)]
mod tests;
