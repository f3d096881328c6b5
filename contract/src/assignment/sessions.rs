//! When the instruments of an assignment trade.
//!
//! Owns the spans and what follows from them at a moment. Must not know a calendar: after the last span nothing is known.

use jiff::civil::Date;
use kite::MarketSession;
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

    /// Whether the spans are in their order, and each ends after it begins.
    #[must_use]
    pub(super) fn is_valid(&self) -> bool {
        let each = self.spans.iter().all(|span| span.0 < span.1);
        let mut pairs = self.spans.windows(2);
        each && self.spans.len() <= MOST_SPANS && pairs.all(|pair| pair[0].1 <= pair[1].0)
    }
}

/// A class has at most four sessions on each of eight days, and a special day may have more.
const MOST_SPANS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

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
}
