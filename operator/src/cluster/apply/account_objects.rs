//! Writes what an account owns: its assignment, Service and StatefulSet. A pod whose files changed
//! is annotated by [`poke`].

use super::assignment::{AssignmentWrites, content};
use super::object::{Applied, PlannedAccount, owner};
use super::poke::{self, Poke};
use super::repair::Repair;
use super::{Applier, ApplyError, FinishedWrite, WriteTarget};
use crate::cluster::owned_kind::OwnedKind;
use crate::cluster::workload;
use crate::plan::{AssignmentChange, Key, Workload};

/// What was written last for one account, so that it is not written again.
#[derive(Clone, Debug, Default)]
pub(super) struct ApplyCache {
    /// The account's identity: a new account of this name starts empty.
    pub(super) uid: String,
    assignment: AssignmentWrites,
    service: Applied,
    stateful_set: Applied,
    pub(super) poke: Option<Poke>,
    repair: Repair,
}

impl ApplyCache {
    /// Starts empty, for the account with this identity.
    pub(super) fn of(uid: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            ..Self::default()
        }
    }

    /// Which of the account's objects another program keeps changing, for people.
    pub(super) fn contested(&self, account: &Key) -> Option<String> {
        let contests = [
            (OwnedKind::ConfigMap, &self.assignment.contest),
            (OwnedKind::Service, &self.service.contest),
            (OwnedKind::StatefulSet, &self.stateful_set.contest),
        ];
        let (kind, _) = contests.iter().find(|(_, contest)| contest.lasts())?;
        Some(format!(
            "{kind} {} cannot be applied: another program keeps changing it. Only one operator may manage a \
             namespace, and no other tool may set what it sets: end the other one. Until then this one writes ever \
             more rarely, at last every five minutes",
            kind.key(account)
        ))
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
            cache.assignment.contest.end();
            return Vec::new();
        };
        if !owned.names_are_ours
            || !cache.assignment.note_stored(owned, now)
            || !self.retries.may_try(&target, now)
        {
            return Vec::new();
        }
        let result = self
            .write_assignment(account, assignment, &mut cache.assignment)
            .await;
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
            && content(owned, &cache.assignment).is_none();
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
        let value = poke::value(&content(owned, &cache.assignment)?, versions);
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
        let rests = (workload, plan.asleep);
        let stateful_set = workload::stateful_set(owner, rests, &self.context.defaults);
        let live = owned.stateful_set.as_ref();
        let last = &mut cache.stateful_set;
        self.apply_object(&stateful_set, live, last, now).await?;
        service_applied
    }
}
