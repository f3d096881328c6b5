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
    /// Whether ticks of options carry Greeks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub greeks: bool,
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
    /// Whether it expires half an hour after the last session of the next trading day instead. `ttl_s` then counts where that
    /// is not known, or if it is more than [`Self::DAY_S`] and ends later. A process that does not know this member keeps to
    /// `ttl_s`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_session: bool,
}

impl LastValuePersistence {
    /// A day: what a price without known sessions stays.
    pub const DAY_S: u32 = 86_400;

    /// After how many seconds a price expires that is written at `now`; `end`: when its session rule lets it end, if that is
    /// known. Both in Unix seconds.
    #[must_use]
    pub fn ttl_at(&self, end: Option<i64>, now: i64) -> u32 {
        let Some(end) = end.filter(|_| self.until_session) else {
            return self.ttl_s;
        };
        let left = u32::try_from(end.saturating_sub(now)).unwrap_or_default();
        let longer = Some(self.ttl_s).filter(|ttl| *ttl > Self::DAY_S);
        left.max(longer.unwrap_or_default()).max(SHORTEST_S)
    }
}

/// The least that a price stays that is written late.
const SHORTEST_S: u32 = 60;

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
                until_session: a.until_session || b.until_session,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn last(ttl_s: u32, until_session: bool) -> LastValuePersistence {
        LastValuePersistence {
            interval_ms: 250,
            ttl_s,
            until_session,
        }
    }

    #[test]
    fn a_price_ends_with_its_session_where_that_is_known() {
        let session = last(LastValuePersistence::DAY_S, true);
        assert_eq!(session.ttl_at(Some(5_000), 1_000), 4_000);
        assert_eq!(session.ttl_at(None, 1_000), 86_400);
        assert_eq!(session.ttl_at(Some(5_000), 9_000), 60, "it is over");
        assert_eq!(last(600, false).ttl_at(Some(5_000), 1_000), 600);
        // Another set asks for a week.
        let both = Persistence {
            last: Some(session),
            stream: None,
        };
        let week = Persistence {
            last: Some(last(604_800, false)),
            stream: None,
        };
        assert_eq!(
            both.or(week).last.unwrap().ttl_at(Some(5_000), 1_000),
            604_800
        );
        let hour = Persistence {
            last: Some(last(3_600, false)),
            stream: None,
        };
        assert_eq!(
            both.or(hour).last.unwrap().ttl_at(Some(5_000), 1_000),
            4_000
        );
    }
}
