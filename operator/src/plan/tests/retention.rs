//! What the money has left behind.

use jiff::civil::Date;
use kite::instruments::Dump;
use serde_json::json;

use super::money::{NIFTY, assignment, fetched, list, morning, nifty, report, step, tokens, world};
use super::*;

/// A set of the strike at the money, which is followed at 10:30.
struct Day {
    world: Observed,
    memory: Memory,
    now: Now,
}

impl Day {
    fn new(account: ObservedAccount) -> Self {
        let world = world(vec![account], &nifty(&json!({"aroundATM": 0})));
        let mut day = Self {
            world,
            memory: Memory::default(),
            now: morning(),
        };
        day.pass(0);
        day.price(25_000.0);
        day
    }

    fn pass(&mut self, seconds: u64) -> Plan {
        self.now = later(self.now, seconds);
        let plan = step(&mut self.world, &self.memory, self.now);
        self.memory = plan.memory.clone();
        plan
    }

    /// Lets the money follow a price.
    fn price(&mut self, price: f64) -> Plan {
        for seconds in [1, 30] {
            self.now = later(self.now, seconds);
            report(&mut self.world, &[(NIFTY, price)], self.now);
            self.pass(0);
        }
        self.pass(0)
    }

    fn tokens(&self) -> Vec<u32> {
        tokens(&self.world).0
    }

    /// The day that the row of a token carries.
    fn mark(&self, token: u32) -> Option<Date> {
        let mut rows = assignment(&self.world, "a").instruments.iter();
        rows.find(|row| row.token.0 == token).unwrap().retained
    }
}

fn seconds_to_roll(now: Now) -> u64 {
    let clock = kite::ist::civil(now.wall).time();
    let roll = jiff::civil::time(9, 6, 0, 0).duration_since(clock);
    roll.as_secs().unsigned_abs()
}

#[test]
fn a_day_only_adds_and_the_next_mornings_list_removes() {
    let mut day = Day::new(account("a"));
    for price in [25_100.0, 25_200.0, 25_300.0, 25_200.0, 25_100.0] {
        day.price(price);
    }
    let plan = day.price(25_000.0);
    let all = [1_100, 1_110, 1_120, 1_130];
    assert_eq!(day.tokens(), all);
    let status = &plan.sets[0].status;
    let counts = (
        status.selected,
        status.retained,
        status.instruments.as_deref(),
    );
    assert_eq!(counts, (Some(4), Some(3), Some("4/4")));
    assert_eq!(
        (day.mark(1_130), day.mark(1_100)),
        (Some("2025-11-26".parse().unwrap()), None)
    );

    // The whole night, also after a restart, until a minute without ticks before the roll.
    let night = 22 * 3_600 + 35 * 60 - 200;
    day.pass(night);
    day.memory = Memory::default();
    let plan = day.pass(0);
    assert_eq!(
        kite::ist::civil(day.now.wall).date().to_string(),
        "2025-11-27"
    );
    assert_eq!(day.tokens(), all);
    // Without a list the day begins at 09:06.
    let roll = plan.next.unwrap() - day.now.monotonic;
    let before = seconds_to_roll(day.now);
    assert!(roll.as_secs() <= before);
    let unrolled = (day.world.clone(), day.memory.clone(), day.now);
    day.pass(before);
    assert_eq!(day.tokens(), [1_100]);

    // With one at once, and not with one of the night.
    (day.world, day.memory, day.now) = unrolled;
    let dump = || Dump {
        instruments: list(),
        ..Dump::default()
    };
    let midnight = later(morning(), 14 * 3_600);
    day.world
        .tables
        .insert(API.to_owned(), fetched(dump(), midnight));
    day.pass(1);
    assert_eq!(day.tokens(), all);
    let early = later(morning(), 22 * 3_600 + 60);
    day.world
        .tables
        .insert(API.to_owned(), fetched(dump(), early));
    day.pass(1);
    assert_eq!(day.tokens(), [1_100]);
}

#[test]
fn without_retention_what_is_left_behind_goes_at_once() {
    let mut day = Day::new(account("a"));
    edit(&mut day.world.sets[0], |spec| {
        spec.retain = crds::set::Retain::None;
    });
    day.price(25_100.0);
    assert_eq!(day.tokens(), [1_110]);
    assert_eq!(day.mark(1_110), None);
}

#[test]
fn a_restart_the_next_morning_removes_what_was_marked_the_day_before() {
    let mut day = Day::new(account("a"));
    day.price(25_100.0);
    assert_eq!(day.tokens(), [1_100, 1_110]);
    (day.memory, day.now) = (Memory::default(), later(day.now, 24 * 3_600));
    day.pass(0);
    assert_eq!(day.tokens(), [1_110]);
}

#[test]
fn who_wants_its_place_gets_it_whatever_its_priority() {
    let mut day = Day::new(small("a", 5));
    for price in [25_100.0, 25_200.0, 25_300.0] {
        day.price(price);
    }
    assert_eq!(day.tokens(), [1_100, 1_110, 1_120, 1_130]);
    // The index takes the fifth place; two more need one each.
    let mut other = aged("other", 60, &[3_000, 3_010], &[]);
    edit(&mut other, |spec| spec.priority = -1_000);
    day.world.sets.push(other);
    let plan = day.pass(1);
    assert_eq!(day.tokens(), [1_120, 1_130, 3_000, 3_010]);
    let status = &plan.sets[1].status;
    assert_eq!(
        (plan.sets[1].key.name.as_str(), status.retained),
        ("s", Some(1))
    );
    assert_eq!((status.selected, status.waiting), (Some(2), Some(0)));
}

#[test]
fn what_the_selectors_do_not_allow_any_more_goes() {
    let start = |edits: fn(&mut crds::InstrumentSetSpec)| {
        let mut day = Day::new(account("a"));
        day.price(25_100.0);
        assert_eq!(day.tokens(), [1_100, 1_110]);
        edit(&mut day.world.sets[0], edits);
        day.pass(1);
        day.tokens()
    };
    assert_eq!(
        start(|spec| spec.exclude = vec!["NFO:NIFTY2025-12-0225000CE".to_owned()]),
        [1_110]
    );
    assert_eq!(start(|spec| spec.paused = true), [0; 0]);
    assert_eq!(
        start(|spec| spec.options[0].strikes.around_atm = Some(1)),
        [1_100, 1_110, 1_120]
    );
    assert_eq!(
        start(|spec| spec.options[0].underlying = "RELIANCE".to_owned()),
        [1_100, 1_110],
        "no price of it yet"
    );
    let puts = start(|spec| {
        spec.options[0].types = vec![crds::selector::OptionKind::Put];
    });
    assert_eq!(puts, [0; 0]);
    let all = start(|spec| {
        spec.options[0].strikes =
            serde_json::from_value(json!({"range": {"min": 24_000, "max": 24_000}})).unwrap();
    });
    assert_eq!(all, [1_000], "the money is not asked any more");
}

#[test]
fn what_expires_goes_with_its_expiry() {
    let mut day = Day::new(account("a"));
    day.price(25_100.0);
    // 2025-12-02, a second before the exchange closes, and after.
    let close = "2025-12-02T15:30:00+05:30"
        .parse::<jiff::Timestamp>()
        .unwrap();
    let wait = close.duration_since(day.now.wall).as_secs().unsigned_abs();
    day.price(25_200.0);
    day.now = later(day.now, wait - 1 - 31);
    day.pass(0);
    assert_eq!(day.tokens(), [1_120], "what was left behind days ago");
    day.pass(1);
    assert_eq!(day.tokens(), [2_120], "the next expiry");
}
