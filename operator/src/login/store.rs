//! Where the Secrets of logins are: in a cluster, or on this machine.
//!
//! Owns what is read and written, as types. Values are wiped from memory when dropped, and never printed.

use std::fmt;

use zeroize::Zeroizing;

use crate::plan::Key;

/// What a Secret of an account holds for a login.
#[derive(Default)]
pub(crate) struct AppCredentials {
    /// The version of the Secret.
    pub(crate) version: String,
    /// The application.
    pub(crate) api_key: Option<Zeroizing<String>>,
    /// What proves that a request comes from it.
    pub(crate) api_secret: Option<Zeroizing<String>>,
}

impl fmt::Debug for AppCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppCredentials")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A session, as it is kept for the account's process.
pub(crate) struct SessionValues {
    /// The credential of the day.
    pub(crate) access_token: Zeroizing<String>,
    /// [`contract::session_key_hash`].
    pub(crate) key_hash: String,
    /// Who has logged in.
    pub(crate) user_id: String,
    /// When, in RFC 3339.
    pub(crate) login_time: String,
}

/// What such a session says of where its token came from.
pub(crate) const SOURCE: &str = "login";

/// The account that a session is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionOwner {
    pub(crate) account: Key,
    pub(crate) uid: String,
}

/// The place of Secrets.
pub(crate) trait LoginStore: Send + Sync + 'static {
    /// The bytes of the key that signs states, if there are some.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn state_key(&self) -> impl Future<Output = Result<Option<Zeroizing<Vec<u8>>>, String>> + Send;

    /// The same; made if there are none.
    ///
    /// # Errors
    /// Why they can neither be read nor made.
    fn make_state_key(&self) -> impl Future<Output = Result<Zeroizing<Vec<u8>>, String>> + Send;

    /// Whether the session of an account could be kept.
    ///
    /// # Errors
    /// Why not, and what to do.
    fn check(&self, owner: &SessionOwner) -> impl Future<Output = Result<(), String>> + Send;

    /// Reads the Secret of an account now; `None` if it does not exist.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn app(
        &self,
        secret: &Key,
    ) -> impl Future<Output = Result<Option<AppCredentials>, String>> + Send;

    /// Reads the address of a webhook; `None` if there is none.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn webhook(
        &self,
        secret: &Key,
    ) -> impl Future<Output = Result<Option<Zeroizing<String>>, String>> + Send;

    /// Keeps a session.
    ///
    /// # Errors
    /// Why it cannot be written.
    fn write(
        &self,
        owner: &SessionOwner,
        session: &SessionValues,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// A value of a Secret as text. White space around it is not part of it.
pub(crate) fn text(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let value = std::str::from_utf8(bytes).ok()?.trim();
    let fits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| Zeroizing::new(value.to_owned()))
}
