//! Writes what an account owns: its assignment, Service and StatefulSet; a pod whose files changed is
//! told by [`poke`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use contract::{Assignment, Sealed};
use crds::names;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{ObjectMeta, PartialObjectMeta, Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::poke::{self, Poke};
use super::{Applier, ApplyError, Done, Subject, within};
use crate::cluster::observe::Owned;
use crate::cluster::workload::{self, Owner};
use crate::plan::{AccountPlan, Delivery, Key, Now, Workload};

/// How long a write may take to come back through the watch before it is doubted.
const ECHO: Duration = Duration::from_secs(2);

/// What was written for one account, to spare repetitions.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivered {
    /// The account's identity: nothing of this concerns a namesake.
    pub(super) uid: String,
    assignment: Option<File>,
    service: Option<Applied>,
    stateful_set: Option<Applied>,
    pub(super) poke: Option<Poke>,
}

/// An assignment that was written.
#[derive(Clone, Debug)]
struct File {
    generation: u64,
    sha256: String,
    /// The ConfigMap's version since then.
    version: Option<String>,
    at: Instant,
}

/// An object that was applied: what was asked for, and the shape it had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Applied {
    desired: u64,
    shape: u64,
    at: Instant,
}

impl Delivered {
    /// Nothing so far, to the account with this identity.
    pub(super) fn to(uid: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            ..Self::default()
        }
    }
}

impl Applier {
    /// Writes an account's assignment, and has its pod look. Nobody else's objects may hold this up.
    pub(super) async fn write_file(
        &self,
        plan: &AccountPlan,
        owned: &Owned,
        delivered: &mut Delivered,
        now: Now,
    ) -> Vec<Done> {
        let subject = Subject::Assignment(plan.key.clone());
        let Delivery::Write(assignment) = &plan.assignment else {
            return Vec::new();
        };
        if !owned.names_are_ours || !self.retries.may_try(&subject, now.monotonic) {
            return Vec::new();
        }
        let result = self
            .write_assignment(owner(plan), assignment, owned, delivered, now)
            .await;
        let written = result.is_ok();
        let mut done = vec![self.ended(subject, result.map(drop))];
        if written {
            done.extend(self.poke_pod(plan, owned, delivered, now).await);
        }
        done
    }

    /// Writes what runs an account, and has its pod look if its files have changed. What fails waits
    /// by itself.
    pub(super) async fn write_pod(
        &self,
        plan: &AccountPlan,
        owned: &Owned,
        delivered: &mut Delivered,
        now: Now,
    ) -> Vec<Done> {
        let mut done = Vec::new();
        if !owned.names_are_ours {
            return done;
        }
        // The file before the pod that reads it: a new pod then starts with its assignment.
        let file_to_come =
            matches!(plan.assignment, Delivery::Write(_)) && content(owned, delivered).is_none();
        let subject = Subject::Workload(plan.key.clone());
        if let Some(workload) = plan.workload.as_ref().filter(|_| !file_to_come)
            && self.retries.may_try(&subject, now.monotonic)
        {
            let result = self
                .write_workload(owner(plan), workload, owned, delivered, now)
                .await;
            done.push(self.ended(subject, result));
        }
        done.extend(self.poke_pod(plan, owned, delivered, now).await);
        done
    }

    /// A poke makes the kubelet read what was written. Before the Secrets were looked at nobody can
    /// tell whether they have changed.
    async fn poke_pod(
        &self,
        plan: &AccountPlan,
        owned: &Owned,
        delivered: &mut Delivered,
        now: Now,
    ) -> Option<Done> {
        let subject = Subject::Poke(plan.key.clone());
        let pod = owned.pod.as_ref().filter(|_| self.poke)?;
        let versions = owned.secret_versions.as_ref()?;
        let value = poke::value(&content(owned, delivered)?, versions);
        if !self.retries.may_try(&subject, now.monotonic) {
            return None;
        }
        let last = &mut delivered.poke;
        let result = self
            .poke(&plan.key, pod, &value, plan.awaiting, last, now)
            .await;
        Some(self.ended(subject, result))
    }

    async fn write_workload(
        &self,
        owner: Owner<'_>,
        workload: &Workload,
        owned: &Owned,
        delivered: &mut Delivered,
        now: Now,
    ) -> Result<(), ApplyError> {
        // The Service before the StatefulSet that names it. No tick needs it: where it cannot be
        // written the rest goes on, and the status says so.
        let service = workload::service(owner);
        let live = owned.service.as_ref();
        let named = self
            .apply_object(&service, live, &mut delivered.service, now)
            .await;
        let stateful_set = workload::stateful_set(owner, workload, &self.defaults);
        let live = owned.stateful_set.as_ref();
        self.apply_object(&stateful_set, live, &mut delivered.stateful_set, now)
            .await?;
        named
    }

