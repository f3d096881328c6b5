//! Ingest processes: whether they run and answer.

use std::sync::Arc;
use std::time::Duration;

use super::reports::{good, spoil};
use super::{Dice, World};
use crate::plan::*;

impl World {
    /// Lets every process take its next step.
    pub(super) fn react(&mut self) {
        let now = self.now;
        for account in &mut self.observed.accounts {
            let (key, dice) = (account.object.meta.key.clone(), &mut self.dice);
            if self.stuck.contains(&key) {
                if dice.percent(35) {
                    self.stuck.remove(&key);
                }
                goes_on(account);
                continue;
            }
            let starts = !matches!(account.assignment, LastAssignment::Readable { .. });
            match dice.weighted(&[76, 6, 18]) {
                0 if starts => start(dice, account, now),
                0 => heal(dice, account, now),
                1 => {}
                _ => {
                    trouble(dice, account, now);
                    if dice.percent(60) {
                        self.stuck.insert(key);
                    }
                }
            }
        }
    }
}

fn present(account: &ObservedAccount, ready: bool, trouble: Option<&str>) -> Process {
    Process::Present {
        name: crds::names::pod(&account.object.meta.key.name),
        address: None,
        ready,
        stopped: trouble.is_some(),
        trouble: trouble.map(str::to_owned),
    }
}

fn ago(now: Now, millis: u64) -> std::time::Instant {
    now.monotonic - Duration::from_millis(millis)
}

/// One that has nothing to read yet.
fn start(dice: &mut Dice, account: &mut ObservedAccount, now: Now) {
    account.scrape = Scrape::default();
    account.process = match dice.weighted(&[35, 20, 15, 15, 15]) {
        0 => Process::Absent,
        1 => Process::Unknown,
        2 => present(account, false, None),
        3 => present(account, true, None),
        _ => {
            let report = contract::Report {
                assignment_versions: contract::ASSIGNMENT_VERSIONS.to_vec(),
                epoch: "1".to_owned(),
                ..contract::Report::default()
            };
            account.scrape.report = Some(Arc::new(report));
            account.scrape.at = Some(now.monotonic);
            present(account, true, None)
        }
    };
}

/// A process that streams the whole stored assignment.
fn heal(dice: &mut Dice, account: &mut ObservedAccount, now: Now) {
    let LastAssignment::Readable { assignment, sha256 } = &account.assignment else {
        return;
    };
    account.scrape = Scrape {
        report: Some(Arc::new(good(dice, assignment, sha256, now))),
        at: Some(ago(now, u64::from(dice.number(0, 4_000)))),
        failing: None,
        lost: Vec::new(),
    };
    account.process = present(account, true, None);
}

fn trouble(dice: &mut Dice, account: &mut ObservedAccount, now: Now) {
    match dice.weighted(&[4, 4, 4, 4, 14, 70]) {
        0 => (account.process, account.scrape) = (Process::Unknown, Scrape::default()),
        1 => (account.process, account.scrape) = (Process::Absent, Scrape::default()),
        2 => account.process = present(account, false, None),
        3 => account.process = present(account, false, Some("ImagePullBackOff")),
        4 => {
            let millis = dice.one(&[0, 5_000, 9_999, 10_000, 60_000]);
            account.scrape.failing = Some(Failing {
                since: ago(now, millis),
                attempts: dice.number(1, 3),
                why: dice.one(&["timed out", "connection refused"]).to_owned(),
            });
            if dice.percent(30) {
                (account.scrape.report, account.scrape.at) = (None, None);
            }
        }
        _ => {
            heal(dice, account, now);
            let Some(report) = account.scrape.report.as_mut() else {
                return start(dice, account, now);
            };
            let report = Arc::make_mut(report);
            for _ in 0..dice.one(&[1, 1, 2]) {
                spoil(dice, report);
            }
        }
    }
}

/// A process that has not changed: requests for its report go on.
fn goes_on(account: &mut ObservedAccount) {
    if let Some(failing) = &mut account.scrape.failing {
        failing.attempts += 1;
    }
}
