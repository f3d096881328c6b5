//! Sets that describe what they select.

use kite::{Instrument, InstrumentType};
use serde_json::{Value, json};

use super::*;

/// The tests begin on Monday 2025-11-24 at 21:30 IST.
const EXPIRIES: [&str; 4] = ["2025-11-25", "2025-12-02", "2025-12-30", "2026-01-27"];

const STRIKES: [f64; 4] = [24_900.0, 25_000.0, 25_050.5, 25_100.0];

/// Tokens tell expiry, strike and type: 1,000 for the first expiry, 20 for the third strike, 1 for a put.
fn list() -> Vec<Instrument> {
    let mut rows = vec![
        index(1, "NIFTY 50"),
        equity(2, "RELIANCE"),
        equity(3, "TCS"),
        equity(4, "NODERIVATIVES"),
    ];
    for (at, expiry) in (1..).zip(EXPIRIES) {
        for (strike_at, strike) in (0..).zip(STRIKES) {
            for (kind_at, kind) in [(0, InstrumentType::Call), (1, InstrumentType::Put)] {
                let token = 1_000 * at + 10 * strike_at + kind_at;
                let symbol = format!("NIFTY{at}-{strike}{kind}");
                rows.push(Instrument {
                    strike,
                    expiry: Some(expiry.parse().unwrap()),
                    ..derivative(token, &symbol, "NIFTY", kind)
                });
            }
        }
    }
    for (at, expiry) in (5..).zip(EXPIRIES.iter().skip(2)) {
        rows.push(Instrument {
            expiry: Some(expiry.parse().unwrap()),
            ..derivative(
                1_000 * at,
                &format!("RELIANCE{at}FUT"),
                "RELIANCE",
                InstrumentType::Future,
            )
        });
    }
    // The same underlying on an exchange that comes later.
    rows.push(Instrument {
        exchange: "BFO".into(),
        ..derivative(9_000, "NIFTYBFOFUT", "NIFTY", InstrumentType::Future)
    });
    rows
}

fn world(spec: Value) -> Observed {
    let mut selecting = set("s", &[], &[]);
    selecting.spec = Ok(Arc::new(serde_json::from_value(spec).unwrap()));
    edit(&mut selecting, |spec| spec.publish.greeks = false);
    let mut world = observed(vec![account("a")], vec![selecting]);
    let dump = kite::instruments::Dump {
        instruments: list(),
        ..Default::default()
    };
    let table = InstrumentTable::new(dump, start().wall, &IndexNames::default());
    world
        .tables
        .insert(API.to_owned(), Table::Loaded(Arc::new(table)));
    world
}

/// The tokens that a set gets, and the message of its Ready.
fn selected(spec: Value) -> (Vec<u32>, String) {
    let mut world = world(spec);
    let memory = run(&mut world, start());
    let plan = plan(&world, &memory, start());
    let tokens = placed(&world).remove("a").unwrap_or_default();
    (tokens, reason(&plan, "s").2)
}

fn options(options: &Value) -> (Vec<u32>, String) {
    selected(json!({"options": [options]}))
}

#[test]
fn expiries_are_the_nearest_the_last_of_a_month_or_days() {
    let strikes = json!({"range": {"min": 25000, "max": 25000}});
    let of = |expiries: Value| {
        let wanted = json!({"underlying": "NIFTY", "expiries": expiries, "strikes": strikes, "types": ["CE"]});
        options(&wanted).0
    };
    assert_eq!(of(json!({"nearest": 1})), [1_010]);
    assert_eq!(of(json!({"nearest": 3})), [1_010, 2_010, 3_010]);
    assert_eq!(of(json!({"nearest": 32})), [1_010, 2_010, 3_010, 4_010]);
    assert_eq!(of(json!({"monthly": 1})), [1_010]);
    assert_eq!(of(json!({"monthly": 2})), [1_010, 3_010]);
    assert_eq!(
        of(json!({"dates": ["2026-01-27", "2025-12-02"]})),
        [2_010, 4_010]
    );
}

