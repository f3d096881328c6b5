//! The values that a check needs, for as long as it takes.
//!
//! Owns no place where they are kept: a source reads them each time.

use std::fmt;

use contract::session_key_hash;
use zeroize::Zeroizing;

use crate::plan::TokenTarget;

/// The credentials in a Secret; wiped from memory when dropped.
pub(crate) struct CredentialValues {
    /// The version of the Secret.
    pub(crate) version: String,
    /// The application.
    pub(crate) api_key: Zeroizing<String>,
    /// The credential of the day.
    pub(crate) access_token: Zeroizing<String>,
}

impl fmt::Debug for CredentialValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialValues")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl CredentialValues {
    /// Those of a Secret and, if its token is meant, of a session; `None` if one of them is missing or cannot be sent, or if
    /// the session is not of this account and API key. White space around a value is not part of it, as for an ingest
    /// process.
    pub(crate) fn new(
        version: String,
        secret: &TokenValues<'_>,
        session: Option<(&TokenValues<'_>, &str)>,
    ) -> Option<Self> {
        let api_key = value(secret.api_key)?;
        let access_token = match session {
            None => value(secret.access_token)?,
            Some((session, account_uid)) => {
                let mark = value(session.key_hash)?;
                let is_ours = *mark == session_key_hash(account_uid, &api_key);
                value(session.access_token).filter(|_| is_ours)?
            }
        };
        Some(Self {
            version,
            api_key,
            access_token,
        })
    }
}

/// The values of a Secret that matter for a token, as they are.
#[derive(Clone, Copy, Default)]
pub(crate) struct TokenValues<'a> {
    pub(crate) api_key: Option<&'a [u8]>,
    pub(crate) access_token: Option<&'a [u8]>,
    /// The mark of a session.
    pub(crate) key_hash: Option<&'a [u8]>,
}

fn value(bytes: Option<&[u8]>) -> Option<Zeroizing<String>> {
    let value = std::str::from_utf8(bytes?).ok()?.trim();
    let fits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| Zeroizing::new(value.to_owned()))
}

/// Where the Secrets of accounts are.
pub(crate) trait CredentialSource: Send + Sync + 'static {
    /// Reads what a target needs now; `None` if that is not there.
    ///
    /// # Errors
    /// Which Secret cannot be read, and why.
    fn read(
        &self,
        target: &TokenTarget,
    ) -> impl Future<Output = Result<Option<CredentialValues>, String>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_is_no_part_of_a_value_and_nothing_is_printed() {
        let of = |api_key: &'static [u8], access_token: &'static [u8]| {
            let secret = TokenValues {
                api_key: Some(api_key),
                access_token: Some(access_token),
                key_hash: None,
            };
            CredentialValues::new("7".to_owned(), &secret, None)
        };
        let good = of(b"fake-key\n", b" fake-token\r\n").unwrap();
        assert_eq!(
            (&**good.api_key, &**good.access_token),
            ("fake-key", "fake-token")
        );
        assert!(!format!("{good:?}").contains("fake"));
        assert!(
            of(b"", b"t").is_none() && of(b"k", b"a\nb").is_none() && of(b"k", b"\xff").is_none()
        );
        assert!(of(b"k", b"").is_none());
    }

    #[test]
    fn a_session_counts_for_its_account_and_key_alone() {
        let hash = session_key_hash("uid-1", "fake-key");
        let of = |api_key: &'static [u8], uid: &str| {
            let secret = TokenValues {
                api_key: Some(api_key),
                ..TokenValues::default()
            };
            let session = TokenValues {
                access_token: Some(b"fake-session"),
                key_hash: Some(hash.as_bytes()),
                ..TokenValues::default()
            };
            let found = CredentialValues::new("7".to_owned(), &secret, Some((&session, uid)));
            found.map(|it| it.access_token.to_string())
        };
        assert_eq!(of(b"fake-key", "uid-1").as_deref(), Some("fake-session"));
        assert_eq!(
            (of(b"fake-key", "uid-2"), of(b"other", "uid-1")),
            (None, None)
        );
    }
}
