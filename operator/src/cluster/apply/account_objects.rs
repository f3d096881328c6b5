//! Writes what an account owns: its assignment, Service and StatefulSet. A pod whose files changed
//! is annotated by [`poke`].

use std::time::{Duration, Instant};

use contract::{Assignment, Sealed};
use crds::names;
use kube::Api;
use kube::api::{ObjectMeta, PartialObjectMeta, Patch, PatchParams};

use super::poke::{self, Poke};
use super::repair::Repair;
use super::{Applier, ApplyError, FinishedWrite, TIMEOUT, WriteTarget};
use crate::cluster::api_error::within;
use crate::cluster::fingerprint::{fingerprint, owners};
use crate::cluster::owned_kind::OwnedObject;
use crate::cluster::owned_objects::AccountObjects;
use crate::cluster::workload::{self, Owner};
use crate::plan::{AccountPlan, AssignmentChange, Workload};

/// How long a write may take to appear in the watch; after that it is repeated if the watch does
/// not show it.
const WATCH_LAG: Duration = Duration::from_secs(2);

/// An account's plan, and what exists of the account, at one moment.
#[derive(Clone, Copy)]
pub(super) struct PlannedAccount<'a> {
    pub(super) plan: &'a AccountPlan,
    pub(super) owned: &'a AccountObjects,
    pub(super) now: Instant,
}

/// What was written last for one account, so that it is not written again.
#[derive(Clone, Debug, Default)]
pub(super) struct ApplyCache {
    /// The account's identity: a new account of this name starts empty.
    pub(super) uid: String,
    assignment: Option<WrittenAssignment>,
    service: Option<AppliedObject>,
    stateful_set: Option<AppliedObject>,
    pub(super) poke: Option<Poke>,
    repair: Repair,
}

/// An assignment that was written.
#[derive(Clone, Debug)]
struct WrittenAssignment {
    generation: u64,
    sha256: String,
    /// The ConfigMap's version since then.
    version: Option<String>,
    at: Instant,
}

/// An object that was applied: the desired state, and the fingerprint it had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AppliedObject {
    desired: u64,
    live_fingerprint: u64,
    at: Instant,
}

impl ApplyCache {
    /// Starts empty, for the account with this identity.
    pub(super) fn of(uid: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            ..Self::default()
        }
    }
}

impl Applier {
    /// Writes an account's assignment, and annotates its pod. Objects of other accounts must not
    /// delay this.
    pub(super) async fn write_file(
        &self,
        account: PlannedAccount<'_>,
        cache: &mut ApplyCache,
    ) -> Vec<FinishedWrite> {
        let PlannedAccount { plan, owned, now } = account;
        let target = WriteTarget::Assignment(plan.key.clone());
        let AssignmentChange::Write(assignment) = &plan.assignment else {
            return Vec::new();
        };
        if !owned.names_are_ours || !self.retries.may_try(&target, now) {
            return Vec::new();
        }
        let result = self.write_assignment(account, assignment, cache).await;
        let written = result.is_ok();
        let mut done = vec![self.finished(target, result.map(drop))];
        if written {
            done.extend(self.poke_pod(account, cache).await);
        }
        done
    }

    /// Writes an account's workload, and annotates its pod if its files have changed. Each failed
    /// write has its own back-off.
    pub(super) async fn write_pod(
        &self,
        account: PlannedAccount<'_>,
        cache: &mut ApplyCache,
    ) -> Vec<FinishedWrite> {
        let PlannedAccount { plan, owned, now } = account;
        let mut done = Vec::new();
        if !owned.names_are_ours {
            return done;
        }
        // The file before the pod that reads it: a new pod then starts with its assignment.
        let file_to_come = matches!(plan.assignment, AssignmentChange::Write(_))
            && content(owned, cache).is_none();
        let target = WriteTarget::Workload(plan.key.clone());
        if let Some(workload) = plan.workload.as_ref().filter(|_| !file_to_come)
            && self.retries.may_try(&target, now)
        {
            let result = self.write_workload(account, workload, cache).await;
            done.push(self.finished(target, result));
        }
        done.extend(self.poke_pod(account, cache).await);
        let repair = &mut cache.repair;
        done.extend(self.repair_pod(&plan.key, owned, repair, now).await);
        done
    }

    /// The annotation makes the kubelet read what was written. Until the Secrets have been read, it
    /// is not known whether they changed.
    async fn poke_pod(
        &self,
        account: PlannedAccount<'_>,
        cache: &mut ApplyCache,
    ) -> Option<FinishedWrite> {
        let PlannedAccount { plan, owned, now } = account;
        let target = WriteTarget::Poke(plan.key.clone());
        let pod = owned.pod.as_ref().filter(|_| self.context.poke)?;
        let versions = owned.secret_versions.as_ref()?;
        let value = poke::value(&content(owned, cache)?, versions);
        if !self.retries.may_try(&target, now) {
            return None;
        }
        let last = &mut cache.poke;
        let result = self
            .poke(&plan.key, pod, &value, plan.awaiting, last, now)
            .await;
        Some(self.finished(target, result))
    }

