//! From the placement to the plan: the reports of all objects, put together.
//!
//! Owns the time of the next pass. Must not change the placement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crds::account::MarketHours;
use crds::condition::State;
use jiff::Timestamp;
use rustc_hash::FxHashSet;

use super::account::{self, ReportedAccount};
use super::events;
use super::holders::Holders;
use super::outcome::{Failover, Plan, SetRelocation};
use super::results::MoveCounts;
use super::set::{self, ReportedSet};
use super::set_events::{self, SetEventMemory};
use super::silent_markets::SilentMarkets;
use super::token_targets;
use crate::instruments::schedule::{Findings, UnknownNames};
use crate::plan::assignment::{AssignedAccount, MoveTimes};
use crate::plan::ids::AccountIx;
use crate::plan::input::{Key, Memo, Now, Selector, SuspectLists, Table};
use crate::plan::memory::StepResults;
use crate::plan::placement::{AccountLoad, PlacedSet, stranded};
use crate::plan::readiness::GRACE;
use crate::plan::selection::{MoneyFindings, TradingDays};

/// Makes the plan. `event_memory`: what events of sets said lately; `results`: those of the steps in the last pass, and those for
/// the next.
pub(crate) fn report(
    all: &[AssignedAccount<'_>],
    placed: &[PlacedSet<'_>],
    (poke, days): (bool, &TradingDays),
    (suspect_lists, money): (SuspectLists, MoneyFindings),
    event_memory: &SetEventMemory,
    results: (&StepResults, StepResults),
    now: Now,
) -> Plan {
    let (last, mut next) = results;
    let mut counts = Memo::new(&last.set_counts, &mut next.set_counts);
    let unread = placed.iter().filter(|it| it.request.is_unread());
    let unread: FxHashSet<&str> = unread.map(|it| it.set.namespace()).collect();
    let stranded = stranded(&taken(all)).into_iter().zip(all);
    // What sets that are not looked up yet are tied to is not known.
    let stranded = stranded
        .map(|(count, it)| Some(count).filter(|_| !unread.contains(it.account.namespace())));
    let reports = all.iter().zip(stranded);
    let reports = reports.map(|(it, stranded)| {
        account::report(it, &money, (poke, days), stranded, &mut counts, now)
    });
    let mut accounts: Vec<ReportedAccount<'_>> = reports.collect();
    let failovers = failovers(all);

    let holders = Holders::new(&accounts);
    let silent = SilentMarkets::of(&accounts, now);
    let mut results = Memo::new(&last.set_results, &mut next.set_results);
    let reports = placed.iter().map(|placed| {
        let at = holders.of(&placed.set.observed.meta.key).iter();
        let of_set: Vec<&ReportedAccount<'_>> = at.map(|at| &accounts[*at]).collect();
        let silent = silent.has(placed.set.name(), &of_set, now);
        set::report(placed, (&of_set, silent), &mut results, now)
    });
    let sets: Vec<ReportedSet> = reports.collect();

    // The next reports of its accounts decide the state of a set that is unknown.
    let unknown = sets.iter().filter(|it| it.state == State::Unknown);
    let expecting: FxHashSet<usize> = unknown
        .flat_map(|it| holders.of(&it.plan.key).iter().copied())
        .collect();
    for at in expecting {
        accounts[at].plan.expecting = true;
    }
    let lists = lists(&accounts, placed, &suspect_lists);
    let tokens = token_targets::of(&accounts);
    let logins = accounts.iter_mut().filter_map(|it| {
        let key = it.plan.key.clone();
        Some((key, it.login.take()?))
    });
    let logins = logins.collect();
    let webhooks = accounts.iter_mut().filter_map(|it| it.webhook.take());
    let webhooks = webhooks.collect();
    let session = accounts.iter().filter_map(|it| it.market.until()).min();
    let session = session.and_then(|it| Timestamp::from_second(it).ok());
    let sleep = accounts
        .iter()
        .filter_map(|it| it.account.sleep.due())
        .min();
    let sleep = sleep.and_then(|it| Timestamp::from_second(it).ok());
    let due = [next_expiry(placed, days), money.due, session, sleep];
    let due = due.into_iter().flatten().filter_map(|due| after(due, now));
    let of_sets = set_events::of_sets(all, placed, event_memory, (days, now));
    let due = due.chain(of_sets.due).min();
    let stages = accounts.iter().map(|it| it.counts.moves);
    let stages = stages.fold(MoveCounts::default(), MoveCounts::plus);
    let mut plan = assemble(accounts, sets, next, due, (poke, now));
    plan.events.extend(of_sets.events);
    plan.memory.set_events = of_sets.memory;
    plan.lists = lists;
    plan.tokens = tokens;
    plan.logins = logins;
    plan.webhooks = webhooks;
    for failover in &failovers {
        let uid = |key: &Key| {
            plan.accounts
                .iter()
                .find(|it| it.key == *key)
                .map(|it| it.uid.as_str())
        };
        let uids = [&failover.from, &failover.to].map(|key| uid(key).unwrap_or_default());
        plan.events.extend(events::of_failover(failover, uids));
    }
    plan.failovers = failovers;
    plan.memory.remembered.suspect_lists = suspect_lists;
    plan.memory.money = money.memory;
    plan.strikes_changed = money.moves;
    plan.move_stages = stages;
    let relocated = placed.iter().flat_map(|it| &it.relocations);
    plan.relocated = relocated.map(|it| it.instruments).sum();
    plan.relocations = relocations(all, placed);
    plan
}

/// What moves of each set.
fn relocations(accounts: &[AssignedAccount<'_>], placed: &[PlacedSet<'_>]) -> Vec<SetRelocation> {
    let name = |at: AccountIx| accounts.get(at.at()).map(|it| it.account.name().to_owned());
    let of_set = |placed: &PlacedSet<'_>| {
        let set = placed.set.observed.meta.key.clone();
        let of_set = placed.relocations.iter().filter_map(|it| {
            Some(SetRelocation {
                set: set.clone(),
                from: name(it.from)?,
                to: name(it.to)?,
                cause: it.cause,
            })
        });
        of_set.collect::<Vec<_>>()
    };
    placed.iter().flat_map(of_set).collect()
}

/// What moves away from accounts that lost it.
fn failovers(accounts: &[AssignedAccount<'_>]) -> Vec<Failover> {
    let key = |assigned: &AssignedAccount<'_>| assigned.account.observed.object.meta.key.clone();
    let failovers = accounts.iter().flat_map(|from| {
        let cause = from.account.outage.cause;
        let moved = from.failed_over.iter();
        moved.filter_map(move |(to, instruments)| {
            Some(Failover {
                from: key(from),
                to: key(accounts.get(to.at())?),
                instruments: *instruments,
                cause: cause?,
            })
        })
    });
    failovers.collect()
}

/// What the needed instruments lists were found to be.
fn lists(
    accounts: &[ReportedAccount<'_>],
    sets: &[PlacedSet<'_>],
    suspect: &SuspectLists,
) -> BTreeMap<String, Findings> {
    let mut lists: BTreeMap<String, Findings> = BTreeMap::new();
    let mut loaded = Vec::new();
    for report in accounts {
        let Ok(spec) = &report.account.spec else {
            continue;
        };
        let known = lists.contains_key(&spec.api);
        let findings = lists.entry(spec.api.clone()).or_default();
        findings.every_day |= spec.market_hours == MarketHours::Always;
        if known {
            continue;
        }
        findings.suspect = suspect.contains_key(&spec.api);
        if let Some(Table::Loaded(table)) = report.account.table {
            findings.unknown_names = Some(UnknownNames {
                fetched: table.fetched(),
                hashes: Vec::new(),
            });
            loaded.push((table, &spec.api));
        }
    }
    for placed in sets {
        let lookup = placed.request.resolved().map(|resolved| &resolved.lookup);
        let Some(lookup) = lookup.filter(|it| !it.selection.unknown_names.is_empty()) else {
            continue;
        };
        let list = loaded.iter().find(|(it, _)| Arc::ptr_eq(it, &lookup.table));
        let findings = list.and_then(|(_, api)| lists.get_mut(*api));
        if let Some(unknown) = findings.and_then(|it| it.unknown_names.as_mut()) {
            unknown
                .hashes
                .push(Arc::clone(&lookup.selection.unknown_names));
        }
    }
    lists
}

fn taken<'w>(accounts: &'w [AssignedAccount<'w>]) -> Vec<AccountLoad<'w>> {
    let taken = accounts.iter().map(|it| AccountLoad {
        account: &it.account,
        instruments: it.current().map_or(0, |it| it.instruments.len()),
        tied: it.tied,
    });
    taken.collect()
}

/// When contracts expire next that a set selects by their expiry.
fn next_expiry(placed: &[PlacedSet<'_>], days: &TradingDays) -> Option<Timestamp> {
    let mut specs = placed.iter().filter_map(|it| it.set.spec.as_ref().ok());
    let rolls = specs.any(|spec| spec.selectors.iter().any(Selector::rolls));
    rolls.then(|| days.next_expiry())
}

/// The monotonic time of a wall time to come.
fn after(time: Timestamp, now: Now) -> Option<Instant> {
    let wait = Duration::try_from(time.duration_since(now.wall)).ok()?;
    now.monotonic.checked_add(wait)
}

/// The plan and the memory that these reports make.
fn assemble(
    accounts: Vec<ReportedAccount<'_>>,
    sets: Vec<ReportedSet>,
    results: StepResults,
    time_of_day: Option<Instant>,
    (poke, now): (bool, Now),
) -> Plan {
    let longest = MoveTimes::of(poke).longest;
    let mut plan = Plan::default();
    plan.memory.results = results;
    let remembered = &mut plan.memory.remembered;
    let mut due = Vec::new();
    for report in accounts {
        let failing = report.account.observed.scrape.failing.as_ref();
        due.extend(failing.map(|failing| failing.since + GRACE));
        due.extend(report.memory.object.due);
        due.extend(report.account.outage.due);
        due.extend(report.memory.restricted_since.map(|since| since + longest));
        plan.events.extend(report.events);
        let key = report.plan.key.clone();
        remembered.accounts.insert(key, report.memory);
        plan.accounts.push(report.plan);
    }
    for report in sets {
        due.extend(report.memory.due);
        plan.events.extend(report.event);
        let key = report.plan.key.clone();
        remembered.sets.insert(key, report.memory);
        plan.sets.push(report.plan);
    }
    due.extend(time_of_day);
    plan.sets.sort_by(|a, b| a.key.cmp(&b.key));
    plan.next = due.into_iter().filter(|due| *due > now.monotonic).min();
    plan
}
