//! From the form of a file to rows whose values are right.
//!
//! Owns what a value may be, and what is said of one that may not. Must not know which row counts.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Display;
use std::sync::Arc;

use jiff::civil::Date;

use crate::class::ClassRule;
use crate::error::CalendarProblem;
use crate::expiry::{ExpiryRule, ExpiryTime};
use crate::file::{CalendarDocument, ClosedRow, ExpiryRow, HoursRow, SpecialRow, Text};
use crate::hours::{Hours, TimeRange};
use kite::MarketSession;

/// The rows of a file.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) until: Option<Date>,
    pub(crate) classes: Vec<ClassRule>,
    pub(crate) hours: Vec<(Arc<str>, Date, Hours)>,
    pub(crate) expiry: Vec<(Arc<str>, Date, ExpiryRule)>,
    /// Of one date a later row decides.
    pub(crate) days: Vec<DayRow>,
}

/// What is different on a date.
#[derive(Clone, Debug)]
pub(crate) struct DayRow {
    pub(crate) date: Date,
    pub(crate) exchanges: Vec<String>,
    pub(crate) classes: Vec<String>,
    pub(crate) sessions: DaySessions,
    pub(crate) name: String,
    pub(crate) source: Option<String>,
}

/// The sessions of a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DaySessions {
    /// None.
    Closed,
    /// Some, at times that are not known: none.
    Unknown,
    /// Those of a weekday.
    Weekday,
    /// These.
    Of(Hours),
}

impl DayRow {
    pub(crate) fn is_of(&self, class: &ClassRule) -> bool {
        self.exchanges.iter().any(|it| **it == *class.exchange)
            || self.classes.iter().any(|it| **it == *class.class)
    }
}

/// Checks the values of a file; `known`: classes that it may name besides its own.
pub(crate) fn check(
    file: &CalendarDocument,
    known: &[ClassRule],
) -> Result<Rows, Vec<CalendarProblem>> {
    let mut check = Check::default();
    let mut rows = Rows {
        until: file.until.as_ref().and_then(|it| check.date("until", it)),
        ..Rows::default()
    };
    for (at, row) in file.classes.iter().enumerate() {
        check.once(
            &format!("classes[{at}].class"),
            &row.class,
            &row.class.value,
        );
        rows.classes.push(ClassRule {
            class: row.class.value.as_str().into(),
            exchange: row.exchange.value.as_str().into(),
            kind: row.kind,
            derivatives: row.derivatives,
            names: row.names.iter().cloned().collect(),
        });
    }
    for rule in rows.classes.iter().chain(known) {
        check.classes.insert(rule.class.to_string());
        check.exchanges.insert(rule.exchange.to_string());
    }
    for (at, row) in file.hours.iter().enumerate() {
        rows.hours.extend(check.hours(&format!("hours[{at}]"), row));
    }
    for (at, row) in file.expiry.iter().enumerate() {
        rows.expiry
            .extend(check.expiry(&format!("expiry[{at}]"), row));
    }
    for (at, row) in file.closed.iter().enumerate() {
        rows.days
            .extend(check.closed(&format!("closed[{at}]"), row));
    }
    for (at, row) in file.special.iter().enumerate() {
        rows.days
            .extend(check.special(&format!("special[{at}]"), row));
    }
    if check.problems.is_empty() {
        return Ok(rows);
    }
    check.problems.sort_by_key(|it| it.line);
    Err(check.problems)
}

#[derive(Default)]
struct Check {
    problems: Vec<CalendarProblem>,
    classes: BTreeSet<String>,
    exchanges: BTreeSet<String>,
    seen: HashSet<(String, String)>,
}

impl Check {
    fn problem(&mut self, key: &str, at: &Text, problem: impl Display) {
        self.problems.push(CalendarProblem {
            line: at.referenced.line(),
            key: key.to_owned(),
            problem: problem.to_string(),
        });
    }

    /// Says so if the list of this key has had the same row already.
    fn once(&mut self, key: &str, at: &Text, row: &str) {
        let list = key.split('[').next().unwrap_or_default();
        if !self.seen.insert((list.to_owned(), row.to_owned())) {
            self.problem(key, at, format!("{row} is there twice"));
        }
    }

    fn date(&mut self, key: &str, text: &Text) -> Option<Date> {
        let date = Date::strptime("%Y-%m-%d", &text.value).ok();
        let date = date.filter(|it| it.to_string() == text.value);
        if date.is_none() {
            let problem = format!("{:?} must be a date, such as 2026-12-25", text.value);
            self.problem(key, text, problem);
        }
        date
    }

    fn class(&mut self, key: &str, text: &Text) -> Arc<str> {
        if !self.classes.contains(&text.value) {
            let problem = format!("{:?} is no class: add it to classes", text.value);
            self.problem(key, text, problem);
        }
        text.value.as_str().into()
    }

