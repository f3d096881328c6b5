//! Reads the two times: monotonic (back-off, watchdogs) and wall (calendar, expiry, time stamps).
//!
//! Programs ask the machine for the time here only. Shells read a [`Clock`] and pass instants
//! down; decisions take time as an argument and never see this type.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A source of monotonic and wall time. Cloning is cheap; clones of a manual clock move together.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

/// The two times of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The date, for what people and calendars see.
    pub wall: Timestamp,
    /// For durations; never compared with `wall`.
    pub monotonic: Instant,
}

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Accelerated {
        origin: Instant,
        wall: WallClock,
    },
    Manual(Arc<Manual>),
}

/// A simulated wall clock, so that a day passes in minutes: its start and its rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WallClock {
    /// Its time at the start.
    pub start: Timestamp,
    /// Its seconds per real second.
    pub rate: f64,
    /// The real time at which it shows `start`: clocks of several processes agree by it. Without it that is when the
    /// clock is made.
    pub origin: Option<Timestamp>,
}

impl WallClock {
    /// The same clock, whose origin is now unless it has one.
    #[must_use]
    pub fn fixed(self) -> Self {
        let now = || Clock::system().wall();
        Self {
            origin: Some(self.origin.unwrap_or_else(now)),
            ..self
        }
    }
}

impl fmt::Display for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.start, self.rate)?;
        self.origin.map_or(Ok(()), |origin| write!(f, ",{origin}"))
    }
}

/// A text that is not a wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be START,RATE: a time with its zone and a rate from 0 to 10000, such as 2026-11-24T05:55:00+05:30,60; a third \
     part is the real time at which the clock shows START"
)]
pub struct InvalidWallClock;

impl FromStr for WallClock {
    type Err = InvalidWallClock;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, ',').map(str::trim);
        let time = |text: &str| text.parse().map_err(|_| InvalidWallClock);
        let start = time(parts.next().unwrap_or_default())?;
        let rate = parts.next().and_then(|rate| rate.parse().ok());
        let rate = rate.filter(|rate| (0.0..=FASTEST).contains(rate));
        Ok(Self {
            start,
            rate: rate.ok_or(InvalidWallClock)?,
            origin: parts.next().map(time).transpose()?,
        })
    }
}

/// At most: a year passes in an hour.
const FASTEST: f64 = 10_000.0;

#[derive(Debug)]
struct Manual {
    instant: Instant,
    wall: Timestamp,
    elapsed: Mutex<Duration>,
}

impl Clock {
    /// The machine's clocks.
    ///
    /// Monotonic time goes through Tokio's clock: identical to the standard one in a running service,
    /// and in step with the timers of a test whose runtime is paused. Wall time is never paused.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The machine's monotonic clock, and a wall clock that starts at its origin, or now.
    #[must_use]
    pub fn accelerated(mut wall: WallClock) -> Self {
        let origin = tokio::time::Instant::now().into_std();
        if let Some(at) = wall.origin {
            let passed = Self::system().wall().duration_since(at).as_secs_f64();
            wall.start = later(wall.start, passed * wall.rate);
        }
        Self(Source::Accelerated { origin, wall })
    }

    /// How long it takes until so much time has passed on the wall clock.
    #[must_use]
    pub fn real(&self, wall: Duration) -> Duration {
        match &self.0 {
            Source::Accelerated { wall: clock, .. } if clock.rate > 0.0 => {
                Duration::try_from_secs_f64(wall.as_secs_f64() / clock.rate).unwrap_or(wall)
            }
            Source::System | Source::Accelerated { .. } | Source::Manual(_) => wall,
        }
    }

    /// Whether its wall clock is simulated.
    #[must_use]
    pub const fn is_accelerated(&self) -> bool {
        matches!(self.0, Source::Accelerated { .. })
    }

