//! Writes statuses, within two budgets: changes that users may be waiting for at once, values that
//! only move while ticks flow when there is time.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::time::Instant;

use crds::{InstrumentSet, TickerAccount, names};
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, TestOperation};
use kube::api::{PartialObjectMeta, Patch, PatchParams};
use kube::{Api, Resource};
use rustc_hash::FxBuildHasher;
use serde_json::{Value, json};

use super::{Applier, ApplyError, PHASE_LIMIT, TIMEOUT, WriteTarget, budget, run_bounded};
use crate::cluster::api_error::{ApiError, within};
use crate::plan::{Change, Key, Kind, Plan};

/// The last status written to an object.
#[derive(Clone, Debug)]
pub(super) struct WrittenStatus {
    uid: String,
    /// Of its text: ten thousand statuses take much memory.
    hash: u64,
    at: Instant,
}

/// Since when objects have no status and nothing to say, by uid.
pub(super) type UnwrittenObjects = BTreeMap<String, Instant>;

/// A status to write.
struct StatusWrite<'a> {
    kind: Kind,
    key: &'a Key,
    uid: &'a str,
    status: Value,
    hash: u64,
}

impl Applier {
    /// Writes every status that is due; returns when the next one will be.
    pub(super) async fn write_statuses(&mut self, plan: &Plan, now: Instant) -> Option<Instant> {
        let (due, mut postponed) = self.due(plan, now);
        let this = &*self;
        let writes = due.into_iter().map(|(target, write)| async move {
            if this.context.clock.now() >= now + PHASE_LIMIT {
                return None;
            }
            let result = this.write_status(&write).await;
            Some((this.finished(target, result), write))
        });
        let writes: Vec<_> = writes.collect();
        for done in run_bounded(writes).await {
            let Some((done, write)) = done else {
                postponed = Some(now);
                continue;
            };
            if done.result.is_ok() {
                let written = WrittenStatus {
                    uid: write.uid.to_owned(),
                    hash: write.hash,
                    at: done.at,
                };
                self.statuses
                    .insert((write.kind, write.key.clone()), written);
            }
            self.record(done);
        }
        postponed
    }

    /// What is to be written at `now`, and when the next status is due.
    fn due<'p>(
        &mut self,
        plan: &'p Plan,
        now: Instant,
    ) -> (Vec<(WriteTarget, StatusWrite<'p>)>, Option<Instant>) {
        let objects = plan.accounts.len() + plan.sets.len();
        let mut postponed: Option<Instant> = None;
        let mut postpone = |at: Instant| {
            postponed = Some(postponed.map_or(at, |other| other.min(at)));
        };
        let mut candidates = Vec::new();
        let mut unwritten = UnwrittenObjects::new();
        for (kind, key, uid, change, status) in status_writes(plan) {
            let last = self
                .statuses
                .get(&(kind, key.clone()))
                .filter(|last| last.uid == uid);
            let at = last.map(|last| budget::due_at(change, last.at, objects, uid));
            let waits = (change == Change::First).then(|| {
                let since = self.unwritten.get(uid).copied().unwrap_or(now);
                unwritten.insert(uid.to_owned(), since);
                since + budget::FIRST_STATUS
            });
            match waits.max(at) {
                _ if change == Change::None => {}
                Some(at) if at > now => postpone(budget::recheck_at(change, at, now)),
                Some(_) | None => {
                    candidates.push((change, last.map(|last| last.at), kind, key, uid, status));
                }
            }
        }
        self.unwritten = unwritten;
        // The longest waiting first, so that each gets its turn.
        candidates.sort_by_key(|(_, last, ..)| *last);
        let mut due = Vec::new();
        for (change, _, kind, key, uid, status) in candidates {
            let target = WriteTarget::Status(kind, key.clone());
            if !self.retries.may_try(&target, now) {
                continue;
            }
            if let Err(again) = self.budgets.take(change, now) {
                postpone(again);
                continue;
            }
            let status = status();
            let write = StatusWrite {
                kind,
                key,
                uid,
                hash: FxBuildHasher.hash_one(status.to_string()),
                status,
            };
            if !self.was_just_written(&write, now) {
                due.push((target, write));
            }
        }
        (due, postponed)
    }

    /// Whether exactly this was just written: the store may not show it yet.
    fn was_just_written(&self, write: &StatusWrite<'_>, now: Instant) -> bool {
        let last = self.statuses.get(&(write.kind, write.key.clone()));
        last.is_some_and(|last| {
            (last.uid.as_str(), last.hash) == (write.uid, write.hash)
                && now.saturating_duration_since(last.at) < 2 * budget::TRANSITION_GAP
        })
    }

    async fn write_status(&self, write: &StatusWrite<'_>) -> Result<(), ApplyError> {
        let result = match write.kind {
            Kind::Account => self.patch_status::<TickerAccount>(write).await,
            Kind::Set => self.patch_status::<InstrumentSet>(write).await,
        };
        match result {
            Ok(()) => self.context.metrics.status_written(write.kind),
            // Deleted in the meantime.
            Err(error) if error.is_not_found() => {}
            Err(source) => {
                return Err(ApplyError {
                    kind: write.kind.as_str(),
                    key: write.key.clone(),
                    verb: "given its status",
                    source,
                });
            }
        }
        Ok(())
    }

    async fn patch_status<K>(&self, write: &StatusWrite<'_>) -> Result<(), ApiError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone,
    {
        // The answer repeats the whole object, which is not needed.
        let api: Api<PartialObjectMeta<K>> =
            Api::namespaced(self.context.client.clone(), &write.key.namespace);
        let params = PatchParams {
            field_manager: Some(names::STATUS_FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Json::<()>(uid_checked_patch(write.uid, &write.status));
        within(TIMEOUT, api.patch_status(&write.key.name, &params, &patch)).await?;
        Ok(())
    }
}

/// Replaces the status of the object with this uid. If another object of this name was created in
/// the meantime, the test of the patch fails: server-side apply would ignore the uid, and `kubectl
/// wait` would see another object's data.
fn uid_checked_patch(uid: &str, status: &Value) -> json_patch::Patch {
    json_patch::Patch(vec![
        PatchOperation::Test(TestOperation {
            path: PointerBuf::from_tokens(["metadata", "uid"]),
            value: uid.into(),
        }),
        PatchOperation::Add(AddOperation {
            path: PointerBuf::from_tokens(["status"]),
            value: status.clone(),
        }),
    ])
}

type RenderStatus<'a> = Box<dyn Fn() -> Value + 'a>;

fn status_writes(
    plan: &Plan,
) -> impl Iterator<Item = (Kind, &Key, &str, Change, RenderStatus<'_>)> {
    let accounts = plan.accounts.iter().map(|account| {
        let status: RenderStatus<'_> = Box::new(|| json!(*account.status));
        (
            Kind::Account,
            &account.key,
            account.uid.as_str(),
            account.change,
            status,
        )
    });
    let sets = plan.sets.iter().map(|set| {
        let status: RenderStatus<'_> = Box::new(|| json!(*set.status));
        (Kind::Set, &set.key, set.uid.as_str(), set.change, status)
    });
    accounts.chain(sets)
}
