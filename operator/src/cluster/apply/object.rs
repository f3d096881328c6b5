//! Applies one object of an account.
//!
//! Owns when it has to be written again. Must not know what is in it.

use std::time::{Duration, Instant};

use crds::names;
use kube::Api;
use kube::api::{ObjectMeta, PartialObjectMeta, Patch, PatchParams};

use super::contest::Contest;
use super::{Applier, ApplyError, TIMEOUT};
use crate::cluster::api_error::within;
use crate::cluster::fingerprint::{fingerprint, owners};
use crate::cluster::owned_kind::OwnedObject;
use crate::cluster::owned_objects::AccountObjects;
use crate::cluster::parsed_or_raw;
use crate::cluster::workload::Owner;
use crate::plan::AccountPlan;

/// How long a write may take to appear in the watch; after that it is repeated if the watch does
/// not show it.
pub(super) const WATCH_LAG: Duration = Duration::from_secs(2);

/// An account's plan, and what exists of the account, at one moment.
#[derive(Clone, Copy)]
pub(super) struct PlannedAccount<'a> {
    pub(super) plan: &'a AccountPlan,
    pub(super) owned: &'a AccountObjects,
    pub(super) now: Instant,
}

/// An object that is applied, and the changes by others since.
#[derive(Clone, Debug, Default)]
pub(super) struct Applied {
    last: Option<AppliedObject>,
    pub(super) contest: Contest,
}

/// An object that was applied: the desired state, and the fingerprint it had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AppliedObject {
    desired: u64,
    live_fingerprint: u64,
    at: Instant,
}

impl Applier {
    /// Applies an object unless it is known to be as desired, or another program keeps changing it.
    pub(super) async fn apply_object<K: OwnedObject>(
        &self,
        desired: &K,
        live: Option<&ObjectMeta>,
        applied: &mut Applied,
        now: Instant,
    ) -> Result<(), ApplyError> {
        let desired_fingerprint = fingerprint(&serde_json::to_string(desired).unwrap_or_default());
        let last = applied.last;
        let last = last.filter(|last| last.desired == desired_fingerprint);
        let shown = live.map(live_fingerprint);
        if let Some(last) = last {
            let unchanged = shown == Some(last.live_fingerprint);
            let lagging = now.saturating_duration_since(last.at) < WATCH_LAG;
            if unchanged || lagging {
                applied.contest.end();
                return Ok(());
            }
        }
        // One that is gone is made again at once.
        let change = shown.filter(|_| last.is_some());
        let stays = |change| !applied.contest.note_change(change, now);
        if change.is_some_and(stays) {
            return Ok(());
        }
        let result = live_fingerprint(&self.server_side_apply(desired, live).await?);
        // A change that is still there took nothing from us. One that the watch did not show in time was ours.
        let before = [change, last.map(|last| last.live_fingerprint)];
        if change.is_some() && !before.contains(&Some(result)) {
            applied.contest.note_put_back();
            let object = parsed_or_raw::key(desired.meta());
            tracing::warn!(kind = K::KIND.as_str(), %object, "another program changed it: written over");
        }
        applied.last = Some(AppliedObject {
            desired: desired_fingerprint,
            live_fingerprint: result,
            at: now,
        });
        Ok(())
    }

    /// Applies an object and returns its new metadata. Another object of this name that was created
    /// since `live` was seen is a conflict: it is not ours.
    pub(super) async fn server_side_apply<K: OwnedObject>(
        &self,
        object: &K,
        live: Option<&ObjectMeta>,
    ) -> Result<ObjectMeta, ApplyError> {
        let key = parsed_or_raw::key(object.meta());
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

pub(super) fn owner(plan: &AccountPlan) -> Owner<'_> {
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