    fn sessions(&mut self, key: &str, named: [(MarketSession, Option<&Text>); 4]) -> Option<Hours> {
        let mut sessions = Vec::new();
        let mut first = None;
        for (session, text) in named {
            let Some(text) = text else { continue };
            first = first.or(Some(text));
            match TimeRange::parse(&text.value) {
                Ok(range) => sessions.push((session, range)),
                Err(problem) => {
                    let problem = format!("{:?} {problem}", text.value);
                    self.problem(&format!("{key}.{session}"), text, problem);
                    return None;
                }
            }
        }
        match (Hours::new(sessions), first) {
            (Ok(hours), _) => Some(hours),
            (Err((before, after)), first) => {
                if let Some(first) = first {
                    let problem = format!("{after} begins before {before} ends");
                    self.problem(key, first, problem);
                }
                None
            }
        }
    }

    fn hours(&mut self, key: &str, row: &HoursRow) -> Option<(Arc<str>, Date, Hours)> {
        let class = self.class(&format!("{key}.class"), &row.class);
        let from = self.date(&format!("{key}.from"), &row.from)?;
        self.once(key, &row.class, &format!("{class} from {from}"));
        let sessions = [
            (MarketSession::PreOpen, row.pre_open.as_ref()),
            (MarketSession::Open, row.open.as_ref()),
            (MarketSession::Auction, row.auction.as_ref()),
            (MarketSession::PostClose, row.post_close.as_ref()),
        ];
        let hours = self.sessions(key, sessions)?;
        if row.open.is_none() {
            self.problem(key, &row.class, "must have open");
        }
        Some((class, from, hours))
    }

    fn expiry(&mut self, key: &str, row: &ExpiryRow) -> Option<(Arc<str>, Date, ExpiryRule)> {
        let class = self.class(&format!("{key}.class"), &row.class);
        let from = self.date(&format!("{key}.from"), &row.from)?;
        self.once(key, &row.class, &format!("{class} from {from}"));
        let at = self.expiry_time(&format!("{key}.at"), &row.at)?;
        let settles = match &row.settles {
            None => None,
            Some(text) => Some(self.expiry_time(&format!("{key}.settles"), text)?),
        };
        Some((class, from, ExpiryRule { at, settles }))
    }

    fn expiry_time(&mut self, key: &str, text: &Text) -> Option<ExpiryTime> {
        let time = ExpiryTime::parse(&text.value);
        time.map_err(|problem| self.problem(key, text, format!("{:?} {problem}", text.value)))
            .ok()
    }

    fn closed(&mut self, key: &str, row: &ClosedRow) -> Option<DayRow> {
        let of = (&*row.exchanges, &*row.classes);
        let day = self.day(key, &row.date, of, DaySessions::Closed)?;
        Some(DayRow {
            name: row.name.clone().unwrap_or_default(),
            source: row.source.clone(),
            ..day
        })
    }

    fn special(&mut self, key: &str, row: &SpecialRow) -> Option<DayRow> {
        let sessions = [
            (MarketSession::PreOpen, row.pre_open.as_ref()),
            (MarketSession::Open, row.open.as_ref()),
            (MarketSession::Auction, row.auction.as_ref()),
            (MarketSession::PostClose, row.post_close.as_ref()),
        ];
        let hours = self.sessions(key, sessions)?;
        let sessions = match &row.like {
            None if hours.is_empty() => DaySessions::Unknown,
            None => DaySessions::Of(hours),
            Some(like) if like.value == "weekday" && hours.is_empty() => DaySessions::Weekday,
            Some(like) => {
                let problem = format!(
                    "{:?} must be weekday, without sessions beside it",
                    like.value
                );
                self.problem(&format!("{key}.as"), like, problem);
                return None;
            }
        };
        let of = (&*row.exchanges, &*row.classes);
        let day = self.day(key, &row.date, of, sessions)?;
        Some(DayRow {
            name: row.name.clone().unwrap_or_default(),
            source: row.source.clone(),
            ..day
        })
    }

    fn day(
        &mut self,
        key: &str,
        date: &Text,
        (exchanges, classes): (&[Text], &[Text]),
        sessions: DaySessions,
    ) -> Option<DayRow> {
        let day = self.date(&format!("{key}.date"), date)?;
        if exchanges.is_empty() && classes.is_empty() {
            self.problem(key, date, "must name exchanges or classes");
        }
        for (at, exchange) in exchanges.iter().enumerate() {
            let key = format!("{key}.exchanges[{at}]");
            if !self.exchanges.contains(&exchange.value) {
                let problem = format!("{:?} is no exchange of a class", exchange.value);
                self.problem(&key, exchange, problem);
            }
            self.once(&key, exchange, &format!("{} on {day}", exchange.value));
        }
        for (at, class) in classes.iter().enumerate() {
            let key = format!("{key}.classes[{at}]");
            self.class(&key, class);
            self.once(&key, class, &format!("class {} on {day}", class.value));
        }
        let values = |texts: &[Text]| texts.iter().map(|it| it.value.clone()).collect();
        Some(DayRow {
            date: day,
            exchanges: values(exchanges),
            classes: values(classes),
            sessions,
            name: String::new(),
            source: None,
        })
    }
}
