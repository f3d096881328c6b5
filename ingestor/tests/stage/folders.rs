//! The folders that an ingestor reads, written as Kubernetes writes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::mount::{
    self, ACCESS_TOKEN_FILE, API_KEY_FILE, SESSION_KEY_HASH_FILE, SESSION_TOKEN_FILE,
};
use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE};
use contract::{Assignment, Sealed, session_key_hash};

use super::API_KEY;
use super::redis_server::{PASSWORD_OF_PUBLISHER, PUBLISHER};

/// The files for Redis with the login that the servers of the stage know.
pub const LOGIN: [(&str, &str); 2] = [("username", PUBLISHER), ("password", PASSWORD_OF_PUBLISHER)];

/// The folders of one ingestor.
pub struct Folders {
    root: tempfile::TempDir,
}

impl Folders {
    pub fn new() -> Self {
        let folders = Self {
            root: tempfile::tempdir().unwrap(),
        };
        folders.redis_of(&LOGIN);
        folders
    }

    pub(super) fn assignment(&self) -> PathBuf {
        self.root.path().join("assignment")
    }

    pub(super) fn credentials(&self) -> PathBuf {
        self.root.path().join("credentials")
    }

    pub(super) fn redis(&self) -> PathBuf {
        self.root.path().join("redis")
    }

    /// Sets the files for Redis to exactly these.
    pub fn redis_of(&self, files: &[(&str, &str)]) {
        let files: BTreeMap<_, _> = files
            .iter()
            .map(|(name, text)| (*name, text.as_bytes().to_vec()))
            .collect();
        mount::publish(&self.redis(), &files).unwrap();
    }

    pub fn assign(&self, assignment: &Assignment) {
        self.assign_sealed(&Sealed::new(assignment));
    }

    pub fn assign_sealed(&self, sealed: &Sealed) {
        let files = BTreeMap::from([
            (ASSIGNMENT_FILE, sealed.gzip.clone()),
            (SHA256_FILE, sealed.sha256.clone().into_bytes()),
        ]);
        mount::publish(&self.assignment(), &files).unwrap();
    }

    pub fn credentials_of(&self, access_token: &str) {
        self.tokens_of(access_token, None);
    }

    /// The token of the Secret, and that of a login to the account with this UID.
    pub fn tokens_of(&self, access_token: &str, session: Option<(&str, &str)>) {
        let mut files = BTreeMap::from([
            (API_KEY_FILE, API_KEY.as_bytes().to_vec()),
            (ACCESS_TOKEN_FILE, access_token.as_bytes().to_vec()),
        ]);
        if let Some((token, uid)) = session {
            let hash = session_key_hash(uid, API_KEY);
            files.insert(SESSION_TOKEN_FILE, token.as_bytes().to_vec());
            files.insert(SESSION_KEY_HASH_FILE, hash.into_bytes());
        }
        mount::publish(&self.credentials(), &files).unwrap();
    }
}
