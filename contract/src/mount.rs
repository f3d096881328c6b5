//! Folders of small files that change all at once, laid out as a kubelet mounts ConfigMaps and
//! Secrets: each file is a link through `..data` to the folder of its generation.
//!
//! Owns the layout in both directions, so that a process finds the same folder with and without
//! Kubernetes. Readers see either all old files or all new ones.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

/// File of the API key in the credentials folder.
pub const API_KEY_FILE: &str = "api_key";

/// File of the access token in the credentials folder.
pub const ACCESS_TOKEN_FILE: &str = "access_token";

/// File of the access token of a login, in the credentials folder.
pub const SESSION_TOKEN_FILE: &str = "session_token";

/// File of the mark of that login: [`session_key_hash`](crate::session_key_hash).
pub const SESSION_KEY_HASH_FILE: &str = "session_key_hash";

/// File of the user in the redis folder. Its files are named as the keys of the Secret.
pub const REDIS_USERNAME_FILE: &str = "username";

/// File of the user's password in the redis folder.
pub const REDIS_PASSWORD_FILE: &str = "password";

/// File of the authorities that sign the certificate of Redis, in the redis folder.
pub const REDIS_CA_FILE: &str = "ca.crt";

/// File of the client certificate for Redis, in the redis folder.
pub const REDIS_CERTIFICATE_FILE: &str = "tls.crt";

/// File of that certificate's private key, in the redis folder.
pub const REDIS_KEY_FILE: &str = "tls.key";

/// File of the user of the Sentinels, in the redis folder.
pub const SENTINEL_USERNAME_FILE: &str = "sentinel_username";

/// File of that user's password, or of the only password of the Sentinels, in the redis folder.
pub const SENTINEL_PASSWORD_FILE: &str = "sentinel_password";

/// Every file of the redis folder of an account with Sentinels beside [`REDIS_FILES`]; each may be
/// missing.
pub const SENTINEL_FILES: [&str; 2] = [SENTINEL_USERNAME_FILE, SENTINEL_PASSWORD_FILE];

/// Every file of the redis folder; each may be missing.
pub const REDIS_FILES: [&str; 5] = [
    REDIS_USERNAME_FILE,
    REDIS_PASSWORD_FILE,
    REDIS_CA_FILE,
    REDIS_CERTIFICATE_FILE,
    REDIS_KEY_FILE,
];

/// The link that is swapped; its change changes every file.
pub const DATA_LINK: &str = "..data";

/// Replaces the files of `folder` by `files`, in one step for readers that use the links. New
/// folders are readable by their owner only.
///
/// # Errors
/// Errors of the file system; the old files then stay.
pub fn publish(folder: &Path, files: &BTreeMap<&str, Vec<u8>>) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let previous = fs::read_link(folder.join(DATA_LINK)).ok();
    let generation = next_generation(previous.as_deref());
    let target = folder.join(&generation);
    if target.exists() {
        // Left by a writer that died before it swapped the link.
        fs::remove_dir_all(&target)?;
    }
    fs::DirBuilder::new().mode(0o700).create(&target)?;
    for (name, content) in files {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(target.join(name))?;
        file.write_all(content)?;
        // After a power loss the link must not lead to an incomplete folder.
        file.sync_all()?;
    }
    swap(folder, &generation)?;
    link_files(folder, files)?;
    if let Some(previous) = previous.filter(|name| name.as_os_str() != generation.as_str()) {
        // It is no longer reachable; a process that has it open keeps it.
        fs::remove_dir_all(folder.join(previous)).or_else(absent_is_fine)?;
    }
    Ok(())
}

/// Reads a file of a mounted folder, `limit` bytes at most; `None` where it does not exist.
///
/// # Errors
/// Errors of the file system, or when the file is larger than `limit`.
pub fn read(folder: &Path, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(folder.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{name} is larger than {limit} bytes"),
        ));
    }
    Ok(Some(content))
}

/// Calls `read` until the files of `folder` did not change meanwhile, three times at most, so that
/// files of two generations are not mixed. The last result counts in any case.
///
/// # Errors
/// As `read` does.
pub fn read_together<T>(
    folder: &Path,
    mut read: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let link = folder.join(DATA_LINK);
    let generation = || fs::read_link(&link).ok();
    for _ in 0..2 {
        let before = generation();
        let answer = read(folder);
        if generation() == before {
            return answer;
        }
    }
    read(folder)
}

fn next_generation(previous: Option<&Path>) -> String {
    let number = previous
        .and_then(Path::to_str)
        .and_then(|name| name.strip_prefix("..")?.parse::<u64>().ok())
        .map_or(0, |number| number + 1);
    format!("..{number}")
}

fn swap(folder: &Path, generation: &str) -> io::Result<()> {
    let fresh = folder.join("..data_tmp");
    fs::remove_file(&fresh).or_else(absent_is_fine)?;
    symlink(generation, &fresh)?;
    fs::rename(fresh, folder.join(DATA_LINK))
}

/// Makes the visible names: adds links for new files, and removes those of missing files.
fn link_files(folder: &Path, files: &BTreeMap<&str, Vec<u8>>) -> io::Result<()> {
    for name in files.keys() {
        let link = folder.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA_LINK).join(name), link)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !files.contains_key(&*name) {
            fs::remove_file(folder.join(&*name))?;
        }
    }
    Ok(())
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn files(entries: &[(&'static str, &str)]) -> BTreeMap<&'static str, Vec<u8>> {
        entries
            .iter()
            .map(|(name, text)| (*name, text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn files_are_replaced_all_at_once_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("mounted");
        publish(&folder, &files(&[("a", "1"), ("b", "1")])).unwrap();
        publish(&folder, &files(&[("a", "2"), ("c", "2")])).unwrap();
        assert_eq!(read(&folder, "a", 10).unwrap().unwrap(), b"2");
        assert_eq!(read(&folder, "b", 10).unwrap(), None);
        assert_eq!(read(&folder, "c", 10).unwrap().unwrap(), b"2");
        let generations = fs::read_dir(&folder)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir())
            .count();
        assert_eq!(generations, 1);
    }

    #[test]
    fn files_of_two_generations_are_never_taken_together() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("mounted");
        publish(&folder, &files(&[("a", "1"), ("b", "1")])).unwrap();
        let mut swaps = 0;
        let both = read_together(&folder, |folder| {
            let a = read(folder, "a", 10)?;
            if swaps == 0 {
                swaps += 1;
                publish(folder, &files(&[("a", "2"), ("b", "2")]))?;
            }
            Ok((a, read(folder, "b", 10)?))
        });
        assert_eq!(both.unwrap(), (Some(b"2".to_vec()), Some(b"2".to_vec())));
    }

    #[test]
    fn nobody_else_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("mounted");
        publish(&folder, &files(&[(ACCESS_TOKEN_FILE, "fake")])).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(ACCESS_TOKEN_FILE)), 0o600);
    }

    #[test]
    fn a_half_written_generation_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        publish(folder.path(), &files(&[("a", "1")])).unwrap();
        fs::create_dir(folder.path().join("..1")).unwrap();
        fs::write(folder.path().join("..1/a"), "half").unwrap();
        symlink("..1", folder.path().join("..data_tmp")).unwrap();
        publish(folder.path(), &files(&[("a", "2")])).unwrap();
        assert_eq!(read(folder.path(), "a", 10).unwrap().unwrap(), b"2");
    }

    #[test]
    fn large_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        publish(folder.path(), &files(&[("a", "12345")])).unwrap();
        assert!(read(folder.path(), "a", 4).is_err());
        assert!(read(folder.path(), "a", 5).is_ok());
    }
}
