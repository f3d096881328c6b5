//! Texts about the names that a set asks for: those that its list lacks, has given another name, or to another contract.
//!
//! Must not decide what a name means. The time of the list in them changes only with the list.

use std::fmt::Display;

use crate::instruments::RowIx;
use crate::plan::samples::list;
use crate::plan::selection::Lookup;

/// What is to be said about names, although the set streams; `None`: nothing.
pub(crate) fn remarks(lookup: &Lookup) -> Option<String> {
    let selection = &lookup.selection;
    let mut remarks = Vec::new();
    if selection.unresolved > 0 {
        remarks.push(format!(
            "not in the instruments list of {}: {} ({})",
            time(lookup),
            selection.unresolved,
            list(&samples(lookup))
        ));
    }
    if selection.not_excluded > 0 {
        remarks.push(format!(
            "in spec.exclude, but not in the instruments list: {} ({})",
            selection.not_excluded,
            list(&selection.not_excluded_samples)
        ));
    }
    let today = |row: RowIx| {
        let row = lookup.table.get(row);
        row.map_or_else(String::new, |row| {
            format!("{}:{}", row.exchange, row.tradingsymbol)
        })
    };
    let renamed = selection.renamed.iter();
    let renamed: Vec<String> = renamed
        .map(|(name, row)| format!("{name} is {} today", today(*row)))
        .collect();
    if !renamed.is_empty() {
        remarks.push(format!("renamed: {} ({})", renamed.len(), list(&renamed)));
    }
    let reused = selection.reused.iter();
    let reused: Vec<String> = reused
        .map(|reused| format!("{} was {} before", reused.name, today(reused.before)))
        .collect();
    if !reused.is_empty() {
        remarks.push(format!(
            "names that mean another contract since an adjustment: {} ({}); to keep the former contract use its name of today",
            reused.len(),
            list(&reused)
        ));
    }
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// That nothing is selected.
pub(super) fn none(lookup: &Lookup) -> String {
    if lookup.selection.unresolved == 0 {
        return "spec.exclude leaves nothing of what the set selects: remove something from it"
            .to_owned();
    }
    format!(
        "nothing that the set selects is in the instruments list of {}: check {}",
        time(lookup),
        list(&samples(lookup))
    )
}

/// Some names that the list lacks, each with one that may have been meant.
fn samples(lookup: &Lookup) -> Vec<String> {
    let selection = &lookup.selection;
    let similar = selection.similar.iter().chain(std::iter::repeat(&None));
    let samples = selection.samples.iter().zip(similar);
    let samples = samples.map(|(name, similar)| match similar {
        Some(similar) => format!("{name} (perhaps {similar})"),
        None => name.clone(),
    });
    samples.collect()
}

/// When the list was fetched.
fn time(lookup: &Lookup) -> impl Display {
    kite::ist::civil(lookup.table.fetched()).strftime("%Y-%m-%d %H:%M IST")
}