    async fn write_workload(
        &self,
        account: PlannedAccount<'_>,
        workload: &Workload,
        cache: &mut ApplyCache,
    ) -> Result<(), ApplyError> {
        let PlannedAccount { plan, owned, now } = account;
        let owner = owner(plan);
        // The Service before the StatefulSet that names it. Ticks do not need it: if it cannot be
        // written, the rest goes on, and the status says so.
        let service = workload::service(owner);
        let live = owned.service.as_ref();
        let service_applied = self
            .apply_object(&service, live, &mut cache.service, now)
            .await;
        let stateful_set = workload::stateful_set(owner, workload, &self.context.defaults);
        let live = owned.stateful_set.as_ref();
        let last = &mut cache.stateful_set;
        self.apply_object(&stateful_set, live, last, now).await?;
        service_applied
    }

    async fn write_assignment(
        &self,
        account: PlannedAccount<'_>,
        assignment: &Assignment,
        cache: &mut ApplyCache,
    ) -> Result<String, ApplyError> {
        let PlannedAccount { plan, owned, now } = account;
        let fresh = |file: &&WrittenAssignment| now.saturating_duration_since(file.at) < WATCH_LAG;
        let last = cache.assignment.as_ref().filter(fresh);
        if let Some(last) = last.filter(|last| last.generation == assignment.generation) {
            return Ok(last.sha256.clone());
        }
        let sealed = Sealed::new(assignment);
        let sha256 = sealed.sha256.clone();
        let live = owned.config_map.as_ref();
        // The watch may still show the state before the last write.
        let watch_shows = |last: &&WrittenAssignment| {
            let shown = owned.assignment.as_ref().map(|shown| shown.0);
            shown.is_some_and(|shown| shown >= last.generation)
        };
        let version = match last.filter(|last| !watch_shows(last)) {
            Some(last) => last.version.clone(),
            None => live.and_then(|live| live.resource_version.clone()),
        };
        let object = workload::assignment(owner(plan), assignment, sealed, version);
        let written = self.server_side_apply(&object, live).await?;
        cache.assignment = Some(WrittenAssignment {
            generation: assignment.generation,
            sha256: sha256.clone(),
            version: written.resource_version,
            at: now,
        });
        tracing::info!(
            account = %plan.key,
            generation = assignment.generation,
            instruments = assignment.instruments.len(),
            "assignment written"
        );
        Ok(sha256)
    }

    /// Applies an object unless it is known to be as desired.
    async fn apply_object<K: OwnedObject>(
        &self,
        desired: &K,
        live: Option<&ObjectMeta>,
        applied: &mut Option<AppliedObject>,
        now: Instant,
    ) -> Result<(), ApplyError> {
        let desired_fingerprint = fingerprint(&serde_json::to_string(desired).unwrap_or_default());
        if let Some(last) = applied
            && last.desired == desired_fingerprint
        {
            let unchanged =
                live.is_some_and(|live| live_fingerprint(live) == last.live_fingerprint);
            let lagging = now.saturating_duration_since(last.at) < WATCH_LAG;
            if unchanged || lagging {
                return Ok(());
            }
        }
        let result = self.server_side_apply(desired, live).await?;
        *applied = Some(AppliedObject {
            desired: desired_fingerprint,
            live_fingerprint: live_fingerprint(&result),
            at: now,
        });
        Ok(())
    }

    /// Applies an object and returns its new metadata. Another object of this name that was created
    /// since `live` was seen is a conflict: it is not ours.
    async fn server_side_apply<K: OwnedObject>(
        &self,
        object: &K,
        live: Option<&ObjectMeta>,
    ) -> Result<ObjectMeta, ApplyError> {
        let key = crate::cluster::parsed_or_raw::key(object.meta());
        let mut object = object.clone();
        object.meta_mut().uid = live.and_then(|live| live.uid.clone());
        let api: Api<PartialObjectMeta<K>> =
            Api::namespaced(self.context.client.clone(), &key.namespace);
        // Forced: changes that others made to our objects are reverted.
        let params = PatchParams::apply(names::FIELD_MANAGER).force();
        match within(
            TIMEOUT,
            api.patch(&key.name, &params, &Patch::Apply(&object)),
        )
        .await
        {
            Ok(result) => {
                self.context.metrics.applied(K::KIND.into());
                Ok(result.metadata)
            }
            Err(source) => Err(ApplyError {
                kind: K::KIND.as_str(),
                key,
                verb: "applied",
                source,
            }),
        }
    }
}

/// Generation and hash of the assignment in the ConfigMap, or of the one just written to it.
fn content(owned: &AccountObjects, cache: &ApplyCache) -> Option<(u64, String)> {
    let written = cache.assignment.as_ref();
    let written = written.map(|file| (file.generation, file.sha256.clone()));
    [written, owned.assignment.clone()]
        .into_iter()
        .flatten()
        .max_by_key(|(generation, _)| *generation)
}

fn owner(plan: &AccountPlan) -> Owner<'_> {
    Owner {
        namespace: &plan.key.namespace,
        name: &plan.key.name,
        uid: &plan.uid,
    }
}

/// The fingerprint of a live object, which shows changes by others. Its status does not count.
fn live_fingerprint(metadata: &ObjectMeta) -> u64 {
    // Kinds without a generation have no status that changes.
    let version = if metadata.generation.is_none() {
        metadata.resource_version.as_ref()
    } else {
        None
    };
    fingerprint(&(
        &metadata.uid,
        metadata.generation,
        version,
        &metadata.labels,
        owners(metadata),
    ))
}
