//! What the calendar in force says of a date.
//!
//! Pure. Must not decide anything by it.

use calendar::{Calendar, DayNote};
use contract::answer::{CalendarAnswer, ClassDay};
use jiff::civil::Date;

/// What a calendar says of a date.
pub(super) fn answer(calendar: &Calendar, date: Date) -> CalendarAnswer {
    let classes = calendar.classes().map(|(class, name)| {
        let sessions = calendar.day(class, date).into_iter();
        let sessions = sessions.map(|it| (it.from.as_second(), it.until.as_second(), it.session));
        ClassDay {
            class: name.to_owned(),
            exchange: calendar.exchange(class).to_owned(),
            sessions: sessions.collect(),
            contracts_end: calendar
                .expiry(class, date)
                .filter(|it| !it.is_unusual)
                .map(|it| it.ends.as_second()),
        }
    });
    CalendarAnswer {
        date: Some(date),
        until: Some(calendar.until()),
        notes: calendar.notes(date).map(note).collect(),
        classes: classes.collect(),
        truncated: false,
    }
}

fn note(of: DayNote<'_>) -> String {
    let whom = of.exchanges.iter().chain(of.classes);
    let whom = whom.map(String::as_str).collect::<Vec<_>>().join(", ");
    let name = if of.name.is_empty() {
        String::new()
    } else {
        format!(" ({})", of.name)
    };
    let source = of.source.map_or_else(String::new, |it| format!(" [{it}]"));
    format!("{whom}: {}{name}{source}", of.what)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_holiday_with_an_evening_session() {
        let answer = answer(Calendar::india(), date(2026, 11, 24));
        let of = |class: &str| answer.classes.iter().find(|it| it.class == class).unwrap();
        assert_eq!(of("NFO").sessions, []);
        // 17:00 to 23:55 in India.
        let evening = (1_795_519_800, 1_795_544_700, calendar::MarketSession::Open);
        assert_eq!(of("MCX").sessions, [evening]);
        assert_eq!(
            (of("MCX").contracts_end, of("NFO").contracts_end),
            (Some(evening.1), None)
        );
        let notes = answer.notes.join("\n");
        assert!(notes.contains("closed (Guru Nanak Jayanti)"), "{notes}");
        assert!(
            notes.contains("MCX, NCO: special (evening only)"),
            "{notes}"
        );
    }
}
