//! When the instruments of an assignment trade.
//!
//! Owns the spans and what follows from them at a moment. Must not know a calendar: after the last span nothing is known.

use jiff::civil::Date;
use kite::{MarketSession, ist};
use serde::{Deserialize, Serialize};

/// The sessions of instruments that trade at the same hours, for some days.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClassSessions {
    /// The name of the class, such as `NFO`.
    pub class: String,
    /// The trading day of the class before the first of these days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_day: Option<Date>,
    /// The sessions in their order; between two of them the market is closed.
    pub spans: Vec<SessionSpan>,
}

/// A session: its first second, the first after it (both Unix time), and what the market does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionSpan(pub i64, pub i64, pub MarketSession);

/// What a class does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionMoment {
    /// The session.
    pub session: MarketSession,
    /// Its first second; `None` before the first span.
    pub since: Option<i64>,
    /// The first second of the next session.
    pub until: i64,
    /// The next session.
    pub next: MarketSession,
}

impl ClassSessions {
    /// What it does at `now` in Unix seconds; `None` after the last span.
    #[must_use]
    pub fn at(&self, now: i64) -> Option<SessionMoment> {
        let next = self.spans.iter().position(|span| now < span.1)?;
        let span = self.spans[next];
        if now < span.0 {
            let before = next.checked_sub(1).map(|at| self.spans[at].1);
            return Some(SessionMoment {
                session: MarketSession::Closed,
                since: before,
                until: span.0,
                next: span.2,
            });
        }
        let after = self.spans.get(next + 1);
        let after = after.filter(|after| after.0 == span.1);
        Some(SessionMoment {
            session: span.2,
            since: Some(span.0),
            until: span.1,
            next: after.map_or(MarketSession::Closed, |after| after.2),
        })
    }

    /// The number of the trading day before the day of `at` (Unix seconds), which trades itself; `None` where the spans do not say.
    #[must_use]
    pub fn trading_day_before(&self, at: i64) -> Option<i64> {
        let day = ist::day(at);
        let mut days = self.spans.iter().map(|span| ist::day(span.0));
        if !days.clone().any(|it| it == day) {
            return None;
        }
        let first = self.previous_day.map(|it| ist::day(ist::midnight(it)));
        days.rfind(|it| *it < day).or(first)
    }

    /// Until when a price of the time `at` is the last one that readers may want, both in Unix seconds: half an hour after the
    /// last session of the trading day after it. `None` where the spans do not reach so far.
    #[must_use]
    pub fn price_end(&self, at: i64) -> Option<i64> {
        let day = ist::day(at);
        let mut later = self.spans.iter().filter(|span| ist::day(span.0) > day);
        let first = *later.next()?;
        let next = ist::day(first.0);
        let same = later.take_while(|span| ist::day(span.0) == next);
        let last = same.last().unwrap_or(&first);
        Some(last.1.saturating_add(PRICE_OUTLIVES))
    }

    /// Whether the spans are in their order, and each ends after it begins.
    #[must_use]
    pub(super) fn is_valid(&self) -> bool {
        let each = self.spans.iter().all(|span| span.0 < span.1);
        let mut pairs = self.spans.windows(2);
        each && self.spans.len() <= MOST_SPANS && pairs.all(|pair| pair[0].1 <= pair[1].0)
    }
}

/// So many seconds after the last session a price is of no use: whoever closes books by it has done so.
const PRICE_OUTLIVES: i64 = 30 * 60;

/// A class has at most four sessions on each of eight days, and a special day may have more.
const MOST_SPANS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_ends_after_the_sessions_of_the_next_trading_day() {
        use MarketSession::{Open, PostClose};
        let at = |text: &str| -> i64 {
            let time: jiff::Timestamp = format!("{text}+05:30").parse().unwrap();
            time.as_second()
        };
        let day = |date: &str| {
            [
                SessionSpan(
                    at(&format!("{date}T09:15:00")),
                    at(&format!("{date}T15:30:00")),
                    Open,
                ),
                SessionSpan(
                    at(&format!("{date}T15:50:00")),
                    at(&format!("{date}T16:00:00")),
                    PostClose,
                ),
            ]
        };
        let class = ClassSessions {
            class: "NSE".to_owned(),
            previous_day: None,
            // A Friday and the Monday after it.
            spans: [day("2026-12-04"), day("2026-12-07")].concat(),
        };
        let monday = Some(at("2026-12-07T16:30:00"));
        for price in [
            "2026-12-04T09:15:00",
            "2026-12-04T23:00:00",
            "2026-12-06T12:00:00",
        ] {
            assert_eq!(class.price_end(at(price)), monday, "{price}");
        }
        assert_eq!(
            class.price_end(at("2026-12-03T15:00:00")),
            Some(at("2026-12-04T16:30:00"))
        );
        assert_eq!(
            class.price_end(at("2026-12-07T10:00:00")),
            None,
            "the spans end"
        );
    }

    #[test]
    fn between_two_spans_it_is_closed_and_after_the_last_nothing_is_known() {
        use MarketSession::{Auction, Closed, Open};
        let class = ClassSessions {
            class: "NSE-AUCTION".to_owned(),
            previous_day: None,
            spans: vec![
                SessionSpan(100, 200, Open),
                SessionSpan(200, 220, Auction),
                SessionSpan(300, 400, Open),
            ],
        };
        assert!(class.is_valid());
        let at = |now| {
            class
                .at(now)
                .map(|it| (it.session, it.since, it.until, it.next))
        };
        assert_eq!(at(99), Some((Closed, None, 100, Open)));
        assert_eq!(at(100), Some((Open, Some(100), 200, Auction)));
        assert_eq!(at(199), Some((Open, Some(100), 200, Auction)));
        assert_eq!(at(200), Some((Auction, Some(200), 220, Closed)));
        assert_eq!(at(220), Some((Closed, Some(220), 300, Open)));
        assert_eq!(at(399), Some((Open, Some(300), 400, Closed)));
        assert_eq!(at(400), None);
        let wrong = |spans: &[SessionSpan]| {
            !ClassSessions {
                spans: spans.to_vec(),
                ..class.clone()
            }
            .is_valid()
        };
        assert!(wrong(&[SessionSpan(100, 100, Open)]));
        assert!(wrong(&[
            SessionSpan(100, 200, Open),
            SessionSpan(150, 300, Open)
        ]));
    }

    #[test]
    fn the_trading_day_before_is_that_of_the_spans_or_the_one_that_is_named() {
        let day = jiff::civil::date;
        let friday = day(2026, 11, 27);
        let open = |day: jiff::civil::Date| ist::midnight(day) + 9 * 3_600;
        let span = |day| SessionSpan(open(day), open(day) + 3_600, MarketSession::Open);
        let (monday, tuesday) = (day(2026, 11, 30), day(2026, 12, 1));
        let sessions = ClassSessions {
            class: "NFO".to_owned(),
            previous_day: Some(friday),
            spans: vec![span(monday), span(tuesday)],
        };
        let before = |day| sessions.trading_day_before(open(day));
        assert_eq!(before(monday), Some(ist::day(open(friday))));
        assert_eq!(before(tuesday), Some(ist::day(open(monday))));
        assert_eq!(before(friday), None);
        assert_eq!(before(day(2026, 12, 2)), None);
        let unknown = ClassSessions {
            previous_day: None,
            ..sessions
        };
        assert_eq!(unknown.trading_day_before(open(monday)), None);
    }
}
