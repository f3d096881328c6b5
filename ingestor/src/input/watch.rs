//! Watches the mounted folders: the assignment and the credentials.
//!
//! Notifications make a change arrive at once; reading every few seconds finds changes on file
//! systems without notifications. A file that cannot be used changes nothing and is reported.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::report::AppliedAssignment;
use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE};
use contract::{Sealed, mount};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::input::assignment::{self, PreparedAssignment};
use crate::input::credential_reader::CredentialReader;
use crate::input::credentials::CredentialFiles;
use crate::input::notifications::FolderNotifications;

/// How often the folders are read without a notification.
const INTERVAL: Duration = Duration::from_secs(5);

/// Larger than any sealed assignment.
const LARGEST_GZIP: u64 = 8 * 1024 * 1024;

const LARGEST_SHA256: u64 = 1024;

/// What is new in the folders.
#[derive(Debug)]
pub(crate) enum FolderChange {
    /// Another assignment, to be streamed from now on.
    Assignment(Box<PreparedAssignment>),
    /// Why the assignment in the folder is not in force.
    AssignmentError(String),
    /// Other credentials.
    Credentials(CredentialFiles),
}

/// Watches both folders.
#[derive(Debug)]
pub(crate) struct MountedFolders {
    assignment: PathBuf,
    credentials: CredentialReader,
    epoch: String,
    in_force: Option<AppliedAssignment>,
    sealed: Option<Sealed>,
    error: Option<String>,
    found: Option<CredentialFiles>,
}

impl MountedFolders {
    /// Folders that were not read yet. `epoch` identifies this process in every tick.
    #[must_use]
    pub(crate) fn new(assignment: PathBuf, credentials: CredentialReader, epoch: String) -> Self {
        Self {
            assignment,
            credentials,
            epoch,
            in_force: None,
            sealed: None,
            error: None,
            found: None,
        }
    }

