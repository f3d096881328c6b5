//! The task that keeps the tokens of all accounts checked.
//!
//! Owns the newest answers and what is in flight. When a check is due is decided in [`super::schedule`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::TokenSource;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use reqwest::Client;
use service::clock::{Clock, Now};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::CredentialSource;
use super::profile;
use super::schedule::{CheckResult, CheckSchedule, LOOK_INTERVAL};
use crate::plan::{Key, TokenAnswer, TokenCheck, TokenOwner, TokenTarget};

/// Checks in flight at a time. Of each account they are two: accounts differ in their API keys, so Kite's limits per key are far.
const MOST_IN_FLIGHT: usize = 8;

/// How long a Secret may take to be read.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What is checked, and the newest answers.
#[derive(Debug, Default)]
pub(crate) struct TokenChecks {
    targets: watch::Sender<BTreeMap<TokenOwner, TokenTarget>>,
    known: Mutex<BTreeMap<TokenOwner, TokenCheck>>,
}

impl TokenChecks {
    /// Checks exactly these tokens from now on.
    pub(crate) fn set_targets(&self, targets: &BTreeMap<TokenOwner, TokenTarget>) {
        self.known().retain(|key, _| targets.contains_key(key));
        self.targets.send_if_modified(|known| {
            let new = known != targets;
            if new {
                known.clone_from(targets);
            }
            new
        });
    }

    /// The newest answer about a token of an account.
    pub(crate) fn of(&self, account: &Key, source: TokenSource) -> Option<TokenCheck> {
        self.known().get(&(account.clone(), source)).cloned()
    }

