//! The folder in which `local` keeps what a cluster would keep: assignments and credentials as
//! mounted folders, one pair per account.
//!
//! Owns its place, its access rights, and the lock that lets only one instance use it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use contract::answer::{ADDRESS_FILE, LOGIN_FOLDER};
use sha2::{Digest, Sha256};

/// The state of one manifest folder, held exclusively until dropped.
#[derive(Debug)]
pub(crate) struct StateFolder {
    manifests: PathBuf,
    base: PathBuf,
    path: PathBuf,
    lock: File,
}

/// A state folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// There is no place for it.
    #[error("no home directory for the state folder: pass --state-dir")]
    NoHome,
    /// Another instance runs on the same manifests.
    #[error("another `kite-operator local` already runs on {}: stop it first", .manifests.display())]
    InUse {
        /// The manifest folder.
        manifests: PathBuf,
    },
    /// Other users could read or write it.
    #[error("state folder {} must belong to you alone: `chmod 0700` it, or pass another --state-dir", .0.display())]
    Exposed(PathBuf),
    /// The file system returned an error.
    #[error("state folder {} cannot be used", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StateFolder {
    /// Opens the state of `manifests` (a canonical path) below `base`, or below the user's state
    /// directory, and locks it.
    pub(crate) fn open(manifests: &Path, base: Option<&Path>) -> Result<Self, StateError> {
        let base = base.map(Path::to_owned).map_or_else(default_base, Ok)?;
        let path = base.join(key(manifests));
        let failed = |source| StateError::Io {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let metadata = fs::metadata(&path).map_err(failed)?;
        let owner = fs::metadata("/proc/self").map_err(failed)?.uid();
        if metadata.permissions().mode() & 0o077 != 0 || metadata.uid() != owner {
            return Err(StateError::Exposed(path));
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                manifests: manifests.to_owned(),
                base,
                path,
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse {
                manifests: manifests.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Makes sure that the lock is where other instances look for it, even after the folder was
    /// deleted.
    pub(crate) fn hold(&mut self) -> Result<(), StateError> {
        if !self.is_held() {
            *self = Self::open(&self.manifests, Some(&self.base))?;
            tracing::warn!(folder = %self.path.display(), "the state folder was deleted and is created again");
        }
        Ok(())
    }

    fn is_held(&self) -> bool {
        let same = |there: fs::Metadata| {
            self.lock
                .metadata()
                .is_ok_and(|here| (here.dev(), here.ino()) == (there.dev(), there.ino()))
        };
        fs::metadata(self.path.join("lock")).is_ok_and(same)
    }

    /// The folder of an account's assignment.
    pub(crate) fn assignment(&self, account: &str) -> PathBuf {
        self.account(account).join("assignment")
    }

    /// The folder of an account's credentials.
    pub(crate) fn credentials(&self, account: &str) -> PathBuf {
        self.account(account).join("credentials")
    }

    /// The folder of an account's session.
    pub(crate) fn session(&self, account: &str) -> PathBuf {
        self.sessions()(account)
    }

    /// The same, for who outlives this.
    pub(crate) fn sessions(&self) -> impl Fn(&str) -> PathBuf + Send + Sync + use<> {
        let accounts = self.path.join("accounts");
        move |account| accounts.join(account).join("session")
    }

    /// The folder with the login link of an account.
    pub(crate) fn login_link(&self, account: &str) -> PathBuf {
        self.account(account).join(LOGIN_FOLDER)
    }

    /// The folder with the key that signs login links.
    pub(crate) fn login_key(&self) -> PathBuf {
        self.path.join("login")
    }

    /// The folder of an account's files for Redis.
    pub(crate) fn redis(&self, account: &str) -> PathBuf {
        self.account(account).join("redis")
    }

    /// The file to which an account's process writes its address.
    pub(crate) fn port_file(&self, account: &str) -> PathBuf {
        self.account(account).join("port")
    }

    /// The file with the address at which the operator answers.
    pub(crate) fn address_file(&self) -> PathBuf {
        self.path.join(ADDRESS_FILE)
    }

    /// Accounts with files in the folder.
    pub(crate) fn accounts(&self) -> io::Result<Vec<String>> {
        let folder = self.path.join("accounts");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// Deletes the files of an account, its credentials included.
    pub(crate) fn remove(&self, account: &str) -> io::Result<()> {
        fs::remove_dir_all(self.account(account))
    }

    fn account(&self, account: &str) -> PathBuf {
        self.path.join("accounts").join(account)
    }
}

fn default_base() -> Result<PathBuf, StateError> {
    let home = std::env::home_dir()
        .filter(|home| home.is_absolute())
        .ok_or(StateError::NoHome)?;
    Ok(home.join(".local/state/kite-ticker"))
}

/// A name for the state of one manifest folder: readable, and unique even if the last parts of two
/// paths are equal.
fn key(manifests: &Path) -> String {
    let digest = Sha256::digest(manifests.as_os_str().as_encoded_bytes());
    let name = manifests
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    format!(
        "{name}-{:02x}{:02x}{:02x}{:02x}",
        digest[0], digest[1], digest[2], digest[3]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_refused_until_the_first_ends() {
        let base = tempfile::tempdir().unwrap();
        let open = || StateFolder::open(Path::new("/manifests/demo"), Some(base.path()));
        let first = open().unwrap();
        assert!(matches!(open(), Err(StateError::InUse { .. })));
        drop(first);
        open().unwrap();
    }

    #[test]
    fn a_deleted_folder_is_noticed_and_can_be_had_again() {
        let base = tempfile::tempdir().unwrap();
        let open = || StateFolder::open(Path::new("/manifests/demo"), Some(base.path()));
        let first = open().unwrap();
        assert!(first.is_held());
        fs::remove_dir_all(&first.path).unwrap();
        assert!(!first.is_held());
        let second = open().unwrap();
        assert!(second.is_held() && !first.is_held());
    }

    #[test]
    fn equal_names_in_other_places_have_their_own_state() {
        assert_ne!(key(Path::new("/a/demo")), key(Path::new("/b/demo")));
        assert!(key(Path::new("/a/demo")).starts_with("demo-"));
    }

    #[test]
    fn a_folder_that_others_can_read_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let manifests = Path::new("/manifests/demo");
        let folder = base.path().join(key(manifests));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let refused = StateFolder::open(manifests, Some(base.path()));
        assert!(matches!(refused, Err(StateError::Exposed(_))));
    }
}
