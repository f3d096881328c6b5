//! Detects a changed file without reading it.
//!
//! Owns what is compared. Not reliable for a file that was changed a moment ago.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Metadata that changes with a file's content, unless it changes within one tick of the file
/// system's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileFingerprint {
    changed: SystemTime,
    length: u64,
    file: (u64, u64),
}

impl FileFingerprint {
    /// The present fingerprint, if the metadata can be read.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            changed: metadata.modified().ok()?,
            length: metadata.len(),
            file: (metadata.dev(), metadata.ino()),
        })
    }

    /// Whether the file has not changed for this long.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        self.changed.elapsed().is_ok_and(|passed| passed >= age)
    }
}
