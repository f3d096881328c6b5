//! Deletes a pod that its StatefulSet should have replaced and never does.
//!
//! A pod that never got ready, because its image cannot be pulled for example, is replaced by the
//! StatefulSet controller when the template is repaired. Some versions do not (Kubernetes
//! 1.35.0 to 1.35.3 with the feature MaxUnavailableStatefulSet), nor does any with the update
//! strategy OnDelete. Owns when that is certain; a pod that was ready is never deleted here.

use std::time::{Duration, Instant};

use crds::names;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PartialObjectMeta, Preconditions};

use super::{Applier, ApplyError, FinishedWrite, TIMEOUT, WriteTarget};
use crate::cluster::api_error::{ApiError, within};
use crate::cluster::metrics::WrittenKind;
use crate::cluster::owned_objects::AccountObjects;
use crate::plan::Key;

/// Label of a pod: the revision of its StatefulSet that it was made from.
const REVISION: &str = "controller-revision-hash";

/// A pod may take this long to get ready, and between two looks at its StatefulSet.
const LOOK: Duration = Duration::from_secs(30);

/// For this long its StatefulSet must have wanted another revision: it is its own work to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is known of the pod of an account that never was ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Repair {
    watched: Option<UnreadyPod>,
    /// The revision for which a pod was deleted last: it happens once per revision.
    deleted_for: Option<String>,
}

/// A pod that never was ready.
#[derive(Clone, Debug, PartialEq, Eq)]
struct UnreadyPod {
    uid: String,
    /// When its StatefulSet is read next.
    look_at: Instant,
    /// The generation of the StatefulSet of which the pod is known to be.
    current_in: Option<i64>,
    /// The revision that its StatefulSet wants instead, and since when that is known.
    outdated: Option<(String, Instant)>,
}

/// What a StatefulSet says of its revisions.
#[derive(Clone, Debug)]
struct Revisions {
    generation: Option<i64>,
    /// The newest one; `None` until the controller has seen the newest template.
    newest: Option<String>,
}

impl Repair {
    /// Notes the pod, and returns whether its StatefulSet is to be read now. `pod`: its identity, if
    /// there is one that never was ready.
    fn note_pod(&mut self, pod: Option<&str>, generation: Option<i64>, now: Instant) -> bool {
        let Some(uid) = pod else {
            self.watched = None;
            return false;
        };
        let watched = self.watched.take().filter(|watched| watched.uid == uid);
        let watched = self.watched.insert(watched.unwrap_or_else(|| UnreadyPod {
            uid: uid.to_owned(),
            look_at: now + LOOK,
            current_in: None,
            outdated: None,
        }));
        let settled = watched.current_in.is_some() && watched.current_in == generation;
        !settled && now >= watched.look_at
    }

    /// Notes the answer about a pod of revision `own`; returns the revision for which the pod is to be
    /// deleted.
    fn note_revisions(&mut self, own: &str, answer: Revisions, now: Instant) -> Option<String> {
        let watched = self.watched.as_mut()?;
        watched.look_at = now + LOOK;
        let newest = answer.newest?;
        if newest == own {
            watched.current_in = answer.generation;
            watched.outdated = None;
            return None;
        }
        let since = match &watched.outdated {
            Some((known, since)) if *known == newest => *since,
            _ => now,
        };
        watched.outdated = Some((newest.clone(), since));
        let certain = now.saturating_duration_since(since) >= PATIENCE;
        (certain && self.deleted_for.as_ref() != Some(&newest)).then_some(newest)
    }
}

impl Applier {
    /// Looks at an account's pod, and deletes it if its StatefulSet does not replace it.
    pub(super) async fn repair_pod(
        &self,
        account: &Key,
        owned: &AccountObjects,
        repair: &mut Repair,
        now: Instant,
    ) -> Option<FinishedWrite> {
        let target = WriteTarget::Repair(account.clone());
        let set = owned.stateful_set.as_ref();
        let pod = owned.pod.as_ref().filter(|pod| {
            set.is_some() && owned.pod_never_ready && pod.deletion_timestamp.is_none()
        });
        let uid = pod.and_then(|pod| pod.uid.as_deref());
        let due = repair.note_pod(uid, set.and_then(|set| set.generation), now);
        let Some(pod) = pod else {
            // What failed before is not needed any more.
            return Some(self.finished(target, Ok(())));
        };
        if !self.context.repair || !due || !self.retries.may_try(&target, now) {
            return None;
        }
        let result = self.look_and_delete(account, pod, repair, now).await;
        Some(self.finished(target, result))
    }

