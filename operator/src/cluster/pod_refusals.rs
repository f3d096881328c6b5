//! Why the pod of an account was not created: a quota, Pod Security, an admission policy.
//!
//! The StatefulSet controller says it in an event and nowhere else. Owns which event counts. Without
//! the right to watch events nothing is known, and a message is less exact.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ObjectMeta;
use service::text::printable;

use super::parsed_or_raw;
use crate::plan::Key;

/// Selects the events in which the StatefulSet controller says that it could not create a pod.
pub(crate) const SELECTOR: &str = "involvedObject.kind=StatefulSet,reason=FailedCreate";

/// The longest answer of the API server that is repeated, in characters.
const LONGEST: usize = 400;

/// What the controller puts before the API server's answer.
const BEFORE_ANSWER: &str = "failed error: ";

/// The newest refusal of each StatefulSet, and the newest pod that was created in spite of it.
#[derive(Debug, Default)]
pub(crate) struct PodRefusals {
    /// By the StatefulSet's identity.
    events: BTreeMap<String, (Timestamp, String)>,
    /// When the newest pod of this name was created.
    pods: BTreeMap<Key, Timestamp>,
}

impl PodRefusals {
    /// Takes note of what exists now.
    pub(crate) fn observe(&mut self, events: &[Arc<Event>], pods: &BTreeMap<Key, Arc<Pod>>) {
        self.events.clear();
        for event in events {
            let (Some(uid), Some(at)) = (&event.involved_object.uid, time(event)) else {
                continue;
            };
            let newest = self.events.get(uid).is_none_or(|(known, _)| *known < at);
            if newest {
                let text = event.message.as_deref().unwrap_or_default();
                self.events.insert(uid.clone(), (at, answer(text)));
            }
        }
        for (key, pod) in pods {
            if let Some(created) = &pod.metadata.creation_timestamp {
                self.pods.insert(key.clone(), created.0);
            }
        }
    }

    /// Forgets pods of accounts that no longer exist.
    pub(crate) fn retain(&mut self, exists: impl Fn(&Key) -> bool) {
        self.pods.retain(|pod, _| exists(pod));
    }

    /// Why the StatefulSet has no pod, for people. An event older than its last pod is about a
    /// problem that was solved.
    pub(crate) fn of(&self, stateful_set: &ObjectMeta, pod: &str) -> Option<String> {
        let (at, answer) = self.events.get(stateful_set.uid.as_ref()?)?;
        let namespace = parsed_or_raw::key(stateful_set).namespace;
        let created = self.pods.get(&Key::new(namespace, pod));
        // Times of events are whole seconds.
        let counts = created.is_none_or(|created| at.as_second() >= created.as_second());
        counts.then(|| format!("the API server refuses it: {answer}"))
    }
}

/// When the event was last seen.
fn time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    let series = series.and_then(|series| series.last_observed_time.as_ref());
    let created = event.metadata.creation_timestamp.as_ref();
    [
        event.last_timestamp.as_ref().map(|time| time.0),
        series.map(|time| time.0),
        event.event_time.as_ref().map(|time| time.0),
        created.map(|time| time.0),
    ]
    .into_iter()
    .flatten()
    .max()
}

/// The API server's words: `pods "kt-a-0" is forbidden: exceeded quota: …`.
fn answer(message: &str) -> String {
    let answer = message.split_once(BEFORE_ANSWER);
    printable(answer.map_or(message, |(_, answer)| answer), LONGEST)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUOTA: &str = "create Pod kt-a-0 in StatefulSet kt-a failed error: pods \"kt-a-0\" is forbidden: exceeded \
                         quota: none, requested: pods=1, used: pods=0, limited: pods=0";

    fn event(uid: &str, at: &str, message: &str) -> Arc<Event> {
        let value = json!({
            "metadata": {"name": "e", "namespace": "n", "creationTimestamp": "2026-11-24T03:00:00Z"},
            "involvedObject": {"kind": "StatefulSet", "name": "kt-a", "namespace": "n", "uid": uid},
            "reason": "FailedCreate", "message": message, "lastTimestamp": at,
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    fn pod(created: &str) -> BTreeMap<Key, Arc<Pod>> {
        let value =
            json!({"metadata": {"name": "kt-a-0", "namespace": "n", "creationTimestamp": created}});
        let pod = serde_json::from_value(value).unwrap();
        [(Key::new("n", "kt-a-0"), Arc::new(pod))].into()
    }

    fn refusal(refusals: &PodRefusals, uid: &str) -> Option<String> {
        let stateful_set = ObjectMeta {
            name: Some("kt-a".to_owned()),
            namespace: Some("n".to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectMeta::default()
        };
        refusals.of(&stateful_set, "kt-a-0")
    }

    #[test]
    fn the_newest_words_of_the_api_server_are_repeated() {
        let mut refusals = PodRefusals::default();
        let events = [
            event("u", "2026-11-24T03:45:00Z", QUOTA),
            event(
                "u",
                "2026-11-24T03:44:00Z",
                "create Pod failed error: older",
            ),
            event("v", "2026-11-24T03:46:00Z", "of an older namesake"),
        ];
        refusals.observe(&events, &BTreeMap::new());
        let said = refusal(&refusals, "u").unwrap();
        assert!(
            said.ends_with(": pods \"kt-a-0\" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0"),
            "{said}"
        );
        assert_eq!(refusal(&refusals, "w"), None);
        let long = event("u", "2026-11-24T03:47:00Z", &"x".repeat(2_000));
        refusals.observe(&[long], &BTreeMap::new());
        assert!(refusal(&refusals, "u").unwrap().len() < 500);
    }

    #[test]
    fn an_event_from_before_the_last_pod_is_over() {
        let mut refusals = PodRefusals::default();
        let events = [event("u", "2026-11-24T03:45:00Z", QUOTA)];
        refusals.observe(&events, &pod("2026-11-24T03:50:00Z"));
        assert_eq!(refusal(&refusals, "u"), None);
        // The pod has gone since, and the event is still there: for an hour.
        refusals.observe(&events, &BTreeMap::new());
        assert_eq!(refusal(&refusals, "u"), None);
        let again = [event("u", "2026-11-24T04:00:00Z", QUOTA)];
        refusals.observe(&again, &BTreeMap::new());
        assert!(refusal(&refusals, "u").is_some());
    }
}
