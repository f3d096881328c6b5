//! Sets whose strikes follow the money.

use contract::report::ReferencePrice;
use contract::{Assignment, Row};
use kite::{Instrument, InstrumentType, Mode};
use serde_json::{Value, json};

use super::*;

/// The index, the share, and the futures of two expiries.
pub(super) const NIFTY: u32 = 1;
const RELIANCE: u32 = 2;
const FUTURE: u32 = 5_000;
const CRUDE: u32 = 9_000;

/// Tokens tell expiry and strike: 1,000 for the first expiry, 10 for the second strike.
pub(super) fn list() -> Vec<Instrument> {
    let option = |token, name: &str, expiry: &str, strike: u32| Instrument {
        strike: f64::from(strike),
        expiry: Some(expiry.parse().unwrap()),
        ..derivative(
            token,
            &format!("{name}{expiry}{strike}CE"),
            name,
            InstrumentType::Call,
        )
    };
    let future = |token, name: &str, expiry: &str| Instrument {
        expiry: Some(expiry.parse().unwrap()),
        ..derivative(
            token,
            &format!("{name}{expiry}FUT"),
            name,
            InstrumentType::Future,
        )
    };
    let mut rows = vec![
        index(NIFTY, "NIFTY 50"),
        equity(RELIANCE, "RELIANCE"),
        future(FUTURE, "NIFTY", "2025-12-30"),
        Instrument {
            exchange: "MCX".into(),
            segment: "MCX-FUT".into(),
            ..future(CRUDE, "CRUDEOIL", "2025-12-19")
        },
    ];
    for (at, strike) in (0..).zip((24_000..=26_000).step_by(100)) {
        rows.push(option(1_000 + 10 * at, "NIFTY", "2025-12-02", strike));
        rows.push(option(2_000 + 10 * at, "NIFTY", "2025-12-30", strike));
        rows.push(option(
            3_000 + 10 * at,
            "RELIANCE",
            "2025-12-30",
            strike / 20,
        ));
        rows.push(Instrument {
            exchange: "MCX".into(),
            segment: "MCX-OPT".into(),
            ..option(4_000 + 10 * at, "CRUDEOIL", "2025-12-16", strike / 5)
        });
    }
    rows
}

pub(super) fn world(accounts: Vec<ObservedAccount>, options: &Value) -> Observed {
    let mut selecting = set("s", &[], &[]);
    let spec = json!({"options": options, "publish": {"greeks": false}});
    selecting.spec = Ok(Arc::new(serde_json::from_value(spec).unwrap()));
    let mut world = observed(accounts, vec![selecting]);
    let dump = kite::instruments::Dump {
        instruments: list(),
        ..Default::default()
    };
    world.tables.insert(API.to_owned(), fetched(dump, start()));
    world
}

/// A list that was fetched at this time.
pub(super) fn fetched(dump: kite::instruments::Dump, at: Now) -> Table {
    Table::Loaded(Arc::new(InstrumentTable::new(
        dump,
        at.wall,
        &IndexNames::default(),
    )))
}

pub(super) fn nifty(strikes: &Value) -> Value {
    json!([{"underlying": "NIFTY", "expiries": {"nearest": 1}, "strikes": strikes}])
}

/// Ten in the morning, two days later.
pub(super) fn morning() -> Now {
    let now = later(start(), 37 * 3_600);
    assert_eq!(
        kite::ist::civil(now.wall).to_string(),
        "2025-11-26T10:30:00"
    );
    now
}

/// Lets every process report these prices of what it was asked for, as of now.
pub(super) fn report(world: &mut Observed, prices: &[(u32, f64)], now: Now) {
    stream(world);
    for account in &mut world.accounts {
        let LastAssignment::Readable { assignment, .. } = &account.assignment else {
            continue;
        };
        let rows = assignment.instruments.iter().filter(|row| row.reference);
        let price = |row: &Row| {
            let (token, price) = prices.iter().find(|(token, _)| *token == row.token.0)?;
            Some(ReferencePrice {
                token: *token,
                price: Some(price.to_string()),
                close: None,
                age_ms: Some(100),
                exchange_ts: None,
                first: false,
            })
        };
        let references = rows.filter_map(price).collect();
        let report = account.scrape.report.as_mut().unwrap();
        Arc::make_mut(report).references = references;
        account.scrape.at = Some(now.monotonic);
    }
}

/// Plans and applies.
pub(super) fn step(world: &mut Observed, memory: &Memory, now: Now) -> Plan {
    let plan = plan(world, memory, now);
    apply(world, &plan);
    plan
}

