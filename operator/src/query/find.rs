//! Finds instruments by words, with the sets that select them.
//!
//! Pure. What a word means is decided with the instruments lists.

use std::sync::Arc;

use contract::answer::{FindAnswer, MOST_FOUND};

use super::snapshot::Snapshot;
use crate::instruments::InstrumentTable;
use crate::instruments::search::{InstrumentQuery, InvalidQuery};
use crate::plan::Table;
use crate::plan::review::{Review, found};

/// Searches every list. `namespace`: whose sets are named; `None`: those of all.
pub(super) fn find(
    snapshot: &Snapshot,
    query: &str,
    namespace: Option<&str>,
) -> Result<FindAnswer, InvalidQuery> {
    let query = InstrumentQuery::parse(query)?;
    let review = snapshot.review();
    let mut answer = FindAnswer::default();
    for (api, table) in &snapshot.observed.tables {
        match table {
            Table::Missing { why } => answer.missing_lists.push(format!("{api}: {why}")),
            Table::Loaded(table) => add(&mut answer, &query, table, &review, namespace),
        }
    }
    if snapshot.observed.tables.is_empty() {
        let none = "no instruments list is needed so far: there is no account that can be read";
        answer.missing_lists.push(none.to_owned());
    }
    Ok(answer)
}

/// Adds what one list has.
fn add(
    answer: &mut FindAnswer,
    query: &InstrumentQuery,
    table: &Arc<InstrumentTable>,
    review: &Review<'_>,
    namespace: Option<&str>,
) {
    let most = MOST_FOUND - answer.instruments.len();
    let (rows, more) = query.search(table, most);
    let instruments: Vec<_> = rows.iter().filter_map(|row| table.get(*row)).collect();
    let tokens: Vec<_> = instruments.iter().map(|it| it.token).collect();
    let mut uses = review.uses(&tokens, table, namespace);
    for instrument in instruments {
        let mut one = found(instrument);
        one.used_by = uses.remove(&instrument.token).unwrap_or_default();
        answer.instruments.push(one);
    }
    answer.more = answer
        .more
        .saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
    if answer.instruments.is_empty() && answer.similar.is_none() {
        answer.similar = query.similar(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{account, equities, observed, run, set, small, start};

    #[test]
    fn what_is_found_says_who_streams_it() {
        let sets = vec![
            set("s", &equities(0..2), &[]),
            set("full", &equities(5..9), &["NSE:INFY"]),
        ];
        let mut world = observed(vec![small("a", 2)], sets);
        let memory = run(&mut world, start());
        let snapshot = Snapshot::sample(world, memory);
        let found = find(&snapshot, "infy", None).unwrap();
        assert_eq!(found.instruments[0].symbol, "NSE:INFY");
        let one = &found.instruments[0].used_by[0];
        assert_eq!(
            (
                one.set.as_str(),
                one.account.is_some() || one.waits.is_some()
            ),
            ("full", true)
        );
        let found = find(&snapshot, "nse eq", None).unwrap();
        // `eq` is the kind: every share matches, the first fifty are shown.
        assert_eq!((found.instruments.len(), found.more), (50, 351));
        let none = find(&snapshot, "infyy", None).unwrap();
        assert_eq!(none.similar.as_deref(), Some("NSE:INFY"));
        assert!(find(&snapshot, "", None).is_err());
        // Sets of another namespace are not named.
        let elsewhere = find(&snapshot, "infy", Some("elsewhere")).unwrap();
        assert!(elsewhere.instruments[0].used_by.is_empty());
    }

    #[test]
    fn a_missing_list_is_said() {
        let mut world = observed(vec![account("a")], Vec::new());
        let why = "no answer".to_owned();
        for table in world.tables.values_mut() {
            *table = Table::Missing { why: why.clone() };
        }
        let snapshot = Snapshot::sample(world, crate::plan::Memory::default());
        let found = find(&snapshot, "nifty", None).unwrap();
        assert!(found.missing_lists[0].ends_with(": no answer"));
    }
}
