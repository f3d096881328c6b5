//! The assignment: everything that an ingest process has to know, except its secrets.
//!
//! Owns the document and its checks. Rows carry everything that is published about an instrument,
//! so that a process needs neither the instruments list nor the operator to go on.

mod chain;
mod credentials;
mod moves;
mod output;
mod row;
mod sessions;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;

use kite::Token;
use serde::{Deserialize, Serialize};

pub use self::chain::{Chain, MOST_CHAINS, ParityPair};
pub use self::credentials::{CredentialChoice, TokenSource, session_key_hash};
pub use self::moves::{Boundary, MOST_MOVES, Move, MovePart};
pub use self::output::{LastValuePersistence, Output, Persistence, Shape, StreamLength, prefix_of};
pub use self::row::{Former, Row};
pub use self::sessions::{ClassSessions, SessionMoment, SessionSpan};

/// The assignment versions that this build reads and writes, oldest first.
#[cfg(not(feature = "next"))]
pub const ASSIGNMENT_VERSIONS: &[u32] = &[1];

/// The assignment versions that this build reads and writes, oldest first.
#[cfg(feature = "next")]
pub const ASSIGNMENT_VERSIONS: &[u32] = &[1, NEXT_VERSION];

/// A further version, for tests of operators and ingest processes that are upgraded apart.
#[cfg(feature = "next")]
pub(crate) const NEXT_VERSION: u32 = 2;

/// What one account streams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Version of this document.
    pub version: u32,
    /// Grows with every change for one account; an older document never replaces a newer one.
    pub generation: u64,
    /// The account that streams.
    pub account: Account,
    /// The WebSocket origin to dial, such as `wss://ws.kite.trade`.
    pub websocket: String,
    /// How it is dialled.
    #[serde(default, skip_serializing_if = "Egress::is_direct")]
    pub egress: Egress,
    /// Which access token it is dialled with.
    #[serde(default, skip_serializing_if = "CredentialChoice::is_default")]
    pub credentials: CredentialChoice,
    /// The Redis to which ticks are published, without user or password.
    pub redis_url: String,
    /// Connections that may be open at a time, 1–3.
    pub connections: u8,
    /// Tokens that one connection may carry, 1–3000.
    pub tokens_per_connection: u16,
    /// Whether updates of the account's orders are published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub order_updates: bool,
    /// Whether one connection is kept although there are no instruments, dialled ever more rarely while it is not accepted: the
    /// account is known to work again as soon as it is. A process that does not know this member opens none: its report
    /// lacks [`FEATURE_STANDBY`](crate::report::FEATURE_STANDBY).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub standby: bool,
    /// Whether the account's events are published on `ticker:events` and added to its log.
    #[serde(default = "events_by_default", skip_serializing_if = "is_by_default")]
    pub events: bool,
    /// Prefixes of [`Assignment::channels`] on whose `PREFIX:events` nothing is published, ascending. A process that
    /// does not know this member and [`Assignment::events`] publishes all events: its report lacks
    /// [`FEATURE_EVENTS`](crate::report::FEATURE_EVENTS).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet_prefixes: Vec<String>,
    /// Names of the sets that rows refer to by position.
    pub sets: Vec<String>,
    /// Redis channels that rows refer to by position. The part before the last `:` is the channel's
    /// prefix, which is also the prefix of keys.
    pub channels: Vec<String>,
    /// What is stored in Redis beside the messages; outputs refer to it by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<Persistence>,
    /// The moves that rows refer to by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// When the instruments trade; rows refer to them by position. A process that does not know this member takes no market
    /// for closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<ClassSessions>,
    /// The chains of options that Greeks are computed for; rows refer to them by position. A process that does not know this
    /// member computes none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<Chain>,
    /// Whether every instrument counts as open at any time: that of a simulator which never closes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always_open: bool,
    /// The instruments, each token once, ordered by token.
    pub instruments: Vec<Row>,
}

/// The way out to Kite. A process that does not know it dials directly: its report lacks
/// [`FEATURE_EGRESS`](crate::report::FEATURE_EGRESS).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Egress {
    /// The HTTP proxy to ask for a tunnel, `http://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Certificates in PEM form that are trusted beside the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl Egress {
    /// Whether nothing is set.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.proxy.is_none() && self.ca.is_none()
    }
}

