//! What is known of an account that may have lost its sockets.
//!
//! Owns types only.

use std::time::Instant;

/// What is known of an account's sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outage {
    /// What no socket carries.
    pub(crate) lost: Lost,
    /// Why they are lost, or others of its sockets are down.
    pub(crate) cause: Option<Cause>,
    /// Whether others' instruments may move to it.
    pub(crate) standing: Standing,
    /// Since when its process is known not to run.
    pub(crate) stopped_since: Option<Instant>,
    /// When a shorter outage counts.
    pub(crate) due: Option<Instant>,
}

/// The instruments of an account that no socket carries, for long enough to count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Lost {
    #[default]
    Nothing,
    /// Those of some connections: these tokens, as far as they are known.
    Tokens(Vec<u32>),
    /// All of them.
    Everything,
}

/// Why an account lost its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Kite refuses its credentials.
    Refused,
    /// Kite says that its connections are taken.
    RateLimited,
    /// Its sockets end, or cannot be opened.
    Disconnected,
    /// Its ingest process does not run.
    Stopped,
}

/// Whether the instruments of others may move to an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Standing {
    /// It streams, or Kite accepted its credentials at the last dial.
    Proven,
    /// Its credentials have not been tried.
    Untried,
    /// Neither.
    #[default]
    Doubtful,
}

impl Cause {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::Refused,
        Self::RateLimited,
        Self::Disconnected,
        Self::Stopped,
    ];

    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::Disconnected => "disconnected",
            Self::Stopped => "stopped",
        }
    }

    /// The words in messages.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Refused => "Kite refuses its credentials",
            Self::RateLimited => "Kite says that its connections are taken",
            Self::Disconnected => "its sockets are down",
            Self::Stopped => "its ingest process does not run",
        }
    }
}
