//! When the instruments of an account trade, as its process is told: for some days from the trading day on.
//!
//! Owns from which day on that is. It changes with the first list of a morning, or when there should be one: nothing is
//! written at night, nor on days without a session. Must not know any hour: that is the calendar's.

use std::sync::Arc;

use calendar::{Calendar, ClassIx};
use contract::{Assignment, ClassSessions, SessionSpan};
use crds::account::MarketHours;
use jiff::Timestamp;
use jiff::civil::Date;
use kite::Instrument;

use crate::instruments::InstrumentTable;
use crate::plan::input::{AccountInput, AccountSpec, Table};
use crate::plan::selection::trading_day;

/// A process goes on for so many days without an operator: longer than any holiday.
const DAYS: usize = 8;

/// The sessions of an account's instruments.
#[derive(Clone, Debug)]
pub(super) struct AccountSessions {
    calendar: Arc<Calendar>,
    hours: MarketHours,
    /// The first of the days; `None`: those that were written last stay.
    day: Option<Date>,
}

impl AccountSessions {
    /// Those of an account at `now`.
    pub(super) fn new(
        account: &AccountInput<'_>,
        spec: &AccountSpec,
        calendar: &Arc<Calendar>,
        now: Timestamp,
    ) -> Self {
        let day = match account.table {
            Some(Table::Loaded(table)) => {
                let tomorrow = trading_day(table, now).tomorrow().ok();
                let classes = calendar.classes().map(|(class, _)| class);
                let classes: Vec<ClassIx> = classes.collect();
                tomorrow.and_then(|it| calendar.trading_day_before(classes.iter().copied(), it))
            }
            Some(Table::Missing { .. }) | None => None,
        };
        Self {
            calendar: Arc::clone(calendar),
            hours: spec.market_hours,
            day,
        }
    }

    /// What they depend on.
    pub(super) fn basis(&self) -> (&Arc<Calendar>, (MarketHours, Option<Date>)) {
        (&self.calendar, (self.hours, self.day))
    }

    /// Whether its instruments count as open at any time.
    pub(super) fn always_open(&self) -> bool {
        self.hours == MarketHours::Always
    }

    /// The name of an instrument's class, if it has hours.
    pub(super) fn class(&self, row: &Instrument, table: &InstrumentTable) -> Option<&str> {
        if self.always_open() {
            return None;
        }
        let class = self.calendar.class_of(&table.traded(row))?;
        Some(self.calendar.name(class))
    }

    /// The sessions of classes by their names; of one that the calendar does not know those of `base`.
    pub(super) fn of(&self, names: &[&str], base: Option<&Assignment>) -> Vec<ClassSessions> {
        let sessions = names.iter().map(|name| {
            let known = self.day.zip(self.calendar.class(name));
            let known = known.map(|(day, class)| self.slice(class, day));
            let before = || {
                let mut sessions = base?.sessions.iter();
                sessions.find(|it| it.class == *name).cloned()
            };
            known.or_else(before).unwrap_or_else(|| ClassSessions {
                class: (*name).to_owned(),
                previous_day: None,
                spans: Vec::new(),
            })
        });
        sessions.collect()
    }

    fn slice(&self, class: ClassIx, day: Date) -> ClassSessions {
        let spans = self.calendar.days(class, day, DAYS);
        let spans = spans.map(|span| {
            let (from, until) = (span.from.as_second(), span.until.as_second());
            SessionSpan(from, until, span.session)
        });
        ClassSessions {
            class: self.calendar.name(class).to_owned(),
            previous_day: self.calendar.trading_day_before([class], day),
            spans: spans.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::plan::fixture::{account, apply, change, observed, run, set, start, stream};
    use crate::plan::{LastAssignment, Memory, Now, Observed, plan};

    fn written(world: &Observed) -> &Assignment {
        match &world.accounts[0].assignment {
            LastAssignment::Readable { assignment, .. } => assignment,
            other => panic!("must lie there: {other:?}"),
        }
    }

    fn at(wall: &str) -> Now {
        let wall: Timestamp = format!("{wall}+05:30").parse().unwrap();
        let passed = wall.duration_since(start().wall).unsigned_abs();
        let monotonic = start().monotonic + passed;
        Now { wall, monotonic }
    }

    fn pass(world: &mut Observed, memory: &mut Memory, now: Now) -> u64 {
        let decided = plan(world, memory, now);
        apply(world, &decided);
        stream(world);
        *memory = decided.memory;
        written(world).generation
    }

    #[test]
    fn a_process_is_told_the_sessions_of_eight_days_and_nothing_new_at_night() {
        let mut world = observed(
            vec![account("a")],
            vec![set("s", &[], &["NSE:NIFTY 50", "NFO:NIFTY26DEC25000CE"])],
        );
        change(&mut world.accounts[0], |spec| {
            spec.market_hours = Some(MarketHours::Exchange);
        });
        // 2025-11-24, a Monday, in the evening.
        let mut memory = run(&mut world, start());
        let told = written(&world).clone();
        assert!(!told.always_open);
        let classes: Vec<&str> = told.sessions.iter().map(|it| &*it.class).collect();
        assert_eq!(classes, ["NFO", "NSE-INDEX"]);
        let class_of = |row: &contract::Row| told.sessions_of(row).unwrap().class.clone();
        let classes: Vec<String> = told.instruments.iter().map(class_of).collect();
        assert_eq!(classes, ["NSE-INDEX", "NFO"]);
        let nfo = &told.sessions[0];
        assert_eq!(nfo.previous_day, Some(date(2025, 11, 21)));
        // Monday to Monday, without the weekend; 2025-11-24 09:15 IST.
        assert_eq!(nfo.spans.len(), 6);
        assert_eq!(nfo.spans[0].0, 1_763_955_900);

        let generation = told.generation;
        for night in [
            "2025-11-24T23:59:00",
            "2025-11-25T08:29:00",
            "2025-11-25T09:05:00",
        ] {
            assert_eq!(
                pass(&mut world, &mut memory, at(night)),
                generation,
                "{night}"
            );
        }
        // Without a list of the morning the day begins a little later.
        assert!(pass(&mut world, &mut memory, at("2025-11-28T09:07:00")) > generation);
        let friday = written(&world).clone();
        assert_eq!(friday.sessions[0].previous_day, Some(date(2025, 11, 27)));
        for weekend in [
            "2025-11-29T12:00:00",
            "2025-11-30T12:00:00",
            "2025-12-01T08:00:00",
        ] {
            let generation = pass(&mut world, &mut memory, at(weekend));
            assert_eq!(generation, friday.generation, "{weekend}");
        }
        // Another calendar applies at once.
        let storm = "version: 1\nclosed:\n  - { date: 2025-12-02, exchanges: [NFO] }\n";
        world.calendar = Arc::new(Calendar::india().with(storm, "c").unwrap());
        assert!(pass(&mut world, &mut memory, at("2025-12-01T08:01:00")) > friday.generation);
        assert_eq!(written(&world).sessions[0].spans.len(), 5);
    }

    #[test]
    fn an_account_that_always_ticks_has_no_sessions() {
        let mut world = observed(vec![account("a")], vec![set("s", &[], &["NSE:NIFTY 50"])]);
        run(&mut world, start());
        assert!(written(&world).always_open && written(&world).sessions.is_empty());
        assert_eq!(written(&world).instruments[0].class, None);
    }
}
