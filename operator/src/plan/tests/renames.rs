//! The same contract under another name, and another contract under the same name.

use kite::Instrument;

use super::*;

const EXPIRY: jiff::civil::Date = jiff::civil::date(2026, 9, 29);

/// An option of an underlying whose strikes are adjusted.
fn option(token: u32, strike: f64) -> Instrument {
    Instrument {
        strike,
        expiry: Some(EXPIRY),
        ..derivative(
            token,
            &format!("HINDPETRO26SEP{strike}PE"),
            "HINDPETRO",
            kite::InstrumentType::Put,
        )
    }
}

fn future(token: u32) -> Instrument {
    derivative(
        token,
        "NIFTY26DECFUT",
        "NIFTY",
        kite::InstrumentType::Future,
    )
}

fn list(world: &mut Observed, instruments: &[Instrument]) {
    let dump = kite::instruments::Dump {
        instruments: instruments.to_vec(),
        ..Default::default()
    };
    let table = InstrumentTable::new(dump, start().wall, &IndexNames::default());
    world
        .tables
        .insert(API.to_owned(), Table::Loaded(Arc::new(table)));
}

fn name(strike: &str) -> String {
    format!("NFO:HINDPETRO26SEP{strike}PE")
}

/// A set of these names that streams, and the memory of its operator.
fn streaming(names: &[&str], instruments: &[Instrument]) -> (Observed, Memory) {
    let mut world = observed(vec![account("a")], vec![set("s", &[], names)]);
    list(&mut world, instruments);
    let memory = run(&mut world, start());
    (world, memory)
}

/// What the set came to after its list has changed: its tokens, the message of its Ready, `status.renamed`. The same
/// with the memory of the last pass, without it, and another pass and another restart later.
fn after(world: &mut Observed, memory: Memory) -> (Vec<u32>, String, Vec<(String, String)>) {
    let mut results = Vec::new();
    let mut memory = memory;
    for pass in 0..4 {
        if pass == 2 {
            memory = Memory::default();
        }
        let next = plan(world, &memory, start());
        let forgetful = plan(world, &Memory::default(), start());
        assert_eq!(
            next.sets[0].status.renamed, forgetful.sets[0].status.renamed,
            "pass {pass}"
        );
        apply(world, &next);
        stream(world);
        memory = next.memory.clone();
        if pass > 0 {
            let status = &next.sets[0].status;
            let renamed = status.renamed.iter();
            let renamed = renamed.map(|it| (it.from.clone().unwrap(), it.to.clone().unwrap()));
            let (_, _, message) = reason(&next, "s");
            results.push((placed(world)["a"].clone(), message, renamed.collect()));
        }
    }
    results.dedup();
    assert_eq!(results.len(), 1, "{results:#?}");
    results.remove(0)
}

#[test]
fn an_adjusted_contract_is_followed_by_its_token_and_a_name_of_the_list_means_that_row() {
    let names = [&*name("400"), &*name("460"), "NFO:NIFTY26DECFUT"];
    let before = [option(1, 400.0), option(2, 460.0), future(9)];
    let (mut world, memory) = streaming(&names, &before);
    // All strikes by 20, the tokens stay; 400 is a new contract, 460 is none any more.
    let adjusted = [
        option(1, 380.0),
        option(2, 440.0),
        option(3, 400.0),
        future(9),
    ];
    list(&mut world, &adjusted);
    let (tokens, message, renamed) = after(&mut world, memory);
    assert_eq!(tokens, [2, 3, 9]);
    assert_eq!(renamed, [(name("460"), name("440"))]);
    assert_eq!(
        message,
        "3 of 3 instruments stream; renamed: 1 (NFO:HINDPETRO26SEP460PE is NFO:HINDPETRO26SEP440PE today); names that mean \
         another contract since an adjustment: 1 (NFO:HINDPETRO26SEP400PE was NFO:HINDPETRO26SEP380PE before); to keep \
         the former contract use its name of today"
    );
    // And once more.
    let again = [
        option(1, 370.5),
        option(2, 430.5),
        option(3, 390.5),
        future(9),
    ];
    list(&mut world, &again);
    let (tokens, _, renamed) = after(&mut world, Memory::default());
    assert_eq!(tokens, [2, 3, 9]);
    assert_eq!(
        renamed,
        [(name("400"), name("390.5")), (name("460"), name("430.5"))]
    );
    // The name is back: it means what the list says.
    list(&mut world, &[option(2, 430.5), option(4, 460.0), future(9)]);
    let (tokens, _, renamed) = after(&mut world, Memory::default());
    assert_eq!((tokens, renamed), (vec![4, 9], vec![]));
}

#[test]
fn the_amount_alone_shows_an_adjustment_if_no_two_strikes_differ_by_it() {
    let names = [&*name("400"), &*name("460")];
    let before = [option(1, 400.0), option(2, 460.0)];
    let (mut world, memory) = streaming(&names, &before);
    list(
        &mut world,
        &[option(1, 380.75), option(2, 440.75), option(3, 400.0)],
    );
    let (tokens, _, renamed) = after(&mut world, memory);
    assert_eq!(tokens, [2, 3]);
    assert_eq!(renamed, [(name("460"), name("440.75"))]);
}