    async fn write_assignment(
        &self,
        owner: Owner<'_>,
        assignment: &Assignment,
        owned: &Owned,
        delivered: &mut Delivered,
        now: Now,
    ) -> Result<String, ApplyError> {
        let fresh = |file: &&File| now.monotonic.saturating_duration_since(file.at) < ECHO;
        let last = delivered.assignment.as_ref().filter(fresh);
        if let Some(last) = last.filter(|last| last.generation == assignment.generation) {
            return Ok(last.sha256.clone());
        }
        let sealed = Sealed::new(assignment);
        let sha256 = sealed.sha256.clone();
        let live = owned.config_map.as_ref();
        // The watch may still show what was there before the last write.
        let echoed = |last: &&File| {
            let shown = owned.assignment.as_ref().map(|shown| shown.0);
            shown.is_some_and(|shown| shown >= last.generation)
        };
        let version = match last.filter(|last| !echoed(last)) {
            Some(last) => last.version.clone(),
            None => live.and_then(|live| live.resource_version.clone()),
        };
        let object = workload::assignment(owner, assignment, sealed, version);
        let written = self.server_side_apply(&object, live).await?;
        delivered.assignment = Some(File {
            generation: assignment.generation,
            sha256: sha256.clone(),
            version: written.resource_version,
            at: now.monotonic,
        });
        tracing::info!(
            account = %Key::new(owner.namespace, owner.name),
            generation = assignment.generation,
            instruments = assignment.instruments.len(),
            "assignment written"
        );
        Ok(sha256)
    }

    /// Applies an object unless it is known to be as desired.
    async fn apply_object<K>(
        &self,
        desired: &K,
        live: Option<&ObjectMeta>,
        applied: &mut Option<Applied>,
        now: Now,
    ) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Serialize,
    {
        let wish = fingerprint(&serde_json::to_string(desired).unwrap_or_default());
        if let Some(last) = applied
            && last.desired == wish
        {
            let unchanged = live.is_some_and(|live| shape(live) == last.shape);
            let echo = now.monotonic.saturating_duration_since(last.at) < ECHO;
            if unchanged || echo {
                return Ok(());
            }
        }
        let result = self.server_side_apply(desired, live).await?;
        *applied = Some(Applied {
            desired: wish,
            shape: shape(&result),
            at: now.monotonic,
        });
        Ok(())
    }

    /// Applies an object and returns the metadata it has then. A namesake made since `live` was
    /// seen is a conflict: it is not ours.
    async fn server_side_apply<K>(
        &self,
        object: &K,
        live: Option<&ObjectMeta>,
    ) -> Result<ObjectMeta, ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Serialize,
    {
        let key = crate::cluster::guarded::key(object.meta());
        let kind = kind_of::<K>();
        let mut object = object.clone();
        object.meta_mut().uid = live.and_then(|live| live.uid.clone());
        let api: Api<PartialObjectMeta<K>> = Api::namespaced(self.client.clone(), &key.namespace);
        // Forced: what others changed in our own objects is put right.
        let params = PatchParams::apply(names::FIELD_MANAGER).force();
        match within(api.patch(&key.name, &params, &Patch::Apply(&object))).await {
            Ok(result) => {
                self.metrics.applied(kind);
                Ok(result.metadata)
            }
            Err(source) => Err(ApplyError {
                kind,
                key,
                verb: "applied",
                source,
            }),
        }
    }
}

/// Generation and hash of what lies in the ConfigMap, or will be seen there in a moment.
fn content(owned: &Owned, delivered: &Delivered) -> Option<(u64, String)> {
    let written = delivered.assignment.as_ref();
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

/// What of a live object tells whether somebody changed it. Its status does not count.
fn shape(metadata: &ObjectMeta) -> u64 {
    let owners: Vec<_> = metadata
        .owner_references
        .iter()
        .flatten()
        .map(|owner| (&owner.uid, owner.controller))
        .collect();
    // Kinds without a generation have no status that moves either.
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
        owners,
    ))
}

fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn kind_of<K: Resource<DynamicType = ()>>() -> &'static str {
    const KINDS: [&str; 3] = ["ConfigMap", "Service", "StatefulSet"];
    KINDS
        .into_iter()
        .find(|kind| *kind == K::kind(&()))
        .unwrap_or("other")
}
