//! What the Greeks of options are computed from, and where there is room for it.

use contract::report::ChainReport;
use contract::{Assignment, Chain, ParityPair};
use jiff::civil::date;
use kite::{Instrument, InstrumentType, Mode};
use serde_json::{Value, json};

use super::super::money::{assignment, fetched, report, step, tokens};
use super::*;

const NIFTY: u32 = 1;
const FUTURE: u32 = 5_000;
const GOLD: u32 = 9_000;

/// 100 for the first strike of the weekly expiry, 101 for its put; 200 of the monthly one.
fn list() -> Vec<Instrument> {
    let contract = |token, (exchange, name): (&str, &str), expiry: &str, kind, strike: u32| {
        let expiry = expiry.parse().unwrap();
        Instrument {
            exchange: exchange.into(),
            expiry: Some(expiry),
            strike: f64::from(strike),
            ..derivative(token, &format!("{name}{token}"), name, kind)
        }
    };
    let (nifty, gold, euro) = (("NFO", "NIFTY"), ("MCX", "GOLD"), ("CDS", "EURUSD"));
    let mut rows = vec![
        index(NIFTY, "NIFTY 50"),
        contract(FUTURE, nifty, "2026-12-29", InstrumentType::Future, 0),
        contract(GOLD, gold, "2026-12-31", InstrumentType::Future, 0),
        contract(9_001, gold, "2026-12-24", InstrumentType::Call, 120_000),
        contract(9_002, euro, "2026-12-22", InstrumentType::Call, 1),
    ];
    for at in 0..9 {
        let strike = 24_000 + 100 * at;
        for (kind, more) in [(InstrumentType::Call, 0), (InstrumentType::Put, 1)] {
            let token = 10 * at + more;
            rows.push(contract(100 + token, nifty, "2026-12-01", kind, strike));
            rows.push(contract(200 + token, nifty, "2026-12-29", kind, strike));
        }
    }
    rows
}

fn world(accounts: Vec<ObservedAccount>, sets: Vec<ObservedSet>) -> Observed {
    let mut world = observed(accounts, sets);
    let dump = kite::instruments::Dump {
        instruments: list(),
        ..Default::default()
    };
    world.tables.insert(API.to_owned(), fetched(dump, start()));
    world
}

fn selecting(name: &str, age: i64, spec: Value) -> ObservedSet {
    let mut set = aged(name, age, &[], &[]);
    set.spec = Ok(Arc::new(serde_json::from_value(spec).unwrap()));
    set
}

fn named(name: &str, age: i64, tokens: &[u32]) -> ObservedSet {
    selecting(name, age, json!({"instruments": {"tokens": tokens}}))
}

fn chain<'a>(assignment: &'a Assignment, underlying: &str, day: i8) -> &'a Chain {
    let mut chains = assignment.chains.iter();
    chains
        .find(|it| it.underlying == underlying && it.expiry.day() == day)
        .unwrap()
}

fn strikes(chain: &Chain) -> Vec<f64> {
    chain.parity.iter().map(|it| it.0).collect()
}

/// Lets the process report this forward of the monthly expiry.
fn say(world: &mut Observed, forward: &str) {
    let report = world.accounts[0].scrape.report.as_mut().unwrap();
    Arc::make_mut(report).chains = vec![ChainReport {
        exchange: "NFO".to_owned(),
        underlying: "NIFTY".to_owned(),
        expiry: date(2026, 12, 29),
        source: Some("future".to_owned()),
        forward: Some(forward.to_owned()),
        age_ms: Some(100),
    }];
}

/// 2026-11-25, a trading day, in the morning.
fn morning() -> Now {
    let wall = "2026-11-25T10:30:00+05:30".parse().unwrap();
    Now {
        wall,
        monotonic: start().monotonic,
    }
}

