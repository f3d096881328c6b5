//! The credentials of the account in a mounted folder.
//!
//! Owns reading them. They are read before every dial, never printed, and wiped when dropped.

use std::io;
use std::path::Path;

use contract::mount::{self, ACCESS_TOKEN_FILE, API_KEY_FILE};
use secrecy::{ExposeSecret, SecretString};

/// Longer contents are not a key or token.
const LARGEST_FILE: u64 = 4 * 1024;

/// Key and token.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// The application's key.
    pub(crate) api_key: SecretString,
    /// The access token of the day.
    pub(crate) access_token: SecretString,
}

impl Credentials {
    /// `text` of the server without key and token, which it may repeat.
    pub(crate) fn redact(&self, text: &str) -> String {
        let text = text.replace(self.access_token.expose_secret(), "[access token]");
        text.replace(self.api_key.expose_secret(), "[api key]")
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.api_key.expose_secret() == other.api_key.expose_secret()
            && self.access_token.expose_secret() == other.access_token.expose_secret()
    }
}

/// The two files of the folder, as they were read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CredentialFiles {
    /// Both files, with content.
    Complete(Credentials),
    /// Files that are missing or empty, by name, and those that hold no key or token, with the
    /// reason.
    Missing(Vec<String>),
}

/// Reads the files of `folder`. White space around the values is removed.
///
/// # Errors
/// Errors of the file system, except that a file does not exist.
pub(crate) fn read(folder: &Path) -> io::Result<CredentialFiles> {
    mount::read_together(folder, read_files)
}

fn read_files(folder: &Path) -> io::Result<CredentialFiles> {
    let api_key = read_file(folder, API_KEY_FILE)?;
    let access_token = read_file(folder, ACCESS_TOKEN_FILE)?;
    Ok(match (api_key, access_token) {
        (Ok(api_key), Ok(access_token)) => CredentialFiles::Complete(Credentials {
            api_key,
            access_token,
        }),
        (api_key, access_token) => {
            let missing = [api_key.err(), access_token.err()];
            CredentialFiles::Missing(missing.into_iter().flatten().collect())
        }
    })
}

/// The content of the file, or what is missing.
fn read_file(folder: &Path, name: &str) -> io::Result<Result<SecretString, String>> {
    let unusable = |why: &str| Ok(Err(format!("a usable {name} ({why})")));
    let content = match mount::read(folder, name, LARGEST_FILE) {
        Ok(Some(content)) => content,
        Ok(None) => return Ok(Err(name.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return unusable("too large");
        }
        Err(error) => return Err(error),
    };
    let Ok(content) = String::from_utf8(content).map(SecretString::from) else {
        return unusable("not UTF-8 text");
    };
    let trimmed = content.expose_secret().trim();
    if trimmed.is_empty() {
        return Ok(Err(name.to_owned()));
    }
    Ok(Ok(SecretString::from(trimmed)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn folder(files: &[(&'static str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let files: BTreeMap<_, _> = files
            .iter()
            .map(|(name, text)| (*name, text.as_bytes().to_vec()))
            .collect();
        mount::publish(folder.path(), &files).unwrap();
        folder
    }

    #[test]
    fn both_are_read_without_line_ends_and_never_shown() {
        let folder = folder(&[(API_KEY_FILE, "key-one\n"), (ACCESS_TOKEN_FILE, " tok ")]);
        let CredentialFiles::Complete(credentials) = read(folder.path()).unwrap() else {
            panic!("both files are there");
        };
        assert_eq!(credentials.api_key.expose_secret(), "key-one");
        assert_eq!(credentials.access_token.expose_secret(), "tok");
        let shown = format!("{credentials:?}");
        assert!(
            !shown.contains("key-one") && !shown.contains("tok "),
            "{shown}"
        );
    }

    #[test]
    fn both_are_taken_out_of_a_text() {
        let credentials = Credentials {
            api_key: "key-one".into(),
            access_token: "tok".into(),
        };
        assert_eq!(
            credentials.redact("Invalid `api_key` key-one or tok: tok"),
            "Invalid `api_key` [api key] or [access token]: [access token]"
        );
    }

    #[test]
    fn missing_and_empty_files_are_named() {
        let folder = folder(&[(API_KEY_FILE, "\n")]);
        let CredentialFiles::Missing(names) = read(folder.path()).unwrap() else {
            panic!("one file is empty, the other is not there");
        };
        assert_eq!(names, [API_KEY_FILE, ACCESS_TOKEN_FILE]);
    }

    #[test]
    fn what_can_be_no_token_is_told_and_not_shown() {
        let files = BTreeMap::from([
            (API_KEY_FILE, vec![0xff, 0xfe]),
            (ACCESS_TOKEN_FILE, vec![b'x'; 5_000]),
        ]);
        let folder = tempfile::tempdir().unwrap();
        mount::publish(folder.path(), &files).unwrap();
        let CredentialFiles::Missing(names) = read(folder.path()).unwrap() else {
            panic!("neither is usable");
        };
        assert_eq!(
            names,
            [
                "a usable api_key (not UTF-8 text)",
                "a usable access_token (too large)"
            ]
        );
    }
}
