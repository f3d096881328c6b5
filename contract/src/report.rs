//! The report: the state of an ingest process, as it sees it.
//!
//! Owns the document and its size limits. It holds counts and samples, never a list per token.

use std::collections::BTreeMap;

use crate::TokenSource;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The largest report that is served or read, in bytes. A usual one takes a few kilobytes; this
/// much is needed if each instrument of an account has its own set.
pub const LARGEST_REPORT: usize = 4 * 1024 * 1024;

/// The maximum number of tokens in a sample list.
pub const SAMPLES: usize = 100;

/// The process dials as [`Egress`](crate::assignment::Egress) says.
pub const FEATURE_EGRESS: &str = "egress";

/// The process publishes no events where `events` and `quiet_prefixes` of its assignment say so.
pub const FEATURE_EVENTS: &str = "events";

/// The process reports the prices of rows with `reference`.
pub const FEATURE_REFERENCES: &str = "references";

/// The process keeps a connection without instruments where `standby` of its assignment says so, and lists the instruments
/// of a connection.
pub const FEATURE_STANDBY: &str = "standby";

/// The process publishes rows with `move` as [`Move`](crate::assignment::Move) says.
pub const FEATURE_MOVES: &str = "moves";

/// Members of the assignment that came after its version 1 and that this build obeys.
pub const FEATURES: &[&str] = &[
    FEATURE_EGRESS,
    FEATURE_EVENTS,
    FEATURE_MOVES,
    FEATURE_REFERENCES,
    FEATURE_STANDBY,
];

/// The maximum number of entries in [`Report::references`].
pub const MOST_REFERENCES: usize = 1_000;

/// The maximum number of entries in [`Report::chains`].
pub const MOST_CHAIN_REPORTS: usize = 1_000;

/// The state of one ingest process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Assignment versions that the process can read.
    pub assignment_versions: Vec<u32>,
    /// Members beyond those of version 1 that it obeys, of [`FEATURES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The process's start in microseconds since 1970, as text: `epoch` of its ticks.
    pub epoch: String,
    /// The assignment in force, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<AppliedAssignment>,
    /// Why the file in the folder is not the assignment in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment_error: Option<String>,
    /// The state of its credentials.
    pub credentials: CredentialsReport,
    /// Whose access token they hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_source: Option<TokenSource>,
    /// The link to Redis.
    pub redis: RedisReport,
    /// Every connection that is open or should be, by index.
    pub connections: Vec<ConnectionReport>,
    /// Every set of the assignment.
    pub sets: Vec<SetReport>,
    /// Instruments assigned.
    pub assigned: u32,
    /// Instruments from which the present socket has received a packet.
    pub streaming: u32,
    /// Ticks received since the start, without first packets of an earlier session.
    pub ticks_total: u64,
    /// Ticks received in the last whole second.
    pub ticks_per_second: u32,
    /// Receive time of the newest tick, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_us: Option<i64>,
    /// Up to [`SAMPLES`] tokens that were subscribed to more than ten seconds ago and never seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_samples: Vec<u32>,
    /// Packets that the process cannot read, once one has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_packets: Option<UnknownPackets>,
    /// The newest price of each row with `reference`, by token; at most [`MOST_REFERENCES`]. A row is listed from its first
    /// packet on, or once it is silent. What is known of it stays known on a new socket, and gets older.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferencePrice>,
    /// The moves of the assignment, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<MoveReport>,
    /// The forward prices of the chains of the assignment, in its order; at most [`MOST_CHAIN_REPORTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<ChainReport>,
}

/// What the Greeks of one chain rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainReport {
    /// Exchange of the options.
    pub exchange: String,
    /// Name of the underlying.
    pub underlying: String,
    /// Day of expiry.
    pub expiry: Date,
    /// Where the forward comes from, as `fwd_src` of ticks. Missing: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The forward price in rupees, as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
    /// How long before this report it was computed, by the process's own clock, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
}

/// How far one move is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveReport {
    /// Its id.
    pub id: String,
    /// Its instruments.
    pub instruments: u32,
    /// Those of which the present socket has received a packet.
    pub seen: u32,
    /// Those of which it has received none for more than ten seconds.
    pub silent: u32,
    /// The exchange's second at the time of this report, as told by the newest packets of all instruments and the time since.
    /// Missing while no packet had a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<i64>,
    /// Whether an account that gives publishes nothing of it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// The newest price of one instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferencePrice {
    /// Its token.
    pub token: u32,
    /// The last traded price in rupees, as decimal text. Missing: no packet has ever arrived, although the process
    /// subscribed more than ten seconds ago; or the instrument was never traded, so that its packets have a price of zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// The close of the day before in rupees, as the newest packet that has one says. Missing: none of the day of the newest
    /// packet had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<String>,
    /// How long before this report the newest tick arrived, by the process's own clock, in milliseconds. A first packet, which
    /// answers a subscription, is such a tick only if it is known to be of the day and is the first one at all, or newer by
    /// the exchange's time. Missing: no tick has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// The exchange's time of it, epoch seconds. Missing: only full mode has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_ts: Option<i64>,
    /// Whether the price is not known to be of the running day in India: it is of a first packet that does not say when it
    /// was made, or of an older day. Ticks may arrive all the same, if the book alone changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
}

