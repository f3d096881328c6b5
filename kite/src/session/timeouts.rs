//! How long a dial may take, and how long a socket may be without a frame or without a tick. Pure.
//!
//! Owns the limits. A socket without frames is silent; one with heartbeats and without ticks is
//! mute. How long the connection's tokens may be without a tick is learned elsewhere and passed as
//! one number: there is no limit for a single token.

use std::time::{Duration, Instant};

/// A dial that takes longer has failed.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A socket without a frame of any kind for this long is silent, and dead: the server sends one a
/// second.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(5);

/// How often a live socket is pinged, so that proxies in between keep an idle connection open.
pub const PING_EVERY: Duration = Duration::from_secs(10);

/// If a connection lasted this long, its back-off starts from the beginning, and its outage is over.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);

/// No socket is mute before this, however often its tokens tick.
pub const MUTE_MIN: Duration = Duration::from_secs(5);

/// The longest interval at which sockets that stay mute are replaced: a closed market looks the
/// same.
pub const MUTE_CAP: Duration = Duration::from_secs(300);

/// The mute detection of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct MuteTimeout {
    limit: Option<Duration>,
    /// Sockets replaced since the last tick.
    replacements: u32,
}

impl MuteTimeout {
    /// The longest time without a tick that may be chance; `None` if not known.
    pub const fn set_limit(&mut self, limit: Option<Duration>) {
        self.limit = limit;
    }

    /// Ticks came.
    pub const fn on_ticks(&mut self) {
        self.replacements = 0;
    }

    /// The socket was mute and is replaced.
    pub const fn on_replaced(&mut self) {
        self.replacements = self.replacements.saturating_add(1);
    }

    /// When a socket whose last tick arrived at `last_tick` counts as mute, if that is known.
    ///
    /// The limit doubles with each socket replaced since the last tick, up to [`MUTE_CAP`], or
    /// is not raised if it is longer than that itself.
    #[must_use]
    pub fn deadline(&self, last_tick: Instant) -> Option<Instant> {
        let limit = self.limit?.max(MUTE_MIN);
        let factor = 1_u32.checked_shl(self.replacements).unwrap_or(u32::MAX);
        last_tick.checked_add(limit.saturating_mul(factor).min(MUTE_CAP.max(limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_doubles_with_each_replaced_socket() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        let limit = |mute_timeout: &MuteTimeout| {
            mute_timeout
                .deadline(start)
                .map(|end| (end - start).as_secs())
        };
        let mut mute_timeout = MuteTimeout::default();
        assert_eq!(limit(&mute_timeout), None);
        mute_timeout.set_limit(Some(Duration::from_millis(20)));
        let mut limits = Vec::new();
        for _ in 0..9 {
            limits.extend(limit(&mute_timeout));
            mute_timeout.on_replaced();
        }
        assert_eq!(limits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        mute_timeout.on_ticks();
        assert_eq!(limit(&mute_timeout), Some(5));
        mute_timeout.set_limit(Some(Duration::from_secs(1_000)));
        mute_timeout.on_replaced();
        assert_eq!(limit(&mute_timeout), Some(1_000), "sparse sets do not flap");
        mute_timeout.set_limit(Some(Duration::MAX));
        assert_eq!(limit(&mute_timeout), None);
    }
}
