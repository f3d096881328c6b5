use std::collections::{BTreeMap, HashSet};

use calendar::Calendar;
use jiff::civil::date;
use kite::instruments;

use super::*;

fn universe() -> Universe {
    Universe::generate(1, date(2026, 12, 1), Calendar::india()).unwrap()
}

fn symbol<'a>(universe: &'a Universe, symbol: &str) -> &'a Instrument {
    let at = universe
        .find_symbol(symbol)
        .unwrap_or_else(|| panic!("{symbol} is not listed"));
    &universe.listings[at].instrument
}

#[test]
fn it_is_as_large_as_a_market_and_free_of_contradictions() {
    let universe = universe();
    assert!(
        universe.listings.len() >= 20_000,
        "{}",
        universe.listings.len()
    );
    let tokens: HashSet<_> = universe
        .listings
        .iter()
        .map(|row| row.instrument.token)
        .collect();
    let symbols: HashSet<_> = universe.listings.iter().map(Listing::symbol).collect();
    assert_eq!(
        (tokens.len(), symbols.len()),
        (universe.listings.len(), universe.listings.len())
    );
    for Listing { instrument, .. } in &universe.listings {
        let segment = match &*instrument.exchange {
            _ if instrument.is_index() => 9,
            "NSE" => 1,
            "NFO" => 2,
            "CDS" => 3,
            "BSE" => 4,
            "BFO" => 5,
            "BCD" => 6,
            "MCX" => 7,
            other => panic!("unexpected exchange {other}"),
        };
        assert_eq!(
            instrument.token.0,
            instrument.exchange_token << 8 | segment,
            "{instrument:?}"
        );
        assert!(
            instrument
                .expiry
                .is_none_or(|expiry| expiry >= universe.date),
            "{instrument:?}"
        );
    }
}

/// Tokens of the public dump.
#[test]
fn well_known_instruments_have_their_real_tokens() {
    let universe = universe();
    for (name, token) in [
        ("NSE:NIFTY 50", 256_265),
        ("NSE:NIFTY BANK", 260_105),
        ("NSE:INDIA VIX", 264_969),
        ("BSE:SENSEX", 265),
        ("NSE:INFY", 408_065),
        ("NSE:RELIANCE", 738_561),
        ("NSE:M&M", 519_937),
        ("BSE:RELIANCE", 128_083_204),
    ] {
        assert_eq!(symbol(&universe, name).token, Token(token), "{name}");
    }
}

#[test]
fn contracts_of_every_family_are_listed() {
    let universe = universe();
    for name in [
        "NFO:NIFTY26DECFUT",
        "NFO:NIFTY26DEC24000CE",
        "NFO:NIFTY26D0124000PE",
        "NFO:BANKNIFTY26DEC54400CE",
        "NFO:RELIANCE26DEC1460CE",
        "BFO:SENSEX26DEC79300PE",
        "BFO:SENSEX26D0379300CE",
        "CDS:USDINR26DECFUT",
        "CDS:USDINR26DEC89.25CE",
        "BCD:USDINR26DECFUT",
        "MCX:CRUDEOIL26DECFUT",
        "MCX:CRUDEOIL26DEC5400CE",
        "MCX:GOLD26DECFUT",
        "MCX:GOLD27FEB124000PE",
        "MCX:SILVER26DECFUT",
        "MCX:NATURALGAS26DECFUT",
    ] {
        let row = symbol(&universe, name);
        assert!(
            row.lot_size > 0 && row.tick_size > 0.0 && row.expiry.is_some(),
            "{row:?}"
        );
    }
    assert_eq!(
        symbol(&universe, "NFO:NIFTY26DECFUT").expiry,
        Some(date(2026, 12, 29))
    );
    assert_eq!(
        symbol(&universe, "BFO:SENSEX26DEC79300PE").expiry,
        Some(date(2026, 12, 31))
    );
    assert_eq!(&*symbol(&universe, "NFO:NIFTY26DECFUT").segment, "NFO-FUT");
}

#[test]
fn the_dump_survives_being_written_and_read() {
    let universe = universe();
    let mut text = Vec::new();
    instruments::write(
        &mut text,
        universe.listings.iter().map(|row| &row.instrument),
    )
    .unwrap();
    let dump = instruments::read(text.as_slice()).unwrap();
    assert_eq!(dump.rejected.count, 0, "{:?}", dump.rejected);
    assert!(
        dump.instruments
            .iter()
            .eq(universe.listings.iter().map(|row| &row.instrument))
    );
}

#[test]
fn seed_and_day_decide_everything() {
    let tokens = |seed, day| -> Vec<Token> {
        let universe = Universe::generate(seed, day, Calendar::india()).unwrap();
        universe
            .listings
            .iter()
            .map(|row| row.instrument.token)
            .collect()
    };
    let today = date(2026, 12, 1);
    assert_eq!(tokens(1, today), tokens(1, today));
    assert_ne!(tokens(1, today), tokens(2, today));
    assert_ne!(tokens(1, today), tokens(1, date(2026, 12, 2)));
}

