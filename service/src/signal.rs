//! Turns signals and the end of stdin into one cancellation token.
//!
//! It decides nothing about draining: each holder of the token ends in its own bounded time.

use std::io::{self, Read};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A source of shutdown could not be watched.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The handler of a signal could not be installed.
    #[error("cannot install the handler for {name}")]
    Install {
        /// SIGTERM or SIGINT.
        name: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The thread that reads stdin could not be started.
    #[error("cannot start the thread that watches stdin")]
    Thread(#[source] io::Error),
}

/// The process-wide "stop now". Clones share one state, and it never goes back.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A shutdown that was not requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Triggers on SIGTERM and SIGINT. To be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When a handler cannot be installed.
    pub fn on_signals(&self) -> Result<(), SignalError> {
        let mut term = listen(SignalKind::terminate(), "SIGTERM")?;
        let mut int = listen(SignalKind::interrupt(), "SIGINT")?;
        let token = self.0.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = int.recv() => "SIGINT",
                () = token.cancelled() => return,
            };
            tracing::info!(signal = name, "shutting down");
            token.cancel();
        });
        Ok(())
    }

    /// Triggers when stdin reaches its end or fails: the parent that held it open has ended.
    ///
    /// # Errors
    /// When the reading thread cannot be started.
    pub fn on_stdin_close(&self) -> Result<(), SignalError> {
        self.on_close(io::stdin())
    }

    /// The token to hand to tasks.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.0.clone()
    }

    /// Requests shutdown. Further requests do nothing.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Whether shutdown was requested.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until shutdown is requested.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }

    /// Reads on its own thread: a blocking read inside the runtime would delay its end.
    fn on_close(&self, mut input: impl Read + Send + 'static) -> Result<(), SignalError> {
        let token = self.0.clone();
        std::thread::Builder::new()
            .name("stdin-watch".into())
            .spawn(move || {
                drop(io::copy(&mut input, &mut io::sink()));
                tracing::info!("stdin closed: shutting down");
                token.cancel();
            })
            .map(drop)
            .map_err(SignalError::Thread)
    }
}

fn listen(kind: SignalKind, name: &'static str) -> Result<Signal, SignalError> {
    signal(kind).map_err(|source| SignalError::Install { name, source })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn sigterm_and_sigint_trigger() {
        for signal in ["-TERM", "-INT"] {
            let shutdown = Shutdown::new();
            shutdown.on_signals().unwrap();
            assert!(!shutdown.is_triggered());
            let pid = std::process::id().to_string();
            let status = Command::new("kill").args([signal, &pid]).status().unwrap();
            assert!(status.success());
            tokio::time::timeout(LONG, shutdown.wait()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_end_of_input_triggers_and_input_itself_does_not() {
        let (reader, mut writer) = io::pipe().unwrap();
        let shutdown = Shutdown::new();
        shutdown.on_close(reader).unwrap();

        // More than a pipe holds (64 KiB): returns only once the thread has read most of it.
        writer.write_all(&vec![b'x'; 256 * 1024]).unwrap();
        assert!(!shutdown.is_triggered());
        drop(writer);

        tokio::time::timeout(LONG, shutdown.wait()).await.unwrap();
    }

    #[tokio::test]
    async fn triggering_reaches_every_clone_and_token() {
        let shutdown = Shutdown::new();
        let (clone, token) = (shutdown.clone(), shutdown.token());
        clone.trigger();
        shutdown.wait().await;
        assert!(token.is_cancelled() && shutdown.is_triggered());
    }
}
