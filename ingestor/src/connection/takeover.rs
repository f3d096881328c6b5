//! Two sockets that carry the same instruments, while one takes over from the other: which packet of which one is published.
//!
//! Owns the exchange's second that divides them, so that each packet is published once whichever socket is ahead. Pure. Must not
//! know sockets or instruments.

use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

/// The boundary is so many seconds after the newest packet: until then both sockets have shown everything before it.
const AHEAD: i64 = 2;

/// A token that answers no subscription for so long is waited for no more.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// The older socket stays for so long after the newer one has reached the boundary: what it still has is before that.
const LATE: Duration = Duration::from_secs(3);

/// If nothing ticks, the newer one takes over all the same after so long.
const LONGEST: Duration = Duration::from_secs(10);

/// One of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that published so far.
    Older,
    /// The one that takes over.
    Newer,
}

/// How far a takeover is.
#[derive(Clone, Debug)]
pub(crate) struct SocketTakeover {
    /// How many tokens both carry.
    tokens: usize,
    /// Those of which the newer one has shown a packet.
    seen: FxHashSet<u32>,
    /// When the newer one asked for them.
    subscribed: Option<Instant>,
    /// The exchange's newest second.
    recent: Option<i64>,
    boundary: Option<Boundary>,
}

#[derive(Clone, Copy, Debug)]
struct Boundary {
    second: i64,
    since: Instant,
    /// When the newer one reached it.
    reached: Option<Instant>,
}

impl SocketTakeover {
    /// Before the newer socket is open.
    pub(crate) fn new(tokens: usize) -> Self {
        Self {
            tokens,
            seen: FxHashSet::default(),
            subscribed: None,
            recent: None,
            boundary: None,
        }
    }

    /// The newer socket asked for its tokens.
    pub(crate) fn on_subscribed(&mut self, now: Instant) {
        self.subscribed.get_or_insert(now);
    }

    /// Whether a packet is published. `second`: the exchange's, if the packet has one. The first packet of a token on the newer
    /// socket repeats what the older one has shown, which may have been long ago.
    pub(crate) fn passes(
        &mut self,
        side: Side,
        token: u32,
        second: Option<i64>,
        now: Instant,
    ) -> bool {
        if side == Side::Newer && self.seen.insert(token) {
            return false;
        }
        self.recent = self.recent.max(second);
        let Some(boundary) = &mut self.boundary else {
            return side == Side::Older;
        };
        if side == Side::Newer && second >= Some(boundary.second) {
            boundary.reached.get_or_insert(now);
        }
        let is_newer = match second {
            Some(second) => second >= boundary.second,
            None => boundary.reached.is_some(),
        };
        is_newer == (side == Side::Newer)
    }

    /// Whether the newer socket publishes already: the older one is only there for what is late.
    pub(crate) fn is_reached(&self) -> bool {
        self.boundary.is_some_and(|it| it.reached.is_some())
    }

    /// Sets the boundary once every token was seen, and returns whether the older socket is needed no more.
    pub(crate) fn is_over(&mut self, now: Instant) -> bool {
        let after = |since: Instant| now.saturating_duration_since(since);
        if let Some(boundary) = &self.boundary {
            let reached = boundary.reached.is_some_and(|at| after(at) >= LATE);
            return reached || after(boundary.since) >= LONGEST;
        }
        let waited = self.subscribed.map_or(Duration::ZERO, after);
        if self.subscribed.is_some()
            && (self.seen.len() >= self.tokens || waited >= LONGEST_SILENCE)
        {
            self.boundary = Some(Boundary {
                second: self.recent.unwrap_or_default().saturating_add(AHEAD),
                since: now,
                reached: None,
            });
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use service::clock::Clock;

    use super::*;

    const TOKENS: u32 = 3;

    proptest! {
        /// Each socket delivers the same packets in their order, each with delays of its own that are below two seconds.
        #[test]
        fn each_packet_is_published_once_whichever_socket_is_ahead(
            packets in proptest::collection::vec((0_u32..TOKENS, 0_u64..700, 0_u64..1_500, 0_u64..1_500), 200..400),
        ) {
            let start = Clock::system().now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            // (time of arrival, side, token, second, number)
            let mut arrivals = Vec::new();
            let mut made = 0;
            let mut last = [0, 0];
            for (number, (token, gap, older, newer)) in packets.iter().enumerate() {
                made += gap;
                // The times of one exchange may be behind those of another.
                let second = 1_000 + (made / 1_000) as i64 - i64::from(*token == 0);
                for (side, delay) in [(Side::Older, older), (Side::Newer, newer)] {
                    let arrives = (made + delay).max(last[side as usize]);
                    last[side as usize] = arrives;
                    arrivals.push((arrives, side, *token, second, number));
                }
            }
            // Answers to the subscription, of long ago.
            let firsts = (0..TOKENS).map(|token| (0, Side::Newer, token, 7, usize::MAX));
            arrivals.extend(firsts);
            arrivals.sort_by_key(|it| it.0);
            let mut takeover = SocketTakeover::new(TOKENS as usize);
            takeover.on_subscribed(start);
            let mut published: BTreeMap<usize, usize> = BTreeMap::new();
            let mut over = false;
            for (arrives, side, token, second, number) in arrivals {
                let now = at(arrives);
                over = over || takeover.is_over(now);
                let passes = match over {
                    true => side == Side::Newer,
                    false => takeover.passes(side, token, Some(second), now),
                };
                if passes {
                    *published.entry(number).or_default() += 1;
                }
            }
            prop_assert!(over || made < 20_000);
            let wrong: Vec<_> = (0..packets.len()).filter(|it| over && published.get(it) != Some(&1)).collect();
            prop_assert!(wrong.is_empty(), "{wrong:?}");
        }
    }

    #[test]
    fn a_market_without_ticks_is_taken_over_as_well() {
        let start = Clock::system().now();
        let mut takeover = SocketTakeover::new(1);
        assert!(!takeover.is_over(start + LONGEST), "it is not open yet");
        takeover.on_subscribed(start);
        assert!(!takeover.is_over(start + LONGEST_SILENCE / 2));
        assert!(
            !takeover.is_over(start + LONGEST_SILENCE),
            "the boundary is set"
        );
        assert!(!takeover.passes(Side::Newer, 1, None, start + LONGEST_SILENCE));
        assert!(takeover.is_over(start + LONGEST_SILENCE + LONGEST));
    }

    #[test]
    fn packets_without_a_time_change_sides_with_those_that_have_one() {
        let start = Clock::system().now();
        let mut takeover = SocketTakeover::new(2);
        takeover.on_subscribed(start);
        for token in [1, 2] {
            assert!(!takeover.passes(Side::Newer, token, Some(100), start));
        }
        assert!(takeover.passes(Side::Older, 2, Some(100), start));
        assert!(!takeover.is_over(start));
        let mut published = |side, token, second| takeover.passes(side, token, second, start);
        assert!(published(Side::Older, 1, None) && !published(Side::Newer, 1, None));
        assert!(published(Side::Older, 2, Some(101)) && !published(Side::Newer, 2, Some(101)));
        assert!(published(Side::Newer, 2, Some(102)) && !published(Side::Older, 2, Some(102)));
        assert!(published(Side::Newer, 1, None) && !published(Side::Older, 1, None));
    }
}
