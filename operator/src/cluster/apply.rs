//! Writes: the only place that changes anything in the cluster.
//!
//! It carries a plan out and has no meaningful choice; what it adds is order, care not to repeat
//! itself, and patience with what fails, object by object.

mod budget;
pub(super) mod events;
mod owned;
mod poke;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};
use service::clock::Clock;
use service::probe::Heartbeat;
use service::text::LineQuota;

use self::budget::Budgets;
use self::events::Announcer;
use self::owned::Delivered;
use self::status::Written;
use super::metrics::Metrics;
use super::observe::{Orphan, Owned, Seen};
use super::retry::Retries;
use super::trouble::Trouble;
use super::workload::Defaults;
use crate::plan::{AccountPlan, Delivery, Key, Kind, Now, Plan};

/// How long the API server may take over one write.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Writes at a time.
const IN_FLIGHT: usize = 8;

/// Anything but assignments is begun for this long in one pass: where the API server is slow, the next
/// assignment must not wait for hundreds of others.
const PHASE: Duration = Duration::from_secs(5);

/// Failed writes are logged so often at most: a thousand objects may fail at once.
const LOG_BURST: u32 = 20;
const LOG_EVERY: Duration = Duration::from_secs(10);

/// A write that failed once may be a conflict with what was just written; failing so often it is
/// worth telling the account's owner.
const WORTH_TELLING: u32 = 2;

/// A write that failed.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {key} cannot be {verb}")]
pub(crate) struct ApplyError {
    kind: &'static str,
    key: Key,
    verb: &'static str,
    source: Trouble,
}

/// What can fail by itself, and waits by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// An account's assignment.
    Assignment(Key),
    /// An account's Service and StatefulSet.
    Workload(Key),
    /// The annotation of an account's pod.
    Poke(Key),
    /// A status.
    Status(Kind, Key),
    /// A leftover.
    Orphan(Orphan),
}

/// One write and how it ended.
struct Done {
    subject: Subject,
    result: Result<(), ApplyError>,
    at: Instant,
}

/// What an applier works with.
pub(crate) struct Means {
    /// The API server.
    pub(crate) client: Client,
    /// Where events go.
    pub(crate) announcer: Announcer,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// For the pods of accounts that do not say.
    pub(crate) defaults: Defaults,
    /// Whether pods are told of changed files at once. They find them by themselves, later.
    pub(crate) poke: bool,
    /// The time at which a write ended.
    pub(crate) clock: Clock,
    /// Beats with every write: a slow API server is not a hang.
    pub(crate) heartbeat: Heartbeat,
}

/// Carries plans out.
pub(crate) struct Applier {
    client: Client,
    metrics: Metrics,
    defaults: Defaults,
    poke: bool,
    clock: Clock,
    heartbeat: Heartbeat,
    retries: Retries<Subject>,
    lines: LineQuota,
    /// What cannot be written, for people.
    complaints: BTreeMap<Subject, String>,
    delivered: BTreeMap<Key, Delivered>,
    statuses: BTreeMap<(Kind, Key), Written>,
    budgets: Budgets,
    announcer: Announcer,
}

impl Applier {
    /// A writer that has written nothing yet.
    pub(crate) fn new(means: Means) -> Self {
        Self {
            announcer: means.announcer,
            client: means.client,
            metrics: means.metrics,
            defaults: means.defaults,
            poke: means.poke,
            clock: means.clock,
            heartbeat: means.heartbeat,
            retries: Retries::default(),
            lines: LineQuota::new(LOG_BURST, LOG_EVERY),
            complaints: BTreeMap::new(),
            delivered: BTreeMap::new(),
            statuses: BTreeMap::new(),
            budgets: Budgets::default(),
        }
    }

