//! The assignment: everything that an ingest process has to know, except its secrets.
//!
//! Owns the document and its checks. Rows carry everything that is published about an instrument,
//! so that a process needs neither the instruments list nor the operator to go on.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::civil::Date;
use kite::{InstrumentType, Mode, Token};
use serde::{Deserialize, Serialize};

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
    /// The Redis to which ticks are published, without user or password.
    pub redis_url: String,
    /// Connections that may be open at a time, 1–3.
    pub connections: u8,
    /// Tokens that one connection may carry, 1–3000.
    pub tokens_per_connection: u16,
    /// Whether updates of the account's orders are published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub order_updates: bool,
    /// Whether the account's events are published on `ticker:events` and added to its log.
    #[serde(default = "told", skip_serializing_if = "is_told")]
    pub events: bool,
    /// Prefixes of [`Assignment::channels`] on whose `PREFIX:events` nothing is published, ascending.
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

/// One instrument to stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Kite's number for it today.
    pub token: Token,
    /// The mode in which it streams.
    pub mode: Mode,
    /// Normalised underlying, or the tradingsymbol without one: `symbol` of the tick.
    #[serde(with = "crate::text")]
    pub symbol: Arc<str>,
    /// The exchange's symbol.
    #[serde(with = "crate::text")]
    pub tradingsymbol: Arc<str>,
    /// Exchange, such as `NFO`.
    #[serde(with = "crate::text")]
    pub exchange: Arc<str>,
    /// Segment by name, such as `NFO-OPT`.
    #[serde(with = "crate::text")]
    pub segment: Arc<str>,
    /// Kind of contract.
    #[serde(rename = "type")]
    pub instrument_type: InstrumentType,
    /// Strike in rupees, for options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strike: Option<f64>,
    /// Day of expiry, for derivatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Date>,
    /// Quantity of one lot, if the list has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_size: Option<u32>,
    /// Smallest price step in rupees, if the list has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_size: Option<f64>,
    /// The sets that select it, as positions in [`Assignment::sets`].
    pub sets: Vec<u16>,
    /// The outputs of its ticks; one message each.
    pub outputs: Vec<Output>,
    /// What it was called, where that still matters. For the operator; ingest processes do not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Box<Former>>,
}

/// Names that an instruments list has given to another contract, or to none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Names by which sets ask for this instrument, as `EXCHANGE:TRADINGSYMBOL`: the list has them no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The token that this instrument's name meant before; it has another name now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// One destination of an instrument's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Position in [`Assignment::channels`].
    pub channel: u16,
    /// The JSON shape that readers of the channel expect.
    #[serde(default)]
    pub shape: Shape,
    /// Whether ticks in full mode carry the order book.
    #[serde(default)]
    pub depth: bool,
    /// Position in [`Assignment::keeps`]; without it nothing is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u16>,
}

/// What is stored of ticks in Redis beside their messages.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Persistence {
    /// The newest tick of each instrument, in keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastValuePersistence>,
    /// Every tick, in a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamLength>,
}

/// How the newest tick is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LastValuePersistence {
    /// Milliseconds between two writes of one instrument; at least 1.
    pub interval_ms: u32,
    /// Seconds after which a last price expires that is not written again; at least 1.
    pub ttl_s: u32,
}

/// The length of a stream of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamLength {
    /// About this many seconds.
    Seconds(u32),
    /// About this many entries.
    Entries(u32),
}

impl Persistence {
    /// Settings that serve both: the shorter interval, and the longer times and lengths.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let last = match (self.last, other.last) {
            (Some(a), Some(b)) => Some(LastValuePersistence {
                interval_ms: a.interval_ms.min(b.interval_ms),
                ttl_s: a.ttl_s.max(b.ttl_s),
            }),
            (a, b) => a.or(b),
        };
        Self {
            last,
            // A number of entries is an explicit setting, seconds are the default.
            stream: self.stream.max(other.stream),
        }
    }

    fn is_valid(&self) -> bool {
        let last = self
            .last
            .is_none_or(|last| last.interval_ms > 0 && last.ttl_s > 0);
        let stream = match self.stream {
            None => true,
            Some(StreamLength::Seconds(bound) | StreamLength::Entries(bound)) => bound > 0,
        };
        last && stream
    }
}

