//! A Redis Sentinel of its own.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::redis_server::{free_port, program};
use super::within;

/// The password of Sentinels that have one.
pub const PASSWORD: &str = "fake-password-of-sentinels";

/// A Sentinel.
pub struct Sentinel {
    pub port: u16,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Sentinel {
    /// One that watches `master` alone (quorum 1).
    pub async fn of(master: u16) -> Self {
        Self::with(master, "").await
    }

    /// The same with further settings.
    pub async fn with(master: u16, settings: &str) -> Self {
        let (port, folder) = (free_port().await, tempfile::tempdir().unwrap());
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor ours 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds ours 500\nsentinel failover-timeout ours 3000\n{settings}",
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new(program())
            .arg(&config)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is installed");
        let sentinel = Self {
            port,
            _child: child,
            _folder: folder,
        };
        sentinel.answers(&["SENTINEL", "masters"], |_| true).await;
        sentinel
    }

    /// Asks until the answer fits.
    pub async fn answers(&self, arguments: &[&str], fits: impl Fn(&str) -> bool) {
        let mut look = tokio::time::interval(Duration::from_millis(100));
        let answer = async {
            loop {
                look.tick().await;
                let port = self.port.to_string();
                let mut command = Command::new("redis-cli");
                command.args(["-e", "-p", &port]).args(arguments);
                command.env("REDISCLI_AUTH", PASSWORD);
                let output = command.output().await.unwrap();
                let text = String::from_utf8_lossy(&output.stdout);
                if output.status.success() && fits(&text) {
                    return;
                }
            }
        };
        within(&arguments.join(" "), answer).await;
    }
}
