//! The built-in calendar beside a list that others keep.
//!
//! That list has no weekend sessions, no MCX and no currencies: what it has is compared.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use calendar::Calendar;
use jiff::ToSpan;
use jiff::civil::{Date, Weekday, date};

/// The year whose holidays are built in.
const YEAR: i16 = 2026;

#[test]
fn weekday_holidays_are_those_of_exchange_calendars() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = root.join(".state/python/bin/python");
    let output = Command::new(python)
        .arg(root.join("tests/clients/xbom_holidays.py"))
        .arg(YEAR.to_string())
        .output()
        .context("run `tests/install suites`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let listed = String::from_utf8(output.stdout)?;
    let listed: BTreeSet<Date> = listed.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(listed.len() > 10, "{listed:?}");
    let calendar = Calendar::india();
    for name in [
        "NSE",
        "NSE-AUCTION",
        "NSE-INDEX",
        "BSE",
        "NFO",
        "NFO-FUT",
        "BFO",
        "BFO-FUT",
    ] {
        let class = calendar.class(name).context(name)?;
        let days = date(YEAR, 1, 1)
            .series(1.day())
            .take_while(|it| it.year() == YEAR);
        let weekdays =
            days.filter(|it| !matches!(it.weekday(), Weekday::Saturday | Weekday::Sunday));
        let closed = weekdays.filter(|it| !calendar.is_trading_day(class, *it));
        assert_eq!(closed.collect::<BTreeSet<_>>(), listed, "{name}");
    }
    Ok(())
}

/// The file in the documents is one, and a name in it that no class has is said with its line.
#[test]
fn the_documented_file_is_a_calendar() -> Result<()> {
    let blocks = tests::documents::all_blocks()?;
    let mut blocks = blocks.iter().filter(|it| it.document == "docs/calendar.md");
    let block = blocks.find(|it| it.language == "yaml").context("no file")?;
    let folder = tempfile::tempdir()?;
    let (good, bad) = (
        folder.path().join("good.yaml"),
        folder.path().join("bad.yaml"),
    );
    std::fs::write(&good, &block.text)?;
    std::fs::write(&bad, block.text.replace("class: NFO,", "class: NFOO,"))?;
    let check = |file: &Path| {
        let mut plugin = Command::new(tests::process::binary("kubectl-kiteticker"));
        plugin.args(["calendar", "check"]).arg(file).output()
    };
    let said = check(&good)?;
    let text = String::from_utf8_lossy(&said.stdout);
    ensure!(
        said.status.success() && text.contains("known until 2027-12-31"),
        "{said:?}"
    );
    let said = check(&bad)?;
    let text = String::from_utf8_lossy(&said.stderr);
    ensure!(
        said.status.code() == Some(1) && text.contains("bad.yaml:7: hours[1].class"),
        "{text}"
    );
    Ok(())
}
