//! Finds instruments lists that are probably incomplete, by comparing them with what streams.
//!
//! Pure. A list that was cut short looks like one from which instruments vanished. Instruments do
//! vanish, one by one and after their expiry, but never a third of what streamed yesterday at once.
//! A list that still lacks them after an hour is accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::Assignment;
use jiff::civil::Date;

use super::account::AccountInput;
use super::memo::{Basis, Memo};
use super::memory::SuspectLists;
use super::observed::{Now, Table};
use crate::instruments::InstrumentTable;

/// Fewer missing instruments are never suspicious, unless they are all of them.
const FEWEST: usize = 20;

/// A list that still lacks them after this time is accepted.
const LONGEST_SUSPICION: Duration = Duration::from_secs(60 * 60);

/// How many instruments of an assignment are missing in a list, and how many the assignment has.
pub(crate) type Lacking = (usize, usize);

/// Sets `suspect_list` of each account whose list lacks too many of the streaming instruments.
/// Returns the origins of such lists, continuing those of the last pass.
pub(super) fn check(
    accounts: &mut [AccountInput<'_>],
    since: &SuspectLists,
    memo: Memo<'_, Lacking>,
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
    accounts: &[AccountInput<'_>],
    mut memo: Memo<'_, Lacking>,
    now: Now,
) -> BTreeMap<String, String> {
    let today = kite::ist::date(now.wall);
    let mut counts: BTreeMap<&str, Lacking> = BTreeMap::new();
    for account in accounts {
        let (Ok(spec), Some(base), Some(Table::Loaded(table))) =
            (&account.spec, account.base, account.table)
        else {
            continue;
        };
        let basis = Basis::default().shared(base).shared(table).value(today);
        let key = &account.observed.object.meta.key;
        let lacks = memo.get_or(key, basis, || lacking(base, table, today));
        let (missing, all) = counts.entry(&spec.api).or_default();
        *missing += lacks.0;
        *all += lacks.1;
    }
    counts
        .into_iter()
        .filter(|(_, (missing, all))| missing * 3 > *all && (*missing >= FEWEST || missing == all))
        .map(|(api, (missing, all))| {
            let why = format!("Kite's list lacks {missing} of {all} instruments that stream");
            (api.to_owned(), why)
        })
        .collect()
}

fn lacking(base: &Assignment, table: &InstrumentTable, today: Date) -> Lacking {
    let expired = |expiry: Option<Date>| expiry.is_some_and(|expiry| expiry < today);
    let rows = base.instruments.iter().filter(|row| !expired(row.expiry));
    rows.fold((0, 0), |(missing, all), row| {
        let missing = missing + usize::from(table.by_token(row.token).is_none());
        (missing, all + 1)
    })
}
