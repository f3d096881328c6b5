//! `calendar`: what the calendar in force says of a date; `calendar check`: whether a file is a calendar.
//!
//! Must not know an hour of a market.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use calendar::{Calendar, MarketSession};
use contract::answer::{CALENDAR_PATH, CalendarAnswer, ClassDay};
use serde::Serialize;

use super::cells::LEFT_OUT;
use crate::output::{Paper, Screen, TextTable};
use crate::source::Source;

/// The columns of sessions.
const SESSIONS: [MarketSession; 4] = [
    MarketSession::PreOpen,
    MarketSession::Open,
    MarketSession::Auction,
    MarketSession::PostClose,
];

/// What is said of a file that is one.
#[derive(Debug, Serialize)]
struct CheckedCalendar {
    file: String,
    classes: usize,
    until: String,
}

/// Asks the operator about a date; today if there is none.
pub(crate) async fn run(
    source: &Source,
    screen: &Screen,
    date: Option<&str>,
) -> anyhow::Result<()> {
    let parameters: Vec<(&str, &str)> = date.map(|date| ("date", date)).into_iter().collect();
    let answer: CalendarAnswer = source.ask(CALENDAR_PATH, &parameters).await?;
    screen.print(&answer, text)
}

/// Checks a file over the calendar that this program has built in.
pub(crate) fn check(screen: &Screen, file: &Path) -> anyhow::Result<()> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let calendar = Calendar::india().with(&text, &name)?;
    let checked = CheckedCalendar {
        file: name,
        classes: calendar.classes().count(),
        until: calendar.until().to_string(),
    };
    screen.print(&checked, |it, _paper| {
        format!(
            "{} is a calendar: {} classes with those that are built in, holidays known until {}\n",
            it.file, it.classes, it.until
        )
    })
}

fn text(answer: &CalendarAnswer, paper: Paper) -> String {
    let mut table = TextTable::new(&[
        "CLASS",
        "EXCHANGE",
        "PRE-OPEN",
        "OPEN",
        "AUCTION",
        "POST-CLOSE",
        "CONTRACTS-END",
    ]);
    for class in &answer.classes {
        let mut cells = vec![class.class.clone().into(), class.exchange.clone().into()];
        cells.extend(SESSIONS.map(|session| sessions(class, session).into()));
        cells.push(
            class
                .contracts_end
                .map_or_else(|| "-".to_owned(), clock)
                .into(),
        );
        table.row(cells);
    }
    let mut text = String::new();
    if let Some(date) = answer.date {
        let day = date.strftime("%A");
        let _infallible = writeln!(text, "{date}, a {day}; times are those of India\n");
    }
    text.push_str(&table.render(paper));
    for note in &answer.notes {
        let _infallible = writeln!(text, "\n{}", service::text::printable(note, 500));
    }
    if let Some(until) = answer.until {
        let _infallible = writeln!(text, "\nholidays are known until {until}");
    }
    if answer.truncated {
        text.push_str(LEFT_OUT);
    }
    text
}

/// The sessions of one kind.
fn sessions(class: &ClassDay, session: MarketSession) -> String {
    let sessions = class.sessions.iter().filter(|it| it.2 == session);
    let texts = sessions.map(|(from, until, _)| format!("{}-{}", clock(*from), clock(*until)));
    let texts = texts.collect::<Vec<_>>().join(", ");
    if texts.is_empty() {
        "-".to_owned()
    } else {
        texts
    }
}

/// A time of the day in India.
fn clock(second: i64) -> String {
    let time = jiff::Timestamp::from_second(second).unwrap_or_default();
    calendar::in_india(time).strftime("%H:%M").to_string()
}
