//! Markets that should trade by the calendar, and of which nothing has ticked on any account since they opened.
//!
//! Pure. Owns what hints at a day that nobody announced. Must not decide readiness.

use rustc_hash::{FxHashMap, FxHashSet};

use super::account::ReportedAccount;
use crate::plan::input::Now;

/// Classes of instruments, apart for mock accounts: a simulator keeps no holiday.
pub(super) struct SilentMarkets<'w>(FxHashSet<(bool, &'w str)>);

impl<'w> SilentMarkets<'w> {
    /// Those of all accounts. A set with instruments of several classes says of each of them that it ticks.
    pub(super) fn of(accounts: &'w [ReportedAccount<'_>], now: Now) -> Self {
        let mut ticks: FxHashMap<(bool, &str), bool> = FxHashMap::default();
        for account in accounts {
            let is_mock = is_mock(account);
            let sets = account.account.report().into_iter();
            let newest = sets.flat_map(|report| &report.sets);
            let newest = newest.map(|set| (set.name.as_str(), set.last_tick_us));
            let newest: FxHashMap<&str, Option<i64>> = newest.collect();
            for (name, count) in &account.counts.sets {
                let newest = newest.get(name.as_str()).copied().flatten();
                for (class, since) in account.open(count.classes, now) {
                    let has_ticked = newest.is_some_and(|us| us / 1_000_000 >= since);
                    *ticks.entry((is_mock, class)).or_default() |= has_ticked;
                }
            }
        }
        let silent = ticks.into_iter().filter(|(_, ticks)| !ticks);
        Self(silent.map(|(class, _)| class).collect())
    }

    /// Whether this holds for all that trades now of a set.
    pub(super) fn has(&self, set: &str, holders: &[&ReportedAccount<'_>], now: Now) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let open = holders.iter().flat_map(|account| {
            let count = account.counts.sets.get(set);
            let classes = count.into_iter().map(|it| it.classes);
            let open = classes.flat_map(|classes| account.open(classes, now));
            open.map(|(class, _)| (is_mock(account), class))
        });
        let mut open = open.peekable();
        open.peek().is_some() && open.all(|class| self.0.contains(&class))
    }
}

fn is_mock(account: &ReportedAccount<'_>) -> bool {
    account.account.spec.as_ref().is_ok_and(|spec| spec.mock)
}
