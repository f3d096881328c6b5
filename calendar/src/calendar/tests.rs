//! Instants are named by hand here: nothing is computed from the calendar that is tested.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::class::TradedKind;

fn class(name: &str) -> ClassIx {
    Calendar::india().class(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    format!("{text}:00+05:30").parse().unwrap()
}

fn session(calendar: &Calendar, class: &str, time: &str) -> &'static str {
    let class = calendar.class(class).unwrap();
    calendar.at(class, at(time)).session.as_str()
}

/// The sessions of a date as people write them.
fn day(calendar: &Calendar, class: &str, date: Date) -> String {
    let class = calendar.class(class).unwrap();
    let clock = |time| kite::ist::civil(time).strftime("%H:%M").to_string();
    let spans = calendar.day(class, date).into_iter();
    let spans = spans.map(|it| format!("{} {}-{}", it.session, clock(it.from), clock(it.until)));
    spans.collect::<Vec<_>>().join(", ")
}

fn class_of<'a>(
    exchange: &'a str,
    kind: TradedKind,
    name: &'a str,
    derivatives: bool,
) -> &'static str {
    let traded = Traded {
        exchange,
        kind,
        name,
        derivatives,
    };
    let class = Calendar::india().class_of(&traded);
    class.map_or("none", |class| Calendar::india().name(class))
}

#[test]
fn instruments_are_of_the_class_that_trades_when_they_do() {
    assert_eq!(
        class_of("NSE", TradedKind::Share, "INFY", true),
        "NSE-AUCTION"
    );
    assert_eq!(class_of("NSE", TradedKind::Share, "INFY", false), "NSE");
    assert_eq!(
        class_of("BSE", TradedKind::Index, "SENSEX", true),
        "BSE-INDEX"
    );
    assert_eq!(
        class_of("NFO", TradedKind::Future, "NIFTY", false),
        "NFO-FUT"
    );
    assert_eq!(class_of("BFO", TradedKind::Option, "SENSEX", false), "BFO");
    assert_eq!(class_of("CDS", TradedKind::Option, "USDINR", false), "CDS");
    assert_eq!(
        class_of("CDS", TradedKind::Future, "EURUSD", false),
        "CDS-CROSS"
    );
    assert_eq!(
        class_of("MCX", TradedKind::Option, "CRUDEOIL", false),
        "MCX"
    );
    assert_eq!(
        class_of("MCX", TradedKind::Future, "MENTHAOIL", false),
        "MCX-AGRI"
    );
    assert_eq!(
        class_of("NSEIX", TradedKind::Index, "GIFT NIFTY", false),
        "none"
    );
    assert_eq!(class_of("GLOBAL", TradedKind::Index, "US30", false), "none");
}

/// NSE/CMTR/74466, NSE/FAOP/74467: since 2026-08-03.
#[test]
fn a_day_has_its_sessions() {
    let india = Calendar::india();
    let tuesday = date(2026, 12, 1);
    let share =
        "pre_open 09:00-09:15, open 09:15-15:15, auction 15:15-15:35, post_close 15:50-16:00";
    assert_eq!(day(india, "NSE-AUCTION", tuesday), share);
    let other = "pre_open 09:00-09:15, open 09:15-15:30, post_close 15:50-16:00";
    assert_eq!(day(india, "NSE", tuesday), other);
    let future = "pre_open 09:00-09:15, open 09:15-15:40";
    assert_eq!(day(india, "NFO-FUT", tuesday), future);
    assert_eq!(day(india, "NFO", tuesday), "open 09:15-15:40");
    assert_eq!(day(india, "NFO", date(2026, 7, 31)), "open 09:15-15:30");
    assert_eq!(day(india, "MCX", date(2026, 10, 30)), "open 09:00-23:30");
    assert_eq!(day(india, "MCX", date(2026, 11, 2)), "open 09:00-23:55");
}

#[test]
fn a_moment_knows_what_comes_next() {
    let nfo = Calendar::india().at(class("NFO"), at("2026-12-01T15:39"));
    assert_eq!(nfo.session, MarketSession::Open);
    // 2026-12-01 09:15 and 15:40 IST.
    assert_eq!(nfo.since.unwrap().as_second(), 1_796_096_700);
    assert_eq!(nfo.until.unwrap().as_second(), 1_796_119_800);
    assert_eq!(nfo.next, MarketSession::Closed);
    let auction = Calendar::india().at(class("NSE-INDEX"), at("2026-12-01T15:14"));
    assert_eq!(auction.next, MarketSession::Auction);
    // Friday evening: closed until Monday.
    let night = Calendar::india().at(class("NFO"), at("2026-12-04T15:40"));
    assert_eq!(night.session, MarketSession::Closed);
    assert_eq!(night.since, Some(at("2026-12-04T15:40")));
    assert_eq!(night.until, Some(at("2026-12-07T09:15")));
    assert_eq!(night.next, MarketSession::Open);
}