    async fn look_and_delete(
        &self,
        account: &Key,
        pod: &ObjectMeta,
        repair: &mut Repair,
        now: Instant,
    ) -> Result<(), ApplyError> {
        let failed = |kind, name, verb| {
            move |source: ApiError| ApplyError {
                kind,
                key: Key::new(&account.namespace, name),
                verb,
                source,
            }
        };
        let (client, namespace) = (self.context.client.clone(), account.namespace.as_str());
        let Some(own) = pod.labels.as_ref().and_then(|labels| labels.get(REVISION)) else {
            return Ok(());
        };
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
        let name = names::stateful_set(&account.name);
        let answer = within(TIMEOUT, sets.get_opt(&name)).await;
        let Some(set) = answer.map_err(failed("StatefulSet", name, "read"))? else {
            return Ok(());
        };
        let Some(revision) = repair.note_revisions(own, revisions(&set), now) else {
            return Ok(());
        };
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: pod.uid.clone(),
            resource_version: None,
        });
        let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(client, namespace);
        let name = names::pod(&account.name);
        match within(TIMEOUT, pods.delete(&name, &params)).await {
            Ok(_) => {
                repair.deleted_for = Some(revision);
                self.context.metrics.applied(WrittenKind::Pod);
                tracing::warn!(
                    %account,
                    pod = name,
                    "deleted: it never got ready, and its StatefulSet does not replace it by one of the newest template"
                );
                Ok(())
            }
            // It was replaced after all.
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(source) => Err(failed("Pod", name, "deleted")(source)),
        }
    }
}

fn revisions(set: &StatefulSet) -> Revisions {
    let generation = set.metadata.generation;
    let status = set.status.as_ref();
    let status = status.filter(|status| status.observed_generation == generation);
    Revisions {
        generation,
        newest: status.and_then(|status| status.update_revision.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        service::clock::Clock::system().now()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn newest(revision: &str) -> Revisions {
        Revisions {
            generation: Some(2),
            newest: Some(revision.to_owned()),
        }
    }

    /// Looks every second for `length` seconds; when pods were deleted.
    fn watched(repair: &mut Repair, start: Instant, length: u64, answer: &Revisions) -> Vec<u64> {
        let deleted = (0..length).filter(|second| {
            let now = start + seconds(*second);
            let due = repair.note_pod(Some("u"), answer.generation, now);
            let revision = due.then(|| repair.note_revisions("old", answer.clone(), now));
            let revision = revision.flatten();
            let deleted = revision.is_some();
            repair.deleted_for = revision.or(repair.deleted_for.take());
            deleted
        });
        deleted.collect()
    }

    #[test]
    fn a_pod_that_is_not_replaced_for_a_minute_is_deleted_once_per_revision() {
        let (mut repair, start) = (Repair::default(), start());
        assert_eq!(watched(&mut repair, start, 600, &newest("new")), [90]);
        let later = start + seconds(600);
        assert_eq!(watched(&mut repair, later, 600, &newest("newer")), [60]);
    }

    #[test]
    fn a_pod_of_the_newest_template_is_left_alone_and_its_set_not_asked_again() {
        let (mut repair, start) = (Repair::default(), start());
        assert!(watched(&mut repair, start, 600, &newest("old")).is_empty());
        let late = start + seconds(900);
        assert!(!repair.note_pod(Some("u"), Some(2), late));
        assert!(repair.note_pod(Some("u"), Some(3), late), "a new template");
    }

    #[test]
    fn a_pod_that_gets_ready_or_is_replaced_starts_anew() {
        let (mut repair, start) = (Repair::default(), start());
        watched(&mut repair, start, 80, &newest("new"));
        assert!(!repair.note_pod(None, Some(2), start + seconds(81)));
        let again = start + seconds(82);
        assert!(watched(&mut repair, again, 89, &newest("new")).is_empty());
    }

    #[test]
    fn a_controller_that_has_not_seen_the_template_yet_says_nothing() {
        let mut set = StatefulSet::default();
        set.metadata.generation = Some(2);
        let status = set.status.get_or_insert_default();
        status.observed_generation = Some(1);
        status.update_revision = Some("old".to_owned());
        assert_eq!(revisions(&set).newest, None);
        let (mut repair, start) = (Repair::default(), start());
        assert!(watched(&mut repair, start, 600, &revisions(&set)).is_empty());
    }
}
