//! The result of looking up a set's selectors in one table.
//!
//! Owns when an earlier result is reused: with the same spec, the same table and the same former names.

use std::sync::Arc;

use crds::InstrumentSetSpec;

use super::chain;
use super::expiry::TradingDays;
use super::money::MoneyChains;
use super::routes::{self, Routes};
use super::select::{self, Lists, Selection, Wanted};
use crate::instruments::InstrumentTable;
use crate::plan::input::{Basis, Key, Memo, Selector, Set};

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

/// What `set` selects; looked up again only if the spec, the table, the names that its accounts' instruments had before,
/// or where the money is have changed.
pub(super) fn look_up(
    key: &Key,
    set: &Set<'_>,
    lists: Lists<'_>,
    memo: &mut Memo<'_, Arc<Lookup>>,
) -> Arc<Lookup> {
    let Lists { table, days, .. } = lists;
    let basis = Basis::default().shared(table);
    let renames = lists.renames.iter();
    let basis = renames.fold(basis, |basis, it| basis.shared(it));
    let rolls = set.selectors.iter().any(Selector::rolls);
    let basis = if rolls {
        basis.value(days.all())
    } else {
        basis
    };
    let money = lists.money.money.iter();
    let basis = money.fold(basis, |basis, it| basis.value(it.atm));
    // An object that was read again has an equal spec at another address.
    let known = memo
        .get(key, &basis)
        .filter(|known| known.spec == *set.source);
    let lookup = known.cloned().unwrap_or_else(|| {
        let wanted = Wanted {
            selectors: &set.selectors,
            exclude: set.exclude,
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

/// The chains that `set` selects by the money, with the same care.
pub(super) fn money_chains(
    key: &Key,
    set: &Set<'_>,
    table: &Arc<InstrumentTable>,
    days: TradingDays,
    memo: &mut Memo<'_, Arc<MoneyChains>>,
) -> Arc<MoneyChains> {
    if !set.selectors.iter().any(Selector::follows_money) {
        return Arc::default();
    }
    let basis = Basis::default().shared(table).value(days.all());
    let known = memo.get(key, &basis);
    let known = known.filter(|known| known.spec.as_ref() == Some(set.source));
    let chains = known.cloned().unwrap_or_else(|| {
        let selectors = set.selectors.iter();
        let chains = selectors.flat_map(|selector| match selector {
            Selector::Options(place, options) => {
                let chains = chain::around_money(options, table, days).into_iter();
                chains.map(|chain| (*place, chain)).collect()
            }
            _ => Vec::new(),
        });
        Arc::new(MoneyChains::new(chains.collect(), set.source))
    });
    memo.put(key, basis, Arc::clone(&chains));
    chains
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