#[test]
fn holidays_weekends_and_special_days() {
    let india = Calendar::india();
    assert_eq!(
        day(india, "NFO", date(2026, 11, 24)),
        "",
        "Guru Nanak Jayanti"
    );
    assert_eq!(day(india, "MCX", date(2026, 11, 24)), "open 17:00-23:55");
    assert_eq!(day(india, "MCX-AGRI", date(2026, 11, 24)), "");
    assert_eq!(day(india, "NFO", date(2026, 11, 28)), "", "a Saturday");
    assert_eq!(day(india, "CDS", date(2026, 4, 1)), "");
    assert_eq!(day(india, "NFO", date(2026, 4, 1)), "open 09:15-15:30");
    assert_eq!(
        day(india, "NFO", date(2026, 2, 1)),
        "open 09:15-15:30",
        "a Sunday"
    );
    assert_eq!(day(india, "MCX", date(2026, 2, 1)), "");
    assert_eq!(day(india, "NFO", date(2026, 11, 8)), "", "hours not known");
    let notes: Vec<_> = india.notes(date(2026, 11, 8)).collect();
    assert_eq!(
        (notes[0].what, notes[0].name),
        ("hours not known", "Muhurat trading")
    );
    let nfo = [class("NFO")];
    let (monday, wednesday) = (date(2026, 11, 23), date(2026, 11, 25));
    assert_eq!(india.trading_day_before(nfo, wednesday), Some(monday));
    assert_eq!(
        india.trading_day_from(nfo, date(2026, 11, 24)),
        Some(wednesday)
    );
    assert_eq!(india.days_left(date(2026, 12, 12)), 19);
}

/// NSE/SURV/75524, BSE 20260731-40.
#[test]
fn contracts_end_at_their_time() {
    let expiry = |name, date| {
        let expiry = Calendar::india().expiry(class(name), date).unwrap();
        (expiry.ends, expiry.settles, expiry.is_unusual)
    };
    let tuesday = date(2026, 12, 1);
    let (ends, settles, _) = expiry("NFO", tuesday);
    assert_eq!(ends.as_second(), 1_796_119_800);
    assert_eq!(settles.unwrap().as_second(), 1_796_119_200);
    assert_eq!(
        expiry("BFO", date(2026, 7, 30)),
        (at("2026-07-30T15:30"), Some(at("2026-07-30T15:00")), false)
    );
    assert_eq!(
        expiry("CDS", tuesday),
        (at("2026-12-01T12:30"), None, false)
    );
    let crude = (at("2026-12-01T23:55"), Some(at("2026-12-01T23:25")), false);
    assert_eq!(expiry("MCX", tuesday), crude);
    // A holiday has the usual time, and says so.
    assert_eq!(
        expiry("NFO", date(2026, 11, 24)),
        (at("2026-11-24T15:40"), Some(at("2026-11-24T15:30")), true)
    );
    assert_eq!(Calendar::india().expiry(class("NSE"), tuesday), None);
}

