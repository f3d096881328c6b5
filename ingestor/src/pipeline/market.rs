//! The present session of each class of instruments.
//!
//! Owns when one ends, as the assignment's spans say, and what is known after the last of them: nothing. Pure; the time is an
//! argument. Must not know a calendar.

use contract::{Assignment, ClassSessions, SessionMoment};
use kite::MarketSession;

/// The sessions of an assignment, and which of them it is.
#[derive(Debug, Default)]
pub(crate) struct MarketSessions {
    classes: Vec<MarketClass>,
    /// Whether every instrument counts as open.
    always_open: bool,
    /// Until then nothing changes, Unix seconds; 0 before the first look.
    until: i64,
}

#[derive(Debug)]
struct MarketClass {
    sessions: ClassSessions,
    now: Option<SessionMoment>,
}

/// A session that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionChange {
    /// The class.
    pub(crate) class: String,
    /// What it does now.
    pub(crate) now: SessionMoment,
    /// What it did before.
    pub(crate) before: MarketSession,
}

impl MarketSessions {
    /// That of an assignment, at which nobody has looked yet.
    pub(crate) fn new(assignment: &Assignment) -> Self {
        let classes = assignment.sessions.iter().map(|sessions| MarketClass {
            sessions: sessions.clone(),
            now: None,
        });
        Self {
            classes: classes.collect(),
            always_open: assignment.always_open,
            until: 0,
        }
    }

    /// Takes over what was known before another assignment: a session that began with it has begun.
    pub(crate) fn succeed(&mut self, old: &Self) {
        for class in &mut self.classes {
            let name = &class.sessions.class;
            let before = old.classes.iter().find(|it| it.sessions.class == *name);
            class.now = before.and_then(|before| before.now);
        }
    }

    /// Looks at the clock, and returns what has changed since the last look. The first one finds no change.
    #[inline]
    pub(crate) fn look(&mut self, now: i64) -> Vec<SessionChange> {
        if now < self.until {
            return Vec::new();
        }
        self.advance(now)
    }

    fn advance(&mut self, now: i64) -> Vec<SessionChange> {
        let mut changes = Vec::new();
        self.until = i64::MAX;
        for class in &mut self.classes {
            let moment = class.sessions.at(now);
            let before = std::mem::replace(&mut class.now, moment);
            if let Some(moment) = moment {
                self.until = self.until.min(moment.until);
                let before = before.map(|before| before.session);
                changes.extend(before.filter(|it| *it != moment.session).map(|before| {
                    SessionChange {
                        class: class.sessions.class.clone(),
                        now: moment,
                        before,
                    }
                }));
            }
        }
        changes
    }

    /// The session of a class at the last look; `None` if it is not known.
    #[inline]
    pub(crate) fn session(&self, class: Option<u16>) -> Option<MarketSession> {
        if self.always_open {
            return Some(MarketSession::Open);
        }
        Some(self.moment(class)?.session)
    }

    /// Since when a class has been in its present session, Unix seconds; `None` if that is not known.
    pub(crate) fn since(&self, class: Option<u16>) -> Option<i64> {
        self.moment(class)?.since
    }

    /// Whether an instrument of a class is expected to tick: nothing counts as closed that is not known to be.
    #[inline]
    pub(crate) fn may_tick(&self, class: Option<u16>) -> bool {
        self.session(class)
            .is_none_or(|it| it == MarketSession::Open)
    }

    /// Whether every class is closed, and stays so for these seconds at least.
    pub(crate) fn rests(&self, now: i64, seconds: i64) -> bool {
        let rests = |class: &MarketClass| {
            class.now.is_some_and(|moment| {
                moment.session == MarketSession::Closed && moment.until - now >= seconds
            })
        };
        !self.always_open && !self.classes.is_empty() && self.classes.iter().all(rests)
    }

    /// Until when a price of a class that came at `received` counts, both in Unix seconds; `None` if that is not known.
    pub(crate) fn price_end(&self, class: Option<u16>, received: i64) -> Option<i64> {
        let class = self.classes.get(usize::from(class?))?;
        class.sessions.price_end(received)
    }

    /// The number of the trading day before the day of `at` (Unix seconds); `None` if that is not known.
    #[inline]
    pub(crate) fn trading_day_before(&self, class: Option<u16>, at: i64) -> Option<i64> {
        let class = self.classes.get(usize::from(class?))?;
        class.sessions.trading_day_before(at)
    }

    /// The classes whose session is known, each with it.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (&str, SessionMoment)> {
        let classes = self.classes.iter();
        classes.filter_map(|class| Some((&*class.sessions.class, class.now?)))
    }

    fn moment(&self, class: Option<u16>) -> Option<SessionMoment> {
        self.classes.get(usize::from(class?))?.now
    }
}

#[cfg(test)]
mod tests {
    use contract::SessionSpan;

    use super::*;
    use crate::pipeline::instruments::tests::sample;

    fn market(spans: &[SessionSpan]) -> MarketSessions {
        let mut assignment = sample();
        assignment.sessions = vec![ClassSessions {
            class: "NFO".to_owned(),
            previous_day: None,
            spans: spans.to_vec(),
        }];
        MarketSessions::new(&assignment)
    }

    #[test]
    fn each_session_begins_once() {
        let spans = [
            SessionSpan(100, 200, MarketSession::Open),
            SessionSpan(200, 300, MarketSession::Auction),
        ];
        let mut market = market(&spans);
        assert_eq!(
            (market.look(50), market.session(Some(0))),
            (vec![], Some(MarketSession::Closed))
        );
        assert!(!market.may_tick(Some(0)));
        assert_eq!(market.look(99), []);
        let opened = market.look(100);
        assert_eq!(
            (opened.len(), opened[0].now.session),
            (1, MarketSession::Open)
        );
        assert_eq!(
            (opened[0].before, opened[0].now.since),
            (MarketSession::Closed, Some(100))
        );
        assert!(market.may_tick(Some(0)) && market.look(199).is_empty());

        // Another assignment in the auction: the change is seen by the new one.
        let mut next = self::market(&spans);
        next.succeed(&market);
        assert_eq!(next.look(250)[0].now.session, MarketSession::Auction);
        // After the last span nothing is known, and nothing is closed.
        assert_eq!((next.look(300), next.session(Some(0))), (vec![], None));
        assert!(next.may_tick(Some(0)));
    }

    #[test]
    fn it_rests_when_every_class_does_for_a_while() {
        let mut market = market(&[SessionSpan(1_000, 2_000, MarketSession::Open)]);
        assert!(!market.rests(300, 600), "nobody has looked");
        market.look(300);
        assert!(market.rests(300, 600) && market.rests(400, 600));
        assert!(!market.rests(401, 600), "it opens soon");
        market.look(1_000);
        assert!(!market.rests(1_000, 0));
        // After the last span nothing is known.
        market.look(2_000);
        assert!(!market.rests(2_000, 0));
        market.always_open = true;
        assert!(!market.rests(300, 600));
    }

    #[test]
    fn what_has_no_class_is_never_closed() {
        let mut market = market(&[SessionSpan(100, 200, MarketSession::Open)]);
        market.look(50);
        assert_eq!((market.session(None), market.may_tick(None)), (None, true));
        let mut always = sample();
        always.always_open = true;
        let always = MarketSessions::new(&always);
        assert_eq!(always.session(None), Some(MarketSession::Open));
    }
}
