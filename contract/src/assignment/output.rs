//! Where the ticks of an instrument go: the channel, its shape, and what is stored beside it.
//!
//! Owns the settings of outputs. Must not know instruments.

use serde::{Deserialize, Serialize};

/// One destination of an instrument's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Position in [`Assignment::channels`](super::Assignment::channels).
    pub channel: u16,
    /// The JSON shape that readers of the channel expect.
    #[serde(default)]
    pub shape: Shape,
    /// Whether ticks in full mode carry the order book.
    #[serde(default)]
    pub depth: bool,
    /// Position in [`Assignment::keeps`](super::Assignment::keeps); without it nothing is stored.
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

    pub(super) fn is_valid(&self) -> bool {
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

/// The part of a channel before its last colon: keys and events channels are named after it.
#[must_use]
pub fn prefix_of(channel: &str) -> &str {
    channel
        .rsplit_once(':')
        .map_or(channel, |(prefix, _)| prefix)
}