    /// Reads, and reads again at every change, until `shutdown` or until nobody takes `changes`
    /// any more.
    pub(crate) async fn watch(
        mut self,
        changes: mpsc::Sender<FolderChange>,
        shutdown: CancellationToken,
    ) {
        let changed = Arc::clone(self.credentials.changed());
        let mut notifications = FolderNotifications::new(&changed);
        loop {
            notifications.watch([&self.assignment, self.credentials.folder()]);
            // Opening and preparing may take a while, and blocks nothing else.
            let read = tokio::task::spawn_blocking(move || {
                let found = self.read();
                (self, found)
            });
            let Ok((folders, found)) = read.await else {
                return;
            };
            self = folders;
            for change in found {
                if changes.send(change).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = changed.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Reads both folders and returns what is new.
    fn read(&mut self) -> Vec<FolderChange> {
        let changes = [self.read_credentials(), self.read_assignment()];
        changes.into_iter().flatten().collect()
    }

    fn read_credentials(&mut self) -> Option<FolderChange> {
        // The last credentials stay; the next reading may succeed.
        let found = self
            .credentials
            .read()
            .inspect_err(|error| tracing::warn!(%error, "credentials cannot be read"));
        let found = found
            .ok()
            .filter(|found| self.found.as_ref() != Some(found))?;
        self.found = Some(found.clone());
        Some(FolderChange::Credentials(found))
    }

    fn read_assignment(&mut self) -> Option<FolderChange> {
        let sealed = match mount::read_together(&self.assignment, read_files) {
            Ok(Some(sealed)) => sealed,
            Ok(None) if self.in_force.is_none() => return None,
            Ok(None) => return self.fail("the file is missing; the last one stays".into()),
            Err(error) => return self.fail(format!("the file cannot be read: {error}")),
        };
        if self.sealed.as_ref() == Some(&sealed) {
            return None;
        }
        match assignment::prepare(&sealed, self.in_force.as_ref(), &self.epoch) {
            Ok(assigned) => {
                self.in_force = Some(assigned.applied.clone());
                self.sealed = Some(sealed);
                self.error = None;
                Some(FolderChange::Assignment(Box::new(assigned)))
            }
            Err(error) => self.fail(service::exit::chain(&error).to_string()),
        }
    }

    /// Reports an error once.
    fn fail(&mut self, error: String) -> Option<FolderChange> {
        if self.error.as_ref() == Some(&error) {
            return None;
        }
        tracing::warn!(error = %error, "the new assignment is not applied");
        // When a valid file comes back it is sent again, even if it is the one in force.
        self.sealed = None;
        self.error = Some(error.clone());
        Some(FolderChange::AssignmentError(error))
    }
}

fn read_files(folder: &Path) -> std::io::Result<Option<Sealed>> {
    let gzip = mount::read(folder, ASSIGNMENT_FILE, LARGEST_GZIP)?;
    let sha256 = mount::read(folder, SHA256_FILE, LARGEST_SHA256)?;
    Ok(gzip.zip(sha256).map(|(gzip, sha256)| Sealed {
        gzip,
        sha256: String::from_utf8_lossy(&sha256).into_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use contract::Assignment;
    use contract::mount::{ACCESS_TOKEN_FILE, API_KEY_FILE};

    use super::*;
    use crate::pipeline::instruments::tests::sample;

    fn folders(root: &Path) -> MountedFolders {
        MountedFolders::new(
            root.join("assignment"),
            CredentialReader::new(root.join("credentials")),
            "1".into(),
        )
    }

    fn publish(root: &Path, sealed: &Sealed) {
        let files = BTreeMap::from([
            (ASSIGNMENT_FILE, sealed.gzip.clone()),
            (SHA256_FILE, sealed.sha256.clone().into_bytes()),
        ]);
        mount::publish(&root.join("assignment"), &files).unwrap();
    }

    fn generation(number: u64) -> Assignment {
        Assignment {
            generation: number,
            ..sample()
        }
    }

    /// Generations put in force and complaints, in order.
    fn outcome(changes: Vec<FolderChange>) -> Vec<String> {
        let word = |change| match change {
            FolderChange::Assignment(assigned) => format!("assign {}", assigned.applied.generation),
            FolderChange::AssignmentError(error) => format!("complain {error}"),
            FolderChange::Credentials(CredentialFiles::Complete(_)) => "credentials".to_owned(),
            FolderChange::Credentials(CredentialFiles::Missing(files)) => {
                format!("missing {}", files.join(" "))
            }
        };
        changes.into_iter().map(word).collect()
    }

    #[test]
    fn each_generation_is_reported_once_and_an_older_one_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let mut folders = folders(root.path());
        assert_eq!(outcome(folders.read()), ["missing api_key access_token"]);
        publish(root.path(), &Sealed::new(&generation(2)));
        assert_eq!(outcome(folders.read()), ["assign 2"]);
        assert!(folders.read().is_empty());
        publish(root.path(), &Sealed::new(&generation(1)));
        let older = "complain the assignment file has generation 1, older than 2 in force";
        assert_eq!(outcome(folders.read()), [older]);
        assert!(folders.read().is_empty());
        publish(root.path(), &Sealed::new(&generation(2)));
        assert_eq!(
            outcome(folders.read()),
            ["assign 2"],
            "and the complaint ends"
        );
    }

    #[test]
    fn broken_and_vanished_files_change_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut folders = folders(root.path());
        folders.read();
        let mut sealed = Sealed::new(&generation(1));
        publish(root.path(), &sealed);
        assert_eq!(outcome(folders.read()), ["assign 1"]);
        sealed.gzip.truncate(20);
        publish(root.path(), &sealed);
        let errors = outcome(folders.read());
        assert!(errors[0].starts_with("complain the assignment file cannot be used: "));
        std::fs::remove_dir_all(root.path().join("assignment")).unwrap();
        assert_eq!(
            outcome(folders.read()),
            ["complain the file is missing; the last one stays"]
        );
    }

    #[test]
    fn credentials_are_told_when_they_change() {
        let root = tempfile::tempdir().unwrap();
        let mut folders = folders(root.path());
        let put = |token: &str| {
            let files = BTreeMap::from([
                (API_KEY_FILE, b"key".to_vec()),
                (ACCESS_TOKEN_FILE, token.as_bytes().to_vec()),
            ]);
            mount::publish(&root.path().join("credentials"), &files).unwrap();
        };
        put("one");
        assert_eq!(outcome(folders.read()), ["credentials"]);
        put("one");
        assert!(folders.read().is_empty());
        put("two");
        assert_eq!(outcome(folders.read()), ["credentials"]);
    }
}
