//! Prints InstrumentSet manifests, so that a load of any size can be applied.

use std::io::{self, Write};

use kite::InstrumentType;

use crate::args::{InstrumentKind, SymbolsArgs};
use crate::universe::{Contract, Listing, Universe};

/// Symbols that one InstrumentSet may list.
const MAX_PER_SET: usize = 8_000;
/// Longest name of an InstrumentSet.
const LONGEST_NAME: usize = 40;

/// A request that cannot be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// More instruments than there are.
    #[error("only {available} instruments of that kind are listed, {wanted} were requested")]
    TooFew {
        /// How many are listed.
        available: usize,
        /// How many were requested.
        wanted: u64,
    },
    /// Not a valid name of a set.
    #[error(
        "name {0:?} must be lower-case letters, digits and dashes, begin with a letter, and be at most {LONGEST_NAME} characters with its number"
    )]
    Name(String),
    /// The output is closed.
    #[error("manifests cannot be printed")]
    Print(#[from] io::Error),
}

/// Writes manifests of `args.count` instruments, at most 8,000 in each.
///
/// # Errors
/// When there are not as many, a name is not valid or `out` fails.
pub fn print(
    universe: &Universe,
    args: &SymbolsArgs,
    out: &mut impl Write,
) -> Result<(), SymbolsError> {
    let mut chosen = choose(universe, args.kind);
    let wanted = usize::try_from(args.count).unwrap_or(usize::MAX);
    if chosen.len() < wanted {
        return Err(SymbolsError::TooFew {
            available: chosen.len(),
            wanted: args.count,
        });
    }
    chosen.truncate(wanted);
    for (number, symbols) in chosen.chunks(MAX_PER_SET).enumerate() {
        let name = format!("{}-{}", args.name, number + 1);
        if !is_name(&name) || !is_name(&args.name) {
            return Err(SymbolsError::Name(args.name.clone()));
        }
        if number > 0 {
            writeln!(out, "---")?;
        }
        print_set(&name, args, symbols, out)?;
    }
    Ok(())
}

fn print_set(
    name: &str,
    args: &SymbolsArgs,
    set: &[&Listing],
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet"
    )?;
    writeln!(
        out,
        "metadata:\n  name: {name}\nspec:\n  mode: {}",
        args.mode
    )?;
    if let Some(account) = &args.account {
        writeln!(out, "  accountRef:\n    name: {account}")?;
    }
    writeln!(out, "  instruments:\n    symbols:")?;
    for listing in set {
        // A JSON string is a YAML string; symbols have colons, spaces and ampersands.
        writeln!(
            out,
            "      - {}",
            serde_json::Value::String(listing.symbol())
        )?;
    }
    Ok(())
}

/// Instruments in the order of interest to traders: indices, shares, futures, then options of the
/// nearest expiry first.
fn choose(universe: &Universe, kind: Option<InstrumentKind>) -> Vec<&Listing> {
    let mut chosen: Vec<_> = universe
        .listings
        .iter()
        .filter(|listing| kind.is_none_or(|kind| kind == kind_of(listing)))
        .collect();
    chosen.sort_by_key(|listing| {
        let expiry = match listing.contract {
            Contract::Option { expiry, .. } => expiry,
            Contract::Index | Contract::Share | Contract::Future { .. } => 0,
        };
        (kind_of(listing) as u8, expiry)
    });
    chosen
}

fn kind_of(listing: &Listing) -> InstrumentKind {
    match listing.instrument.instrument_type {
        InstrumentType::Equity if listing.instrument.is_index() => InstrumentKind::Index,
        InstrumentType::Equity => InstrumentKind::Equity,
        InstrumentType::Future => InstrumentKind::Future,
        InstrumentType::Call | InstrumentType::Put => InstrumentKind::Option,
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use calendar::Calendar;
    use clap::Parser;
    use jiff::civil::date;

    use super::*;
    use crate::args::{SimulatorCli, SimulatorCommand};

    fn run(line: &str) -> Result<String, SymbolsError> {
        let universe = Universe::generate(1, date(2026, 12, 1), Calendar::india()).unwrap();
        let cli = SimulatorCli::parse_from(
            ["kite-simulator", "symbols"]
                .into_iter()
                .chain(line.split(' ')),
        );
        let SimulatorCommand::Symbols(args) = cli.command else {
            panic!("not symbols")
        };
        let mut out = Vec::new();
        print(&universe, &args, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn sets_hold_at_most_eight_thousand() {
        let text = run("--count 16001 --kind option --name load --mode quote").unwrap();
        let sets: Vec<&str> = text.split("---\n").collect();
        let sizes: Vec<usize> = sets
            .iter()
            .map(|set| set.matches("\n      - ").count())
            .collect();
        assert_eq!(sizes, [8_000, 8_000, 1]);
        assert!(sets[2].contains("  name: load-3\nspec:\n  mode: quote\n"));
        assert!(text.matches("CE\"").count() + text.matches("PE\"").count() == 16_001);
    }

    #[test]
    fn a_manifest_is_complete() {
        let text = run("--count 1 --account mine").unwrap();
        assert_eq!(
            text,
            "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata:\n  name: symbols-1\n\
             spec:\n  mode: full\n  accountRef:\n    name: mine\n  instruments:\n    symbols:\n      \
             - \"NSE:NIFTY 50\"\n"
        );
    }

    #[test]
    fn what_cannot_be_met_is_said() {
        assert!(matches!(
            run("--count 1000000"),
            Err(SymbolsError::TooFew { .. })
        ));
        for name in [
            "Load",
            "1load",
            "-",
            "a-very-long-name-that-does-not-fit-there",
        ] {
            let error = run(&format!("--count 1 --name={name}"));
            assert!(matches!(error, Err(SymbolsError::Name(_))), "{name}");
        }
    }
}
