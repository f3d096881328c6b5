//! The files for Redis: user, password and what TLS needs.
//!
//! Owns reading them from their folder, all of one generation. The link interprets them.

use std::path::PathBuf;
use std::sync::Arc;

use contract::mount::{read, read_together};
use redis_link::access::{FILES, FileContents, ReadFiles};

/// The largest size. A bundle of all public authorities takes a quarter of it, and a Secret cannot
/// be larger.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Reads the files of `folder`, which may be missing.
#[must_use]
pub(crate) fn reader(folder: PathBuf) -> ReadFiles {
    Arc::new(move || {
        read_together(&folder, |folder| {
            let mut contents = FileContents::default();
            for (content, name) in contents.iter_mut().zip(FILES) {
                *content = read(folder, name, LARGEST_FILE)?;
            }
            Ok(contents)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use contract::mount::{REDIS_FILES, SENTINEL_FILES, publish};

    use super::*;

    #[test]
    fn both_sides_name_the_same_files() {
        assert_eq!(FILES.to_vec(), [&REDIS_FILES[..], &SENTINEL_FILES].concat());
    }

    #[test]
    fn files_are_read_anew_each_time_and_may_be_missing() {
        assert_eq!(
            reader("/nonexistent".into())().unwrap(),
            FileContents::default()
        );
        let folder = tempfile::tempdir().unwrap();
        let read = reader(folder.path().to_owned());
        for password in ["one", "two"] {
            let files = BTreeMap::from([("password", password.as_bytes().to_vec())]);
            publish(folder.path(), &files).unwrap();
            assert_eq!(read().unwrap()[1], Some(password.as_bytes().to_vec()));
        }
    }
}
