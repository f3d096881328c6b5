use jiff::civil::Weekday;

use super::*;

/// A day before trading: 2026-11-24 is a Tuesday.
fn at(time: &str) -> Now {
    let wall: Timestamp = format!("{time}+05:30").parse().unwrap();
    let start: Timestamp = "2026-11-20T00:00:00+05:30".parse().unwrap();
    let since = wall.as_second() - start.as_second();
    Now {
        wall,
        monotonic: *START + Duration::from_secs(u64::try_from(since).unwrap()),
    }
}

static START: std::sync::LazyLock<Instant> =
    std::sync::LazyLock::new(|| service::clock::Clock::system().now());

fn every_day(_: Date) -> bool {
    true
}

fn nothing() -> Findings {
    Findings::default()
}

fn names(fetched: Now, hashes: &[u64]) -> Findings {
    Findings {
        suspect: false,
        every_day: false,
        unknown_names: Some(UnknownNames {
            fetched: fetched.wall,
            hashes: vec![hashes.into()],
        }),
    }
}

/// With a list that was fetched at this time.
fn fetched(now: Now) -> FetchSchedule {
    let mut schedule = FetchSchedule::new(0.5);
    assert!(schedule.take_due(&nothing(), every_day, now));
    schedule.succeeded(now.wall, now);
    schedule
}

#[test]
fn waits_double_up_to_a_limit() {
    let waits = |list: bool| {
        let mut schedule = FetchSchedule::new(1.0);
        let now = at("2026-11-24T07:00:00");
        if list {
            schedule.succeeded(now.wall, now);
        }
        let waits: Vec<u128> = (0..70).map(|_| schedule.failed(now).as_millis()).collect();
        [0, 2, 4, 8, 69].map(|at: usize| waits[at])
    };
    assert_eq!(waits(false), [250, 1_000, 4_000, 60_000, 60_000]);
    assert_eq!(waits(true), [250, 1_000, 4_000, 64_000, 900_000]);
    let mut schedule = FetchSchedule::new(0.0);
    for _ in 0..4 {
        schedule.failed(at("2026-11-24T07:00:00"));
    }
    let wait = schedule.failed(at("2026-11-24T07:00:00"));
    assert_eq!(wait, Duration::from_secs(3));
    assert_eq!(
        schedule.wait(at("2026-11-24T07:00:01")),
        Duration::from_secs(2)
    );
    assert!(!schedule.take_due(&nothing(), every_day, at("2026-11-24T07:00:02")));
    assert!(schedule.take_due(&nothing(), every_day, at("2026-11-24T07:00:03")));
}

#[test]
fn a_day_has_two_times() {
    let mut schedule = fetched(at("2026-11-24T08:29:00"));
    assert_eq!(schedule.wait(at("2026-11-24T08:29:00")), LOOK_INTERVAL);
    // Half of the minute that is added at random.
    assert!(!schedule.take_due(&nothing(), every_day, at("2026-11-24T08:30:29")));
    let first = at("2026-11-24T08:30:30");
    assert!(schedule.take_due(&nothing(), every_day, first));
    schedule.succeeded(first.wall, first);
    assert!(!schedule.take_due(&nothing(), every_day, at("2026-11-24T09:05:29")));
    let second = at("2026-11-24T09:05:30");
    assert!(schedule.take_due(&nothing(), every_day, second));
    schedule.succeeded(second.wall, second);
    for same_day in [
        "2026-11-24T09:06:00",
        "2026-11-24T23:59:59",
        "2026-11-25T08:30:29",
    ] {
        assert!(
            !schedule.take_due(&nothing(), every_day, at(same_day)),
            "{same_day}"
        );
    }
    assert!(schedule.take_due(&nothing(), every_day, at("2026-11-25T08:30:30")));
}

/// A monotonic clock stands still while a machine sleeps.
#[test]
fn a_machine_that_slept_over_a_time_catches_up() {
    let mut schedule = fetched(at("2026-11-24T20:00:00"));
    let woken = Now {
        wall: at("2026-11-25T11:00:00").wall,
        monotonic: at("2026-11-24T20:00:30").monotonic,
    };
    assert!(schedule.take_due(&nothing(), every_day, woken));
}