    /// A clock for tests that stays at `start` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Manual {
            instant: tokio::time::Instant::now().into_std(),
            wall: start,
            elapsed: Mutex::new(Duration::ZERO),
        })))
    }

    /// Monotonic time: never goes backwards and has no relation to the date.
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System | Source::Accelerated { .. } => tokio::time::Instant::now().into_std(),
            Source::Manual(manual) => manual.instant + *manual.elapsed(),
        }
    }

    /// Wall time: the date, which an administrator or NTP may set back.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Accelerated { origin, wall } => {
                let elapsed = self.now().saturating_duration_since(*origin);
                later(wall.start, elapsed.as_secs_f64() * wall.rate)
            }
            Source::Manual(manual) => {
                let elapsed = SignedDuration::try_from(*manual.elapsed());
                elapsed
                    .ok()
                    .and_then(|elapsed| manual.wall.checked_add(elapsed).ok())
                    .unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Both times.
    #[must_use]
    pub fn times(&self) -> Now {
        Now {
            wall: self.wall(),
            monotonic: self.now(),
        }
    }

    /// Wall time in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn wall_micros(&self) -> i64 {
        self.wall().as_microsecond()
    }

    /// Moves both times of a manual clock forward.
    ///
    /// # Panics
    /// On any other clock.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Source::System | Source::Accelerated { .. } => {
                panic!("only a manual clock can be advanced")
            }
            Source::Manual(manual) => *manual.elapsed() += by,
        }
    }
}

fn later(start: Timestamp, seconds: f64) -> Timestamp {
    let passed = SignedDuration::try_from_secs_f64(seconds).ok();
    let later = passed.and_then(|passed| start.checked_add(passed).ok());
    later.unwrap_or(Timestamp::MAX)
}

impl Manual {
    fn elapsed(&self) -> MutexGuard<'_, Duration> {
        self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_both_times_and_all_clones() {
        let clock = Clock::manual("2026-11-24T03:45:00Z".parse().unwrap());
        let (clone, start) = (clock.clone(), clock.now());
        assert_eq!(clone.now(), start, "it stands still");

        clock.advance(Duration::from_millis(1_500));

        assert_eq!(clone.now() - start, Duration::from_millis(1_500));
        assert_eq!(clone.wall().to_string(), "2026-11-24T03:45:01.5Z");
        // `date -u -d 2026-11-24T03:45:01.5Z +%s%6N`
        assert_eq!(clone.wall_micros(), 1_795_491_901_500_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_passes_in_minutes() {
        let wall: WallClock = "2026-11-24T09:15:00+05:30, 60".parse().unwrap();
        let clock = Clock::accelerated(wall);
        let start = clock.now();
        tokio::time::advance(Duration::from_secs(24 * 60)).await;
        assert_eq!(clock.wall().to_string(), "2026-11-25T03:45:00Z");
        assert_eq!(clock.now() - start, Duration::from_secs(24 * 60));
    }

    #[test]
    fn clocks_of_one_origin_agree() {
        let origin = Clock::system().wall() - Duration::from_secs(3_600);
        let text = format!("2026-11-24T09:15:00Z,2,{origin}");
        let wall: WallClock = text.parse().unwrap();
        assert_eq!(wall.to_string().parse(), Ok(wall));
        let passed = Clock::accelerated(wall).wall().duration_since(wall.start);
        assert!((7_200..7_300).contains(&passed.as_secs()), "{passed:?}");
    }

    #[test]
    fn what_is_no_wall_clock_is_refused() {
        for bad in [
            "",
            "60",
            "2026-11-24T09:15:00+05:30",
            "2026-11-24T09:15:00,60",
            "2026-11-24T09:15:00Z,-1",
            "2026-11-24T09:15:00Z,NaN",
            "2026-11-24T09:15:00Z,20000",
            "2026-11-24T09:15:00Z,60,",
            "2026-11-24T09:15:00Z,60,now",
        ] {
            assert_eq!(bad.parse::<WallClock>(), Err(InvalidWallClock), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn monotonic_time_follows_a_paused_runtime() {
        let clock = Clock::system();
        let start = clock.now();
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now() - start, Duration::from_secs(3_600));
    }

    #[test]
    fn the_system_clock_works_without_a_runtime() {
        let clock = Clock::system();
        let start = clock.now();
        assert!(clock.now() >= start);
        assert!(clock.wall() > "2026-01-01T00:00:00Z".parse().unwrap());
    }
}
