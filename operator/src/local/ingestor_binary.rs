//! Finds the ingest program.

use std::path::{Path, PathBuf};

use super::LocalError;

/// The named program, else the one in the folder of this program, else the one on the PATH.
pub(super) fn find_ingestor(named: Option<&Path>) -> Result<PathBuf, LocalError> {
    const NAME: &str = "kite-ingestor";
    if let Some(named) = named {
        let named = named.to_owned();
        return if named.is_file() {
            Ok(named)
        } else {
            Err(LocalError::NamedIngestor(named))
        };
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|program| program.with_file_name(NAME));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(std::env::split_paths(&path).map(|folder| folder.join(NAME)))
        .find(|candidate| candidate.is_file())
        .ok_or(LocalError::NoIngestor)
}
