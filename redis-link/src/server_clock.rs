//! The time of a Redis server, from the ids that it gives to entries of streams.
//!
//! No right is needed for it, unlike for TIME. It is carried on with the monotonic clock, so that a
//! step of this machine's wall clock changes nothing. Pure; times are arguments.

use std::time::{Duration, Instant};

/// A later time than the known one is believed after this long: an answer may have been read late,
/// and the ids of a stream stay ahead for a while after the server's clock was set back.
const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// What is known of a server's time.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerClock {
    /// Milliseconds since 1970 at a moment, and since when that counts.
    known: Option<(i64, Instant)>,
    since: Option<Instant>,
}

impl ServerClock {
    /// The server gave this id to an entry; the answer was read at `now`.
    pub fn on_id(&mut self, id: &[u8], now: Instant) {
        let Some(millis) = millis_of(id) else {
            return;
        };
        let is_later = self.millis(now).is_some_and(|known| millis > known);
        let is_new = |since| now.saturating_duration_since(since) < BELIEVED_FOR;
        if is_later && self.since.is_some_and(is_new) {
            return;
        }
        self.known = Some((millis, now));
        self.since = Some(now);
    }

    /// The server's time at `now` in milliseconds since 1970, once it is known. It may be late by
    /// as much as an answer takes, and is never early unless a clock was set back just now.
    #[must_use]
    pub fn millis(&self, now: Instant) -> Option<i64> {
        let (millis, at) = self.known?;
        Some(millis + now.saturating_duration_since(at).as_millis() as i64)
    }

    /// How far the server's clock is ahead of a wall clock that shows `wall_micros` at `now`, in
    /// milliseconds.
    #[must_use]
    pub fn ahead_by(&self, now: Instant, wall_micros: i64) -> Option<i64> {
        Some(self.millis(now)? - wall_micros / 1_000)
    }
}

/// The milliseconds of an id such as `1764570600000-0`.
fn millis_of(id: &[u8]) -> Option<i64> {
    let id = std::str::from_utf8(id).ok()?;
    id.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn start() -> Instant {
        Instant::now()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_goes_on_with_the_monotonic_clock() {
        let (start, mut clock) = (start(), ServerClock::default());
        assert_eq!(clock.millis(start), None);
        clock.on_id(b"OK", start);
        assert_eq!(clock.millis(start), None);
        clock.on_id(b"1764570600000-3", start);
        assert_eq!(clock.millis(start + SECOND), Some(1_764_570_601_000));
        let ahead = clock.ahead_by(start + SECOND, 1_764_570_661_000_000);
        assert_eq!(ahead, Some(-60_000));
    }

    /// Trimming too late costs a little memory, trimming too early costs everything.
    #[test]
    fn an_earlier_time_counts_at_once_and_a_later_one_after_a_minute() {
        let (start, mut clock) = (start(), ServerClock::default());
        clock.on_id(b"1000000-0", start);
        // A stream whose ids stayed ahead.
        clock.on_id(b"9000000-1", start + SECOND);
        assert_eq!(clock.millis(start + SECOND), Some(1_001_000));
        clock.on_id(b"900000-0", start + 2 * SECOND);
        assert_eq!(clock.millis(start + 2 * SECOND), Some(900_000));
        clock.on_id(b"9000000-1", start + 62 * SECOND);
        assert_eq!(clock.millis(start + 62 * SECOND), Some(9_000_000));
    }
}
