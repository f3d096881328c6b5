//! Finds instruments lists that are probably incomplete, by comparing them with what streams.
//!
//! Pure. A list that was cut short looks like one from which instruments vanished. Instruments do
//! vanish, one by one and after their expiry, but never a third of what streamed yesterday at once.
//! A list that still lacks them after an hour is accepted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::Assignment;
use jiff::civil::Date;

use super::account::AccountInput;
use super::memo::{Basis, Memo};
use super::memory::SuspectLists;
use super::observed::{Now, Table};
use super::renames::Renames;
use crate::instruments::InstrumentTable;

/// Fewer missing instruments are never suspicious, unless they are all of them.
const FEWEST: usize = 20;

/// A list that still lacks them after this time is accepted.
const LONGEST_SUSPICION: Duration = Duration::from_secs(60 * 60);

/// What an account's list says about its last assignment.
#[derive(Clone, Debug)]
pub(crate) struct ListComparison {
    /// How many instruments of the assignment the list lacks, and how many there are.
    lacking: (usize, usize),
    /// Those that have another name.
    renames: Arc<Renames>,
}

/// Sets `renames` of each account, and `suspect_list` of each whose list lacks too many of the streaming instruments.
/// Returns the origins of such lists, continuing those of the last pass.
pub(super) fn check(
    accounts: &mut [AccountInput<'_>],
    since: &SuspectLists,
    memo: Memo<'_, ListComparison>,
    now: Now,
) -> SuspectLists {
    let suspects = suspects(accounts, memo, now);
    let since = |api: &String| since.get(api).copied().unwrap_or(now.monotonic);
    let young =
        |api: &String| now.monotonic.saturating_duration_since(since(api)) < LONGEST_SUSPICION;
    for account in accounts {
        let api = account.spec.as_ref().map(|spec| &spec.api);
        account.suspect_list = api
            .ok()
            .filter(|api| young(api))
            .and_then(|api| suspects.get(api).cloned());
    }
    suspects
        .into_keys()
        .map(|api| {
            let since = since(&api);
            (api, since)
        })
        .collect()
}

fn suspects(
    accounts: &mut [AccountInput<'_>],
    mut memo: Memo<'_, ListComparison>,
    now: Now,
) -> BTreeMap<String, String> {
    let today = kite::ist::date(now.wall);
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for account in accounts {
        let (Ok(spec), Some(base), Some(Table::Loaded(table))) =
            (&account.spec, account.base, account.table)
        else {
            continue;
        };
        let basis = Basis::default().shared(base).shared(table).value(today);
        let key = &account.observed.object.meta.key;
        let last = memo.last(key).map(|last| &last.renames);
        let compared = memo.get_or(key, basis, || compare(base, table, today, last));
        let counts = counts.entry(spec.api.clone()).or_default();
        counts.0 += compared.lacking.0;
        counts.1 += compared.lacking.1;
        account.renames = compared.renames;
    }
    counts
        .into_iter()
        .filter(|(_, (missing, all))| missing * 3 > *all && (*missing >= FEWEST || missing == all))
        .map(|(api, (missing, all))| {
            let why = format!("Kite's list lacks {missing} of {all} instruments that stream");
            (api, why)
        })
        .collect()
}

/// Compares an assignment with a list. Renames that are those of the `last` comparison are kept as they are: they are
/// the basis of other results.
fn compare(
    base: &Assignment,
    table: &InstrumentTable,
    today: Date,
    last: Option<&Arc<Renames>>,
) -> ListComparison {
    let renames = Renames::find(base, table, today);
    let same = last.filter(|last| ***last == renames).cloned();
    ListComparison {
        lacking: lacking(base, table, today),
        renames: same.unwrap_or_else(|| Arc::new(renames)),
    }
}

fn lacking(base: &Assignment, table: &InstrumentTable, today: Date) -> (usize, usize) {
    let expired = |expiry: Option<Date>| expiry.is_some_and(|expiry| expiry < today);
    let rows = base.instruments.iter().filter(|row| !expired(row.expiry));
    rows.fold((0, 0), |(missing, all), row| {
        let missing = missing + usize::from(table.by_token(row.token).is_none());
        (missing, all + 1)
    })
}
