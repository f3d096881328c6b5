//! Writes: the only place that changes anything in the cluster.
//!
//! It applies a plan and makes no meaningful choice; it adds the order of writes, skips writes that
//! change nothing, and retries failed ones object by object.

mod account_objects;
mod assignment;
mod budget;
mod contest;
pub(super) mod events;
mod object;
mod poke;
mod repair;
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

use self::account_objects::ApplyCache;
use self::budget::Budgets;
use self::events::EventSender;
use self::object::PlannedAccount;
use self::status::{UnwrittenObjects, WrittenStatus};
use super::api_error::{ApiError, within};
use super::metrics::Metrics;
use super::observe::ObservedCluster;
use super::owned_kind::{OwnedKind, OwnedObject};
use super::owned_objects::{AccountObjects, Orphan};
use super::retry::Retries;
use super::workload::PodDefaults;
use crate::plan::{AccountPlan, AssignmentChange, Key, Kind, Plan};

/// How long the API server may take for one write.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Concurrent writes.
const IN_FLIGHT: usize = 8;

/// For this long a pass begins writes other than assignments: if the API server is slow, the next
/// assignment must not wait for hundreds of other writes.
const PHASE_LIMIT: Duration = Duration::from_secs(5);

/// Limits how often failed writes are logged: a thousand objects may fail at once.
const LOG_BURST: u32 = 20;
const LOG_EVERY: Duration = Duration::from_secs(10);

/// A single failed write may be a conflict with a write just before; after this many failures the
/// account's status shows it.
const FAILURES_TO_REPORT: u32 = 2;

/// A write that failed.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {key} cannot be {verb}")]
pub(crate) struct ApplyError {
    kind: &'static str,
    key: Key,
    verb: &'static str,
    source: ApiError,
}

/// What can fail independently, each with its own back-off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum WriteTarget {
    /// An account's assignment.
    Assignment(Key),
    /// An account's Service and StatefulSet.
    Workload(Key),
    /// The annotation of an account's pod.
    Poke(Key),
    /// A pod that its StatefulSet does not replace.
    Repair(Key),
    /// A status.
    Status(Kind, Key),
    /// An object whose account no longer exists.
    Orphan(Orphan),
}

/// One write and how it ended.
struct FinishedWrite {
    target: WriteTarget,
    result: Result<(), ApplyError>,
    at: Instant,
}

/// What an applier needs.
pub(crate) struct ApplyContext {
    /// The API server.
    pub(crate) client: Client,
    /// Where events are sent.
    pub(crate) event_sender: EventSender,
    /// The counters.
    pub(crate) metrics: Metrics,
    /// Settings for the pods of accounts that set none.
    pub(crate) defaults: PodDefaults,
    /// Whether pods are annotated when their files change. Otherwise they see the change later.
    pub(crate) poke: bool,
    /// Whether a pod may be deleted that its StatefulSet does not replace.
    pub(crate) repair: bool,
    /// The time at which a write ended.
    pub(crate) clock: Clock,
    /// The heartbeat of each write: a slow API server does not count as a hang.
    pub(crate) heartbeat: Heartbeat,
}

/// Applies plans.
pub(crate) struct Applier {
    context: ApplyContext,
    retries: Retries<WriteTarget>,
    lines: LineQuota,
    /// What cannot be written, for people.
    write_errors: BTreeMap<WriteTarget, String>,
    caches: BTreeMap<Key, ApplyCache>,
    statuses: BTreeMap<(Kind, Key), WrittenStatus>,
    /// Objects without a status that have nothing to say yet.
    unwritten: UnwrittenObjects,
    budgets: Budgets,
}

impl Applier {
    /// A writer that has written nothing yet.
    pub(crate) fn new(context: ApplyContext) -> Self {
        Self {
            context,
            retries: Retries::default(),
            lines: LineQuota::new(LOG_BURST, LOG_EVERY),
            write_errors: BTreeMap::new(),
            caches: BTreeMap::new(),
            statuses: BTreeMap::new(),
            unwritten: UnwrittenObjects::default(),
            budgets: Budgets::default(),
        }
    }

