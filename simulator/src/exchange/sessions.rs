//! What the hours of the exchanges mean for instruments: which of them tick, and how old the others are.
//!
//! Owns what happens in a session. Must not know hours: they are the calendar's.

use std::sync::Arc;

use calendar::{Calendar, ClassIx, MarketSession};
use jiff::{Timestamp, ToSpan};
use kite::ist;

use super::Exchange;
use crate::market::SimulationTime;
use crate::universe::{Contract, Listing};

/// The present session of every class. Asking costs nothing: it is looked up when it begins.
#[derive(Debug)]
pub(super) struct Sessions {
    calendar: Arc<Calendar>,
    classes: Vec<ClassSession>,
}

/// A session in Unix seconds.
#[derive(Clone, Copy, Debug)]
struct ClassSession {
    session: MarketSession,
    from: i64,
    until: i64,
    /// The end of the last session in which the class traded.
    traded_until: i64,
}

impl Sessions {
    pub(super) fn new(calendar: Arc<Calendar>, now: i64) -> Self {
        let classes = calendar.classes();
        let classes = classes.map(|(class, _)| ClassSession::at(&calendar, class, now));
        Self {
            classes: classes.collect(),
            calendar,
        }
    }

    /// Goes on to the sessions of `now`. Returns whether one of them is another than before.
    pub(super) fn go_on(&mut self, now: i64) -> bool {
        let mut changed = false;
        for ((class, _), known) in self.calendar.classes().zip(&mut self.classes) {
            if !(known.from..known.until).contains(&now) {
                *known = ClassSession::at(&self.calendar, class, now);
                changed = true;
            }
        }
        changed
    }

    /// Whether an instrument ticks. Futures alone do before the open; one that is in no class always does.
    pub(super) fn ticks(&self, listing: &Listing, now: i64) -> bool {
        let in_session = match self.session(listing).map(|it| it.session) {
            None | Some(MarketSession::Open) => true,
            Some(MarketSession::PreOpen) => matches!(listing.contract, Contract::Future { .. }),
            Some(MarketSession::Auction | MarketSession::PostClose | MarketSession::Closed) => {
                false
            }
        };
        in_session && !listing.contract.has_ended(now)
    }

    /// Since when an instrument stands still; `None` if it ticks.
    pub(super) fn still_since(&self, listing: &Listing, now: i64) -> Option<i64> {
        if self.ticks(listing, now) {
            return None;
        }
        let traded_until = match self.session(listing) {
            Some(it) if it.session != MarketSession::Open => it.traded_until,
            _ => now,
        };
        let end = listing.contract.end().unwrap_or(i64::MAX);
        Some(traded_until.min(end))
    }

    fn session(&self, listing: &Listing) -> Option<&ClassSession> {
        self.classes.get(listing.class?.at())
    }
}

impl ClassSession {
    fn at(calendar: &Calendar, class: ClassIx, now: i64) -> Self {
        let time = Timestamp::from_second(now).unwrap_or(Timestamp::MAX);
        let moment = calendar.at(class, time);
        // What lasts longer than the calendar looks ahead is looked up again the next day.
        Self {
            session: moment.session,
            from: moment.since.map_or(now, Timestamp::as_second),
            until: moment.until.map_or(now + ist::DAY, Timestamp::as_second),
            traded_until: traded_until(calendar, class, time).as_second(),
        }
    }
}

impl Exchange {
    /// Keeps the hours of the exchanges from now on.
    pub fn keep_hours(&mut self, now: SimulationTime) {
        let calendar = Arc::clone(&self.market.universe().calendar);
        self.sessions = Some(Sessions::new(calendar, now.unix));
        self.rest(now);
    }

    /// Goes on to the sessions of `now`.
    pub(super) fn go_on(&mut self, now: SimulationTime) {
        let sessions = self.sessions.as_mut();
        if sessions.is_some_and(|it| it.go_on(now.unix)) {
            self.rest(now);
        }
    }

    /// Lets the prices rest of which nothing ticks, and those move on of which something does.
    pub(super) fn rest(&mut self, now: SimulationTime) {
        let Some(sessions) = &self.sessions else {
            return;
        };
        let universe = self.market.universe();
        let mut moves = vec![false; universe.underlyings.len()];
        for listing in &universe.listings {
            moves[listing.underlying] |= sessions.ticks(listing, now.unix);
        }
        self.market.rest(&moves, now);
    }
}

/// The end of the last session before `now` in which a class traded. Of a class that never did that is the morning of the
/// day: packets need a time.
fn traded_until(calendar: &Calendar, class: ClassIx, now: Timestamp) -> Timestamp {
    let today = ist::date(now);
    let mut before = today.saturating_add(1.day());
    while let Some(day) = calendar.trading_day_before([class], before) {
        let sessions = calendar.day(class, day).into_iter().rev();
        let mut traded = sessions.filter(|it| it.session == MarketSession::Open && it.until <= now);
        if let Some(last) = traded.next() {
            return last.until;
        }
        before = day;
    }
    let morning = ist::next_at(0, now.as_second()) - ist::DAY;
    Timestamp::from_second(morning).unwrap_or(now)
}

#[cfg(test)]
mod tests;
