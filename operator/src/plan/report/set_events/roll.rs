//! What a set's event says about contracts that have expired, and about those that came in their place.
//!
//! Pure. Owns how both are found: in the assignments before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{Assignment, Row};
use jiff::civil::Date;
use rustc_hash::{FxHashMap, FxHashSet};

use super::paced::Accumulate;
use crate::plan::assignment::{AssignedAccount, AssignmentChange};
use crate::plan::samples::list;
use crate::plan::selection::TradingDays;

/// Expiries whose contracts have left, and those that came for the same underlyings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roll {
    ended: ByExpiry,
    came: ByExpiry,
}

/// By day: the underlyings, and how many contracts.
type ByExpiry = BTreeMap<Date, (BTreeSet<Arc<str>>, u32)>;

/// The most days that a message names.
const MOST_DAYS: usize = 4;

/// How many contracts a set has of an underlying and an expiry.
type Contracts = BTreeMap<(Arc<str>, Date), (bool, u32)>;

/// By namespace and name, what ended of which set.
pub(super) fn of_sets<'w>(
    accounts: &'w [AssignedAccount<'_>],
    days: &TradingDays,
) -> FxHashMap<(&'w str, &'w str), Roll> {
    let mut sets: FxHashSet<(&str, &str)> = FxHashSet::default();
    for account in accounts {
        let (Some(base), AssignmentChange::Write(new)) = (account.account.base, &account.change)
        else {
            continue;
        };
        if base.generation == new.generation {
            continue;
        }
        let ended = base.instruments.iter().filter(|row| is_over(row, days));
        let names = ended.flat_map(|row| sets_of(base, row));
        sets.extend(names.map(|set| (account.account.namespace(), set)));
    }
    let mut rolls = FxHashMap::default();
    for set in sets {
        let of_namespace = accounts.iter().filter(|it| it.account.namespace() == set.0);
        let bases = of_namespace.clone().filter_map(|it| it.account.base);
        let before = contracts(bases, set.1, days);
        let after = contracts(
            of_namespace.filter_map(AssignedAccount::current),
            set.1,
            days,
        );
        rolls.extend(Roll::between(&before, &after).map(|roll| (set, roll)));
    }
    rolls
}

fn is_over(row: &Row, days: &TradingDays) -> bool {
    row.expiry
        .is_some_and(|expiry| expiry < days.first(&row.exchange))
}

fn sets_of<'w>(assignment: &'w Assignment, row: &'w Row) -> impl Iterator<Item = &'w str> {
    let names = row.sets.iter();
    names.filter_map(|at| Some(assignment.sets.get(usize::from(*at))?.as_str()))
}

/// What a set has in these assignments, and whether it has expired.
fn contracts<'w>(
    assignments: impl Iterator<Item = &'w Arc<Assignment>>,
    set: &str,
    days: &TradingDays,
) -> Contracts {
    let mut contracts = Contracts::new();
    for assignment in assignments {
        let Some(position) = assignment.sets.iter().position(|name| name == set) else {
            continue;
        };
        let of_set = |row: &&Row| row.sets.iter().any(|at| usize::from(*at) == position);
        for row in assignment.instruments.iter().filter(of_set) {
            if let Some(expiry) = row.expiry {
                let known = contracts.entry((Arc::clone(&row.symbol), expiry));
                let (is_past, count) = known.or_default();
                *is_past |= is_over(row, days);
                *count += 1;
            }
        }
    }
    contracts
}

impl Roll {
    /// What of `before` has expired and is gone, and what came, unless nothing has.
    fn between(before: &Contracts, after: &Contracts) -> Option<Self> {
        let mut roll = Self::default();
        let gone = before.iter().filter(|(what, _)| !after.contains_key(*what));
        for ((symbol, expiry), (_, count)) in gone.filter(|(_, (is_past, _))| *is_past) {
            note(&mut roll.ended, *expiry, [Arc::clone(symbol)], *count);
        }
        let ended = roll.ended.values();
        let ended: BTreeSet<&Arc<str>> = ended.flat_map(|(symbols, _)| symbols).collect();
        let new = after.iter().filter(|(what, _)| !before.contains_key(*what));
        for ((symbol, expiry), (_, count)) in new.filter(|((of, _), _)| ended.contains(of)) {
            note(&mut roll.came, *expiry, [Arc::clone(symbol)], *count);
        }
        (!roll.ended.is_empty()).then_some(roll)
    }