    /// Applies `plan`; returns when to run again even if nothing changes.
    pub(crate) async fn apply(
        &mut self,
        seen: &ObservedCluster,
        plan: &Plan,
        now: Instant,
    ) -> Option<Instant> {
        self.prune(seen, plan);
        // What pods need comes before what people read.
        let rest = self.write_owned(seen, plan, now).await;
        let postponed = self.write_statuses(plan, self.context.clock.now()).await;
        self.delete_orphans(&seen.orphans).await;
        let now = self.context.clock.now();
        self.context.event_sender.send(&plan.events, now);
        let retry = self.retries.next(now);
        [rest, postponed, retry, self.next_poke(plan, now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Drops what is remembered of objects that no longer exist.
    fn prune(&mut self, seen: &ObservedCluster, plan: &Plan) {
        let accounts: BTreeSet<&Key> = plan.accounts.iter().map(|account| &account.key).collect();
        let sets: BTreeSet<&Key> = plan.sets.iter().map(|set| &set.key).collect();
        let object_exists = |kind: Kind, key: &Key| match kind {
            Kind::Account => accounts.contains(key),
            Kind::Set => sets.contains(key),
        };
        self.caches.retain(|key, _| accounts.contains(key));
        self.statuses
            .retain(|(kind, key), _| object_exists(*kind, key));
        let exists = |target: &WriteTarget| match target {
            WriteTarget::Assignment(key)
            | WriteTarget::Workload(key)
            | WriteTarget::Poke(key)
            | WriteTarget::Repair(key) => accounts.contains(key),
            WriteTarget::Status(kind, key) => object_exists(*kind, key),
            WriteTarget::Orphan(orphan) => seen.orphans.contains(orphan),
        };
        self.retries.retain(exists);
        self.write_errors.retain(|target, _| exists(target));
        // An assignment that is stored as desired needs no further try; its failures are over.
        let in_place =
            |account: &&AccountPlan| !matches!(account.assignment, AssignmentChange::Write(_));
        for account in plan.accounts.iter().filter(in_place) {
            let target = WriteTarget::Assignment(account.key.clone());
            self.retries.succeeded(&target);
            self.write_errors.remove(&target);
        }
    }

    /// Which of an account's objects is not written, and why, for people.
    pub(crate) fn write_error(&self, account: &Key) -> Option<String> {
        let of_account = [
            WriteTarget::Assignment(account.clone()),
            WriteTarget::Workload(account.clone()),
            WriteTarget::Repair(account.clone()),
        ];
        let mut errors = of_account.iter().filter_map(|it| self.write_errors.get(it));
        let contested = || self.caches.get(account)?.contested(account);
        errors.next().cloned().or_else(contested)
    }

    /// Writes the assignments of all accounts, then their workloads; returns when to go on with
    /// writes that were not begun.
    async fn write_owned(
        &mut self,
        seen: &ObservedCluster,
        plan: &Plan,
        now: Instant,
    ) -> Option<Instant> {
        let nothing = AccountObjects::default();
        let mut all = std::mem::take(&mut self.caches);
        let this = &*self;
        let files = plan.accounts.iter().map(|plan| {
            let cache = all.remove(&plan.key);
            let cache = cache.filter(|cache| cache.uid == plan.uid);
            let mut cache = cache.unwrap_or_else(|| ApplyCache::of(&plan.uid));
            let owned = seen.owned.get(&plan.key).unwrap_or(&nothing);
            let account = PlannedAccount { plan, owned, now };
            async move {
                let done = this.write_file(account, &mut cache).await;
                (account, cache, done)
            }
        });
        let files: Vec<_> = files.collect();
        let files: Vec<_> = run_bounded(files).await;
        let start = self.context.clock.now();
        let pods = files
            .into_iter()
            .map(|(account, mut cache, mut done)| async move {
                let begun = this.context.clock.now() < start + PHASE_LIMIT;
                if begun {
                    done.extend(this.write_pod(account, &mut cache).await);
                }
                (account.plan.key.clone(), cache, done, begun)
            });
        let pods: Vec<_> = pods.collect();
        let mut postponed = None;
        for (key, cache, done, begun) in run_bounded(pods).await {
            self.caches.insert(key, cache);
            done.into_iter().for_each(|done| self.record(done));
            if !begun {
                postponed = Some(start);
            }
        }
        postponed
    }

    async fn delete_orphans(&mut self, orphans: &[Orphan]) {
        let start = self.context.clock.now();
        let this = &*self;
        let deletions = orphans.iter().map(|orphan| async move {
            let target = WriteTarget::Orphan(orphan.clone());
            let now = this.context.clock.now();
            if !this.retries.may_try(&target, now) || now >= start + PHASE_LIMIT {
                return None;
            }
            Some(this.finished(target, this.delete(orphan).await))
        });
        let deletions: Vec<_> = deletions.collect();
        for done in run_bounded(deletions).await.into_iter().flatten() {
            let gone = done.result.is_ok().then(|| done.target.clone());
            let at = done.at;
            self.record(done);
            if let Some(target) = gone {
                // The store still shows it for a moment: without this it would be deleted twice.
                self.retries.failed(target, at, 1.0);
            }
        }
    }

    async fn delete(&self, orphan: &Orphan) -> Result<(), ApplyError> {
        let result = match orphan.kind {
            OwnedKind::ConfigMap => self.delete_object::<ConfigMap>(orphan).await,
            OwnedKind::Service => self.delete_object::<Service>(orphan).await,
            OwnedKind::StatefulSet => self.delete_object::<StatefulSet>(orphan).await,
        };
        match result {
            // It was deleted or changed: the next pass decides.
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(source) => Err(ApplyError {
                kind: orphan.kind.as_str(),
                key: orphan.key.clone(),
                verb: "deleted",
                source,
            }),
            Ok(()) => {
                tracing::info!(kind = orphan.kind.as_str(), object = %orphan.key, "deleted: it has no account");
                Ok(())
            }
        }
    }

    async fn delete_object<K: OwnedObject>(&self, orphan: &Orphan) -> Result<(), ApiError> {
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(orphan.uid.clone()),
            resource_version: orphan.version.clone(),
        });
        let client = self.context.client.clone();
        let api: Api<K> = Api::namespaced(client, &orphan.key.namespace);
        within(TIMEOUT, api.delete(&orphan.key.name, &params)).await?;
        Ok(())
    }

    /// Notes when a write ended.
    fn finished(&self, target: WriteTarget, result: Result<(), ApplyError>) -> FinishedWrite {
        let at = self.context.clock.now();
        self.context.heartbeat.beat(at);
        FinishedWrite { target, result, at }
    }

    /// Records the outcome of a write.
    fn record(&mut self, done: FinishedWrite) {
        let FinishedWrite { target, result, at } = done;
        match result {
            Ok(()) => {
                self.retries.succeeded(&target);
                self.write_errors.remove(&target);
            }
            Err(error) => {
                let (reason, why) = (error.source.reason(), service::exit::chain(&error));
                self.context.metrics.failed(reason);
                let reason = reason.as_str();
                if let Some(suppressed) = self.lines.take(at) {
                    tracing::warn!(reason, suppressed, "{why}");
                }
                let why = why.to_string();
                if self.retries.failed(target.clone(), at, fastrand::f64()) >= FAILURES_TO_REPORT {
                    self.write_errors.insert(target, why);
                }
            }
        }
    }
}

/// Runs all, a few at a time.
async fn run_bounded<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    stream::iter(futures)
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await
}

#[cfg(test)]
mod tests;