pub(super) fn assignment<'a>(world: &'a Observed, account: &str) -> &'a Assignment {
    let mut accounts = world.accounts.iter();
    let account = accounts
        .find(|it| it.object.meta.key.name == account)
        .unwrap();
    account.assignment.readable().unwrap().0
}

/// The tokens that are published, and those that are subscribed to for their price alone.
pub(super) fn tokens(world: &Observed) -> (Vec<u32>, Vec<u32>) {
    let rows = world.accounts.iter().flat_map(|account| {
        let readable = account.assignment.readable();
        readable.map_or(&[][..], |(assignment, _)| &assignment.instruments)
    });
    let (published, rest): (Vec<&Row>, Vec<&Row>) = rows.partition(|row| !row.outputs.is_empty());
    let tokens = |rows: Vec<&Row>| rows.iter().map(|row| row.token.0).collect();
    (tokens(published), tokens(rest))
}

#[test]
fn the_money_is_asked_for_and_the_strikes_around_it_come() {
    let mut world = world(vec![account("a")], &nifty(&json!({"aroundATM": 1})));
    let now = morning();
    let first = step(&mut world, &Memory::default(), now);
    assert_eq!(tokens(&world), (vec![], vec![NIFTY]));
    let row = &assignment(&world, "a").instruments[0];
    assert_eq!(
        (row.mode, row.reference, row.sets.len()),
        (Mode::Quote, true, 0)
    );
    let (state, why, message) = reason(&first, "s");
    assert_eq!(
        (state.as_str(), why.as_str()),
        ("Unknown", "WaitingForPrice")
    );
    assert!(
        message.contains("NIFTY of 2025-12-02 is not known until a price of NSE:NIFTY 50 comes"),
        "{message}"
    );

    report(&mut world, &[], now);
    let waiting = step(&mut world, &first.memory, later(now, 11));
    assert_eq!(reason(&waiting, "s").0, "False");

    report(&mut world, &[(NIFTY, 24_960.0)], later(now, 12));
    let known = step(&mut world, &waiting.memory, later(now, 12));
    assert_eq!(tokens(&world), (vec![1_090, 1_100, 1_110], vec![NIFTY]));
    let status = &known.sets[0].status;
    assert_eq!(
        (status.selected, status.references, status.atm_count),
        (Some(3), Some(1), Some(1))
    );
    let atm = serde_json::to_value(&status.atm).unwrap();
    let expected = json!([{
        "underlying": "NIFTY", "exchange": "NFO", "expiry": "2025-12-02", "strike": 25_000, "price": 24_960, "source": "spot",
    }]);
    assert_eq!(atm, expected);

    // Nothing moves by less than a step, and a whole one counts after half a minute.
    let mut memory = known.memory;
    for (seconds, price, expected) in [
        (20, 25_099.95, 25_000),
        (30, 25_100.0, 25_000),
        (59, 25_140.0, 25_000),
        (60, 25_140.0, 25_100),
    ] {
        let now = later(now, seconds);
        report(&mut world, &[(NIFTY, price)], now);
        let plan = step(&mut world, &memory, now);
        let atm = &plan.sets[0].status.atm[0].strike;
        assert_eq!(*atm, Some(expected.into()), "{seconds}");
        assert_eq!(plan.strikes_changed, u32::from(seconds == 60), "{seconds}");
        if seconds == 30 {
            assert_eq!(plan.next, Some(later(now, 30).monotonic));
        }
        memory = plan.memory;
    }
    // What it has left behind stays for the day.
    assert_eq!(tokens(&world).0, [1_090, 1_100, 1_110, 1_120]);
}

#[test]
fn each_chain_has_its_own_forward() {
    let options = json!([
        {"underlying": "NIFTY", "expiries": {"nearest": 2}, "strikes": {"aroundATM": 0}},
        {"underlying": "RELIANCE", "expiries": {"nearest": 1}, "strikes": {"withinPercent": 1}},
        {"underlying": "CRUDEOIL", "expiries": {"nearest": 1}, "strikes": {"aroundATM": 0}},
    ]);
    let mut world = world(vec![account("a")], &options);
    let now = morning();
    let first = step(&mut world, &Memory::default(), now);
    assert_eq!(tokens(&world).1, [NIFTY, RELIANCE, FUTURE, CRUDE]);
    let prices = [
        (NIFTY, 24_960.0),
        (RELIANCE, 1_240.0),
        (FUTURE, 25_160.0),
        (CRUDE, 5_001.0),
    ];
    report(&mut world, &prices, now);
    let plan = step(&mut world, &first.memory, now);
    // 1,227.6 to 1,252.4 around 1,240.
    assert_eq!(
        tokens(&world).0,
        [1_100, 2_120, 3_060, 3_070, 3_080, 3_090, 3_100, 4_100]
    );
    let sources: Vec<_> = plan.sets[0]
        .status
        .atm
        .iter()
        .map(|it| it.source.unwrap())
        .collect();
    use crds::set::PriceSource::{Future, Spot};
    assert_eq!(sources, [Future, Spot, Future, Spot]);
    assert_eq!(plan.sets[0].status.references, Some(4));
}

