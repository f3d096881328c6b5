//! The calendar: which row of it counts, and what follows for a date or a moment.
//!
//! Owns the precedence of rows. Must not read a file.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan};

use crate::checked::{self, DayRow, DaySessions, Rows};
use crate::class::{ClassIx, ClassRule, Traded};
use crate::error::CalendarError;
use crate::expiry::{ContractExpiry, ExpiryRule};
use crate::file;
use crate::hours::{Hours, moment};
use crate::span::Span;
use kite::MarketSession;

const BUILT_IN: &str = include_str!("../data/india.yaml");

/// How many days are looked through for the sessions around a moment: longer than any holiday.
const AROUND: i32 = 14;

/// How many days are looked through for a trading day.
const LONGEST_HOLIDAY: usize = 60;

/// When classes of instruments trade.
#[derive(Clone, Debug)]
pub struct Calendar {
    classes: Vec<ClassRule>,
    hours: BTreeMap<(Arc<str>, Date), Hours>,
    expiry: BTreeMap<(Arc<str>, Date), ExpiryRule>,
    /// Of the rows of a date the last one decides that names a class or its exchange.
    days: BTreeMap<Date, Vec<DayRow>>,
    until: Date,
}

/// What a class does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassMoment {
    /// Its session.
    pub session: MarketSession,
    /// Since when; `None` if for longer than two weeks.
    pub since: Option<Timestamp>,
    /// Until when; `None` if for longer than two weeks.
    pub until: Option<Timestamp>,
    /// The session after it.
    pub next: MarketSession,
}

/// What is different on a date, for people.
#[derive(Clone, Copy, Debug)]
pub struct DayNote<'a> {
    /// Exchanges and classes that it concerns.
    pub exchanges: &'a [String],
    /// The same, by class.
    pub classes: &'a [String],
    /// `closed`, `special`, or `hours not known`.
    pub what: &'static str,
    /// The name of the day; may be empty.
    pub name: &'a str,
    /// Where that was read.
    pub source: Option<&'a str>,
}

static INDIA: LazyLock<Calendar> = LazyLock::new(|| {
    let read = file::read(BUILT_IN, "india.yaml").and_then(|it| {
        let problems = |problems| CalendarError {
            file: "india.yaml".to_owned(),
            problems,
        };
        checked::check(&it, &[]).map_err(problems)
    });
    // A test reads it.
    let rows = read.unwrap_or_else(|why| panic!("the calendar that is built in: {why}"));
    Calendar::default().under(rows)
});

impl Default for Calendar {
    /// Without classes: nothing is known.
    fn default() -> Self {
        Self {
            classes: Vec::new(),
            hours: BTreeMap::new(),
            expiry: BTreeMap::new(),
            days: BTreeMap::new(),
            until: Date::MIN,
        }
    }
}