#[test]
fn rows_of_a_file_replace_those_of_the_same_class_or_date() {
    let text = r#"
version: 1
classes:
  - { class: NSEIX, exchange: NSEIX }
hours:
  - { class: NSEIX, from: 2026-01-01, open: "06:30-15:40" }
  - { class: NFO, from: 2026-12-07, open: "09:15-17:00" }
expiry:
  - { class: NFO, from: 2026-12-07, at: end, settles: end-10m }
closed:
  - { date: 2026-12-08, exchanges: [NSE, NFO], name: Storm }
special:
  - { date: 2026-11-08, exchanges: [NSE, NFO], pre_open: "13:30-13:45", open: "13:45-14:45", name: Muhurat }
  - { date: 2026-12-25, classes: [NFO], as: weekday }
"#;
    let calendar = Calendar::india().with(text, "our.yaml").unwrap();
    assert_eq!(day(&calendar, "NFO", date(2026, 12, 4)), "open 09:15-15:40");
    assert_eq!(day(&calendar, "NFO", date(2026, 12, 7)), "open 09:15-17:00");
    assert_eq!(day(&calendar, "NFO", date(2026, 12, 8)), "");
    assert_eq!(day(&calendar, "NFO-FUT", date(2026, 12, 8)), "");
    assert_eq!(day(&calendar, "BFO", date(2026, 12, 8)), "open 09:15-15:40");
    assert_eq!(
        day(&calendar, "NFO", date(2026, 11, 8)),
        "pre_open 13:30-13:45, open 13:45-14:45"
    );
    assert_eq!(day(&calendar, "BFO", date(2026, 11, 8)), "");
    assert_eq!(
        day(&calendar, "NFO", date(2026, 12, 25)),
        "open 09:15-17:00"
    );
    assert_eq!(day(&calendar, "NFO-FUT", date(2026, 12, 25)), "");
    assert_eq!(session(&calendar, "NSEIX", "2026-12-01T06:30"), "open");
    assert_eq!(calendar.until(), date(2026, 12, 31));
    let nfo = calendar.class("NFO").unwrap();
    let expiry = calendar.expiry(nfo, date(2026, 12, 15)).unwrap();
    assert_eq!(expiry.ends, at("2026-12-15T17:00"));
    assert_eq!(expiry.settles, Some(at("2026-12-15T16:50")));
    // A later year is known by its first holiday.
    let next = "version: 1\nclosed:\n  - { date: 2027-01-26, exchanges: [NSE] }\n";
    let next = Calendar::india().with(next, "next.yaml").unwrap();
    assert_eq!(next.until(), date(2027, 12, 31));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_key() {
    let said = |text: &str| {
        let error = Calendar::india().with(text, "calendar.yaml").unwrap_err();
        error.to_string()
    };
    assert_eq!(
        said("version: 1\nhours:\n  - { class: NFO, from: 2026-12-01, open: \"9:15-15:30\" }\n"),
        "calendar.yaml:3: hours[0].open: \"9:15-15:30\" must be HH:MM-HH:MM, two digits each"
    );
    let cases = [
        (
            "version: 2\n",
            "calendar.yaml:1: version: must be 1, the form",
        ),
        ("", "calendar.yaml"),
        ("version: 1\nholidays: []\n", "calendar.yaml:2: "),
        (
            "version: 1\nclosed:\n  - { date: 25-12-2026, exchanges: [NSE] }\n",
            "calendar.yaml:3: closed[0].date: \"25-12-2026\" must be a date",
        ),
        (
            "version: 1\nclosed:\n  - { date: 2026-02-30, exchanges: [NSE] }\n",
            "closed[0].date",
        ),
        (
            "version: 1\nclosed:\n  - { date: 2026-12-24 }\n",
            "closed[0]: must name exchanges or classes",
        ),
        (
            "version: 1\nclosed:\n  - { date: 2026-12-24, exchanges: [NYSE] }\n",
            "closed[0].exchanges[0]: \"NYSE\" is no exchange of a class",
        ),
        (
            "version: 1\nclosed:\n  - { date: 2026-12-24, exchanges: [NSE] }\n  - { date: 2026-12-24, exchanges: [NSE] }\n",
            "calendar.yaml:4: closed[1].exchanges[0]: NSE on 2026-12-24 is there twice",
        ),
        (
            "version: 1\nhours:\n  - { class: NYSE, from: 2026-12-01, open: \"09:15-15:30\" }\n",
            "hours[0].class: \"NYSE\" is no class",
        ),
        (
            "version: 1\nhours:\n  - { class: NFO, from: 2026-12-01, pre_open: \"09:00-09:20\", open: \"09:15-15:30\" }\n",
            "hours[0]: open begins before pre_open ends",
        ),
        (
            "version: 1\nhours:\n  - { class: NFO, from: 2026-12-01, auction: \"15:15-15:30\" }\n",
            "hours[0]: must have open",
        ),
        (
            "version: 1\nexpiry:\n  - { class: NFO, from: 2026-12-01, at: noon }\n",
            "expiry[0].at: \"noon\" must be HH:MM, end",
        ),
        (
            "version: 1\nspecial:\n  - { date: 2026-12-26, exchanges: [NSE], as: sunday }\n",
            "special[0].as: \"sunday\" must be weekday",
        ),
        (
            "version: 1\nclasses:\n  - { class: X, exchange: X, kind: bond }\n",
            "calendar.yaml:3: classes[0].kind",
        ),
        ("version: [", "calendar.yaml:"),
    ];
    for (text, wrong) in cases {
        let said = said(text);
        assert!(said.contains(wrong), "{text}: {said}");
    }
    let many = (0..15).map(|at| format!("  - {{ date: x{at}, exchanges: [NSE] }}\n"));
    let many = format!("version: 1\nclosed:\n{}", many.collect::<String>());
    assert!(said(&many).ends_with("\nand 5 more"), "{}", said(&many));
}

proptest! {
    /// Every moment of every class is in the session that its span says, and in no other.
    #[test]
    fn a_moment_is_in_at_most_one_span(minute in 0_i64..500 * 1_440) {
        let india = Calendar::india();
        let now = at("2025-10-01T00:00").checked_add(minute.minutes()).unwrap();
        for (class, _) in india.classes() {
            let spans = india.day(class, kite::ist::date(now));
            let has: Vec<_> = spans.iter().filter(|it| it.has(now)).collect();
            let moment = india.at(class, now);
            prop_assert!(has.len() <= 1);
            prop_assert_eq!(has.first().map_or(MarketSession::Closed, |it| it.session), moment.session);
            prop_assert!(moment.since.is_none_or(|it| it <= now));
            prop_assert!(moment.until.is_none_or(|it| now < it));
        }
    }

    /// No text makes it panic, and what is refused is refused with a reason.
    #[test]
    fn any_text_is_read_or_refused(text in "(version: 1\n)?(hours|closed|special|expiry): ?\n? *- \\{[a-z_]{1,9}: [0-9a-z\\[\\]\":-]{0,14}(, (date|class|open): [0-9A-Z:-]{0,12})?\\}") {
        if let Err(why) = Calendar::india().with(&text, "any.yaml") {
            prop_assert!(why.to_string().starts_with("any.yaml"));
        }
    }
}
