//! For how long a connection has been down although it is needed.
//!
//! Owns when an outage begins and ends. Pure; times are arguments. A socket ends an outage once it has lasted as long as
//! the back-off takes to start from the beginning: one that opens and dies again and again would hide a lasting outage.

use std::time::{Duration, Instant};

use super::timeouts::STABLE_AFTER;

/// The outage of one connection, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Downtime {
    since: Option<Instant>,
    up_since: Option<Instant>,
}

impl Downtime {
    /// To be called at every turn: whether the connection needs a socket, and since when its socket is up.
    pub fn observe(&mut self, needed: bool, up_since: Option<Instant>, now: Instant) {
        let before = std::mem::replace(&mut self.up_since, up_since);
        // One that has just ended may have lasted since the last turn.
        let socket = up_since.or(before);
        let lasted = socket.is_some_and(|since| now.duration_since(since) >= STABLE_AFTER);
        if lasted || !needed {
            self.since = None;
        }
        if needed && up_since.is_none() {
            self.since.get_or_insert(now);
        }
    }

    /// How long the outage has lasted, sockets that did not last included; `None` while a socket is up or none is needed.
    #[must_use]
    pub fn lasted(&self, now: Instant) -> Option<Duration> {
        let since = self.since.filter(|_| self.up_since.is_none())?;
        Some(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_counts_from_the_first_moment_a_socket_is_needed() {
        let start = start();
        let mut downtime = Downtime::default();
        downtime.observe(false, None, start);
        assert_eq!(downtime.lasted(start), None);
        for second in 1..=40 {
            downtime.observe(true, None, start + seconds(second));
        }
        assert_eq!(downtime.lasted(start + seconds(41)), Some(seconds(40)));
        downtime.observe(false, None, start + seconds(42));
        assert_eq!(downtime.lasted(start + seconds(42)), None);
    }

    #[test]
    fn a_socket_that_lasted_ends_it() {
        let start = start();
        let mut downtime = Downtime::default();
        downtime.observe(true, None, start);
        let up = start + seconds(5);
        downtime.observe(true, Some(up), up);
        assert_eq!(downtime.lasted(up), None, "its socket is up");
        let lost = up + STABLE_AFTER;
        downtime.observe(true, None, lost);
        assert_eq!(downtime.lasted(lost + seconds(2)), Some(seconds(2)));
    }

    /// Sockets that live for nine of ten seconds, for an hour.
    #[test]
    fn sockets_that_die_soon_do_not_hide_it() {
        let start = start();
        let mut downtime = Downtime::default();
        for second in 0..=3_600 {
            let now = start + seconds(second);
            let up = (second % 10 != 0).then(|| start + seconds(second - second % 10 + 1));
            downtime.observe(true, up, now);
        }
        let end = start + seconds(3_600);
        assert_eq!(downtime.lasted(end), Some(seconds(3_600)));
    }
}
