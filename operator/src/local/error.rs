//! Why `local` cannot start or go on.

use std::io;
use std::path::PathBuf;

use super::state::StateError;
use crate::instruments::fetch;

/// A run that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No such folder.
    #[error("manifest folder {} cannot be read", .path.display())]
    Manifests {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file where a folder is expected.
    #[error("{} is a file: -f wants the folder that it is in", .0.display())]
    NoFolder(PathBuf),
    /// The state folder cannot be used.
    #[error("no state folder")]
    State(#[from] StateFolderError),
    /// The ingest program is nowhere.
    #[error(
        "kite-ingestor is neither beside this program nor on the PATH: build it, or pass --ingestor-bin"
    )]
    NoIngestor,
    /// The ingest program that was named is none.
    #[error("--ingestor-bin {} is not there", .0.display())]
    NamedIngestor(PathBuf),
    /// Nothing can be recorded there.
    #[error("--record {} cannot be written to", .path.display())]
    Record {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state folder broke.
    #[error("state folder cannot be read")]
    Observe(#[source] io::Error),
    /// TLS cannot be set up.
    #[error("no TLS")]
    Tls(#[from] service::tls::TlsError),
    /// No HTTP client for reports.
    #[error("no HTTP client")]
    Http(#[from] reqwest::Error),
    /// No HTTP client for instruments.
    #[error(transparent)]
    Fetch(#[from] fetch::FetchError),
    /// The screen went away.
    #[error("the table cannot be printed")]
    Screen(#[source] io::Error),
}

/// Why there is no state folder.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StateFolderError(pub(super) StateError);
