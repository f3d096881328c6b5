//! Former names in the rows of an assignment, so that the next pass, and the next process, know what names meant.
//!
//! Must not decide what a name means.

use contract::{Former, Row};

use crate::plan::selection::{Lookup, ReusedName};

/// Notes in `rows`, which are ordered by token, by which names a set asks for them that they do not have any more, and
/// what their names meant before.
pub(super) fn note(rows: &mut [Row], lookup: &Lookup) {
    let table = &lookup.table;
    for (name, row) in &lookup.selection.renamed {
        if let Some(former) = former(rows, table.get(*row).map(|row| row.token))
            && !former.names.contains(name)
        {
            former.names.push(name.clone());
            former.names.sort_unstable();
        }
    }
    for ReusedName { row, before, .. } in &lookup.selection.reused {
        let token_of = |row| table.get(row).map(|row| row.token);
        if let Some(former) = former(rows, token_of(*row)) {
            former.token = token_of(*before);
        }
    }
}

fn former(rows: &mut [Row], token: Option<kite::Token>) -> Option<&mut Former> {
    let at = rows.binary_search_by_key(&token?, |row| row.token).ok()?;
    Some(rows[at].former.get_or_insert_default())
}