    /// For people.
    pub(super) fn message(&self) -> String {
        let ended = texts(&self.ended, |expiry, underlyings, count| {
            format!("expiry {expiry} of {underlyings} ended ({count} instruments)")
        });
        let mut came = texts(&self.came, |expiry, underlyings, count| {
            format!("{expiry} of {underlyings} came ({count} instruments)")
        });
        if came.is_empty() {
            came.push("nothing came in its place".to_owned());
        }
        format!("{}; {}", ended.join(", "), came.join(", "))
    }
}

impl Accumulate for Roll {
    fn add(&mut self, later: Self) {
        let all = [(&mut self.ended, later.ended), (&mut self.came, later.came)];
        for (known, later) in all {
            for (expiry, (symbols, count)) in later {
                note(known, expiry, symbols, count);
            }
        }
    }
}

fn note(
    expiries: &mut ByExpiry,
    expiry: Date,
    symbols: impl IntoIterator<Item = Arc<str>>,
    count: u32,
) {
    let (known, sum) = expiries.entry(expiry).or_default();
    known.extend(symbols);
    *sum = sum.saturating_add(count);
}

fn texts(expiries: &ByExpiry, text: impl Fn(Date, &str, u32) -> String) -> Vec<String> {
    let shown = expiries.iter().take(MOST_DAYS);
    let shown = shown.map(|(expiry, (symbols, count))| {
        let symbols: Vec<&Arc<str>> = symbols.iter().collect();
        text(*expiry, &list(&symbols), *count)
    });
    let more = (expiries.len() > MOST_DAYS).then(|| "…".to_owned());
    shown.chain(more).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn contracts(all: &[(&str, Date, bool, u32)]) -> Contracts {
        let all = all.iter();
        all.map(|(symbol, expiry, is_past, count)| {
            (((*symbol).into(), *expiry), (*is_past, *count))
        })
        .collect()
    }

    const OLD: Date = date(2026, 12, 1);
    const NEXT: Date = date(2026, 12, 8);
    const NEW: Date = date(2026, 12, 15);

    #[test]
    fn expiries_that_ended_and_came_are_told() {
        let before = contracts(&[("NIFTY", OLD, true, 42), ("NIFTY", NEXT, false, 42)]);
        let after = contracts(&[("NIFTY", NEXT, false, 42), ("NIFTY", NEW, false, 44)]);
        let mut roll = Roll::between(&before, &after).unwrap();
        assert_eq!(
            roll.message(),
            "expiry 2026-12-01 of NIFTY ended (42 instruments); 2026-12-15 of NIFTY came (44 instruments)"
        );
        let before = contracts(&[("ACC", OLD, true, 1), ("INFY", NEXT, false, 1)]);
        let after = contracts(&[("INFY", NEW, false, 1)]);
        roll.add(Roll::between(&before, &after).unwrap());
        assert_eq!(
            roll.message(),
            "expiry 2026-12-01 of ACC, NIFTY ended (43 instruments); 2026-12-15 of NIFTY came (44 instruments)"
        );
    }

    #[test]
    fn what_is_not_wanted_any_more_or_stays_does_not_roll() {
        let before = contracts(&[("NIFTY", NEXT, false, 42)]);
        assert_eq!(Roll::between(&before, &Contracts::new()), None);
        let past = contracts(&[("NIFTY", OLD, true, 42)]);
        assert_eq!(Roll::between(&past, &past), None);
        let alone = Roll::between(&past, &Contracts::new()).unwrap();
        assert_eq!(
            alone.message(),
            "expiry 2026-12-01 of NIFTY ended (42 instruments); nothing came in its place"
        );
    }
}
