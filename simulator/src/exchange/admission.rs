//! Who is let in and who is meant: answers before an upgrade, and the choice of connections that a
//! control request makes.

use kite::limits::CONNECTIONS_PER_API_KEY;

use super::ConnectionHandle;

/// Why an upgrade is answered with a plain HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 403: the access token was revoked.
    #[error("access token is not valid")]
    Forbidden,
    /// 429: the API key has all its connections.
    #[error("API key has its {CONNECTIONS_PER_API_KEY} connections")]
    TooManyConnections,
    /// A fault that was asked for.
    #[error("refused on demand")]
    Fault(u16),
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::TooManyConnections => 429,
            Self::Fault(status) => status,
        }
    }
}

/// Which connections a control request means; both absent means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Those of one API key.
    pub api_key: Option<String>,
    /// The one with this number.
    pub conn: Option<u64>,
}

impl ConnectionFilter {
    pub(super) fn matches(&self, handle: &ConnectionHandle) -> bool {
        self.api_key
            .as_deref()
            .is_none_or(|key| key == &*handle.api_key)
            && self.conn.is_none_or(|conn| conn == handle.id)
    }
}
