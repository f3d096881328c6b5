//! How long a socket may send heartbeats and no tick before it is taken for mute. Pure.
//!
//! Owns the limit. What the connection's tokens usually do is learned elsewhere and comes as one
//! number: a token alone is never judged.

use std::time::{Duration, Instant};

/// Nothing is mute before this, however often its tokens tick.
pub const MUTE_MIN: Duration = Duration::from_secs(5);

/// Sockets that stay mute one after the other are replaced this seldom: a market that has closed
/// looks the same.
pub const MUTE_CAP: Duration = Duration::from_secs(300);

/// The limit of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    usual: Option<Duration>,
    /// Sockets replaced since the last tick.
    replaced: u32,
}

impl Patience {
    /// How long the connection is usually without a tick at most; `None` when nothing is known.
    pub const fn set_usual(&mut self, longest: Option<Duration>) {
        self.usual = longest;
    }

    /// Ticks came.
    pub const fn on_ticks(&mut self) {
        self.replaced = 0;
    }

    /// The socket was mute and is replaced.
    pub const fn on_replaced(&mut self) {
        self.replaced = self.replaced.saturating_add(1);
    }

    /// When a socket whose last tick came at `last_tick` is mute, if that can be said.
    ///
    /// The limit doubles with each socket that was replaced in vain, to [`MUTE_CAP`], or stays what
    /// is usual where that is longer.
    #[must_use]
    pub fn end(&self, last_tick: Instant) -> Option<Instant> {
        let usual = self.usual?.max(MUTE_MIN);
        let factor = 1_u32.checked_shl(self.replaced).unwrap_or(u32::MAX);
        let limit = usual.saturating_mul(factor).min(MUTE_CAP.max(usual));
        last_tick.checked_add(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_vain_it_takes_twice_as_long_each_time() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        let limit = |patience: &Patience| patience.end(start).map(|end| (end - start).as_secs());
        let mut patience = Patience::default();
        assert_eq!(limit(&patience), None);
        patience.set_usual(Some(Duration::from_millis(20)));
        let mut limits = Vec::new();
        for _ in 0..9 {
            limits.extend(limit(&patience));
            patience.on_replaced();
        }
        assert_eq!(limits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        patience.on_ticks();
        assert_eq!(limit(&patience), Some(5));
        patience.set_usual(Some(Duration::from_secs(1_000)));
        patience.on_replaced();
        assert_eq!(limit(&patience), Some(1_000), "sparse sets do not flap");
        patience.set_usual(Some(Duration::MAX));
        assert_eq!(limit(&patience), None);
    }
}