/// Packets of a length that the process does not know: a change of Kite's protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownPackets {
    /// Packets since the start.
    pub total: u64,
    /// Packets of any length in the last minute.
    pub minute_packets: u64,
    /// Those of them that cannot be read.
    pub minute_unknown: u64,
    /// The first packet of each of the first three lengths.
    pub samples: Vec<PacketSample>,
}

/// The beginning of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketSample {
    /// Its length in bytes.
    pub length: u32,
    /// Its first 32 bytes in hex.
    pub bytes: String,
}

/// An assignment that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedAssignment {
    /// Its account's identity.
    pub account_uid: String,
    /// Its generation.
    pub generation: u64,
    /// Lower-case hex SHA-256 of its JSON.
    pub sha256: String,
}

/// The state of the credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum CredentialsReport {
    /// The files were not read so far.
    #[default]
    Unread,
    /// Files that are missing or empty, by name.
    Missing {
        /// `api_key`, `access_token`.
        files: Vec<String>,
    },
    /// Present, and not tried since they changed.
    Present {
        /// What is probably wrong with them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remark: Option<CredentialRemark>,
    },
    /// Kite accepted them at the last handshake.
    Accepted,
    /// Kite answered 403 to them.
    Refused {
        /// When one connection tries them again, epoch seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_try: Option<i64>,
        /// What is probably wrong with them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remark: Option<CredentialRemark>,
    },
}

/// What can be seen in credentials, without telling anything of their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CredentialRemark {
    /// A value is base64 once more after it was decoded.
    Base64,
    /// A value has a line break or a space inside.
    LineBreak,
    /// A value stands in quotes.
    Quotes,
    /// The token is a whole header: `token KEY:TOKEN`.
    KeyAndToken,
    /// The key has the length of a token, and the token that of a key.
    Exchanged,
    /// The key has the length of an application's secret.
    SecretForKey,
    /// Kite has not accepted this token since it was put there: it may be a request token.
    NeverAccepted,
    /// One that a later version makes.
    #[serde(other)]
    Other,
}

/// The link to Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisReport {
    /// Whether commands are accepted.
    pub connected: bool,
    /// Why not, without address or password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why last values or streams are not written although ticks are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_error: Option<String>,
    /// What Redis does not let its user do, or does not store, with the consequence; and a clock that
    /// differs. Ticks flow all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// How far the clock of Redis is ahead of this machine's, in milliseconds, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_ms: Option<i64>,
    /// Messages that Redis acknowledged since the start.
    pub published: u64,
    /// Messages that a newer one of their token replaced before they could be sent.
    pub conflated: u64,
    /// Messages sent on a link that ended before Redis acknowledged them, or dropped when the link
    /// switched to another server.
    pub unknown: u64,
    /// Messages that Redis refused.
    #[serde(default)]
    pub refused: u64,
}

/// One ticker connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionReport {
    /// Position, from 0.
    pub index: u8,
    /// Its state.
    pub state: ConnectionState,
    /// Instruments it should carry.
    pub instruments: u32,
    /// Those from which the present socket has received a packet.
    pub streaming: u32,
    /// Sockets opened after the first.
    pub reconnects: u64,
    /// For how long it has had no socket although it needs one, by the process's own clock, in milliseconds. Missing while the
    /// socket is up, or none is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_ms: Option<u64>,
    /// Ticks that it received in the last whole second, once one has passed. Missing: an older process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks_per_second: Option<u32>,
    /// Receive time of its newest tick, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_us: Option<i64>,
    /// Why the last dial or socket ended, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// The instruments of one connection: the answer to a request for the report with `?connection=INDEX`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionInstruments {
    /// Position of the connection, from 0.
    pub index: u8,
    /// The process's start, as in the report.
    pub epoch: String,
    /// The generation of the assignment in force.
    pub generation: u64,
    /// The tokens that it should carry, ascending; at most 3,000.
    pub tokens: Vec<u32>,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionState {
    /// Nothing to stream, or no credentials.
    Idle,
    /// A dial is under way.
    Connecting,
    /// The socket is up.
    Live,
    /// The next dial waits after a failure.
    Waiting,
    /// The next dial waits because the API key's connections are taken.
    RateLimited,
    /// Kite refused the credentials.
    Refused,
}

impl ConnectionState {
    /// The name that users see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connecting => "Connecting",
            Self::Live => "Live",
            Self::Waiting => "Waiting",
            Self::RateLimited => "RateLimited",
            Self::Refused => "Refused",
        }
    }
}

/// The state of one set's instruments on this account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetReport {
    /// Name of the InstrumentSet.
    pub name: String,
    /// Its instruments on this account.
    pub assigned: u32,
    /// Those from which the present socket has received a packet.
    pub streaming: u32,
    /// Those subscribed to more than ten seconds ago and never seen.
    pub silent: u32,
    /// Ticks of its instruments in the last whole second, once one has passed. Missing: an older process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks_per_second: Option<u32>,
    /// Receive time of its newest tick, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_us: Option<i64>,
    /// How old that tick was when the report was made, by the process's own clock; if none has
    /// arrived, for how long the process has had the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// The usual time between two of its ticks, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_interval_ms: Option<u64>,
    /// How many of its options have which word in `greeks` of their newest tick; none without such a tick.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub greeks: BTreeMap<String, u32>,
}

#[cfg(test)]
mod tests;
