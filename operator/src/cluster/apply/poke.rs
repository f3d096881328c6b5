//! Changes an annotation of a pod whose files have changed: its kubelet then updates them at once.
//!
//! Owns when, and what the annotation says. Must not write anything else.

use std::time::{Duration, Instant};

use crds::names;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ObjectMeta, PartialObjectMeta, Patch, PatchParams};
use serde_json::json;
use service::backoff::Backoff;

use super::{Applier, ApplyError, TIMEOUT};
use crate::cluster::api_error::within;
use crate::cluster::metrics::WrittenKind;
use crate::plan::{Key, Plan};

/// The waits between the pokes of a pod that has not acknowledged.
const REPEATS: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(80));

/// The last change of a pod's annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Poke {
    pod_uid: Option<String>,
    value: String,
    at: Instant,
    repeats: u32,
}

/// The change of a pod's annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PokeAction {
    /// Nothing now.
    Leave,
    /// It already has the right value, from before this process started.
    AlreadyWritten(Poke),
    /// Write this poke.
    Write(Poke),
}

/// Decides: a pod is poked for a new `value`, and again for the same one only while it is `awaited`.
fn poke_action(
    last: Option<&Poke>,
    pod_uid: Option<&String>,
    shown: Option<&str>,
    value: &str,
    awaited: bool,
    now: Instant,
) -> PokeAction {
    let poke = |repeats| Poke {
        pod_uid: pod_uid.cloned(),
        value: value.to_owned(),
        at: now,
        repeats,
    };
    let known = last.filter(|last| last.pod_uid.as_ref() == pod_uid && last.value == value);
    match known {
        Some(last) if awaited && now >= last.repeat_at() => {
            PokeAction::Write(poke(last.repeats + 1))
        }
        Some(_) => PokeAction::Leave,
        None if shown == Some(value) => PokeAction::AlreadyWritten(poke(0)),
        None => PokeAction::Write(poke(0)),
    }
}

impl Poke {
    /// When it is repeated, if the pod does not acknowledge.
    fn repeat_at(&self) -> Instant {
        self.at + REPEATS.delay(self.repeats.saturating_add(1), 0.0)
    }

    /// A repetition has to be a change too.
    fn text(&self) -> String {
        match self.repeats {
            0 => self.value.clone(),
            repeats => format!("{}-{repeats}", self.value),
        }
    }
}

impl Applier {
    /// When a pod that does not answer is to be poked again.
    pub(super) fn next_poke(&self, plan: &Plan, now: Instant) -> Option<Instant> {
        let waiting = plan.accounts.iter().filter(|account| account.awaiting);
        let pokes = waiting.filter_map(|account| self.caches.get(&account.key)?.poke.as_ref());
        // An overdue poke was not possible: there is no pod.
        pokes.map(Poke::repeat_at).filter(|at| *at > now).min()
    }

    /// Pokes the account's pod if it is due.
    pub(super) async fn poke(
        &self,
        account: &Key,
        pod: &ObjectMeta,
        value: &str,
        awaited: bool,
        last: &mut Option<Poke>,
        now: Instant,
    ) -> Result<(), ApplyError> {
        let annotations = pod.annotations.as_ref();
        let shown = annotations.and_then(|it| it.get(names::ANNOTATION_POKE));
        let shown = shown.map(String::as_str);
        let action = poke_action(last.as_ref(), pod.uid.as_ref(), shown, value, awaited, now);
        match action {
            PokeAction::Leave => {}
            PokeAction::AlreadyWritten(poke) => *last = Some(poke),
            PokeAction::Write(poke) => {
                self.annotate(account, &poke).await?;
                *last = Some(poke);
            }
        }
        Ok(())
    }

    async fn annotate(&self, account: &Key, poke: &Poke) -> Result<(), ApplyError> {
        let patch = json!({
            "metadata": {
                "uid": poke.pod_uid,
                "annotations": { (names::ANNOTATION_POKE): poke.text() },
            },
        });
        let name = names::pod(&account.name);
        let api: Api<PartialObjectMeta<Pod>> =
            Api::namespaced(self.context.client.clone(), &account.namespace);
        let params = PatchParams {
            field_manager: Some(names::FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match within(TIMEOUT, api.patch(&name, &params, &Patch::Merge(&patch))).await {
            Ok(_) => {
                self.context.metrics.applied(WrittenKind::Pod);
                Ok(())
            }
            // The pod has ended, or was replaced by one that reads the files when it starts.
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(source) => Err(ApplyError {
                kind: "Pod",
                key: Key::new(&account.namespace, name),
                verb: "annotated",
                source,
            }),
        }
    }
}

/// The value of the annotation, which changes with the files.
pub(super) fn value((generation, sha256): &(u64, String), secret_versions: &[String]) -> String {
    let secrets = match secret_versions {
        [] => "none".to_owned(),
        versions => versions.join("-"),
    };
    let short = sha256.get(..12).unwrap_or(sha256);
    format!("{generation}-{short}-{secrets}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_poked_once_per_value_and_again_while_it_does_not_answer() {
        let start = service::clock::Clock::system().now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (uid, other) = ("u".to_owned(), "v".to_owned());
        let PokeAction::Write(first) = poke_action(None, Some(&uid), None, "1", true, start) else {
            panic!("must be poked")
        };
        let next = |value, uid, awaited, seconds| {
            poke_action(Some(&first), Some(uid), None, value, awaited, at(seconds))
        };
        assert_eq!(next("1", &uid, true, 4), PokeAction::Leave);
        assert_eq!(next("1", &uid, false, 9), PokeAction::Leave);
        let PokeAction::Write(second) = next("1", &uid, true, 5) else {
            panic!("must be poked again")
        };
        assert_eq!(
            (first.text().as_str(), second.text().as_str()),
            ("1", "1-1")
        );
        for new in [next("2", &uid, false, 1), next("1", &other, false, 1)] {
            assert!(matches!(new, PokeAction::Write(poke) if poke.repeats == 0));
        }
    }

    #[test]
    fn what_an_earlier_operator_wrote_is_not_written_again() {
        let now = service::clock::Clock::system().now();
        let action = poke_action(None, None, Some("1"), "1", true, now);
        assert!(matches!(action, PokeAction::AlreadyWritten(_)));
    }

    #[test]
    fn every_file_has_a_part_in_the_value() {
        let sha = "0123456789abcdef".to_owned();
        assert_eq!(value(&(7, sha.clone()), &[]), "7-0123456789ab-none");
        let versions = ["1".to_owned(), "2".to_owned()];
        assert_eq!(value(&(7, sha), &versions), "7-0123456789ab-1-2");
    }
}
