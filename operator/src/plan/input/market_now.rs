//! What the markets of an account's or a set's instruments do, as its assignment says.
//!
//! Owns what follows from it: nothing ticks while all of them are closed, and what opens is expected from then on.
//! Pure. Must not know any hour.

use contract::{Assignment, ClassSessions};
use jiff::Timestamp;
use kite::MarketSession;

/// Of an assignment's classes, those that an object has instruments of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Classes {
    /// A bit for each of the first 64.
    known: u64,
    /// Whether some instruments may tick at any time, as far as is known.
    others: bool,
}

/// What they do at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MarketNow {
    /// Whether some instruments may tick at any time, as far as is known.
    any_time: bool,
    /// Since when one of them trades, Unix seconds: the one that has for longest.
    open_since: Option<i64>,
    /// Whether one of them collects orders, or trades at one price: some of its instruments tick.
    busy: bool,
    closed: bool,
    /// When one of them does something else, Unix seconds.
    until: Option<i64>,
    /// When the first of those that are closed begins, Unix seconds.
    begins: Option<i64>,
    /// When the last of those that are closed ended, Unix seconds, as far as the sessions reach back.
    ended: Option<i64>,
}

impl Classes {
    /// Those of an assignment's rows that a set has.
    pub(crate) fn of_sets(assignment: &Assignment) -> Self {
        let mut classes = Self::default();
        let rows = assignment.instruments.iter();
        rows.filter(|row| !row.sets.is_empty())
            .for_each(|row| classes.add(row.class));
        classes
    }

    /// Adds the class of a row.
    pub(crate) fn add(&mut self, class: Option<u16>) {
        let bit = class.and_then(|class| 1_u64.checked_shl(u32::from(class)));
        match bit {
            Some(bit) => self.known |= bit,
            None => self.others = true,
        }
    }

    /// Those of either.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            known: self.known | other.known,
            others: self.others || other.others,
        }
    }

    /// Those of them that trade at `now`, Unix seconds, each with the second since when.
    pub(crate) fn open(
        self,
        sessions: &[ClassSessions],
        now: i64,
    ) -> impl Iterator<Item = (&str, i64)> {
        self.of(sessions).filter_map(move |class| {
            let moment = class.at(now)?;
            let since = moment
                .since
                .filter(|_| moment.session == MarketSession::Open)?;
            Some((class.class.as_str(), since))
        })
    }

    fn of(self, sessions: &[ClassSessions]) -> impl Iterator<Item = &ClassSessions> {
        let is_one = move |at: usize| {
            let bit = u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at));
            bit.is_some_and(|bit| self.known & bit != 0)
        };
        let all = sessions.iter().enumerate();
        all.filter(move |(at, _)| is_one(*at))
            .map(|(_, class)| class)
    }

    /// What they do at `now`, Unix seconds, by the sessions of their assignment.
    pub(crate) fn at(self, sessions: &[ClassSessions], now: i64) -> MarketNow {
        let mut market = MarketNow {
            any_time: self.others,
            ..MarketNow::default()
        };
        for class in self.of(sessions) {
            let Some(moment) = class.at(now) else {
                market.any_time = true;
                continue;
            };
            market = market.plus(MarketNow {
                open_since: moment
                    .since
                    .filter(|_| moment.session == MarketSession::Open),
                busy: !matches!(moment.session, MarketSession::Open | MarketSession::Closed),
                closed: moment.session == MarketSession::Closed,
                until: Some(moment.until),
                begins: Some(moment.until).filter(|_| moment.session == MarketSession::Closed),
                ended: moment
                    .since
                    .filter(|_| moment.session == MarketSession::Closed),
                ..MarketNow::default()
            });
        }
        market
    }
}

impl MarketNow {
    /// What those of either do.
    pub(crate) fn plus(self, other: Self) -> Self {
        let first = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        Self {
            any_time: self.any_time || other.any_time,
            open_since: first(self.open_since, other.open_since),
            busy: self.busy || other.busy,
            closed: self.closed || other.closed,
            until: first(self.until, other.until),
            begins: first(self.begins, other.begins),
            ended: self.ended.max(other.ended),
        }
    }