impl Calendar {
    /// What is built in.
    #[must_use]
    pub fn india() -> &'static Self {
        &INDIA
    }

    /// This calendar with the rows of a file over it: a class, the hours and expiries of a class from the same date on, and a
    /// date of the same exchange or class are replaced. `name`: the file's, for errors.
    ///
    /// # Errors
    /// When the file is no calendar: each with its line and key.
    pub fn with(&self, text: &str, name: &str) -> Result<Self, CalendarError> {
        let form = file::read(text, name)?;
        let rows = checked::check(&form, &self.classes);
        let problems = |problems| CalendarError {
            file: name.to_owned(),
            problems,
        };
        Ok(self.clone().under(rows.map_err(problems)?))
    }

    fn under(mut self, rows: Rows) -> Self {
        let named = |rule: &ClassRule| rows.classes.iter().any(|it| it.class == rule.class);
        self.classes.retain(|rule| !named(rule));
        self.classes.splice(0..0, rows.classes);
        let hours = rows.hours.into_iter();
        self.hours
            .extend(hours.map(|(class, from, hours)| ((class, from), hours)));
        let expiry = rows.expiry.into_iter();
        self.expiry
            .extend(expiry.map(|(class, from, rule)| ((class, from), rule)));
        let last = rows.days.iter().map(|it| it.date).max();
        for row in rows.days {
            self.days.entry(row.date).or_default().push(row);
        }
        // Without a word about it the holidays of a year are known if one of them is.
        let named = rows.until.or_else(|| Some(last?.last_of_year()));
        self.until = named.unwrap_or(Date::MIN).max(self.until);
        self
    }

    /// The last date whose holidays are known.
    #[must_use]
    pub const fn until(&self) -> Date {
        self.until
    }

    /// How many days are left, from `today` on, whose holidays are known.
    #[must_use]
    pub fn days_left(&self, today: Date) -> i32 {
        today.until(self.until).map_or(0, |it| it.get_days())
    }

    /// All classes, by position.
    pub fn classes(&self) -> impl Iterator<Item = (ClassIx, &str)> {
        let classes = (0_u16..).zip(&self.classes);
        classes.map(|(at, rule)| (ClassIx(at), &*rule.class))
    }

    /// The class of an instrument; `None`: when it trades is not known.
    #[must_use]
    pub fn class_of(&self, traded: &Traded<'_>) -> Option<ClassIx> {
        let at = self.classes.iter().position(|rule| rule.fits(traded))?;
        u16::try_from(at).ok().map(ClassIx)
    }

    /// The class of this name.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<ClassIx> {
        self.classes()
            .find(|(_, it)| *it == name)
            .map(|(class, _)| class)
    }

    /// The name of a class.
    #[must_use]
    pub fn name(&self, class: ClassIx) -> &str {
        self.classes.get(class.at()).map_or("", |it| &it.class)
    }

    /// The exchange of a class.
    #[must_use]
    pub fn exchange(&self, class: ClassIx) -> &str {
        self.classes.get(class.at()).map_or("", |it| &it.exchange)
    }

    /// The sessions of a class on a date, in their order.
    #[must_use]
    pub fn day(&self, class: ClassIx, date: Date) -> Vec<Span> {
        let hours = self.hours(class, date);
        hours.map_or_else(Vec::new, |hours| hours.on(date).collect())
    }

    /// Those that it would have on a weekday without a row of its own.
    #[must_use]
    pub fn usual_day(&self, class: ClassIx, date: Date) -> Vec<Span> {
        let hours = self.usual(class, date);
        hours.map_or_else(Vec::new, |hours| hours.on(date).collect())
    }

    /// The sessions of a class on so many days.
    pub fn days(&self, class: ClassIx, from: Date, days: usize) -> impl Iterator<Item = Span> {
        let dates = from.series(1.day()).take(days);
        dates.flat_map(move |date| self.day(class, date))
    }

    /// What a class does at a moment.
    #[must_use]
    pub fn at(&self, class: ClassIx, now: Timestamp) -> ClassMoment {
        let today = kite::ist::date(now);
        let first = today.saturating_sub(AROUND.days());
        let days = usize::try_from(2 * AROUND).unwrap_or_default();
        let spans: Vec<Span> = self.days(class, first, days).collect();
        let next = spans.iter().position(|span| now < span.until);
        let (before, after) = spans.split_at(next.unwrap_or(spans.len()));
        match after {
            [span, rest @ ..] if span.has(now) => ClassMoment {
                session: span.session,
                since: Some(span.from),
                until: Some(span.until),
                next: match rest.first() {
                    Some(next) if next.from == span.until => next.session,
                    _ => MarketSession::Closed,
                },
            },
            _ => ClassMoment {
                session: MarketSession::Closed,
                since: before.last().map(|it| it.until),
                until: after.first().map(|it| it.from),
                next: after.first().map_or(MarketSession::Closed, |it| it.session),
            },
        }
    }

    /// Whether a class trades on a date.
    #[must_use]
    pub fn is_trading_day(&self, class: ClassIx, date: Date) -> bool {
        self.hours(class, date).is_some_and(|it| !it.is_empty())
    }

    /// The first date from `date` on on which one of these classes trades.
    pub fn trading_day_from(
        &self,
        classes: impl IntoIterator<Item = ClassIx, IntoIter: Clone>,
        date: Date,
    ) -> Option<Date> {
        let classes = classes.into_iter();
        let mut dates = date.series(1.day()).take(LONGEST_HOLIDAY);
        dates.find(|date| self.any_trades(classes.clone(), *date))
    }

    /// The last date before `date` on which one of these classes trades.
    pub fn trading_day_before(
        &self,
        classes: impl IntoIterator<Item = ClassIx, IntoIter: Clone>,
        date: Date,
    ) -> Option<Date> {
        let classes = classes.into_iter();
        let mut dates = date.series(-1.day()).skip(1).take(LONGEST_HOLIDAY);
        dates.find(|date| self.any_trades(classes.clone(), *date))
    }

    fn any_trades(&self, classes: impl IntoIterator<Item = ClassIx>, date: Date) -> bool {
        let mut classes = classes.into_iter();
        classes.any(|class| self.is_trading_day(class, date))
    }

    /// When contracts of a class end whose date this is.
    #[must_use]
    pub fn expiry(&self, class: ClassIx, date: Date) -> Option<ContractExpiry> {
        let rule = in_force(&self.expiry, &self.classes.get(class.at())?.class, date)?;
        let hours = self.hours(class, date).and_then(Hours::end);
        let usual = || self.usual(class, date)?.end();
        let end = hours.or_else(usual)?;
        Some(ContractExpiry {
            ends: moment(date, rule.at.minute(end)),
            settles: rule.settles.map(|it| moment(date, it.minute(end))),
            is_unusual: hours.is_none(),
        })
    }

    /// What is different on a date; what is said later decides.
    pub fn notes(&self, date: Date) -> impl Iterator<Item = DayNote<'_>> {
        let rows = self.days.get(&date).into_iter().flatten();
        rows.map(|row| DayNote {
            exchanges: &row.exchanges,
            classes: &row.classes,
            what: match row.sessions {
                DaySessions::Closed => "closed",
                DaySessions::Unknown => "hours not known",
                DaySessions::Weekday | DaySessions::Of(_) => "special",
            },
            name: &row.name,
            source: row.source.as_deref(),
        })
    }

    /// The sessions of a class on a date, if it has any.
    fn hours(&self, class: ClassIx, date: Date) -> Option<&Hours> {
        let rule = self.classes.get(class.at())?;
        let rows = self.days.get(&date).into_iter().flatten();
        let special = rows.rev().find(|row| row.is_of(rule));
        match special.map(|row| &row.sessions) {
            Some(DaySessions::Closed | DaySessions::Unknown) => None,
            Some(DaySessions::Of(hours)) => Some(hours),
            Some(DaySessions::Weekday) => self.usual(class, date),
            None => match date.weekday() {
                Weekday::Saturday | Weekday::Sunday => None,
                _ => self.usual(class, date),
            },
        }
    }

    /// The sessions of a class on a weekday.
    fn usual(&self, class: ClassIx, date: Date) -> Option<&Hours> {
        in_force(&self.hours, &self.classes.get(class.at())?.class, date)
    }
}

/// The row of a class that is in force on a date.
fn in_force<'a, T>(
    rows: &'a BTreeMap<(Arc<str>, Date), T>,
    class: &Arc<str>,
    date: Date,
) -> Option<&'a T> {
    let first = (Arc::clone(class), Date::MIN);
    let mut rows = rows.range(first..=(Arc::clone(class), date));
    rows.next_back().map(|(_, row)| row)
}

#[cfg(test)]
mod tests;
