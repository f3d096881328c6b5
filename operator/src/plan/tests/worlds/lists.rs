//! Instruments lists of four mornings, and the names that sets use.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::civil::date;
use kite::instruments::Dump;
use kite::{Instrument, InstrumentType, Token};

use super::Dice;
use crate::instruments::{IndexNames, InstrumentTable};
use crate::plan::Table;
use crate::plan::fixture::{API, FIRST_EQUITY, derivative, equity, index, start};

/// Plain equities of the whole list.
pub(super) const EQUITIES: u32 = 64;

/// Strikes of the chain.
const STRIKES: u32 = 8;

/// First token of the chain.
const CHAIN: u32 = 12_200_000;

/// API origins with a list.
pub(super) const APIS: [&str; 2] = [API, "https://api.kite.trade"];

/// Tokens beside the equities; the last two have no row.
pub(super) const TOKENS: [u32; 12] = [
    256_265,
    260_105,
    264_969,
    408_065,
    128_053_508,
    12_192_002,
    12_192_258,
    12_192_514,
    12_192_770,
    CHAIN,
    7,
    4_294_967_295,
];

/// Names; the last ones have no row in any list or not in each.
pub(super) const SYMBOLS: [&str; 20] = [
    "NSE:NIFTY 50",
    "NSE:NIFTY BANK",
    "NSE:INDIA VIX",
    "NSE:INFY",
    "BSE:INFY",
    "NSE:EQ0",
    "NSE:EQ5",
    "NSE:EQ6",
    "NFO:NIFTY26DECFUT",
    "NFO:NIFTY26DEC0CE",
    "NFO:NIFTY26DEC3PE",
    "NFO:BANKNIFTY26DECFUT",
    "NFO:M&M26DEC3000PE",
    "NFO:MM26DEC3000PE",
    "NFO:&26DEC10CE",
    "NFO:NIFTY25NOVFUT",
    "NFO:NIFTY25OCTFUT",
    "NSE:EQ5N",
    "NSE:NONE",
    "NIFTY",
];

/// Which of the lists.
#[derive(Clone, Copy)]
enum Morning {
    Whole,
    /// What expired is gone, a few are renamed or have another token.
    Next,
    /// Cut short.
    Short,
    /// Cut after one row.
    One,
}

static LISTS: LazyLock<[Table; 4]> = LazyLock::new(|| {
    [Morning::Whole, Morning::Next, Morning::Short, Morning::One].map(|morning| {
        let dump = Dump {
            instruments: rows(morning),
            ..Dump::default()
        };
        Table::Loaded(Arc::new(InstrumentTable::new(
            dump,
            start().wall,
            &IndexNames::default(),
        )))
    })
});

/// The lists at the start of an operator, most of them loaded.
pub(super) fn first(dice: &mut Dice) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    for api in APIS {
        if let Some(table) = any(dice) {
            tables.insert(api.to_owned(), table);
        }
    }
    tables
}

/// A list as it may be at any time; none if it was not fetched yet.
pub(super) fn any(dice: &mut Dice) -> Option<Table> {
    match dice.weighted(&[68, 14, 6, 3, 5, 4]) {
        4 => Some(Table::Missing {
            why: "502 Bad Gateway".to_owned(),
        }),
        5 => None,
        list => Some(LISTS[list].clone()),
    }
}

fn rows(morning: Morning) -> Vec<Instrument> {
    let mut rows = vec![
        index(256_265, "NIFTY 50"),
        index(260_105, "NIFTY BANK"),
        index(264_969, "INDIA VIX"),
        equity(408_065, "INFY"),
        Instrument {
            segment: "BSE".into(),
            exchange: "BSE".into(),
            ..equity(128_053_508, "INFY")
        },
        future(12_192_258, "NIFTY26DECFUT", "NIFTY"),
        future(12_193_026, "BANKNIFTY26DECFUT", "BANKNIFTY"),
        equity(519_937, "M&M"),
        derivative(12_192_514, "M&M26DEC3000PE", "M&M", InstrumentType::Put),
        derivative(12_192_770, "MM26DEC3000PE", "MM", InstrumentType::Put),
        // No letter and no digit for a channel name.
        derivative(12_193_282, "&26DEC10CE", "&", InstrumentType::Call),
        // It ends on the day on which sequences begin.
        Instrument {
            expiry: Some(date(2025, 11, 24)),
            ..future(12_192_002, "NIFTY25NOVFUT", "NIFTY")
        },
        Instrument {
            expiry: Some(date(2025, 10, 28)),
            ..future(12_191_746, "NIFTY25OCTFUT", "NIFTY")
        },
    ];
    for at in 0..STRIKES {
        for (side, kind) in [("CE", InstrumentType::Call), ("PE", InstrumentType::Put)] {
            let token = CHAIN + 2 * at + u32::from(side == "PE");
            rows.push(Instrument {
                strike: f64::from(24_000 + 100 * at),
                ..derivative(token, &format!("NIFTY26DEC{at}{side}"), "NIFTY", kind)
            });
        }
    }
    rows.extend((0..EQUITIES).map(|at| equity(FIRST_EQUITY + at, &format!("EQ{at}"))));
    match morning {
        Morning::Whole => rows,
        Morning::Next => next(rows),
        Morning::Short => {
            rows.retain(|row| row.token.0 % 3 == 0);
            rows
        }
        Morning::One => vec![equity(408_065, "INFY")],
    }
}

fn future(token: u32, symbol: &str, name: &str) -> Instrument {
    derivative(token, symbol, name, InstrumentType::Future)
}

fn next(mut rows: Vec<Instrument>) -> Vec<Instrument> {
    rows.retain(|row| {
        row.expiry.is_none_or(|expiry| expiry > date(2025, 12, 1))
            && ![FIRST_EQUITY, FIRST_EQUITY + 1].contains(&row.token.0)
    });
    for row in &mut rows {
        match row.token.0 - FIRST_EQUITY.min(row.token.0) {
            5 => row.tradingsymbol = "EQ5N".into(),
            6 => row.token = Token(FIRST_EQUITY + EQUITIES),
            _ => {}
        }
        match &*row.tradingsymbol {
            // An adjusted strike; the old name is that of a new contract.
            "M&M26DEC3000PE" => {
                row.strike -= 19.25;
                row.tradingsymbol = "M&M26DEC2980.75PE".into();
            }
            "NIFTY26DEC3PE" => row.tradingsymbol = "NIFTY26D293PE".into(),
            _ => {}
        }
    }
    let put = InstrumentType::Put;
    rows.push(derivative(12_193_794, "M&M26DEC3000PE", "M&M", put));
    rows.push(equity(FIRST_EQUITY + EQUITIES + 1, "EQ0-BE"));
    rows.push(derivative(
        12_193_538,
        "NIFTY27JANFUT",
        "NIFTY",
        InstrumentType::Future,
    ));
    rows
}