    /// Whether all of them are closed.
    pub(crate) fn is_closed(self) -> bool {
        self.closed && !self.any_time && !self.busy && self.open_since.is_none()
    }

    /// For how many seconds ticks have been expected at `now`; `None` if they are not.
    pub(crate) fn expected_for(self, now: i64) -> Option<u64> {
        if self.any_time || self == Self::default() {
            return Some(u64::MAX);
        }
        let passed = now.saturating_sub(self.open_since?);
        Some(u64::try_from(passed).unwrap_or_default())
    }

    /// From when to when all of them are closed, Unix seconds; the first is missing where the sessions do not reach back so
    /// far. `None` while one of them may tick.
    pub(crate) fn closed(self) -> Option<(Option<i64>, i64)> {
        let begins = self.begins.filter(|_| self.is_closed())?;
        Some((self.ended, begins))
    }

    /// When the first of those that are closed begins.
    pub(crate) fn begins(self) -> Option<Timestamp> {
        Timestamp::from_second(self.begins?).ok()
    }

    /// When one of them does something else, Unix seconds.
    pub(crate) const fn until(self) -> Option<i64> {
        self.until
    }

    /// That they are closed, and until when, for people.
    pub(crate) fn closed_until(self) -> String {
        self.begins().map_or_else(
            || "the market is closed".to_owned(),
            |begins| {
                let begins = kite::ist::civil(begins).strftime("%Y-%m-%d %H:%M IST");
                format!("the market is closed until {begins}")
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use contract::SessionSpan;
    use kite::MarketSession::{Auction, Open};

    use super::*;

    fn sessions(spans: &[&[SessionSpan]]) -> Vec<ClassSessions> {
        let classes = spans.iter().map(|spans| ClassSessions {
            class: String::new(),
            previous_day: None,
            spans: spans.to_vec(),
        });
        classes.collect()
    }

    fn classes(of: &[Option<u16>]) -> Classes {
        let mut classes = Classes::default();
        of.iter().for_each(|class| classes.add(*class));
        classes
    }

    #[test]
    fn closed_is_what_is_closed_in_all_its_markets() {
        let shares = [SessionSpan(100, 200, Open), SessionSpan(200, 220, Auction)];
        let shares = [&shares[..], &[SessionSpan(1_000, 1_100, Open)]].concat();
        let commodities = [SessionSpan(90, 400, Open), SessionSpan(990, 1_400, Open)];
        let sessions = sessions(&[&shares, &commodities]);
        let at = |of: &[Option<u16>], now| classes(of).at(&sessions, now);
        let (both, first) = ([Some(0), Some(1)], [Some(0)]);
        assert!(at(&both, 50).is_closed() && at(&both, 500).is_closed());
        assert!(!at(&both, 95).is_closed() && at(&first, 95).is_closed());
        assert_eq!(at(&both, 500).until(), Some(990));
        assert_eq!(at(&both, 500).begins, Some(990));
        // Ticks are expected since the first of them is open, and in an auction no more.
        assert_eq!(at(&both, 150).expected_for(150), Some(60));
        assert_eq!(at(&first, 150).expected_for(150), Some(50));
        assert_eq!(at(&first, 210).expected_for(210), None);
        assert!(!at(&first, 210).is_closed());
        assert_eq!(at(&both, 210).expected_for(210), Some(120));
    }

    #[test]
    fn what_is_not_known_counts_as_open() {
        let sessions = sessions(&[&[SessionSpan(100, 200, Open)]]);
        let of = |of: &[Option<u16>], now| classes(of).at(&sessions, now);
        assert_eq!(of(&[None], 50).expected_for(50), Some(u64::MAX));
        assert!(!of(&[Some(0), None], 50).is_closed());
        // After the last span.
        assert_eq!(of(&[Some(0)], 300).expected_for(300), Some(u64::MAX));
        assert_eq!(of(&[Some(70)], 50).expected_for(50), Some(u64::MAX));
        assert_eq!(of(&[], 50).expected_for(50), Some(u64::MAX));
    }
}
