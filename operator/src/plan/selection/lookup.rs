//! The result of looking up a set's selectors in one table.
//!
//! Owns when an earlier result is reused: with the same spec, the same table and the same former names.

use std::sync::Arc;

use crds::InstrumentSetSpec;

use super::expiry::TradingDays;
use super::routes::{self, Routes};
use super::select::{self, Lists, Selection, Wanted};
use crate::instruments::InstrumentTable;
use crate::plan::input::{Basis, Key, Memo, Renames, Selector, Set};

/// The instruments that a set's selectors select.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// What it selects.
    pub(crate) selection: Selection,
    /// The channels of its instruments.
    pub(crate) routes: Routes,
    /// The table in which they were looked up.
    pub(crate) table: Arc<InstrumentTable>,
    /// The spec that was looked up.
    spec: Arc<InstrumentSetSpec>,
}

/// What `set` selects in `table`; looked up again only if the spec, the table or the names that its accounts'
/// instruments had before have changed.
pub(super) fn look_up(
    key: &Key,
    set: &Set<'_>,
    table: &Arc<InstrumentTable>,
    renames: &[&Arc<Renames>],
    days: TradingDays,
    memo: &mut Memo<'_, Arc<Lookup>>,
) -> Arc<Lookup> {
    let basis = Basis::default().shared(table);
    let basis = renames.iter().fold(basis, |basis, it| basis.shared(it));
    let rolls = set.selectors.iter().any(Selector::rolls);
    let basis = if rolls {
        basis.value(days.all())
    } else {
        basis
    };
    // An object that was read again has an equal spec at another address.
    let known = memo
        .get(key, &basis)
        .filter(|known| known.spec == *set.source);
    let lookup = known.cloned().unwrap_or_else(|| {
        let wanted = Wanted {
            selectors: &set.selectors,
            exclude: set.exclude,
        };
        let lists = Lists {
            table,
            renames,
            days,
        };
        let selection = select::select(&wanted, lists);
        Arc::new(Lookup {
            routes: routes::route(&selection.instruments, table, set.naming),
            selection,
            table: Arc::clone(table),
            spec: Arc::clone(set.source),
        })
    });
    memo.put(key, basis, Arc::clone(&lookup));
    lookup
}

#[cfg(test)]
impl Lookup {
    /// A selection of which no channels are known.
    pub(crate) fn sample(
        selection: Selection,
        table: &Arc<InstrumentTable>,
        spec: &Arc<InstrumentSetSpec>,
    ) -> Self {
        Self {
            selection,
            routes: Routes::default(),
            table: Arc::clone(table),
            spec: Arc::clone(spec),
        }
    }
}
