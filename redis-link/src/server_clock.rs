//! The time of a Redis server, from the ids that it gives to entries of streams.
//!
//! No right is needed for it, unlike for TIME. It is carried on with the monotonic clock, so that a
//! step of this machine's wall clock changes nothing. Pure; times are arguments.

use std::time::{Duration, Instant};

/// A later time than the known one is believed after this long: an answer may have been read late,
/// and the ids of a stream stay ahead for a while after the server's clock was set back.
const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// A time so far ahead, in milliseconds, is not the server's: another writer gave its own id to an
/// entry, and the server counts on from it.
const FOREIGN: i64 = 24 * 3600 * 1000;

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
        let ahead = self.counted(now).map(|known| millis.saturating_sub(known));
        let is_new = |since| now.saturating_duration_since(since) < BELIEVED_FOR;
        let is_early = ahead.is_some_and(|ahead| ahead > 0) && self.since.is_some_and(is_new);
        if is_early || ahead.is_some_and(|ahead| ahead > FOREIGN) {
            return;
        }
        self.known = Some((millis, now));
        self.since = Some(now);
    }

    /// The server's time in milliseconds since 1970 at `now`, when a wall clock shows `wall_micros`;
    /// `None` while it is not known. It may be late by as much as an answer takes, and is never early
    /// unless a clock was set back just now.
    #[must_use]
    pub fn millis(&self, now: Instant, wall_micros: i64) -> Option<i64> {
        let millis = self.counted(now)?;
        let ahead = millis.saturating_sub(wall_micros / 1_000);
        (ahead <= FOREIGN).then_some(millis)
    }

    /// How far the server's clock is ahead of that wall clock, in milliseconds.
    #[must_use]
    pub fn ahead_by(&self, now: Instant, wall_micros: i64) -> Option<i64> {
        Some(self.millis(now, wall_micros)? - wall_micros / 1_000)
    }

    /// The last id, and the time since then.
    fn counted(&self, now: Instant) -> Option<i64> {
        let (millis, at) = self.known?;
        Some(millis.saturating_add(now.saturating_duration_since(at).as_millis() as i64))
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
        assert_eq!(clock.counted(start), None);
        clock.on_id(b"OK", start);
        assert_eq!(clock.counted(start), None);
        clock.on_id(b"1764570600000-3", start);
        assert_eq!(clock.counted(start + SECOND), Some(1_764_570_601_000));
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
        assert_eq!(clock.counted(start + SECOND), Some(1_001_000));
        clock.on_id(b"900000-0", start + 2 * SECOND);
        assert_eq!(clock.counted(start + 2 * SECOND), Some(900_000));
        clock.on_id(b"9000000-1", start + 62 * SECOND);
        assert_eq!(clock.counted(start + 62 * SECOND), Some(9_000_000));
    }

    #[test]
    fn an_id_of_another_writer_years_ahead_is_not_the_time() {
        let (start, mut clock) = (start(), ServerClock::default());
        let wall_micros = 1_764_570_600_000_000;
        for foreign in ["9223372036854775807-1", "1764657000001-0"] {
            clock = ServerClock::default();
            clock.on_id(foreign.as_bytes(), start);
            assert_eq!(clock.millis(start + SECOND, wall_micros), None);
            assert_eq!(clock.ahead_by(start + SECOND, wall_micros), None);
        }
        clock.on_id(b"1764570600000-0", start);
        clock.on_id(b"9223372036854775807-1", start + 120 * SECOND);
        let millis = clock.millis(start + SECOND, wall_micros);
        assert_eq!(millis, Some(1_764_570_601_000));
    }
}
