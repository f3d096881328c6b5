//! The result of looking up a set's selectors in one table.
//!
//! Owns when an earlier result is reused: with the same spec, the same table and the same former names.

use std::sync::Arc;

use crds::InstrumentSetSpec;
use jiff::civil::Date;

use super::chain;
use super::expiry::TradingDays;
use super::money::MoneyChains;
use super::retention::RetainedInstrument;
use super::routes::{self, Routes};
use super::select::{self, Lists, Selection, Wanted};
use crate::instruments::InstrumentTable;
use crate::plan::input::{Basis, Key, Memo, Selector, Set};

/// The instruments of a set, and where their ticks go.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// What it selects.
    pub(crate) selection: Arc<Selection>,
    /// The channels of its instruments, with those that the money has left behind.
    pub(crate) routes: Routes,
    /// The table in which they were looked up.
    pub(crate) table: Arc<InstrumentTable>,
    /// The trading day on which the money has left some behind.
    pub(crate) day: Date,
    /// The spec that was looked up.
    spec: Arc<InstrumentSetSpec>,
}

/// A selection, and the spec that it was made for.
#[derive(Clone, Debug)]
pub(crate) struct KnownSelection {
    spec: Arc<InstrumentSetSpec>,
    selection: Arc<Selection>,
}

/// What `set` selects; looked up again only if the spec, the table, the names that its accounts' instruments had before,
/// or where the money is have changed.
pub(super) fn select(
    key: &Key,
    set: &Set<'_>,
    lists: Lists<'_>,
    memo: &mut Memo<'_, KnownSelection>,
) -> Arc<Selection> {
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
    let known = known.cloned().unwrap_or_else(|| {
        let wanted = Wanted {
            selectors: &set.selectors,
            exclude: set.exclude,
        };
        KnownSelection {
            spec: Arc::clone(set.source),
            selection: Arc::new(select::select(&wanted, lists)),
        }
    });
    let selection = Arc::clone(&known.selection);
    memo.put(key, basis, known);
    selection
}

/// The instruments of `set`: what it selects, and what the money has left behind on this `day`.
pub(super) fn look_up(
    key: &Key,
    set: &Set<'_>,
    (selection, retained, day): (&Arc<Selection>, &[RetainedInstrument], Date),
    table: &Arc<InstrumentTable>,
    memo: &mut Memo<'_, Arc<Lookup>>,
) -> Arc<Lookup> {
    let basis = Basis::default().shared(selection);
    let basis = if retained.is_empty() {
        basis
    } else {
        basis.value((retained, day))
    };
    let known = memo
        .get(key, &basis)
        .filter(|known| known.spec == *set.source);
    let lookup = known.cloned().unwrap_or_else(|| {
        Arc::new(Lookup {
            routes: routes::route(&selection.instruments, retained, table, set.naming),
            selection: Arc::clone(selection),
            table: Arc::clone(table),
            day,
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
    days: &TradingDays,
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
            selection: Arc::new(selection),
            routes: Routes::default(),
            table: Arc::clone(table),
            day: Date::ZERO,
            spec: Arc::clone(spec),
        }
    }
}
