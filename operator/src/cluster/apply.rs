//! Writes: the only place that changes anything in the cluster.
//!
//! It carries a plan out and has no meaningful choice; what it adds is order, care not to repeat
//! itself, and patience with what fails, object by object.

mod budget;
pub(super) mod events;
mod owned;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};

use self::budget::Budgets;
use self::events::Announcer;
use self::owned::Delivered;
use self::status::Written;
use super::metrics::Metrics;
use super::observe::{Orphan, Owned, Seen};
use super::retry::Retries;
use super::trouble::Trouble;
use super::workload::Defaults;
use crate::plan::{Key, Kind, Now, Plan};

/// How long the API server may take over one write.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Writes at a time.
const IN_FLIGHT: usize = 8;

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
    /// What an account owns.
    Owned(Key),
    /// A status.
    Status(Kind, Key),
    /// A leftover.
    Orphan(Orphan),
}

/// Carries plans out.
pub(crate) struct Applier {
    client: Client,
    metrics: Metrics,
    defaults: Defaults,
    poke: bool,
    retries: Retries<Subject>,
    delivered: BTreeMap<Key, Delivered>,
    statuses: BTreeMap<(Kind, Key), Written>,
    budgets: Budgets,
    announcer: Announcer,
}

impl Applier {
    /// A writer that has written nothing yet. Without `poke` pods find changed files by themselves,
    /// later.
    pub(crate) fn new(
        client: Client,
        announcer: Announcer,
        metrics: Metrics,
        defaults: Defaults,
        poke: bool,
    ) -> Self {
        Self {
            announcer,
            client,
            metrics,
            defaults,
            poke,
            retries: Retries::default(),
            delivered: BTreeMap::new(),
            statuses: BTreeMap::new(),
            budgets: Budgets::default(),
        }
    }

    /// Carries `plan` out; returns when to come again although nothing was seen to change.
    pub(crate) async fn apply(&mut self, seen: &Seen, plan: &Plan, now: Now) -> Option<Instant> {
        self.forget(seen, plan);
        // What pods live on comes before what people read.
        self.write_owned(seen, plan, now).await;
        let postponed = self.write_statuses(plan, now).await;
        self.delete_orphans(&seen.orphans, now).await;
        self.announcer.announce(&plan.events, now.monotonic);
        [
            postponed,
            self.retries.next(now.monotonic),
            self.next_poke(plan, now.monotonic),
        ]
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
        self.retries.retain(|subject| match subject {
            Subject::Owned(key) => accounts.contains(key),
            Subject::Status(kind, key) => exists(*kind, key),
            Subject::Orphan(orphan) => seen.orphans.contains(orphan),
        });
    }

    async fn write_owned(&mut self, seen: &Seen, plan: &Plan, now: Now) {
        let nothing = Owned::default();
        let due = plan.accounts.iter().filter_map(|account| {
            let subject = Subject::Owned(account.key.clone());
            self.retries.may_try(&subject, now.monotonic).then(|| {
                let owned = seen.owned.get(&account.key).unwrap_or(&nothing);
                let delivered = self
                    .delivered
                    .get(&account.key)
                    .cloned()
                    .unwrap_or_default();
                (subject, account, owned, delivered)
            })
        });
        let this = &*self;
        let writes = due.map(|(subject, account, owned, mut delivered)| async move {
            let result = this
                .write_account(account, owned, &mut delivered, now)
                .await;
            (subject, account.key.clone(), delivered, result)
        });
        let writes: Vec<_> = writes.collect();
        let done: Vec<_> = stream::iter(writes)
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        for (subject, key, delivered, result) in done {
            self.delivered.insert(key, delivered);
            self.settle(subject, result, now);
        }
    }

    async fn delete_orphans(&mut self, orphans: &[Orphan], now: Now) {
        for orphan in orphans {
            let subject = Subject::Orphan(orphan.clone());
            if self.retries.may_try(&subject, now.monotonic) {
                let result = self.delete(orphan).await;
                let done = result.is_ok();
                self.settle(subject.clone(), result, now);
                if done {
                    // The store shows it for a moment longer; a second try then is one too many.
                    self.retries.failed(subject, now.monotonic, 1.0);
                }
            }
        }
    }

    async fn delete(&self, orphan: &Orphan) -> Result<(), ApplyError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(orphan.uid.clone()),
                resource_version: None,
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
            Err(trouble) if trouble.is_not_found() => Ok(()),
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

    /// Takes the outcome of a write in.
    fn settle(&mut self, subject: Subject, result: Result<(), ApplyError>, now: Now) {
        match result {
            Ok(()) => self.retries.succeeded(&subject),
            Err(error) => {
                let reason = error.source.reason();
                self.metrics.failed(reason);
                tracing::warn!(reason, "{}", service::exit::chain(&error));
                self.retries.failed(subject, now.monotonic, fastrand::f64());
            }
        }
    }
}

/// Limits a call in time.
async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Trouble> {
    tokio::time::timeout(TIMEOUT, call)
        .await
        .map_err(|_| Trouble::Silent)?
        .map_err(Trouble::from)
}