    /// Returns whether that is news.
    fn record(&self, owner: &TokenOwner, check: TokenCheck) -> bool {
        let is_news =
            |known: &TokenCheck| (&known.version, &known.answer) != (&check.version, &check.answer);
        let mut known = self.known();
        let news = known.get(owner).is_none_or(is_news);
        known.insert(owner.clone(), check);
        news
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<TokenOwner, TokenCheck>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of a check, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ResultLabel {
    /// The result, such as `accepted`.
    pub(crate) result: &'static str,
}

/// How many checks had which result.
pub(crate) type TokenCheckCounter = Family<ResultLabel, Counter>;

/// The checking task.
#[derive(Debug)]
pub(crate) struct TokenChecker<S> {
    pub(crate) checks: Arc<TokenChecks>,
    pub(crate) source: S,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) dirty: Arc<Notify>,
    pub(crate) counter: TokenCheckCounter,
}

/// A check that has ended.
struct Ended {
    owner: TokenOwner,
    /// The version that was known when it was started.
    started: String,
    outcome: Outcome,
}

/// What a check found, of a Secret of this version.
enum Outcome {
    Answered(String, TokenAnswer),
    Nothing,
    Failed(Option<String>, String),
}

impl<S: CredentialSource> TokenChecker<S> {
    /// Checks until `stop`. A slow answer does not delay other accounts.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let this = Arc::new(self);
        let mut targets = this.checks.targets.subscribe();
        let mut schedules = Schedules::default();
        let mut running = JoinSet::new();
        loop {
            let known = targets.borrow_and_update().clone();
            let room = MOST_IN_FLIGHT.saturating_sub(running.len());
            let (due, wait) = schedules.start_due(&known, room, this.clock.times());
            for (owner, target) in due {
                let this = Arc::clone(&this);
                running.spawn(async move { this.check(owner, target).await });
            }
            let wait = wait.min(this.clock.real(LOOK_INTERVAL));
            tokio::select! {
                () = stop.cancelled() => return,
                changed = targets.changed() => if changed.is_err() { return },
                Some(ended) = running.join_next() => match ended {
                    Ok(ended) => this.end(&mut schedules, ended),
                    // It is checked again once it is no longer taken for running.
                    Err(_) => schedules.running.clear(),
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn check(&self, owner: TokenOwner, target: TokenTarget) -> Ended {
        let outcome = self.outcome(&target).await;
        Ended {
            owner,
            started: target.version,
            outcome,
        }
    }

    async fn outcome(&self, target: &TokenTarget) -> Outcome {
        let read = tokio::time::timeout(READ_TIMEOUT, self.source.read(target));
        let credentials = match read.await {
            Ok(Ok(Some(credentials))) => credentials,
            Ok(Ok(None)) => return Outcome::Nothing,
            Ok(Err(why)) => return Outcome::Failed(None, why),
            Err(_) => {
                let why = format!("Secret {}: no answer for {READ_TIMEOUT:?}", target.secret);
                return Outcome::Failed(None, why);
            }
        };
        let answer = profile::ask(&self.client, &target.api, &credentials).await;
        let version = credentials.version;
        match answer {
            Ok(answer) => Outcome::Answered(version, answer),
            Err(error) => {
                let why = service::exit::chain(&error);
                Outcome::Failed(Some(version), format!("{}/user/profile: {why}", target.api))
            }
        }
    }

    fn end(&self, schedules: &mut Schedules, ended: Ended) {
        let Ended {
            owner,
            started,
            outcome,
        } = ended;
        let now = self.clock.times();
        let (read, result) = match outcome {
            Outcome::Answered(version, answer) => {
                let result = match answer {
                    TokenAnswer::Accepted { .. } => CheckResult::Accepted,
                    TokenAnswer::Refused => CheckResult::Refused,
                };
                let check = TokenCheck {
                    version: version.clone(),
                    answer,
                    at: now.wall,
                };
                schedules.logged.remove(&owner);
                if self.checks.record(&owner, check) {
                    self.dirty.notify_one();
                }
                (Some(version), result)
            }
            Outcome::Nothing => (None, CheckResult::Nothing),
            Outcome::Failed(version, why) => {
                schedules.log(&owner, why);
                (version, CheckResult::Failed)
            }
        };
        self.count(result);
        let versions = [started.clone(), read.unwrap_or(started)];
        schedules.ended(&owner, versions, result, now);
    }

    fn count(&self, result: CheckResult) {
        if let Some(result) = result.label() {
            self.counter.get_or_create(&ResultLabel { result }).inc();
        }
    }
}

/// The schedules of all tokens.
#[derive(Debug, Default)]
struct Schedules {
    schedules: BTreeMap<TokenOwner, CheckSchedule>,
    running: BTreeSet<TokenOwner>,
    /// Why a token could not be checked, as last logged.
    logged: BTreeMap<TokenOwner, String>,
}

impl Schedules {
    /// Takes at most `room` checks that are due at `now`; returns them, and how long no other one is due.
    fn start_due(
        &mut self,
        targets: &BTreeMap<TokenOwner, TokenTarget>,
        room: usize,
        now: Now,
    ) -> (Vec<(TokenOwner, TokenTarget)>, Duration) {
        self.schedules.retain(|key, _| targets.contains_key(key));
        self.logged.retain(|key, _| targets.contains_key(key));
        let (mut due, mut longest) = (Vec::new(), LOOK_INTERVAL);
        for (key, target) in targets {
            if self.running.contains(key) {
                continue;
            }
            let schedule = self.schedules.entry(key.clone());
            let schedule = schedule.or_insert_with(|| CheckSchedule::new(fastrand::f64()));
            let wait = schedule.wait(&target.version, now);
            if wait > Duration::ZERO {
                longest = longest.min(wait);
            } else if due.len() < room {
                self.running.insert(key.clone());
                due.push((key.clone(), target.clone()));
            }
        }
        (due, longest)
    }

    fn ended(&mut self, owner: &TokenOwner, versions: [String; 2], result: CheckResult, now: Now) {
        self.running.remove(owner);
        if let Some(schedule) = self.schedules.get_mut(owner) {
            schedule.ended(versions, result, now);
        }
    }

    /// Logs why a token could not be checked, once and not at every attempt.
    fn log(&mut self, owner: &TokenOwner, why: String) {
        if self.logged.get(owner) != Some(&why) {
            let token = match owner.1 {
                TokenSource::Secret => "the access token",
                TokenSource::Session => "the access token of the login",
            };
            tracing::warn!(account = %owner.0, "{token} could not be checked: {why}");
            self.logged.insert(owner.clone(), why);
        }
    }
}