#[test]
fn a_reference_takes_a_place_before_the_sets_and_the_message_says_if_there_is_none() {
    // The set takes what room is left.
    let mut full = world(vec![small("a", 2)], &nifty(&json!({"aroundATM": 1})));
    let now = morning();
    let first = step(&mut full, &Memory::default(), now);
    report(&mut full, &[(NIFTY, 25_000.0)], now);
    let plan = step(&mut full, &first.memory, now);
    let (published, references) = tokens(&full);
    assert_eq!((published.len(), references), (1, vec![NIFTY]));
    assert_eq!(reason(&plan, "s").1, "PartiallyScheduled");

    // What streams stays.
    let mut taken = world(vec![small("a", 2)], &nifty(&json!({"aroundATM": 1})));
    let strikes = json!({"range": {"min": 24_000, "max": 24_100}});
    let spec = json!({"options": nifty(&strikes)});
    let mut older = aged("older", -60, &[], &[]);
    older.spec = Ok(Arc::new(serde_json::from_value(spec).unwrap()));
    let selecting = std::mem::replace(&mut taken.sets, vec![older]);
    let memory = run(&mut taken, now);
    taken.sets.extend(selecting);
    let plan = step(&mut taken, &memory, now);
    assert_eq!(tokens(&taken), (vec![1_000, 1_010], vec![]));
    let (_, why, message) = reason(&plan, "s");
    assert_eq!(why, "WaitingForPrice");
    assert!(
        message.ends_with(
            "no account that the set may use has room for NSE:NIFTY 50: add one or remove instruments"
        ),
        "{message}"
    );
}

#[test]
fn what_a_set_selects_itself_needs_no_second_subscription() {
    let mut world = world(
        vec![account("a"), account("b")],
        &nifty(&json!({"aroundATM": 0})),
    );
    edit(&mut world.sets[0], |spec| {
        spec.instruments.symbols = vec!["NSE:NIFTY 50".to_owned()];
    });
    let now = morning();
    let first = step(&mut world, &Memory::default(), now);
    report(&mut world, &[(NIFTY, 25_000.0)], now);
    let plan = step(&mut world, &first.memory, now);
    assert_eq!(tokens(&world), (vec![NIFTY, 1_100], vec![]));
    let index = &assignment(&world, "a").instruments[0];
    assert_eq!((index.reference, index.mode), (true, Mode::Full));
    assert_eq!(plan.sets[0].status.selected, Some(2));
    // When nothing follows the money any more, its price is not reported any more.
    edit(&mut world.sets[0], |spec| {
        let strikes = json!({"range": {"min": 25_000, "max": 25_000}});
        spec.options = serde_json::from_value(nifty(&strikes)).unwrap();
    });
    step(&mut world, &plan.memory, now);
    assert!(!assignment(&world, "a").instruments[0].reference);
}

#[test]
fn what_is_not_known_moves_and_removes_nothing() {
    let mut world = world(vec![account("a")], &nifty(&json!({"aroundATM": 1})));
    let now = morning();
    let mut memory = step(&mut world, &Memory::default(), now).memory;
    report(&mut world, &[(NIFTY, 24_960.0)], now);
    memory = step(&mut world, &memory, now).memory;
    let expected = (vec![1_090, 1_100, 1_110], vec![NIFTY]);

    // No price any more; after a restart; without a list; without a list after a restart.
    report(&mut world, &[], now);
    step(&mut world, &memory, later(now, 100));
    assert_eq!(tokens(&world), expected);
    let after_restart = step(&mut world, &Memory::default(), later(now, 101));
    assert_eq!(tokens(&world), expected);
    assert_eq!(
        after_restart.sets[0].status.atm[0].strike,
        Some(25_000.into()),
        "from its status"
    );
    let missing = Table::Missing {
        why: "502".to_owned(),
    };
    let list = world.tables.insert(API.to_owned(), missing).unwrap();
    for memory in [after_restart.memory, Memory::default()] {
        step(&mut world, &memory, later(now, 102));
        assert_eq!(tokens(&world), expected);
    }
    // A status that was lost as well: the set waits with what it has.
    world.tables.insert(API.to_owned(), list);
    world.sets[0].status = None;
    report(&mut world, &[], later(now, 103));
    let plan = step(&mut world, &Memory::default(), later(now, 103));
    assert_eq!(tokens(&world), expected);
    let (state, _, message) = reason(&plan, "s");
    assert_eq!(state, "True");
    assert!(
        message.contains("not known until a price of NSE:NIFTY 50 comes"),
        "{message}"
    );
}