#[test]
fn a_chain_says_when_it_ends_and_what_its_forward_follows_from() {
    let options = [150, 9_001, 9_002];
    let mut world = world(vec![account("a")], vec![named("s", 0, &options)]);
    step(&mut world, &Memory::default(), morning());
    let written = assignment(&world, "a");
    // 2026-12-01 15:40 IST, and 15:30; without a price of the money nothing is near it.
    let weekly = Chain {
        exchange: "NFO".to_owned(),
        underlying: "NIFTY".to_owned(),
        expiry: date(2026, 12, 1),
        expiry_ts: 1_796_119_800,
        settles_ts: Some(1_796_119_200),
        r: Some(0.0525),
        q: 0.0,
        future: None,
        parity: Vec::new(),
        carry: Some(3),
        spot: Some(kite::Token(NIFTY)),
    };
    assert_eq!(*chain(written, "NIFTY", 1), weekly);
    let monthly = &written.chains[3];
    assert_eq!(monthly.expiry, date(2026, 12, 29));
    assert_eq!(monthly.future, Some(kite::Token(FUTURE)));
    // Options of commodities lead to the next future; MCX closes at 23:55.
    let gold = chain(written, "GOLD", 24);
    assert_eq!(gold.future, Some(kite::Token(GOLD)));
    assert_eq!((gold.spot, gold.carry), (None, None));
    assert_eq!(gold.expiry_ts - gold.settles_ts.unwrap(), 1_800);
    // Nothing is known of the euro's interest; 12:30 IST.
    let euro = chain(written, "EURUSD", 22);
    assert_eq!((euro.r, euro.settles_ts), (None, None));
    assert_eq!(euro.expiry_ts % 86_400, 7 * 3_600);

    assert_eq!(tokens(&world).1, [NIFTY, FUTURE, GOLD]);
    let alone = written.instruments.iter().filter(|row| row.sets.is_empty());
    for row in alone {
        assert!(!row.reference && row.chain.is_none());
        assert_eq!(row.mode, Mode::Full);
    }
    let of_option = written.instruments.iter().find(|row| row.token.0 == 150);
    assert_eq!(written.chain_of(of_option.unwrap()), Some(&weekly));
}

#[test]
fn calls_and_puts_near_the_money_are_the_same_everywhere_and_stay_while_it_is_among_them() {
    let money = selecting(
        "money",
        0,
        json!({
            "options": [{"underlying": "NIFTY", "expiries": {"nearest": 1}, "strikes": {"aroundATM": 0}}],
            "accountRef": {"name": "a"},
        }),
    );
    let wing = selecting(
        "wing",
        1,
        json!({"instruments": {"tokens": [180]}, "accountRef": {"name": "b"}}),
    );
    let mut world = world(vec![account("a"), account("b")], vec![money, wing]);
    let now = morning();
    let mut plan = step(&mut world, &Memory::default(), now);
    for (seconds, price, expected) in [
        (1, 24_410.0, 24_200.0),
        (40, 24_510.0, 24_200.0),
        (80, 24_510.0, 24_200.0),
        (120, 24_610.0, 24_200.0),
        (160, 24_610.0, 24_400.0),
    ] {
        let now = later(now, seconds);
        report(&mut world, &[(NIFTY, price)], now);
        plan = step(&mut world, &plan.memory, now);
        for account in ["a", "b"] {
            let chain = chain(assignment(&world, account), "NIFTY", 1);
            assert_eq!(strikes(chain)[0], expected, "{seconds} on {account}");
        }
    }
    // An operator that starts anew leaves it so.
    let again = step(&mut world, &Memory::default(), later(now, 170));
    let written = |account: &AccountPlan| matches!(account.assignment, AssignmentChange::Write(_));
    assert!(!again.accounts.iter().any(written));
    let of_b = assignment(&world, "b");
    let pair = ParityPair(24_400.0, kite::Token(140), kite::Token(141));
    assert_eq!(chain(of_b, "NIFTY", 1).parity[0], pair);
    // The index, the future of the month for its carry, and five pairs, of which the set has one call.
    assert_eq!(of_b.instruments.len(), 2 + 10);
}

/// Beyond the last strike there is nothing to choose, and nothing to write.
#[test]
fn a_price_beyond_the_last_strike_changes_nothing_more() {
    let mut world = world(vec![account("a")], vec![named("s", 0, &[280])]);
    let mut memory = step(&mut world, &Memory::default(), morning()).memory;
    for (seconds, forward) in [(5, "30000"), (10, "30100"), (15, "30200")] {
        stream(&mut world);
        say(&mut world, forward);
        let plan = step(&mut world, &memory, later(morning(), seconds));
        let monthly = chain(assignment(&world, "a"), "NIFTY", 29);
        assert_eq!(strikes(monthly)[0], 24_400.0);
        let writes = matches!(plan.accounts[0].assignment, AssignmentChange::Write(_));
        assert_eq!(writes, seconds == 5, "{forward}");
        memory = plan.memory;
    }
}

