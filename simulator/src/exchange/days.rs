//! The change from one day's instruments list to the next, at 08:00 in India.
//!
//! Owns what becomes of connections, subscriptions and rates. Must not make the list: that takes a second.

use std::sync::Arc;

use jiff::civil::{Date, Time, time};

use super::daily::DailyTime;
use super::rates::Rates;
use super::schedule::Schedule;
use super::{Exchange, Watcher};
use crate::market::{Market, SimulationTime};
use crate::universe::{Universe, UniverseError, indian_date};

/// When the list of the day is made.
pub(super) const LIST_AT: Time = time(8, 0, 0, 0);

/// What the list of another day is made of.
#[derive(Debug)]
pub struct DayChange {
    before: Arc<Universe>,
    closes: Vec<f64>,
    date: Date,
    seed: u64,
}

impl DayChange {
    /// Makes the universe of the new day.
    ///
    /// # Errors
    /// When the built-in tables contradict each other.
    pub fn universe(&self) -> Result<Universe, UniverseError> {
        self.before.next(self.seed, self.date, &self.closes)
    }
}

impl Exchange {
    /// Makes a new list each day, first after `now`.
    pub fn list_daily(&mut self, now: SimulationTime) {
        self.days = Some(DailyTime::new(LIST_AT, now.unix));
    }

    /// What the list of today is made of, once when it is due.
    pub fn take_day_change(&mut self, now: SimulationTime) -> Option<DayChange> {
        let due = self.days.as_mut()?.take_due(now.unix);
        let date = indian_date(now.unix).filter(|_| due)?;
        Some(DayChange {
            before: self.universe(),
            closes: self.market.closes(now),
            date,
            seed: self.seed,
        })
    }

    /// Lists another day. Connections and their subscriptions stay; what is not listed any more is silent.
    pub fn open_day(&mut self, universe: Arc<Universe>, now: SimulationTime) {
        let rates = self
            .schedule
            .rates
            .listed_in(self.market.universe(), &universe);
        let listings = universe.listings.len();
        let seed = self.seed.wrapping_add(now.unix.unsigned_abs());
        self.market = Market::new(universe, seed);
        self.schedule = Schedule::new(rates, listings, seed);
        self.watchers = vec![Vec::new(); listings];
        for (id, connection) in &self.connections {
            for (token, subscription) in &connection.subscriptions {
                if let Some(position) = self.market.universe().find(*token) {
                    self.watchers[position].push(Watcher {
                        connection: *id,
                        mode: subscription.mode,
                    });
                    self.schedule.add(position, now.elapsed);
                }
            }
        }
        self.rest(now);
    }
}

impl Rates {
    /// The same rates by the positions of another list.
    fn listed_in(&self, before: &Universe, after: &Universe) -> Self {
        self.at_positions(|position| after.find_symbol(&before.listings[position].symbol()))
    }
}
