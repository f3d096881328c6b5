//! Folders that a program has to write to.
//!
//! Owns the check whether it can. Must not know the purpose.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Creates the folder if needed, and a temporary file in it.
///
/// # Errors
/// When nothing can be written there.
pub fn ensure_writable(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let probe = folder.join(".writable");
    File::create(&probe)?;
    fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_left_empty_and_a_file_is_none() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a/b");
        ensure_writable(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        assert!(ensure_writable(&file.join("c")).is_err());
    }
}