/// The account that an assignment is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Name of the TickerAccount; `src` of every tick.
    pub name: String,
    /// Its namespace, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its identity: a new account of an old name starts its generations from the beginning.
    pub uid: String,
    /// Whether its ticks are marked as mock.
    pub mock: bool,
}

/// A document that is not a valid assignment. The process keeps its present one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAssignment {
    /// A version that this build does not know.
    #[error(
        "assignment version {found} is not one of {:?}: upgrade the older of operator and ingest image",
        ASSIGNMENT_VERSIONS
    )]
    Version {
        /// The document's version.
        found: u32,
    },
    /// An impossible number of connections or tokens.
    #[error("{instruments} instruments do not fit {connections} connections of {tokens} tokens")]
    Capacity {
        /// Rows in the document.
        instruments: usize,
        /// Connections it allows.
        connections: u8,
        /// Tokens per connection it allows.
        tokens: u16,
    },
    /// Connections or tokens per connection outside Kite's limits.
    #[error("connections must be 1 to 3 and tokens per connection 1 to 3000")]
    Limits,
    /// A token that is listed twice.
    #[error("token {0} is listed twice")]
    Duplicate(Token),
    /// A time or length of zero.
    #[error("the times and lengths in keeps must be at least 1")]
    Persistence,
    /// Sessions that overlap, or too many of them.
    #[error("the sessions of class {0:?} overlap, are out of order or too many")]
    Sessions(String),
    /// A chain with numbers that mean nothing, or that refers to one that does not exist.
    #[error(
        "chain {0} has a rate, strike or time that means nothing, or refers to a chain that does not exist"
    )]
    Chain(String),
    /// More chains than an account can have instruments.
    #[error("there are {0} chains, more than {MOST_CHAINS}")]
    Chains(usize),
    /// More moves than a report can tell of.
    #[error("there are {0} moves, more than {MOST_MOVES}")]
    Moves(usize),
    /// A row that refers to a set, channel, move, class, chain or entry of `keeps` that does not exist.
    #[error(
        "token {0} refers to a set, channel, move, class, chain or entry of keeps that does not exist"
    )]
    Reference(Token),
    /// An endpoint that cannot be dialled.
    #[error("the endpoint of the assignment cannot be dialled")]
    Endpoint(#[from] kite::endpoint::InvalidEndpoint),
}

const fn events_by_default() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_by_default(events: &bool) -> bool {
    *events
}

impl Assignment {
    /// The maximum number of tokens.
    #[must_use]
    pub fn capacity(&self) -> usize {
        usize::from(self.connections) * usize::from(self.tokens_per_connection)
    }

