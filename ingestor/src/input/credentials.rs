//! The credentials of the account in a mounted folder.
//!
//! Owns reading them. They are read before every dial, never printed, and wiped when dropped.

use std::io;
use std::path::Path;

use contract::mount::{
    self, ACCESS_TOKEN_FILE, API_KEY_FILE, SESSION_KEY_HASH_FILE, SESSION_TOKEN_FILE,
};
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

/// The key and the token that are used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CredentialFiles {
    /// Both files, with content.
    Complete(Credentials),
    /// Files that are missing or empty, by name, and those that hold no key or token, with the
    /// reason.
    Missing(Vec<String>),
}

/// What the files of the folder hold: two tokens may be there.
#[derive(Clone, Debug)]
pub(crate) struct TokenFiles {
    /// The key, or what is missing.
    pub(crate) api_key: Result<SecretString, String>,
    /// The token of the Secret, or what is missing.
    pub(crate) access_token: Result<SecretString, String>,
    /// The token of a login, if there is one.
    pub(crate) session: Option<SessionToken>,
}

/// The token of a login.
#[derive(Clone, Debug)]
pub(crate) struct SessionToken {
    /// The token.
    pub(crate) token: SecretString,
    /// Whose it is, as [`contract::session_key_hash`] says.
    pub(crate) key_hash: String,
}

impl Default for TokenFiles {
    fn default() -> Self {
        let missing = |name: &str| Err(name.to_owned());
        Self {
            api_key: missing(API_KEY_FILE),
            access_token: missing(ACCESS_TOKEN_FILE),
            session: None,
        }
    }
}

impl PartialEq for TokenFiles {
    fn eq(&self, other: &Self) -> bool {
        fn text(value: &Result<SecretString, String>) -> Result<&str, &String> {
            value.as_ref().map(SecretString::expose_secret)
        }
        let session = |it: &Self| {
            let session = it.session.as_ref();
            session.map(|it| (it.token.expose_secret().to_owned(), it.key_hash.clone()))
        };
        text(&self.api_key) == text(&other.api_key)
            && text(&self.access_token) == text(&other.access_token)
            && session(self) == session(other)
    }
}

impl TokenFiles {
    /// What is missing for a dial with the token of the Secret.
    pub(crate) fn missing(&self) -> Vec<String> {
        let missing = [&self.api_key, &self.access_token];
        let missing = missing.into_iter().filter_map(|it| it.as_ref().err());
        missing.cloned().collect()
    }
}

/// Reads the files of `folder`. White space around the values is removed.
///
/// # Errors
/// Errors of the file system, except that a file does not exist.
pub(crate) fn read(folder: &Path) -> io::Result<TokenFiles> {
    mount::read_together(folder, read_files)
}

fn read_files(folder: &Path) -> io::Result<TokenFiles> {
    let session_token = read_file(folder, SESSION_TOKEN_FILE)?;
    let key_hash = read_file(folder, SESSION_KEY_HASH_FILE)?;
    let session = session_token.ok().zip(key_hash.ok());
    Ok(TokenFiles {
        api_key: read_file(folder, API_KEY_FILE)?,
        access_token: read_file(folder, ACCESS_TOKEN_FILE)?,
        session: session.map(|(token, key_hash)| SessionToken {
            token,
            key_hash: key_hash.expose_secret().to_owned(),
        }),
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

    fn used(folder: &Path) -> CredentialFiles {
        super::super::token_choice::TokenChoice::default().choose(read(folder).unwrap())
    }

    #[test]
    fn both_are_read_without_line_ends_and_never_shown() {
        let folder = folder(&[(API_KEY_FILE, "key-one\n"), (ACCESS_TOKEN_FILE, " tok ")]);
        let CredentialFiles::Complete(credentials) = used(folder.path()) else {
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
        let CredentialFiles::Missing(names) = used(folder.path()) else {
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
        let CredentialFiles::Missing(names) = used(folder.path()) else {
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
