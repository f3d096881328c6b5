//! Reads the credentials that are to be used now, before each dial and when they may have changed.
//!
//! Owns the choice between two tokens, which the watcher of the folder and all dials share.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::TokenSource;
use tokio::sync::Notify;

use super::credentials::{self, CredentialFiles, Credentials};
use super::token_choice::TokenChoice;

/// Reads them; clones share the choice.
#[derive(Clone, Debug)]
pub(crate) struct CredentialReader {
    folder: Arc<PathBuf>,
    choice: Arc<Mutex<TokenChoice>>,
    changed: Arc<Notify>,
}

impl CredentialReader {
    /// Of a folder that was not read yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder: Arc::new(folder),
            choice: Arc::default(),
            changed: Arc::default(),
        }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Notified when others are to be used although the folder has not changed.
    pub(crate) fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// Reads the folder.
    ///
    /// # Errors
    /// Errors of the file system, except that a file does not exist.
    pub(crate) fn read(&self) -> io::Result<CredentialFiles> {
        let files = credentials::read(&self.folder)?;
        Ok(self.choice().choose(files))
    }

    /// Takes over what an assignment says.
    pub(crate) fn assign(&self, account_uid: &str, preferred: TokenSource) {
        if self.choice().assign(account_uid, preferred) {
            self.changed.notify_one();
        }
    }

    /// Takes note that Kite refused these.
    pub(crate) fn on_refused(&self, refused: &Credentials) {
        if self.choice().on_refused(refused) {
            self.changed.notify_one();
        }
    }

    /// Whose token is used.
    pub(crate) fn source(&self) -> Option<TokenSource> {
        self.choice().source()
    }

    fn choice(&self) -> MutexGuard<'_, TokenChoice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