/// The two JSON shapes of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Options, futures, equities and the rest.
    #[default]
    Contract,
    /// Indices.
    Underlying,
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
    /// A row that refers to a set, channel or entry of `keeps` that does not exist.
    #[error("token {0} refers to a set, channel or entry of keeps that does not exist")]
    Reference(Token),
    /// An endpoint that cannot be dialled.
    #[error("the endpoint of the assignment cannot be dialled")]
    Endpoint(#[from] kite::endpoint::InvalidEndpoint),
}

/// The part of a channel before its last colon: keys and events channels are named after it.
#[must_use]
pub fn prefix_of(channel: &str) -> &str {
    channel
        .rsplit_once(':')
        .map_or(channel, |(prefix, _)| prefix)
}

const fn told() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_told(events: &bool) -> bool {
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
        self.check_rows()
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
            if !sets || !channels || !keeps {
                return Err(InvalidAssignment::Reference(row.token));
            }
        }
        Ok(())
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
            egress,
            redis_url,
            connections,
            tokens_per_connection,
            order_updates,
            events,
            quiet_prefixes,
            sets,
            channels,
            keeps,
            instruments,
        } = self;
        *version == other.version
            && *account == other.account
            && *websocket == other.websocket
            && *egress == other.egress
            && *redis_url == other.redis_url
            && *connections == other.connections
            && *tokens_per_connection == other.tokens_per_connection
            && *order_updates == other.order_updates
            && *events == other.events
            && *quiet_prefixes == other.quiet_prefixes
            && *sets == other.sets
            && *channels == other.channels
            && *keeps == other.keeps
            && *instruments == other.instruments
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small valid assignment.
    pub(crate) fn sample() -> Assignment {
        Assignment {
            version: 1,
            generation: 7,
            account: Account {
                name: "acct-a".to_owned(),
                namespace: Some("trading".to_owned()),
                uid: "0c2f".to_owned(),
                mock: true,
            },
            websocket: "ws://127.0.0.1:7070".to_owned(),
            egress: Egress::default(),
            redis_url: "redis://127.0.0.1:6379".to_owned(),
            connections: 1,
            tokens_per_connection: 2,
            order_updates: true,
            events: true,
            quiet_prefixes: Vec::new(),
            sets: vec!["nifty".to_owned()],
            channels: vec![
                "ticker:nifty:underlying".to_owned(),
                "ticker:nifty:options".to_owned(),
            ],
            keeps: vec![Persistence {
                last: Some(LastValuePersistence {
                    interval_ms: 250,
                    ttl_s: 86_400,
                }),
                stream: Some(StreamLength::Seconds(60)),
            }],
            instruments: vec![
                Row {
                    token: Token(256_265),
                    mode: Mode::Full,
                    symbol: "NIFTY".into(),
                    tradingsymbol: "NIFTY 50".into(),
                    exchange: "NSE".into(),
                    segment: "INDICES".into(),
                    instrument_type: InstrumentType::Equity,
                    strike: None,
                    expiry: None,
                    lot_size: None,
                    tick_size: None,
                    sets: vec![0],
                    outputs: vec![Output {
                        channel: 0,
                        shape: Shape::Underlying,
                        depth: false,
                        keep: None,
                    }],
                    former: None,
                },
                Row {
                    token: Token(12_192_002),
                    mode: Mode::Full,
                    symbol: "NIFTY".into(),
                    tradingsymbol: "NIFTY26D0125150PE".into(),
                    exchange: "NFO".into(),
                    segment: "NFO-OPT".into(),
                    instrument_type: InstrumentType::Put,
                    strike: Some(25_150.0),
                    expiry: Some(jiff::civil::date(2026, 12, 1)),
                    lot_size: Some(75),
                    tick_size: Some(0.05),
                    sets: vec![0],
                    outputs: vec![Output {
                        channel: 1,
                        shape: Shape::Contract,
                        depth: true,
                        keep: Some(0),
                    }],
                    former: None,
                },
            ],
        }
    }

    /// Processes of other builds read this text: a change here needs a default or a new version.
    /// Ingest processes of other builds read this; without it the document is as it always was.
    #[test]
    fn a_way_out_is_spelled_as_agreed() {
        let mut assignment = sample();
        let plain = serde_json::to_value(&assignment).unwrap();
        assert!(plain.get("egress").is_none(), "{plain}");
        assignment.egress = Egress {
            proxy: Some("http://proxy:3128".to_owned()),
            ca: Some("PEM".to_owned()),
        };
        assert!(!assignment.same_content(&sample()));
        let document = serde_json::to_value(&assignment).unwrap();
        let spelled = serde_json::json!({"proxy": "http://proxy:3128", "ca": "PEM"});
        assert_eq!(document["egress"], spelled);
    }

    #[test]
    fn the_document_is_spelled_as_agreed() {
        insta::assert_json_snapshot!(sample());
    }

    #[test]
    fn members_of_a_later_build_are_ignored() {
        let mut document = serde_json::to_value(sample()).unwrap();
        document["later"] = serde_json::json!({"x": 1});
        document["instruments"][0]["later"] = serde_json::json!(true);
        assert_eq!(
            serde_json::from_value::<Assignment>(document).unwrap(),
            sample()
        );
    }

    /// A process of an older build, and one that reads the document of an older operator, tell
    /// everything, as before.
    #[test]
    fn events_are_told_unless_the_document_says_otherwise() {
        let written = serde_json::to_value(sample()).unwrap();
        assert_eq!(written.get("events"), None);
        assert_eq!(written.get("quiet_prefixes"), None);
        let silent = Assignment {
            events: false,
            quiet_prefixes: vec!["ticker:nifty".to_owned()],
            ..sample()
        };
        assert!(!silent.same_content(&sample()));
        let written = serde_json::to_value(&silent).unwrap();
        assert_eq!(
            serde_json::from_value::<Assignment>(written).unwrap(),
            silent
        );
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(sample().check(), Ok(()));
        let broken = |change: fn(&mut Assignment)| {
            let mut assignment = sample();
            change(&mut assignment);
            assignment.check().unwrap_err()
        };
        assert_eq!(
            broken(|a| a.version = 9),
            InvalidAssignment::Version { found: 9 }
        );
        assert_eq!(broken(|a| a.connections = 4), InvalidAssignment::Limits);
        assert_eq!(
            broken(|a| a.tokens_per_connection = 0),
            InvalidAssignment::Limits
        );
        assert!(matches!(
            broken(|a| a.tokens_per_connection = 1),
            InvalidAssignment::Capacity { instruments: 2, .. }
        ));
        assert_eq!(
            broken(|a| a.instruments[1].token = a.instruments[0].token),
            InvalidAssignment::Duplicate(Token(256_265))
        );
        assert_eq!(
            broken(|a| a.instruments[1].sets = vec![1]),
            InvalidAssignment::Reference(Token(12_192_002))
        );
        for change in [
            |a: &mut Assignment| a.channels.truncate(1),
            |a: &mut Assignment| a.keeps.clear(),
        ] {
            let reference = InvalidAssignment::Reference(Token(12_192_002));
            assert_eq!(broken(change), reference);
        }
        assert_eq!(
            broken(|a| a.keeps[0].stream = Some(StreamLength::Entries(0))),
            InvalidAssignment::Persistence
        );
        assert!(matches!(
            broken(|a| a.websocket = "http://x".to_owned()),
            InvalidAssignment::Endpoint(_)
        ));
    }

    #[test]
    fn of_two_wishes_both_are_met() {
        let last = |interval_ms, ttl_s| Some(LastValuePersistence { interval_ms, ttl_s });
        let (quick, long) = (
            Persistence {
                last: last(100, 60),
                stream: None,
            },
            Persistence {
                last: last(500, 600),
                stream: Some(StreamLength::Seconds(60)),
            },
        );
        let both = Persistence {
            last: last(100, 600),
            stream: Some(StreamLength::Seconds(60)),
        };
        assert_eq!((quick.or(long), long.or(quick)), (both, both));
        assert_eq!(Persistence::default().or(quick), quick);
    }

    #[test]
    fn only_the_generation_does_not_count_as_content() {
        let mut other = sample();
        other.generation += 1;
        assert!(sample().same_content(&other));
        other.instruments[0].mode = Mode::Ltp;
        assert!(!sample().same_content(&other));
    }
}