#[test]
fn after_a_clock_that_was_ahead_the_next_time_counts() {
    let mut schedule = FetchSchedule::new(0.0);
    let ahead = Now {
        wall: at("2027-11-24T07:00:00").wall,
        monotonic: at("2026-11-24T07:00:00").monotonic,
    };
    schedule.succeeded(ahead.wall, ahead);
    assert!(!schedule.take_due(&nothing(), every_day, at("2026-11-24T07:01:00")));
    assert!(schedule.take_due(&nothing(), every_day, at("2026-11-24T08:30:00")));
}

#[test]
fn a_time_of_the_day_does_not_wait_for_a_retry() {
    let mut schedule = fetched(at("2026-11-24T08:00:00"));
    for _ in 0..20 {
        schedule.failed(at("2026-11-24T08:30:00"));
    }
    assert!(schedule.take_due(&nothing(), every_day, at("2026-11-24T08:30:30")));
}

#[test]
fn a_suspect_list_is_fetched_again_after_a_minute() {
    let first = at("2026-11-24T10:00:00");
    let mut schedule = fetched(first);
    let suspect = Findings {
        suspect: true,
        ..nothing()
    };
    assert!(!schedule.take_due(&suspect, every_day, at("2026-11-24T10:00:59")));
    assert!(schedule.take_due(&suspect, every_day, at("2026-11-24T10:01:00")));
}

#[test]
fn a_name_that_was_not_unknown_before_is_a_reason_to_look_again() {
    let first = at("2026-11-24T10:00:00");
    let mut schedule = fetched(first);
    // Unknown when the list came, or in an older list: no reason.
    let older = names(at("2026-11-24T09:05:00"), &[9]);
    assert!(!schedule.take_due(&older, every_day, at("2026-11-24T10:00:01")));
    let [before, with_new] = [&[1, 2][..], &[1, 2, 3]].map(|it| names(first, it));
    assert!(!schedule.take_due(&before, every_day, at("2026-11-24T10:00:02")));
    assert!(!schedule.take_due(&before, every_day, at("2026-11-24T10:20:00")));
    let second = at("2026-11-24T10:20:01");
    assert!(schedule.take_due(&with_new, every_day, second));
    schedule.succeeded(second.wall, second);
    // It is not in this list either: a typing error.
    let same = names(second, &[1, 2, 3]);
    assert!(!schedule.take_due(&same, every_day, at("2026-11-24T10:20:02")));
    assert!(!schedule.take_due(&same, every_day, at("2026-11-24T12:00:00")));
}

#[test]
fn names_are_looked_for_every_fifteen_minutes_and_three_times_a_day() {
    let mut list = at("2026-11-24T10:00:00");
    let mut schedule = fetched(list);
    let mut fetches = Vec::new();
    let mut hashes = vec![0];
    assert!(!schedule.take_due(&names(list, &hashes), every_day, list));
    for minute in 1..=24 * 60 {
        let by = Duration::from_secs(60 * minute);
        let now = Now {
            wall: at("2026-11-24T10:00:00").wall + by,
            monotonic: at("2026-11-24T10:00:00").monotonic + by,
        };
        // A new typing error each minute.
        hashes.push(minute);
        if schedule.take_due(&names(list, &hashes), every_day, now) {
            fetches.push(ist::civil(now.wall).strftime("%d %H:%M").to_string());
            list = now;
            schedule.succeeded(now.wall, now);
            assert!(!schedule.take_due(&names(list, &hashes), every_day, now));
        }
    }
    assert_eq!(
        fetches,
        [
            "24 10:01", "24 10:16", "24 10:31", "25 00:00", "25 00:15", "25 00:30", "25 08:31",
            "25 09:06"
        ]
    );
}

#[test]
fn no_list_is_fetched_on_a_day_without_a_session_unless_one_is_made_every_day() {
    let weekdays = |day: Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    let mut schedule = FetchSchedule::new(0.5);
    let friday = at("2026-11-27T09:06:00");
    assert!(schedule.take_due(&nothing(), weekdays, friday));
    schedule.succeeded(friday.wall, friday);
    for weekend in [
        "2026-11-28T08:31:00",
        "2026-11-29T12:00:00",
        "2026-11-30T08:29:00",
    ] {
        assert!(
            !schedule.take_due(&nothing(), weekdays, at(weekend)),
            "{weekend}"
        );
    }
    let simulator = Findings {
        every_day: true,
        ..Findings::default()
    };
    assert!(schedule.take_due(&simulator, weekdays, at("2026-11-28T08:31:00")));
    assert!(schedule.take_due(&nothing(), weekdays, at("2026-11-30T08:30:30")));
}
