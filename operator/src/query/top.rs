//! What accounts, their connections and sets receive.
//!
//! Pure. Owns how the reports of several accounts come to one set.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use contract::Report;
use contract::answer::{AccountTop, SetTop, TopAnswer};

use super::snapshot::Snapshot;
use crate::plan::review::{connection, process, ready};
use crate::plan::{ObservedAccount, Scrape};

/// The accounts and sets of a namespace, or of all. `scrape`: the newest report of an account.
pub(super) fn top(
    snapshot: &Snapshot,
    namespace: Option<&str>,
    scrape: &dyn Fn(&ObservedAccount) -> Scrape,
    now: Instant,
) -> TopAnswer {
    let here = |of: &str| namespace.is_none_or(|namespace| namespace == of);
    let accounts = snapshot.observed.accounts.iter();
    let accounts = accounts.filter(|it| here(&it.object.meta.key.namespace));
    let scraped: Vec<(&ObservedAccount, Scrape)> = accounts.map(|it| (it, scrape(it))).collect();
    let mut answer = TopAnswer {
        operator_version: env!("CARGO_PKG_VERSION").to_owned(),
        plan_age_ms: milliseconds(now.saturating_duration_since(snapshot.now.monotonic)),
        problems: snapshot.problems.to_vec(),
        ..TopAnswer::default()
    };
    let accounts = scraped.iter();
    answer.accounts = accounts
        .map(|(account, scrape)| of_account(account, scrape, snapshot, now))
        .collect();
    answer.sets = sets(snapshot, &scraped, here);
    answer
        .accounts
        .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    answer
        .sets
        .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    answer
}

/// The report, if it is about this account and not about an older one of its name.
fn own_report<'s>(account: &ObservedAccount, scrape: &'s Scrape) -> Option<&'s Report> {
    let report = scrape.report.as_deref()?;
    let applied = report.assignment.as_ref();
    let own = applied.is_none_or(|applied| applied.account_uid == account.object.meta.uid);
    own.then_some(report)
}

fn of_account(
    account: &ObservedAccount,
    scrape: &Scrape,
    snapshot: &Snapshot,
    now: Instant,
) -> AccountTop {
    let key = &account.object.meta.key;
    let report = own_report(account, scrape);
    let age = scrape.at.map(|at| now.saturating_duration_since(at));
    let age = age.map(milliseconds);
    let status = snapshot.memory.account_status(key);
    AccountTop {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ready: status.and_then(|status| ready(&status.conditions)),
        process: process(&account.process),
        report_age_ms: age.filter(|_| report.is_some()),
        no_answer: scrape.failing.as_ref().map(|failing| failing.why.clone()),
        assigned: report.map(|report| report.assigned),
        streaming: report.map(|report| report.streaming),
        capacity: status.and_then(|status| status.capacity),
        ticks_per_second: report.map(|report| report.ticks_per_second),
        last_tick_us: report.and_then(|report| report.last_tick_us),
        connections: report.map_or_else(Vec::new, |report| {
            report.connections.iter().map(connection).collect()
        }),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn sets(
    snapshot: &Snapshot,
    scraped: &[(&ObservedAccount, Scrape)],
    here: impl Fn(&str) -> bool,
) -> Vec<SetTop> {
    let sets = snapshot.observed.sets.iter();
    let sets = sets.filter(|it| here(&it.meta.key.namespace));
    let mut positions = HashMap::new();
    let mut tops: Vec<SetTop> = Vec::new();
    for set in sets {
        let key = &set.meta.key;
        let status = snapshot.memory.set_status(key);
        positions.insert((key.namespace.as_str(), key.name.as_str()), tops.len());
        tops.push(SetTop {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            ready: status.and_then(|status| ready(&status.conditions)),
            mode: set.spec.as_ref().ok().map(|it| it.mode.as_str().to_owned()),
            selected: status.and_then(|status| status.selected),
            waiting: status.and_then(|status| status.waiting),
            ..SetTop::default()
        });
    }
    for (account, scrape) in scraped {
        let key = &account.object.meta.key;
        let reports = own_report(account, scrape).into_iter();
        for report in reports.flat_map(|report| &report.sets) {
            let at = positions.get(&(key.namespace.as_str(), report.name.as_str()));
            let Some(top) = at.and_then(|at| tops.get_mut(*at)) else {
                continue;
            };
            let more = top.streaming.unwrap_or(0).saturating_add(report.streaming);
            top.streaming = Some(more);
            top.last_tick_us = top.last_tick_us.max(report.last_tick_us);
            if let Some(rate) = report.ticks_per_second {
                let rates = top.ticks_per_second.unwrap_or(0);
                top.ticks_per_second = Some(rates.saturating_add(rate));
            }
            top.accounts.push(key.name.clone());
        }
    }
    for top in &mut tops {
        top.accounts.sort_unstable();
    }
    tops
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::set as a_set;
    use crate::plan::fixture::{
        account, aged, change, equities, later, observed, run, small, start,
    };

    #[test]
    fn a_set_is_the_sum_of_its_accounts() {
        let mut last = account("c");
        change(&mut last, |spec| spec.paused = true);
        let sets = vec![
            a_set("s", &equities(0..5), &[]),
            aged("idle", 9, &[], &["NSE:NONE"]),
        ];
        let mut world = observed(vec![small("b", 2), small("a", 3), last], sets);
        let memory = run(&mut world, start());
        let snapshot = Snapshot::sample(world, memory);
        let scrape = |account: &ObservedAccount| {
            let mut scrape = account.scrape.clone();
            if let Some(report) = &mut scrape.report {
                let report = std::sync::Arc::make_mut(report);
                for set in &mut report.sets {
                    set.ticks_per_second = Some(7);
                }
                for connection in &mut report.connections {
                    connection.ticks_per_second = Some(7);
                }
            }
            scrape
        };
        let now = later(start(), 3).monotonic;
        let answer = top(&snapshot, None, &scrape, now);
        assert_eq!(answer.plan_age_ms, 3_000);
        let names: Vec<&str> = answer.accounts.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let first = &answer.accounts[0];
        assert_eq!(
            (first.streaming, first.report_age_ms, first.capacity),
            (Some(3), Some(3_000), Some(3))
        );
        assert_eq!(first.connections[0].ticks_per_second, Some(7));
        assert_eq!(answer.accounts[2].ready.as_ref().unwrap().reason, "Paused");
        let set = &answer.sets[1];
        assert_eq!(
            (set.name.as_str(), set.streaming, set.ticks_per_second),
            ("s", Some(5), Some(14))
        );
        assert_eq!(set.accounts, ["a", "b"]);
        assert_eq!(
            (answer.sets[0].name.as_str(), answer.sets[0].streaming),
            ("idle", None)
        );
        assert!(
            top(&snapshot, Some("elsewhere"), &scrape, now)
                .sets
                .is_empty()
        );
    }
}