/// After a bonus, a split or a rights issue.
#[test]
fn strikes_multiplied_by_one_factor_are_an_adjustment() {
    let names = [&*name("1120"), &*name("1200"), &*name("1260")];
    let before = [option(1, 1120.0), option(2, 1200.0), option(3, 1260.0)];
    let adjusted = [
        option(1, 1008.0),
        option(2, 1080.0),
        option(3, 1134.0),
        // A new contract under an old name.
        option(4, 1120.0),
    ];
    let (mut world, memory) = streaming(&names, &before);
    list(&mut world, &adjusted);
    let (tokens, message, renamed) = after(&mut world, memory);
    assert_eq!(tokens, [2, 3, 4]);
    assert_eq!(
        renamed,
        [(name("1200"), name("1080")), (name("1260"), name("1134"))]
    );
    assert!(
        message.contains(&format!("{} was {} before", name("1120"), name("1008"))),
        "{message}"
    );
}

/// As a simulator does each night: the tokens of all derivatives are those of others.
#[test]
fn a_list_whose_numbers_are_dealt_anew_renames_nothing() {
    let names = [
        &*name("400"),
        &*name("420"),
        &*name("460"),
        "NFO:NIFTY26DECFUT",
    ];
    let before = [
        option(1, 400.0),
        option(2, 420.0),
        option(3, 440.0),
        option(4, 460.0),
        future(9),
    ];
    let (mut world, memory) = streaming(&names, &before);
    // Each has the token of its neighbour, which is 20 below; 460 is gone.
    let dealt = [
        option(2, 400.0),
        option(3, 420.0),
        option(4, 440.0),
        future(8),
    ];
    list(&mut world, &dealt);
    let (tokens, message, renamed) = after(&mut world, memory);
    assert_eq!((tokens, renamed), (vec![2, 3, 8], vec![]));
    assert!(
        message.contains(&name("460")) && !message.contains("adjustment"),
        "{message}"
    );
    // By amounts that differ.
    let (mut world, memory) = streaming(&names, &before);
    list(
        &mut world,
        &[
            option(1, 419.75),
            option(2, 400.0),
            option(4, 420.0),
            future(9),
        ],
    );
    let (tokens, _, renamed) = after(&mut world, memory);
    assert_eq!((tokens, renamed), (vec![2, 4, 9], vec![]));
}

#[test]
fn a_contract_that_is_spelled_in_another_way_is_the_same() {
    let before = Instrument {
        tradingsymbol: "HINDPETRO26929400PE".into(),
        ..option(1, 400.0)
    };
    let (mut world, memory) = streaming(&["NFO:HINDPETRO26929400PE"], &[before]);
    list(&mut world, &[option(1, 400.0)]);
    let (tokens, _, renamed) = after(&mut world, memory);
    assert_eq!(tokens, [1]);
    assert_eq!(
        renamed,
        [("NFO:HINDPETRO26929400PE".to_owned(), name("400"))]
    );
}

#[test]
fn a_share_is_followed_into_another_series_under_another_token() {
    let (mut world, memory) = streaming(
        &["NSE:KANCHI", "NSE:TCS"],
        &[equity(1, "KANCHI"), equity(9, "TCS")],
    );
    list(&mut world, &[equity(2, "KANCHI-BE"), equity(9, "TCS")]);
    let (tokens, message, renamed) = after(&mut world, memory);
    assert_eq!(tokens, [2, 9]);
    assert_eq!(
        renamed,
        [("NSE:KANCHI".to_owned(), "NSE:KANCHI-BE".to_owned())]
    );
    assert_eq!(
        message,
        "2 of 2 instruments stream; renamed: 1 (NSE:KANCHI is NSE:KANCHI-BE today)"
    );
    list(&mut world, &[equity(1, "KANCHI"), equity(9, "TCS")]);
    let (tokens, _, renamed) = after(&mut world, Memory::default());
    assert_eq!((tokens, renamed), (vec![1, 9], vec![]));
}

#[test]
fn a_token_that_is_another_contract_today_is_not_followed() {
    let (mut world, memory) = streaming(
        &[&name("400"), "NSE:TCS"],
        &[option(1, 400.0), equity(2, "TCS")],
    );
    let other_expiry = Instrument {
        expiry: Some(jiff::civil::date(2026, 10, 27)),
        ..option(1, 400.5)
    };
    list(
        &mut world,
        &[other_expiry, equity(2, "INFY"), equity(3, "TCS")],
    );
    let (tokens, message, renamed) = after(&mut world, memory);
    assert_eq!((tokens, renamed), (vec![3], vec![]));
    assert!(
        message.contains("1 (NFO:HINDPETRO26SEP400PE (perhaps NFO:HINDPETRO26SEP400.5PE))"),
        "{message}"
    );
}