    /// Checks everything that later code relies on.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidAssignment> {
        if !ASSIGNMENT_VERSIONS.contains(&self.version) {
            return Err(InvalidAssignment::Version {
                found: self.version,
            });
        }
        kite::endpoint::check_origin(&self.websocket)?;
        let connections = 1..=kite::limits::CONNECTIONS_PER_API_KEY;
        let tokens = 1..=kite::limits::TOKENS_PER_CONNECTION;
        if !connections.contains(&self.connections) || !tokens.contains(&self.tokens_per_connection)
        {
            return Err(InvalidAssignment::Limits);
        }
        if self.instruments.len() > self.capacity() {
            return Err(InvalidAssignment::Capacity {
                instruments: self.instruments.len(),
                connections: self.connections,
                tokens: self.tokens_per_connection,
            });
        }
        if !self.keeps.iter().all(Persistence::is_valid) {
            return Err(InvalidAssignment::Persistence);
        }
        if self.moves.len() > MOST_MOVES {
            return Err(InvalidAssignment::Moves(self.moves.len()));
        }
        if let Some(wrong) = self.sessions.iter().find(|it| !it.is_valid()) {
            return Err(InvalidAssignment::Sessions(wrong.class.clone()));
        }
        self.check_chains()?;
        self.check_rows()
    }

    fn check_chains(&self) -> Result<(), InvalidAssignment> {
        let chains = self.chains.len();
        if chains > MOST_CHAINS {
            return Err(InvalidAssignment::Chains(chains));
        }
        match self.chains.iter().find(|it| !it.is_valid(chains)) {
            Some(it) => Err(InvalidAssignment::Chain(format!(
                "{}:{} {}",
                it.exchange, it.underlying, it.expiry
            ))),
            None => Ok(()),
        }
    }

    fn check_rows(&self) -> Result<(), InvalidAssignment> {
        let mut seen = HashSet::with_capacity(self.instruments.len());
        for row in &self.instruments {
            if !seen.insert(row.token) {
                return Err(InvalidAssignment::Duplicate(row.token));
            }
            let sets = row
                .sets
                .iter()
                .all(|set| usize::from(*set) < self.sets.len());
            let channels = row
                .outputs
                .iter()
                .all(|output| usize::from(output.channel) < self.channels.len());
            let mut kept = row.outputs.iter().filter_map(|output| output.keep);
            let keeps = kept.all(|keep| usize::from(keep) < self.keeps.len());
            let moves = row
                .move_at
                .is_none_or(|at| usize::from(at) < self.moves.len());
            let class = row.class;
            let classes = class.is_none_or(|at| usize::from(at) < self.sessions.len());
            let chain = row.chain;
            let chains = chain.is_none_or(|at| usize::from(at) < self.chains.len());
            if !sets || !channels || !keeps || !moves || !classes || !chains {
                return Err(InvalidAssignment::Reference(row.token));
            }
        }
        Ok(())
    }

    /// The move by which a row goes to another account or comes from it.
    #[must_use]
    pub fn move_of(&self, row: &Row) -> Option<&Move> {
        self.moves.get(usize::from(row.move_at?))
    }

    /// What a row's Greeks are computed from, if it is an option with Greeks.
    #[must_use]
    pub fn chain_of(&self, row: &Row) -> Option<&Chain> {
        self.chains.get(usize::from(row.chain?))
    }

    /// When a row's instrument trades, if that is known.
    #[must_use]
    pub fn sessions_of(&self, row: &Row) -> Option<&ClassSessions> {
        self.sessions.get(usize::from(row.class?))
    }

    /// Whether nothing of a row is published: the account that it comes from still has it.
    #[must_use]
    pub fn withholds(&self, row: &Row) -> bool {
        let found = self.move_of(row);
        found.is_some_and(|it| it.part == MovePart::To && it.boundary.is_none())
    }

    /// Whether a row is this account's in the directory: one that comes from another account is not before its boundary, and
    /// one that goes to another not from it on.
    #[must_use]
    pub fn lists(&self, row: &Row) -> bool {
        let part = |part: MovePart| self.move_of(row).filter(|it| it.part == part);
        let given = part(MovePart::From).is_some_and(|it| it.boundary.is_some());
        !given && !self.withholds(row)
    }

    /// Whether another account takes a row over.
    #[must_use]
    pub fn gives(&self, row: &Row) -> bool {
        let given = self.move_of(row);
        row.handover || given.is_some_and(|it| it.part == MovePart::From)
    }

    /// Whether the two are equal, except for their generation.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        // Field by field, so that a new field cannot be forgotten.
        let Self {
            version,
            generation: _,
            account,
            websocket,
            credentials,
            egress,
            redis_url,
            connections,
            tokens_per_connection,
            order_updates,
            standby,
            events,
            quiet_prefixes,
            sets,
            channels,
            keeps,
            moves,
            sessions,
            chains,
            always_open,
            instruments,
        } = self;
        *version == other.version
            && *account == other.account
            && *websocket == other.websocket
            && *credentials == other.credentials
            && *egress == other.egress
            && *redis_url == other.redis_url
            && *connections == other.connections
            && *tokens_per_connection == other.tokens_per_connection
            && *order_updates == other.order_updates
            && *standby == other.standby
            && *events == other.events
            && *quiet_prefixes == other.quiet_prefixes
            && *sets == other.sets
            && *channels == other.channels
            && *keeps == other.keeps
            && *moves == other.moves
            && *sessions == other.sessions
            && *chains == other.chains
            && *always_open == other.always_open
            && *instruments == other.instruments
    }
}
