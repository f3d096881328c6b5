//! Measures an instruments list: how long it takes to read, and how much memory it needs.
//!
//! Owns a list as large as Kite's. Must not fetch anything.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::date;
use kite::{Instrument, InstrumentType, Token};
use operator::instruments::{IndexNames, InstrumentTable};
use service::clock::Clock;

use crate::figure::Figures;
use crate::memory::{forget_peak, peak, resident};

/// As many rows as Kite's list may have.
const ROWS: u32 = 150_000;

/// Options of one underlying.
const CHAIN: u32 = 400;

/// Reads in turn; the median counts.
const RUNS: usize = 7;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let text = text()?;
    let before = resident()?;
    let first = table(&text)?;
    let table_mib = (resident()? - before) / 1024.0;
    forget_peak()?;
    let before = resident()?;
    let second = table(&text)?;
    let more_mib = (peak()? - before) / 1024.0;
    drop((first, second));
    let clock = Clock::system();
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = clock.now();
        let table = table(&text)?;
        times.push(clock.now() - start);
        drop(table);
    }
    times.sort_unstable();
    let median: Duration = times[RUNS / 2];
    let list = "an instruments list of 150,000 rows";
    let millis = median.as_secs_f64() * 1e3;
    figures.add(&format!("{list}: read and indexed"), millis, "ms", "< 150");
    figures.add(&format!("{list}: memory"), table_mib, "MiB", "< 40");
    figures.add(
        &format!("{list}: more while another one is read"),
        more_mib,
        "MiB",
        "< 90",
    );
    Ok(())
}

fn table(text: &[u8]) -> Result<InstrumentTable> {
    let dump = kite::instruments::read(text)?;
    anyhow::ensure!(dump.rejected.count == 0);
    let table = InstrumentTable::new(dump, Timestamp::UNIX_EPOCH, &IndexNames::default());
    anyhow::ensure!(table.len() == ROWS as usize);
    Ok(table)
}

/// Two thirds options, the rest shares.
fn text() -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let rows: Vec<Instrument> = (0..ROWS).map(row).collect();
    kite::instruments::write(&mut text, &rows)?;
    Ok(text)
}

fn row(number: u32) -> Instrument {
    let share = Instrument {
        token: Token(number << 8 | 1),
        exchange_token: number,
        tradingsymbol: format!("SHARE{number}").into(),
        name: format!("COMPANY {number} LIMITED").into(),
        expiry: None,
        strike: 0.0,
        tick_size: 0.05,
        lot_size: 1,
        instrument_type: InstrumentType::Equity,
        segment: "NSE".into(),
        exchange: "NSE".into(),
    };
    if number.is_multiple_of(3) {
        return share;
    }
    // An option without a strike is a bad row.
    let (underlying, strike) = (number / CHAIN, 1 + number % CHAIN);
    let (kind, end) = if number.is_multiple_of(2) {
        (InstrumentType::Call, "CE")
    } else {
        (InstrumentType::Put, "PE")
    };
    Instrument {
        token: Token(number << 8 | 2),
        tradingsymbol: format!("NAME{underlying}26DEC{strike}{end}").into(),
        name: format!("NAME{underlying}").into(),
        expiry: Some(date(2026, 12, 29)),
        strike: f64::from(strike),
        lot_size: 75,
        instrument_type: kind,
        segment: "NFO-OPT".into(),
        exchange: "NFO".into(),
        ..share
    }
}