#[test]
fn every_day_of_a_year_has_a_universe() {
    let mut day = date(2027, 1, 1);
    while day.year() == 2027 {
        let universe = Universe::generate(7, day, Calendar::india()).unwrap();
        assert!(universe.listings.len() >= 20_000, "{day}");
        // A step that shares no factor with a week or a month meets every kind of day.
        day = day.checked_add(jiff::Span::new().days(11)).unwrap();
    }
}

#[test]
fn the_day_changes_at_midnight_in_india() {
    // 2026-11-23 18:29:59 UTC is one second before.
    assert_eq!(indian_date(1_795_458_599), Some(date(2026, 11, 23)));
    assert_eq!(indian_date(1_795_458_600), Some(date(2026, 11, 24)));
}

/// Two days: contracts live on, expire, are added and adjusted.
#[test]
fn a_later_day_keeps_the_tokens_of_what_lives_on() {
    let first = universe();
    // NIFTY falls by a tenth.
    let closes = first.underlyings.iter();
    let closes: Vec<f64> = closes
        .map(|it| it.close * if it.name == "NIFTY 50" { 0.9 } else { 1.0 })
        .collect();
    let next = date(2026, 12, 2);
    let second = first.next(1, next, &closes).unwrap();
    let of = |universe: &Universe, expired: bool| -> Vec<Instrument> {
        let rows = universe.listings.iter().map(|it| it.instrument.clone());
        rows.filter(|row| row.expiry.is_some_and(|expiry| (expiry < next) == expired))
            .collect()
    };
    let (living, expired) = (of(&first, false), of(&first, true));
    assert!(!expired.is_empty(), "NIFTY's week ended on the 1st");
    let mut renamed: Vec<&Instrument> = Vec::new();
    for row in &living {
        let today = &second.listings[second.find(row.token).unwrap()].instrument;
        let same = (&today.name, today.expiry, today.instrument_type);
        assert_eq!(same, (&row.name, row.expiry, row.instrument_type));
        if today.tradingsymbol != row.tradingsymbol {
            assert!(
                today.strike < row.strike && today.strike.fract() != 0.0,
                "{today:?}"
            );
            renamed.push(row);
        }
    }
    let adjusted: HashSet<&str> = renamed.iter().map(|row| &*row.name).collect();
    assert_eq!(adjusted.len(), 1, "{adjusted:?}");
    assert!(renamed.len() > 20);
    // The old names are those of new contracts.
    let reborn = renamed.iter().filter(|row| {
        let name = format!("{}:{}", row.exchange, row.tradingsymbol);
        second.find_symbol(&name).is_some()
    });
    assert!(reborn.count() > 10);
    // Some numbers of expired contracts are those of others.
    let reused = expired
        .iter()
        .filter(|row| second.find(row.token).is_some());
    assert!(reused.count() > 0);
    // Strikes around the money of today are listed beside those of yesterday.
    let strikes = |universe: &Universe| -> (f64, f64) {
        let options = of(universe, false).into_iter();
        let options =
            options.filter(|row| &*row.name == "NIFTY" && row.instrument_type.is_option());
        let strikes = options.map(|row| row.strike);
        strikes.fold((f64::MAX, 0.0), |(low, high), strike| {
            (low.min(strike), high.max(strike))
        })
    };
    let (before, after) = (strikes(&first), strikes(&second));
    assert!(
        after.0 < before.0 && after.1 >= before.1,
        "{before:?} {after:?}"
    );
}

#[test]
fn every_chain_has_the_strikes_that_were_asked_for_on_the_next_day_too() {
    let first = Universe::with_strikes(1, date(2026, 12, 1), Calendar::india(), 80).unwrap();
    let closes: Vec<f64> = first.underlyings.iter().map(|it| it.close * 1.01).collect();
    let second = first.next(1, date(2026, 12, 2), &closes).unwrap();
    for universe in [first, second] {
        let mut above: BTreeMap<(&str, &str, Date), usize> = BTreeMap::new();
        for Listing {
            instrument,
            underlying,
            ..
        } in &universe.listings
        {
            let Some(expiry) = instrument.expiry.filter(|_| instrument.strike > 0.0) else {
                continue;
            };
            let strikes = above.entry((&instrument.exchange, &instrument.name, expiry));
            let close = universe.underlyings[*underlying].close;
            *strikes.or_default() += usize::from(instrument.strike > close);
        }
        assert!(above.len() > 500, "{}", above.len());
        for (chain, options) in above {
            assert!(options >= 2 * 79, "{chain:?}: {options} above the money");
        }
    }
}
