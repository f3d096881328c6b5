//! Whether the process of an account rests while all of its markets are closed.
//!
//! Pure. Owns when it ends and when it starts again. Must not know any hour: those are in the assignment.

use contract::Assignment;

use super::market_now::{Classes, MarketNow};

/// The process stays so many seconds after the last session, in which last prices and events are written.
const LINGER: i64 = 10 * 60;

/// It is back so many seconds before the next session begins.
const LEAD: i64 = 10 * 60;

/// For so many seconds after that it may be on its way, and nobody is told.
const START: i64 = 60;

/// For less than so many seconds between two sessions it stays.
const SHORTEST: i64 = 60 * 60;

/// Whether the process of an account rests. Times are Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sleep {
    /// Until when it does; `None`: it runs.
    until: Option<i64>,
    /// Whether it has just been started.
    starting: bool,
    /// When that changes, if it is known.
    due: Option<i64>,
}

impl Sleep {
    /// That of an account which rests when it can. `classes`: what its instruments trade in. One that takes part in a move, or
    /// that keeps a connection without instruments, goes on.
    pub(super) fn of(assignment: &Assignment, classes: Classes, now: i64) -> Self {
        let busy = assignment.standby || !assignment.moves.is_empty() || assignment.always_open;
        if busy || assignment.instruments.is_empty() {
            return Self::default();
        }
        Self::at(classes.at(&assignment.sessions, now), now)
    }

    fn at(market: MarketNow, now: i64) -> Self {
        let Some((ended, begins)) = market.closed() else {
            return Self::default();
        };
        if ended.is_some_and(|ended| begins.saturating_sub(ended) < SHORTEST) {
            return Self::default();
        }
        let wakes = begins.saturating_sub(LEAD);
        let from = ended.map_or(i64::MIN, |ended| ended.saturating_add(LINGER));
        match now {
            _ if now < from => Self {
                due: Some(from),
                ..Self::default()
            },
            _ if now < wakes => Self {
                until: Some(wakes),
                due: Some(wakes),
                ..Self::default()
            },
            _ if now < wakes.saturating_add(START) => Self {
                starting: true,
                due: Some(wakes.saturating_add(START)),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    /// Whether it rests.
    pub(crate) const fn is_asleep(self) -> bool {
        self.until.is_some()
    }

    /// Whether it may not be up yet: it was started after its rest.
    pub(crate) const fn is_starting(self) -> bool {
        self.starting
    }

    /// Until when it rests.
    pub(crate) const fn until(self) -> Option<i64> {
        self.until
    }

    /// When that changes, if it is known.
    pub(crate) const fn due(self) -> Option<i64> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use contract::{ClassSessions, SessionSpan};
    use kite::MarketSession::{Auction, Open, PostClose};

    use super::*;

    /// Two days of a class; the second one begins at 100,000.
    fn market(now: i64) -> MarketNow {
        let mut classes = Classes::default();
        classes.add(Some(0));
        let spans = vec![
            SessionSpan(10_000, 20_000, Open),
            SessionSpan(20_000, 20_600, Auction),
            SessionSpan(21_200, 22_000, PostClose),
            SessionSpan(100_000, 110_000, Open),
        ];
        let class = ClassSessions {
            class: "NSE".to_owned(),
            previous_day: None,
            spans,
        };
        classes.at(&[class], now)
    }

    fn until(now: i64) -> Option<i64> {
        Sleep::at(market(now), now).until()
    }

    #[test]
    fn it_rests_from_a_while_after_the_last_session_to_a_while_before_the_next() {
        let wakes = Some(100_000 - LEAD);
        for running in [10_000, 20_300, 20_700, 21_500, 22_000, 22_000 + LINGER - 1] {
            assert_eq!(until(running), None, "{running}");
        }
        for resting in [22_000 + LINGER, 50_000, 100_000 - LEAD - 1] {
            assert_eq!(until(resting), wakes, "{resting}");
        }
        for running in [100_000 - LEAD, 100_000] {
            assert_eq!(until(running), None, "{running}");
        }
        // Before the first of the known sessions.
        assert_eq!(until(5_000), Some(10_000 - LEAD));
        assert_eq!(until(9_900), None);
        // After the last one nothing is known, and it runs.
        assert_eq!(until(200_000), None);
    }

    #[test]
    fn it_says_when_that_changes() {
        let due = |now| Sleep::at(market(now), now).due();
        assert_eq!(due(22_100), Some(22_000 + LINGER));
        assert_eq!(due(50_000), Some(100_000 - LEAD));
        assert_eq!(due(100_000 - LEAD), Some(100_000 - LEAD + START));
        assert_eq!(
            due(15_000),
            None,
            "the end of the session is known elsewhere"
        );
    }
}
