//! The file in which a process that listens on port 0 writes its address for its parent.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The port file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PortFileError {
    /// Writing beside it, or renaming over it, failed.
    #[error("cannot write port file {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It exists but cannot be read.
    #[error("cannot read port file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It does not hold a socket address.
    #[error("port file {} holds no socket address", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// Writes `addr` (`127.0.0.1:43127` and a line feed) so that a reader sees all of it or nothing, and no other user does.
///
/// # Errors
/// When the folder is missing or not writable.
pub fn write_port_file(path: &Path, addr: SocketAddr) -> Result<(), PortFileError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    write(&beside, addr)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|source| PortFileError::Write {
            path: path.to_owned(),
            source,
        })
}

fn write(path: &Path, addr: SocketAddr) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    writeln!(options.open(path)?, "{addr}")
}

/// Reads what [`write_port_file`] wrote; `None` while there is no file yet.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn read_port_file(path: &Path) -> Result<Option<SocketAddr>, PortFileError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(PortFileError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    let addr = text.trim_end().parse();
    addr.map(Some).map_err(|_| PortFileError::Content {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_holds_the_address_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        assert_eq!(read_port_file(&path).unwrap(), None);

        for addr in ["127.0.0.1:43127", "[::1]:80"] {
            write_port_file(&path, addr.parse().unwrap()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{addr}\n"));
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(read_port_file(&path).unwrap(), Some(addr.parse().unwrap()));
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/port");
        let error = write_port_file(&path, "127.0.0.1:1".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("missing/port"), "{error}");

        let path = folder.path().join("port");
        fs::write(&path, "soon").unwrap();
        assert!(matches!(
            read_port_file(&path),
            Err(PortFileError::Content { .. })
        ));
    }
}
