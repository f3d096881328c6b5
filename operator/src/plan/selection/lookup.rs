//! What a set's selectors mean in one table, looked up once.
//!
//! Owns when an earlier answer still counts: the same spec and the same table.

use std::sync::Arc;

use crds::InstrumentSetSpec;

use super::routes::{self, Routes};
use super::select::{self, Selection};
use crate::instruments::InstrumentTable;
use crate::plan::input::{Basis, Kept};
use crate::plan::input::{Key, Set};

/// What a set's selectors mean.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// What it selects.
    pub(crate) selection: Selection,
    /// Where its instruments go.
    pub(crate) routes: Routes,
    /// The table in which they were looked up.
    pub(crate) table: Arc<InstrumentTable>,
    /// What the set asked for.
    spec: Arc<InstrumentSetSpec>,
}

/// What `set` selects in `table`; looked up again where the spec or the table is another one.
pub(super) fn look_up(
    key: &Key,
    set: &Set<'_>,
    table: &Arc<InstrumentTable>,
    before: &Kept<Arc<Lookup>>,
    kept: &mut Kept<Arc<Lookup>>,
) -> Arc<Lookup> {
    let basis = Basis::default().shared(table);
    // An object that is read anew has the same spec elsewhere.
    let known = before
        .get(key, &basis)
        .filter(|known| known.spec == *set.source);
    let lookup = known.cloned().unwrap_or_else(|| {
        let selection = select::select(&set.selectors, table);
        Arc::new(Lookup {
            routes: routes::route(&selection.instruments, table, set.naming),
            selection,
            table: Arc::clone(table),
            spec: Arc::clone(set.source),
        })
    });
    kept.put(key, basis, Arc::clone(&lookup));
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