    /// Carries `plan` out; returns when to come again although nothing was seen to change.
    pub(crate) async fn apply(&mut self, seen: &Seen, plan: &Plan, now: Now) -> Option<Instant> {
        self.forget(seen, plan);
        // What pods live on comes before what people read.
        let rest = self.write_owned(seen, plan, now).await;
        let postponed = self.write_statuses(plan, self.clock.now()).await;
        self.delete_orphans(&seen.orphans).await;
        let now = self.clock.now();
        self.announcer.announce(&plan.events, now);
        let retry = self.retries.next(now);
        [rest, postponed, retry, self.next_poke(plan, now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Drops what is remembered of objects that are gone.
    fn forget(&mut self, seen: &Seen, plan: &Plan) {
        let accounts: BTreeSet<&Key> = plan.accounts.iter().map(|account| &account.key).collect();
        let sets: BTreeSet<&Key> = plan.sets.iter().map(|set| &set.key).collect();
        let exists = |kind: Kind, key: &Key| match kind {
            Kind::Account => accounts.contains(key),
            Kind::Set => sets.contains(key),
        };
        self.delivered.retain(|key, _| accounts.contains(key));
        self.statuses.retain(|(kind, key), _| exists(*kind, key));
        let stands = |subject: &Subject| match subject {
            Subject::Assignment(key) | Subject::Workload(key) | Subject::Poke(key) => {
                accounts.contains(key)
            }
            Subject::Status(kind, key) => exists(*kind, key),
            Subject::Orphan(orphan) => seen.orphans.contains(orphan),
        };
        self.retries.retain(stands);
        self.complaints.retain(|subject, _| stands(subject));
        // What lies there as it should needs no further try; whoever failed with it is over it.
        let settled = |account: &&AccountPlan| !matches!(account.assignment, Delivery::Write(_));
        for account in plan.accounts.iter().filter(settled) {
            let subject = Subject::Assignment(account.key.clone());
            self.retries.succeeded(&subject);
            self.complaints.remove(&subject);
        }
    }

    /// What of an account cannot be written, for people.
    pub(crate) fn unwritten(&self, account: &Key) -> Option<String> {
        let of_account = [
            Subject::Assignment(account.clone()),
            Subject::Workload(account.clone()),
        ];
        of_account
            .iter()
            .find_map(|subject| self.complaints.get(subject).cloned())
    }

    /// Writes the assignments of all accounts, then what runs them; returns when to go on with what was
    /// not begun.
    async fn write_owned(&mut self, seen: &Seen, plan: &Plan, now: Now) -> Option<Instant> {
        let nothing = Owned::default();
        let of = |key: &Key| seen.owned.get(key).unwrap_or(&nothing);
        let mut all = std::mem::take(&mut self.delivered);
        let this = &*self;
        let files = plan.accounts.iter().map(|account| {
            let known = all.remove(&account.key);
            let known = known.filter(|known| known.uid == account.uid);
            let mut delivered = known.unwrap_or_else(|| Delivered::to(&account.uid));
            async move {
                let owned = of(&account.key);
                let done = this.write_file(account, owned, &mut delivered, now).await;
                (account, delivered, done)
            }
        });
        let files: Vec<_> = files.collect();
        let files: Vec<_> = in_flight(files).await;
        let start = self.clock.now();
        let pods = files
            .into_iter()
            .map(|(account, mut delivered, mut done)| async move {
                let begun = this.clock.now() < start + PHASE;
                if begun {
                    let owned = of(&account.key);
                    done.extend(this.write_pod(account, owned, &mut delivered, now).await);
                }
                (account.key.clone(), delivered, done, begun)
            });
        let pods: Vec<_> = pods.collect();
        let mut postponed = None;
        for (key, delivered, done, begun) in in_flight(pods).await {
            self.delivered.insert(key, delivered);
            done.into_iter().for_each(|done| self.settle(done));
            if !begun {
                postponed = Some(start);
            }
        }
        postponed
    }

    async fn delete_orphans(&mut self, orphans: &[Orphan]) {
        let start = self.clock.now();
        let this = &*self;
        let deletions = orphans.iter().map(|orphan| async move {
            let subject = Subject::Orphan(orphan.clone());
            let now = this.clock.now();
            if !this.retries.may_try(&subject, now) || now >= start + PHASE {
                return None;
            }
            Some(this.ended(subject, this.delete(orphan).await))
        });
        let deletions: Vec<_> = deletions.collect();
        for done in in_flight(deletions).await.into_iter().flatten() {
            let gone = done.result.is_ok().then(|| done.subject.clone());
            let at = done.at;
            self.settle(done);
            if let Some(subject) = gone {
                // The store shows it for a moment longer; a second try then is one too many.
                self.retries.failed(subject, at, 1.0);
            }
        }
    }

    async fn delete(&self, orphan: &Orphan) -> Result<(), ApplyError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(orphan.uid.clone()),
                resource_version: orphan.version.clone(),
            }),
            ..DeleteParams::background()
        };
        let (namespace, name) = (&orphan.key.namespace, &orphan.key.name);
        let client = self.client.clone();
        let result = within(async {
            match orphan.kind {
                "ConfigMap" => {
                    drop(
                        Api::<ConfigMap>::namespaced(client, namespace)
                            .delete(name, &params)
                            .await?,
                    );
                }
                "Service" => {
                    drop(
                        Api::<Service>::namespaced(client, namespace)
                            .delete(name, &params)
                            .await?,
                    );
                }
                _ => {
                    drop(
                        Api::<StatefulSet>::namespaced(client, namespace)
                            .delete(name, &params)
                            .await?,
                    );
                }
            }
            Ok(())
        })
        .await;
        match result {
            // Gone, or not what it was: the next look tells.
            Err(trouble) if trouble.is_not_found() || trouble.is_conflict() => Ok(()),
            Err(source) => Err(ApplyError {
                kind: orphan.kind,
                key: orphan.key.clone(),
                verb: "deleted",
                source,
            }),
            Ok(()) => {
                tracing::info!(kind = orphan.kind, object = %orphan.key, "deleted: its account is gone");
                Ok(())
            }
        }
    }

    /// Notes when a write ended.
    fn ended(&self, subject: Subject, result: Result<(), ApplyError>) -> Done {
        let at = self.clock.now();
        self.heartbeat.beat(at);
        Done {
            subject,
            result,
            at,
        }
    }

    /// Takes the outcome of a write in.
    fn settle(&mut self, done: Done) {
        let Done {
            subject,
            result,
            at,
        } = done;
        match result {
            Ok(()) => {
                self.retries.succeeded(&subject);
                self.complaints.remove(&subject);
            }
            Err(error) => {
                let (reason, why) = (error.source.reason(), service::exit::chain(&error));
                self.metrics.failed(reason);
                if let Some(suppressed) = self.lines.take(at) {
                    tracing::warn!(reason, suppressed, "{why}");
                }
                let why = why.to_string();
                if self.retries.failed(subject.clone(), at, fastrand::f64()) >= WORTH_TELLING {
                    self.complaints.insert(subject, why);
                }
            }
        }
    }
}

/// Awaits all, a few at a time.
async fn in_flight<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    stream::iter(futures)
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await
}

/// Limits a call in time.
async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Trouble> {
    tokio::time::timeout(TIMEOUT, call)
        .await
        .map_err(|_| Trouble::Silent)?
        .map_err(Trouble::from)
}
