//! What the pods report at this moment, in place of what was known before.

use std::collections::BTreeMap;

use contract::Report;
use contract::answer::{AccountTop, ConnectionTop, SetTop};
use futures::stream::{self, StreamExt as _};

use super::StatusView;
use crate::source::Source;

/// Pods that are asked at a time.
const AT_A_TIME: usize = 8;

/// The most notes about pods that do not answer.
const MOST_NOTES: usize = 3;

/// A pod's report, with namespace and name of its account.
type AccountReport = (String, String, Report);

/// Asks every pod.
pub(super) async fn update(source: &Source, view: &mut StatusView) {
    let accounts = view.accounts.iter();
    let asked = accounts.map(|account| {
        let (namespace, name) = (account.namespace.clone(), account.name.clone());
        async move {
            let report = source.report(&namespace, &name).await;
            (namespace, name, report)
        }
    });
    let asked: Vec<_> = stream::iter(asked.collect::<Vec<_>>())
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let (mut reports, mut silent) = (Vec::new(), Vec::new());
    for (namespace, name, report) in asked {
        match report {
            Ok(report) => reports.push((namespace, name, report)),
            Err(error) => silent.push(format!(
                "numbers of account {name} are not live: {}",
                service::exit::chain(&error)
            )),
        }
    }
    apply(view, &reports);
    let more = silent.len().saturating_sub(MOST_NOTES);
    view.notes.extend(silent.into_iter().take(MOST_NOTES));
    if more > 0 {
        let note = format!("numbers of {more} more accounts are not live");
        view.notes.push(note);
    }
}

/// Puts the numbers of reports in place.
fn apply(view: &mut StatusView, reports: &[AccountReport]) {
    let mut sums: BTreeMap<(&str, &str), SetTop> = std::collections::BTreeMap::new();
    for (namespace, name, report) in reports {
        let mut accounts = view.accounts.iter_mut();
        let found = accounts.find(|it| it.namespace == *namespace && it.name == *name);
        if let Some(account) = found {
            of_account(account, report);
        }
        for set in &report.sets {
            let sum = sums.entry((namespace, &set.name)).or_default();
            let streaming = sum.streaming.unwrap_or(0).saturating_add(set.streaming);
            sum.streaming = Some(streaming);
            sum.last_tick_us = sum.last_tick_us.max(set.last_tick_us);
            if let Some(rate) = set.ticks_per_second {
                let rates = sum.ticks_per_second.unwrap_or(0).saturating_add(rate);
                sum.ticks_per_second = Some(rates);
            }
        }
    }
    for set in &mut view.sets {
        // A pod that does not answer has a part that is not known now.
        let known = |account: &String| {
            let mut reports = reports.iter();
            reports.any(|(namespace, name, _)| *namespace == set.namespace && name == account)
        };
        let complete = set.accounts.iter().all(known);
        let sum = sums.remove(&(set.namespace.as_str(), set.name.as_str()));
        if let Some(sum) = sum.filter(|_| complete) {
            set.streaming = sum.streaming;
            set.ticks_per_second = sum.ticks_per_second;
            set.last_tick_us = sum.last_tick_us.max(set.last_tick_us);
        }
    }
}

fn of_account(account: &mut AccountTop, report: &Report) {
    account.report_age_ms = Some(0);
    account.assigned = Some(report.assigned);
    account.streaming = Some(report.streaming);
    account.ticks_per_second = Some(report.ticks_per_second);
    account.last_tick_us = report.last_tick_us;
    let connections = report.connections.iter();
    account.connections = connections
        .map(|connection| ConnectionTop {
            index: connection.index,
            state: connection.state.as_str().to_owned(),
            instruments: connection.instruments,
            streaming: connection.streaming,
            ticks_per_second: connection.ticks_per_second,
            last_tick_us: connection.last_tick_us,
            reconnects: connection.reconnects,
            last_error: connection.last_error.clone(),
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use contract::report::SetReport;

    use super::*;

    fn report(streaming: u32, rate: u32) -> Report {
        Report {
            assigned: 9,
            streaming,
            ticks_per_second: rate,
            sets: vec![SetReport {
                name: "s".to_owned(),
                assigned: 9,
                streaming,
                silent: 0,
                ticks_per_second: Some(rate),
                last_tick_us: Some(i64::from(rate)),
                age_ms: None,
                usual_interval_ms: None,
                greeks: std::collections::BTreeMap::new(),
            }],
            ..Report::default()
        }
    }

    fn view() -> StatusView {
        let account = |name: &str| AccountTop {
            name: name.to_owned(),
            streaming: Some(1),
            ..AccountTop::default()
        };
        StatusView {
            accounts: vec![account("a"), account("b")],
            sets: vec![SetTop {
                name: "s".to_owned(),
                streaming: Some(1),
                accounts: vec!["a".to_owned(), "b".to_owned()],
                ..SetTop::default()
            }],
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_set_is_the_sum_of_its_accounts_once_all_have_answered() {
        let of = |name: &str, report| (String::new(), name.to_owned(), report);
        let mut all = view();
        apply(&mut all, &[of("a", report(4, 10)), of("b", report(5, 20))]);
        let streaming =
            |view: &StatusView| [view.accounts[0].streaming, view.accounts[1].streaming];
        assert_eq!(streaming(&all), [Some(4), Some(5)]);
        let set = &all.sets[0];
        let numbers = (set.streaming, set.ticks_per_second, set.last_tick_us);
        assert_eq!(numbers, (Some(9), Some(30), Some(20)));

        let mut half = view();
        apply(&mut half, &[of("a", report(4, 10))]);
        assert_eq!(streaming(&half), [Some(4), Some(1)]);
        let set = &half.sets[0];
        assert_eq!((set.streaming, set.ticks_per_second), (Some(1), None));
    }
}