#[test]
fn strikes_are_a_range_or_all_and_types_one_or_both() {
    let of = |strikes: Value, types: Value| {
        let wanted = json!({"underlying": "NIFTY", "expiries": {"nearest": 1}, "strikes": strikes, "types": types});
        options(&wanted).0
    };
    let all = json!({"all": true});
    assert_eq!(of(all.clone(), json!([])).len(), 8);
    assert_eq!(of(all, json!(["PE"])), [1_001, 1_011, 1_021, 1_031]);
    let inside = json!({"range": {"min": 25_000, "max": 25_050.5}});
    assert_eq!(
        of(inside, json!(["CE", "PE"])),
        [1_010, 1_011, 1_020, 1_021]
    );
}

#[test]
fn futures_and_shares_are_selected_and_what_is_selected_twice_counts_once() {
    let (tokens, message) = selected(json!({
        "instruments": {"symbols": ["NSE:TCS"]},
        "futures": [{"underlying": "RELIANCE", "expiries": {"nearest": 1}}, {"underlying": "NIFTY", "expiries": {"nearest": 1}}],
        "equities": [{"symbols": ["TCS", "RELIANCE"]}, {"withDerivatives": true}],
    }));
    assert_eq!(tokens, [2, 3, 5_000, 9_000]);
    assert_eq!(message, "4 of 4 instruments stream");
    let (tokens, _) = selected(json!({"equities": [{"withDerivatives": true}]}));
    assert_eq!(tokens, [2], "an index is no share");
}

#[test]
fn what_is_excluded_is_left_out_and_what_is_pinned_is_added() {
    let chain = json!({"underlying": "NIFTY", "expiries": {"nearest": 1}, "strikes": {"range": {"min": 25_000, "max": 25_000}}});
    let (tokens, _) = selected(json!({
        "instruments": {"symbols": ["NSE:TCS", "NSE:RELIANCE"], "tokens": [1]},
        "options": [chain.clone()],
        "exclude": ["NFO:NIFTY1-25000PE", "NSE:TCS", "NSE:NIFTY 50", "NFO:UNKNOWN"],
        "pin": ["NFO:NIFTY4-25100PE"],
    }));
    assert_eq!(tokens, [2, 1_010, 4_031]);
    let both = json!({"options": [chain], "exclude": ["NSE:TCS"], "pin": ["NSE:TCS"]});
    let (tokens, message) = selected(both);
    assert!(tokens.is_empty());
    assert_eq!(
        message,
        "spec.pin: holds NSE:TCS, which spec.exclude holds too: remove it from one"
    );
}

#[test]
fn a_name_to_leave_out_that_is_not_listed_is_said() {
    let (tokens, message) = selected(json!({
        "equities": [{"symbols": ["RELIANCE", "TCS"]}],
        "exclude": ["NSE:TCSS", "NSE:RELIANCE"],
    }));
    assert_eq!(tokens, [3]);
    assert_eq!(
        message,
        "1 of 1 instruments stream; in spec.exclude, but not in the instruments list: 1 (NSE:TCSS (perhaps NSE:TCS))"
    );
}

