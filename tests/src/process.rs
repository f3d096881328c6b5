//! Programs under test as child processes.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::eventually;

/// A running program; it is killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command` with its output in `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log)?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{:?} cannot be started", command.as_std().get_program()))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child
            .id()
            .unwrap_or_else(|| panic!("ended:\n{}", self.log()))
    }

    /// Everything it printed.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal by name, such as `TERM`.
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn signal(&self, name: &str) -> Result<()> {
        signal(self.pid(), name).await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for the address that it writes to `port_file`.
    ///
    /// # Panics
    /// When it ends before, or after a while.
    pub async fn address(&mut self, port_file: &Path) -> SocketAddr {
        eventually("port file", async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("ended with {status} before it listened:\n{}", self.log());
            }
            let text = std::fs::read_to_string(port_file)?;
            anyhow::Ok(text.trim().parse()?)
        })
        .await
    }
}

/// Sends a signal by name to a process.
///
/// # Errors
/// When there is no such process.
pub async fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .await?;
    if !status.success() {
        bail!("process {pid} took no {name}");
    }
    Ok(())
}

/// The path of one of the workspace's programs, built beside this test.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary(name: impl AsRef<OsStr>) -> PathBuf {
    let name = name.as_ref();
    let test = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/TEST, or target/PROFILE/bench
    let beside = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name));
    let built = beside.filter(|path| path.exists()).last();
    built.unwrap_or_else(|| {
        panic!(
            "{} is not built: run `cargo build --workspace --bins` first",
            name.display()
        )
    })
}

/// The path of a program that also knows the next assignment version, built before this test.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn next_binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/TEST
    let target = test.ancestors().nth(3).unwrap_or(Path::new(""));
    let built = target.join("next").join(name);
    assert!(
        built.exists(),
        "{} is not built: run `make next` first",
        built.display()
    );
    built
}

/// Resident memory of a process in bytes, or `None` if it has ended.
#[must_use]
pub fn resident_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Processor time that a process has used, in clock ticks of 10 ms.
#[must_use]
pub fn processor_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field
    // after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}
