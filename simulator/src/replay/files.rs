//! Recordings on disk, one after the other.
//!
//! Owns which files belong to a recording and reading them ahead, bounded.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use kite::recording::{Record, Records};
use tokio::sync::mpsc;

use super::ReplayError;

const EXTENSION: &str = ".kiterec.gz";

/// Records that are read ahead.
const AHEAD: usize = 1_024;

/// The files of a recording, oldest first.
#[derive(Debug)]
pub(super) struct Recordings(Vec<PathBuf>);

impl Recordings {
    /// The recordings of a folder, or one file.
    pub(super) fn open(path: &Path) -> Result<Self, ReplayError> {
        let unreadable = |error| ReplayError::Read(path.to_owned(), error);
        let files = if fs::metadata(path).map_err(unreadable)?.is_dir() {
            list(path).map_err(unreadable)?
        } else {
            vec![path.to_owned()]
        };
        if files.is_empty() {
            return Err(match folder_with_recording(path) {
                Some(folder) => ReplayError::Parent(path.to_owned(), folder),
                None => ReplayError::Nothing(path.to_owned()),
            });
        }
        // A file that is not a recording is rejected now, not after an hour.
        for file in &files {
            records(file)?;
        }
        Ok(Self(files))
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads everything, a little ahead of the consumer.
    pub(super) fn read(self) -> mpsc::Receiver<Result<Record, ReplayError>> {
        let (sender, records) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            for file in self.0 {
                if let Err(error) = read(&file, &sender) {
                    // When the run has ended the receiver is gone.
                    drop(sender.blocking_send(Err(error)));
                    return;
                }
            }
        });
        records
    }
}

/// The recordings directly in a folder, oldest first.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.path();
        let name = file.file_name().and_then(|name| name.to_str());
        if !name.is_some_and(|name| name.ends_with(EXTENSION)) {
            continue;
        }
        // A full disk leaves such files.
        if entry.metadata()?.len() == 0 {
            tracing::warn!(file = %file.display(), "the file is empty and is skipped");
            continue;
        }
        files.push(file);
    }
    files.sort();
    Ok(files)
}

fn has_recording(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().ends_with(EXTENSION))
}

/// The name of a subfolder that holds a recording.
fn folder_with_recording(folder: &Path) -> Option<String> {
    let folders = fs::read_dir(folder).ok()?.flatten();
    let mut names: Vec<String> = folders
        .filter(|entry| has_recording(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.into_iter().next()
}

type Source = BufReader<MultiGzDecoder<BufReader<File>>>;

fn records(path: &Path) -> Result<Records<Source>, ReplayError> {
    let file = File::open(path).map_err(|error| ReplayError::Read(path.to_owned(), error))?;
    let source = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
    Records::new(source).map_err(|error| ReplayError::Recording(path.to_owned(), error))
}

fn read(
    path: &Path,
    sender: &mpsc::Sender<Result<Record, ReplayError>>,
) -> Result<(), ReplayError> {
    let mut records = records(path)?;
    loop {
        match records.next_record() {
            Ok(Some(record)) => {
                if sender.blocking_send(Ok(record)).is_err() {
                    return Ok(());
                }
            }
            Ok(None) if records.is_cut() => {
                tracing::warn!(file = %path.display(), "the file ends inside a frame: its writer was killed");
                return Ok(());
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(ReplayError::Recording(path.to_owned(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_files_of_a_folder_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1.kiterec.gz"), "").unwrap();
        let nothing = Recordings::open(folder.path()).unwrap_err();
        assert!(matches!(nothing, ReplayError::Nothing(_)));
        fs::write(folder.path().join("2.kiterec.gz"), "x").unwrap();
        let broken = Recordings::open(folder.path()).unwrap_err();
        assert!(
            matches!(broken, ReplayError::Recording(path, _) if path.ends_with("2.kiterec.gz"))
        );
    }
}