#[test]
fn what_a_process_says_of_the_forward_tells_where_the_money_is_too() {
    let mut world = world(vec![account("a")], vec![named("s", 0, &[280])]);
    let first = step(&mut world, &Memory::default(), morning());
    assert!(strikes(chain(assignment(&world, "a"), "NIFTY", 29)).is_empty());
    stream(&mut world);
    say(&mut world, "24390.5");
    step(&mut world, &first.memory, later(morning(), 5));
    let monthly = chain(assignment(&world, "a"), "NIFTY", 29);
    assert_eq!(
        strikes(monthly),
        [24_200.0, 24_300.0, 24_400.0, 24_500.0, 24_600.0]
    );
}

#[test]
fn nobody_waits_for_a_chain_and_it_takes_what_room_is_left() {
    let shares = selecting(
        "first",
        0,
        json!({"instruments": {"tokens": [150, 200, 201]}}),
    );
    for (places, alone) in [(3, vec![]), (4, vec![FUTURE]), (5, vec![NIFTY, FUTURE])] {
        let mut world = world(vec![small("a", places)], vec![shares.clone()]);
        let first = step(&mut world, &Memory::default(), morning());
        stream(&mut world);
        let plan = step(&mut world, &first.memory, later(morning(), 11));
        assert_eq!(tokens(&world), (vec![150, 200, 201], alone.clone()));
        let (state, _, message) = reason(&plan, "first");
        assert_eq!(state, "True");
        let text = match alone.len() {
            0 => Some("no Greeks of NFO:NIFTY of 2026-12-01 and 1 more: account a has no room"),
            1 => Some("no Greeks of NFO:NIFTY of 2026-12-01: account a has no room"),
            _ => None,
        };
        assert_eq!(message.contains("no Greeks"), text.is_some(), "{message}");
        assert!(message.contains(text.unwrap_or_default()), "{message}");
    }
}

#[test]
fn what_a_set_wants_takes_the_place_of_what_only_a_chain_needs() {
    let mut world = world(vec![small("a", 4)], vec![named("s", 0, &[200, 201])]);
    let first = step(&mut world, &Memory::default(), morning());
    assert_eq!(tokens(&world), (vec![200, 201], vec![NIFTY, FUTURE]));
    world.sets.push(named("t", 1, &[FUTURE, 210]));
    let plan = step(&mut world, &first.memory, later(morning(), 1));
    assert_eq!(tokens(&world), (vec![200, 201, 210, FUTURE], vec![]));
    assert_eq!(plan.sets[1].status.waiting, Some(0));
    // And it comes back when there is room again.
    world.sets.pop();
    step(&mut world, &plan.memory, later(morning(), 2));
    assert_eq!(tokens(&world), (vec![200, 201], vec![NIFTY, FUTURE]));
}

#[test]
fn another_interest_rate_and_dividend_apply_at_once() {
    let mut world = world(vec![account("a")], vec![named("s", 0, &[150])]);
    let first = step(&mut world, &Memory::default(), morning());
    let rates = PricingRates::default().with_interest(0.065, date(2026, 12, 1));
    world.settings.rates = rates.with_dividends([("NIFTY".to_owned(), 0.012)].into());
    step(&mut world, &first.memory, later(morning(), 1));
    let weekly = chain(assignment(&world, "a"), "NIFTY", 1);
    assert_eq!((weekly.r, weekly.q), (Some(0.065), 0.012));
}

#[test]
fn without_greeks_there_is_nothing_of_it() {
    let mut set = named("s", 0, &[150]);
    edit(&mut set, |spec| spec.publish.greeks = false);
    let mut world = world(vec![account("a")], vec![set]);
    step(&mut world, &Memory::default(), morning());
    assert!(assignment(&world, "a").chains.is_empty());
    assert_eq!(tokens(&world), (vec![150], vec![]));
}

#[test]
fn a_list_that_is_missing_changes_nothing() {
    let mut world = world(vec![account("a")], vec![named("s", 0, &[150, 9_001])]);
    let first = step(&mut world, &Memory::default(), morning());
    let before = assignment(&world, "a").clone();
    let why = "no route".to_owned();
    world.tables.insert(API.to_owned(), Table::Missing { why });
    step(&mut world, &first.memory, later(morning(), 1));
    assert_eq!(*assignment(&world, "a"), before);
}