#[test]
fn a_price_of_another_contract_under_the_token_is_none() {
    let mut world = world(vec![account("a")], &nifty(&json!({"aroundATM": 0})));
    let now = morning();
    let first = step(&mut world, &Memory::default(), now);
    report(&mut world, &[(NIFTY, 24_960.0)], now);
    // The next list gives the token to another index.
    let mut rows = list();
    rows[0].token = kite::Token(7);
    rows.push(index(NIFTY, "NIFTY X"));
    let dump = kite::instruments::Dump {
        instruments: rows,
        ..Default::default()
    };
    let table = InstrumentTable::new(dump, start().wall, &IndexNames::default());
    world
        .tables
        .insert(API.to_owned(), Table::Loaded(Arc::new(table)));
    let plan = step(&mut world, &first.memory, now);
    assert_eq!(reason(&plan, "s").1, "WaitingForPrice");
    assert_eq!(tokens(&world).1, [7]);
}

#[test]
fn the_reports_of_an_account_wake_the_planner_outside_the_band() {
    let mut world = world(vec![account("a")], &nifty(&json!({"aroundATM": 0})));
    let now = morning();
    let first = step(&mut world, &Memory::default(), now);
    report(&mut world, &[(NIFTY, 24_960.0)], now);
    let plan = step(&mut world, &first.memory, now);
    let bands = &plan.accounts[0].bands;
    let before = world.accounts[0].scrape.report.clone().unwrap();
    for (price, leaves) in [
        (25_099.95, false),
        (25_100.0, true),
        (24_900.05, false),
        (24_900.0, true),
    ] {
        report(&mut world, &[(NIFTY, price)], now);
        let report = world.accounts[0].scrape.report.clone().unwrap();
        assert_eq!(bands.are_left(&before, &report), leaves, "{price}");
    }
}

#[test]
fn an_underlying_without_any_price_is_named() {
    let options =
        json!([{"underlying": "M&M", "expiries": {"nearest": 1}, "strikes": {"aroundATM": 1}}]);
    let mut world = observed(vec![account("a")], vec![set("s", &[], &[])]);
    edit(&mut world.sets[0], |spec| {
        spec.options = serde_json::from_value(options).unwrap();
    });
    let plan = plan(&world, &Memory::default(), morning());
    let message = reason(&plan, "s").2;
    assert!(
        message.contains("has neither its underlying nor a future; use strikes.range"),
        "{message}"
    );
}

/// Where the row of a token is published, in which shape, and whether keys hold it.
fn outputs(world: &Observed, token: u32) -> Vec<(String, contract::Shape, bool)> {
    let assignment = assignment(world, "a");
    let row = assignment
        .instruments
        .iter()
        .find(|row| row.token.0 == token);
    let outputs = row.unwrap().outputs.iter();
    let outputs = outputs.map(|output| {
        let channel = &assignment.channels[usize::from(output.channel)];
        (channel.clone(), output.shape, output.keep.is_some())
    });
    outputs.collect()
}

#[test]
fn a_reference_is_on_the_channel_of_its_chain_if_the_set_names_it() {
    use contract::Shape::{Contract, Underlying};

    let options = json!([{"underlying": "RELIANCE", "expiries": {"nearest": 1}, "strikes": {"aroundATM": 0}}]);
    let mut world = world(vec![account("a")], &options);
    let mut memory = Memory::default();
    let mut pass = |world: &mut Observed| {
        report(world, &[(RELIANCE, 1_250.0)], morning());
        memory = step(world, &memory, morning()).memory;
    };
    (0..3).for_each(|_| pass(&mut world));
    assert_eq!(outputs(&world, RELIANCE), []);
    edit(&mut world.sets[0], |spec| {
        spec.pin = vec!["NSE:RELIANCE".to_owned()];
    });
    pass(&mut world);
    let expected = [
        ("ticker:equity".to_owned(), Contract, true),
        ("ticker:reliance:underlying".to_owned(), Underlying, true),
    ];
    assert_eq!(outputs(&world, RELIANCE), expected);

    // One hash holds the newest ticks of a prefix, each in the shape of its own channel.
    edit(&mut world.sets[0], |spec| {
        spec.publish.channel_prefix = Some("x".to_owned());
    });
    pass(&mut world);
    let expected = [
        ("x:equity".to_owned(), Contract, true),
        ("x:underlying".to_owned(), Underlying, false),
    ];
    assert_eq!(outputs(&world, RELIANCE), expected);
}
