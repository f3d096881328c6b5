//! The readable state of a connection.

use std::time::{Duration, Instant};

use contract::report::ConnectionState;
use kite::session::{Failure, Phase};

use super::{Connection, SocketState};
use crate::input::credentials::Credentials;

impl Connection {
    /// How many tokens it should stream.
    #[must_use]
    pub(crate) fn desired(&self) -> usize {
        self.session.desired().len()
    }

    /// Whether it needs a socket: for tokens, or in standby.
    #[must_use]
    pub(crate) fn is_needed(&self) -> bool {
        self.session.is_needed()
    }

    /// For how long it has been down although it needs a socket.
    #[must_use]
    pub(crate) fn down_for(&self, now: Instant) -> Option<Duration> {
        self.downtime.lasted(now)
    }

    /// Since when the socket is up, and when its last tick arrived.
    #[must_use]
    pub(crate) const fn live(&self) -> Option<(Instant, Instant)> {
        self.session.live()
    }

    /// Its position.
    #[must_use]
    pub(crate) const fn index(&self) -> u8 {
        self.index
    }

    /// Whether its socket is open.
    #[must_use]
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.socket, SocketState::Connected(_))
    }

    /// Whether a socket that was replaced is still being closed: Kite counts it.
    #[must_use]
    pub(crate) const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Whether its open socket was opened with other credentials than these.
    #[must_use]
    pub(crate) fn has_others_than(&self, credentials: &Credentials) -> bool {
        let used = self.credentials.as_ref();
        self.is_live() && used.is_some_and(|used| used != credentials)
    }

    /// Whether it could try credentials that Kite refused.
    #[must_use]
    pub(crate) fn can_retry_refused(&self) -> bool {
        self.session.can_retry_refused()
    }

    /// Whether it tries credentials that Kite refused.
    #[must_use]
    pub(crate) const fn retries_refused(&self) -> bool {
        self.session.retries_refused()
    }

    /// Sockets opened so far.
    #[must_use]
    pub(crate) const fn opened(&self) -> u64 {
        self.opened
    }

    /// Why the last dial or socket ended.
    #[must_use]
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Its state for the report.
    #[must_use]
    pub(crate) const fn state(&self) -> ConnectionState {
        match self.session.phase() {
            Phase::Idle => ConnectionState::Idle,
            Phase::Dialling { .. } => ConnectionState::Connecting,
            Phase::Live { .. } => ConnectionState::Live,
            Phase::Waiting {
                after: Failure::TooManyConnections,
                ..
            } => ConnectionState::RateLimited,
            Phase::Waiting { .. } => ConnectionState::Waiting,
            Phase::Refused => ConnectionState::Refused,
        }
    }

    /// When [`Connection::poll`] has to be called even if no socket wakes it.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }
}
