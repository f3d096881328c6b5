//! Why `local` cannot start or go on.

use std::io;
use std::path::PathBuf;

use super::state::StateError;

/// A run that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The folder cannot be read.
    #[error("the manifest folder {} cannot be read", .path.display())]
    Manifests {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file where a folder is expected.
    #[error("{} is a file: pass the folder that it is in to -f", .0.display())]
    NoFolder(PathBuf),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateFolderError),
    /// The ingest program was not found.
    #[error(
        "kite-ingestor is neither in the folder of this program nor on the PATH: build it, or pass --ingestor-bin"
    )]
    NoIngestor,
    /// The named ingest program does not exist.
    #[error("--ingestor-bin {} does not exist", .0.display())]
    NamedIngestor(PathBuf),
    /// The folder for recordings is not writable.
    #[error("the folder of --record, {}, is not writable", .path.display())]
    Record {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state folder failed.
    #[error("the state folder cannot be read")]
    Observe(#[source] io::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] service::tls::TlsError),
    /// No HTTP client for reports or for Kite.
    #[error("the HTTP client cannot be created")]
    Http(#[from] reqwest::Error),
    /// No port for those who ask.
    #[error("no port of 127.0.0.1 can be had, at which kubectl-kiteticker would ask")]
    Listen(#[source] service::http::BindError),
    /// The terminal is closed.
    #[error("the table cannot be printed")]
    Screen(#[source] io::Error),
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StateFolderError(pub(super) StateError);
