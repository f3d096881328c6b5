//! Admission of connections, and the selection of connections by a control request.

use kite::limits::CONNECTIONS_PER_API_KEY;

use super::ConnectionHandle;

/// Why an upgrade is answered with a plain HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 403: the access token was revoked.
    #[error("access token is not valid")]
    Forbidden,
    /// 429: all connections of the API key are in use.
    #[error("API key has its {CONNECTIONS_PER_API_KEY} connections")]
    TooManyConnections,
    /// A requested fault.
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

/// The connections that a control request selects; both absent: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Connections of one API key.
    pub api_key: Option<String>,
    /// The connection with this number.
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
