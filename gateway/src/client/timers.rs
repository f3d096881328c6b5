//! What happens to a connection by itself: pings, signs of life, the end of its token, its revocation.
//!
//! Owns when. Pure: times are arguments.

use std::time::{Duration, Instant};

/// How often a client is pinged.
const PING_EVERY: Duration = Duration::from_secs(20);

/// A client that answers nothing for this long after a ping is dead.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// How often it is asked whether the token was revoked.
const REVOKED_EVERY: Duration = Duration::from_secs(60);

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    Dead,
    Expired,
    AskRevoked,
    Heartbeat,
    /// The process ends, and this client's turn has come.
    Drain,
}

/// The times of one connection.
#[derive(Debug)]
pub(super) struct Timers {
    ping: Instant,
    /// When a ping was sent that is not answered.
    pinged: Option<Instant>,
    /// When the token ends; none if that is too far away to tell.
    expires: Option<Instant>,
    revoked: Instant,
    heartbeat: Option<Duration>,
    sent: Instant,
    drain: Option<Instant>,
}

impl Timers {
    /// `valid`: for how long the token is valid yet.
    pub(super) fn new(now: Instant, valid: Duration) -> Self {
        Self {
            ping: now + PING_EVERY,
            pinged: None,
            expires: now.checked_add(valid),
            revoked: now + REVOKED_EVERY,
            heartbeat: None,
            sent: now,
            drain: None,
        }
    }

    pub(super) fn set_valid(&mut self, now: Instant, valid: Duration) {
        self.expires = now.checked_add(valid);
    }

    pub(super) const fn set_heartbeat(&mut self, every: Option<Duration>) {
        self.heartbeat = every;
    }

    pub(super) fn drain_at(&mut self, at: Instant) {
        self.drain.get_or_insert(at);
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// The client was sent something.
    pub(super) const fn on_sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// The client said something.
    pub(super) const fn on_heard(&mut self) {
        self.pinged = None;
    }

    /// When [`Timers::take`] is to be called.
    pub(super) fn next(&self) -> Instant {
        let dead = self.pinged.map(|it| it + DEAD_AFTER);
        let heartbeat = self.heartbeat.map(|every| self.sent + every);
        let others = [dead, heartbeat, self.expires, self.drain];
        let others = others.into_iter().flatten();
        others.fold(self.ping.min(self.revoked), Instant::min)
    }

    /// What is to be done at `now`; to be called until there is nothing.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if is_due(self.drain) {
            return Some(Due::Drain);
        }
        if is_due(self.expires) {
            return Some(Due::Expired);
        }
        if is_due(self.pinged.map(|it| it + DEAD_AFTER)) {
            return Some(Due::Dead);
        }
        if now >= self.ping {
            self.ping = now + PING_EVERY;
            self.pinged.get_or_insert(now);
            return Some(Due::Ping);
        }
        if now >= self.revoked {
            self.revoked = now + REVOKED_EVERY;
            return Some(Due::AskRevoked);
        }
        if is_due(self.heartbeat.map(|every| self.sent + every)) {
            self.sent = now;
            return Some(Due::Heartbeat);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn start() -> Instant {
        Instant::now()
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_client_that_answers_no_ping_is_dead() {
        let start = start();
        let mut timers = Timers::new(start, Duration::MAX);
        assert_eq!(timers.next(), start + seconds(20));
        assert_eq!(timers.take(start + seconds(20)), Some(Due::Ping));
        assert_eq!(timers.take(start + seconds(20)), None);
        timers.on_heard();
        assert_eq!(timers.take(start + seconds(30)), None);
        assert_eq!(timers.take(start + seconds(40)), Some(Due::Ping));
        assert_eq!(timers.next(), start + seconds(50));
        assert_eq!(timers.take(start + seconds(50)), Some(Due::Dead));
    }

    #[test]
    fn a_sign_of_life_comes_only_when_nothing_else_does() {
        let start = start();
        let mut timers = Timers::new(start, Duration::MAX);
        timers.set_heartbeat(Some(seconds(5)));
        timers.on_sent(start + seconds(3));
        assert_eq!(timers.take(start + seconds(7)), None);
        assert_eq!(timers.take(start + seconds(8)), Some(Due::Heartbeat));
        assert_eq!(timers.next(), start + seconds(13));
    }

    #[test]
    fn a_new_token_puts_off_the_end() {
        let start = start();
        let mut timers = Timers::new(start, seconds(5));
        timers.set_valid(start, seconds(15));
        assert_eq!(timers.take(start + seconds(5)), None);
        assert_eq!(timers.take(start + seconds(15)), Some(Due::Expired));
        timers.drain_at(start + seconds(1));
        timers.drain_at(start + seconds(9));
        assert_eq!(timers.take(start + seconds(1)), Some(Due::Drain));
    }
}