#[test]
fn what_is_not_found_is_named_by_its_place() {
    let chain = |underlying: &str, expiries: Value, strikes: Value| json!({"underlying": underlying, "expiries": expiries, "strikes": strikes});
    let (nearest, all) = (json!({"nearest": 1}), json!({"all": true}));
    let cases = [
        (
            chain("NIFTYY", nearest.clone(), all.clone()),
            "options[0]: NIFTYY has no options; the nearest is NIFTY",
        ),
        (
            chain("RELIANCE", nearest.clone(), all.clone()),
            "options[0]: RELIANCE has no options",
        ),
        (
            chain("ZZZ", nearest.clone(), all.clone()),
            "options[0]: ZZZ has no options",
        ),
        (
            chain("NIFTY", json!({"dates": ["2025-12-09"]}), all.clone()),
            "options[0]: NIFTY has no options of 2025-12-09; the expiries are 2025-11-25, 2025-12-02, 2025-12-30, …",
        ),
        (
            chain("NIFTY", json!({"dates": ["2025-11-24"]}), all),
            "options[0]: 2025-11-24 is past; the expiries of NIFTY are 2025-11-25, 2025-12-02, 2025-12-30, …",
        ),
        (
            chain("NIFTY", nearest, json!({"range": {"min": 1, "max": 2.5}})),
            "options[0]: NIFTY has no strikes from 1 to 2.5; the listed ones are 24900 to 25100",
        ),
    ];
    for (wanted, expected) in cases {
        let (tokens, message) = options(&wanted);
        assert!(tokens.is_empty() && message.contains(expected), "{message}");
    }
    let (tokens, message) = selected(json!({
        "futures": [{"underlying": "RELIANCE", "expiries": {"nearest": 1}}, {"underlying": "RELIANCE", "exchange": "BFO", "expiries": {"nearest": 1}}],
        "equities": [{"symbols": ["TCSS"]}, {"exchange": "BSE", "withDerivatives": true}],
    }));
    assert_eq!(tokens, [5_000]);
    for part in [
        "futures[1]: BFO:RELIANCE has no futures",
        "NSE:TCSS",
        "equities[1]: no share of BSE has derivatives",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

/// Contracts stay until their exchange has closed on the day of their expiry.
#[test]
fn the_nearest_expiry_rolls_when_its_exchange_has_closed() {
    let wanted = json!({"options": [{
        "underlying": "NIFTY", "expiries": {"nearest": 1}, "types": ["CE"],
        "strikes": {"range": {"min": 25_000, "max": 25_000}},
    }]});
    let mut world = world(wanted);
    let mut memory = run(&mut world, start());
    // Tuesday, 15:29:59 IST, and a second later: contracts ended at 15:30 then.
    let seconds = (17 * 60 + 59) * 60 + 59;
    for (now, expected) in [
        (later(start(), seconds), 1_010),
        (later(start(), seconds + 1), 2_010),
    ] {
        let next = plan(&world, &memory, now);
        apply(&mut world, &next);
        stream(&mut world);
        memory = next.memory.clone();
        assert_eq!(placed(&world)["a"], [expected], "{now:?}");
    }
    // The pass before knew when to look again: currencies close first.
    let first = plan(&world, &Memory::default(), start());
    let wait = first.next.unwrap() - start().monotonic;
    assert!(wait.as_secs() <= 15 * 3600, "{wait:?}");
}

#[test]
fn a_set_of_too_many_instruments_keeps_what_it_has() {
    let count = u32::try_from(crds::selector::MAX_SELECTED).unwrap() + 1;
    let mut world = observed(vec![account("a")], vec![set("s", &[FIRST_EQUITY], &[])]);
    let shares = (0..count).map(|at| equity(FIRST_EQUITY + at, &format!("S{at}")));
    let dump = kite::instruments::Dump {
        instruments: shares.collect(),
        ..Default::default()
    };
    let table = InstrumentTable::new(dump, start().wall, &IndexNames::default());
    world
        .tables
        .insert(API.to_owned(), Table::Loaded(Arc::new(table)));
    let memory = run(&mut world, start());
    let symbols: Vec<String> = (0..count).map(|at| format!("S{at}")).collect();
    let wanted = json!({"equities": [{"symbols": symbols}]});
    world.sets[0].spec = Ok(Arc::new(serde_json::from_value(wanted).unwrap()));
    let next = plan(&world, &memory, start());
    apply(&mut world, &next);
    let (state, reason, message) = reason(&next, "s");
    assert_eq!(
        (state.as_str(), reason.as_str()),
        ("False", "TooManyInstruments")
    );
    assert!(
        message.starts_with("the set selects 20001 instruments"),
        "{message}"
    );
    assert_eq!(placed(&world)["a"], [FIRST_EQUITY]);
}
