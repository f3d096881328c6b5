//! The files for Redis: user, password and what TLS needs.
//!
//! Owns reading them from their folder, all of one generation. The link interprets them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis_link::access::{FILES, FileContents, ReadFiles};

/// The largest size. A bundle of all public authorities takes a quarter of it.
const LARGEST_FILE: u64 = 1024 * 1024;

/// What Kubernetes replaces when a mounted Secret changes: all files with it.
const GENERATION: &str = "..data";

/// Reads the files of `folder`, which may be missing.
pub(crate) fn reader(folder: PathBuf) -> ReadFiles {
    Arc::new(move || {
        let generation = folder.join(GENERATION).canonicalize();
        let folder = generation.unwrap_or_else(|_| folder.clone());
        let mut contents = FileContents::default();
        for (content, name) in contents.iter_mut().zip(FILES) {
            *content = read(&folder.join(name))?;
        }
        Ok(contents)
    })
}

/// The content of a file; none if there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_anew_each_time_and_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let read = reader(folder.path().to_owned());
        assert_eq!(read().unwrap(), FileContents::default());
        for password in ["one", "two"] {
            std::fs::write(folder.path().join("password"), password).unwrap();
            assert_eq!(read().unwrap()[1], Some(password.as_bytes().to_vec()));
        }
    }
}
