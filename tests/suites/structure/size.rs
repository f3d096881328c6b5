//! The number of code lines of the programs that stream: lines with code outside of tests.
//!
//! Comments and empty lines are free, so that nobody saves on them.

use std::collections::BTreeSet;

use crate::source;

/// The packages that are counted together.
const COUNTED: [&str; 3] = ["ingestor", "operator", "redis-link"];

/// More than this many lines are a sign of code that nobody needs any more.
const MOST: usize = 40_000;

#[test]
fn the_code_does_not_grow_unnoticed() {
    let mut total = 0;
    for package in COUNTED {
        let lines: usize = source::files(package).iter().map(code_lines).sum();
        println!("{package}: {lines} code lines");
        total += lines;
    }
    println!("together: {total} of at most {MOST}");
    assert!(total <= MOST, "{total} code lines, at most {MOST}");
}

fn code_lines(file: &source::File) -> usize {
    let lines = file
        .tokens
        .iter()
        .flat_map(|token| token.lines.0..=token.lines.1);
    lines.collect::<BTreeSet<usize>>().len()
}
