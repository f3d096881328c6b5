//! Which of two access tokens an ingest process dials with.
//!
//! Owns the choice and the mark that ties a session to an account; never a token.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The choice of an assignment. A process that does not know it uses the Secret's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CredentialChoice {
    /// The token to use, while it is there.
    #[serde(rename = "use", default)]
    pub source: TokenSource,
}

impl CredentialChoice {
    /// Whether it is what a process does without it.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        matches!(self.source, TokenSource::Secret)
    }
}

/// Where an access token comes from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum TokenSource {
    /// The Secret that the account names.
    #[default]
    Secret,
    /// A login, whose token is in a Secret of its own.
    Session,
}

impl TokenSource {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Secret => Self::Session,
            Self::Session => Self::Secret,
        }
    }
}

/// What a session has beside its token: lower-case hex SHA-256 of the account's UID and its API key. One of another
/// account, or from before the key was changed, has another.
#[must_use]
pub fn session_key_hash(account_uid: &str, api_key: &str) -> String {
    let mut hash = Sha256::new();
    for part in [account_uid, ":", api_key] {
        hash.update(part);
    }
    let bytes = hash.finalize();
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_one_word() {
        let read = |json: &str| serde_json::from_str::<CredentialChoice>(json).unwrap();
        let session = read(r#"{"use":"session"}"#);
        assert_eq!(session.source, TokenSource::Session);
        assert!(read("{}").is_default() && read(r#"{"use":"secret"}"#).is_default());
        let json = serde_json::to_string(&session).unwrap();
        assert_eq!(json, r#"{"use":"session"}"#);
    }

    /// Expected: `printf 'uid-1:key' | sha256sum`.
    #[test]
    fn the_mark_is_hex_sha256_of_uid_and_key() {
        assert_eq!(
            session_key_hash("uid-1", "key"),
            "0e57b0d194226e3ec8f9d2a2736ff283b3230ac830ac7a23b5b51321cf7796ce"
        );
    }
}
