//! The values that a check needs, for as long as it takes.
//!
//! Owns no place where they are kept: a source reads them each time.

use std::fmt;

use zeroize::Zeroizing;

use crate::plan::Key;

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
    /// Those of a Secret; `None` if one of them is missing or cannot be sent. White space around a value is not part of it,
    /// as for an ingest process.
    pub(crate) fn new(
        version: String,
        api_key: Option<&[u8]>,
        access_token: Option<&[u8]>,
    ) -> Option<Self> {
        let value = |bytes: Option<&[u8]>| {
            let value = std::str::from_utf8(bytes?).ok()?.trim();
            let fits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
            fits.then(|| Zeroizing::new(value.to_owned()))
        };
        Some(Self {
            version,
            api_key: value(api_key)?,
            access_token: value(access_token)?,
        })
    }
}

/// Where the Secrets of accounts are.
pub(crate) trait CredentialSource: Send + Sync + 'static {
    /// Reads those of a Secret now; `None` if it does not hold them.
    ///
    /// # Errors
    /// Why the Secret cannot be read.
    fn read(
        &self,
        secret: &Key,
    ) -> impl Future<Output = Result<Option<CredentialValues>, String>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_is_no_part_of_a_value_and_nothing_is_printed() {
        let of = |key: &'static [u8], token: &'static [u8]| {
            CredentialValues::new("7".to_owned(), Some(key), Some(token))
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
        assert!(CredentialValues::new(String::new(), Some(b"k"), None).is_none());
    }
}
