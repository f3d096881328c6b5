//! Tells users of transitions, as Kubernetes events. Best effort: what cannot be told is told in
//! the status anyway.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crds::condition::Reason;
use crds::{InstrumentSet, TickerAccount, names};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{self, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use super::within;
use crate::plan::{Event, Kind};

/// The least time between two events of one object for one reason.
const REPEAT_GAP: Duration = Duration::from_secs(300);

/// The longest note Kubernetes takes.
const LONGEST_NOTE: usize = 1000;

/// Sends events, none too often.
pub(super) struct Announcer {
    recorder: Recorder,
    sent: BTreeMap<(String, Reason), Instant>,
}

impl Announcer {
    pub(super) fn new(client: Client) -> Self {
        let reporter = Reporter {
            controller: names::FIELD_MANAGER.to_owned(),
            instance: None,
        };
        Self {
            recorder: Recorder::new(client, reporter),
            sent: BTreeMap::new(),
        }
    }

    /// Sends what is due.
    pub(super) async fn announce(&mut self, events: &[Event], now: Instant) {
        self.sent
            .retain(|_, at| now.saturating_duration_since(*at) < REPEAT_GAP);
        for event in events {
            let sent = (event.uid.clone(), event.reason);
            if self.sent.contains_key(&sent) {
                continue;
            }
            self.sent.insert(sent, now);
            let (content, reference) = (content(event), reference(event));
            if let Err(trouble) = within(self.recorder.publish(&content, &reference)).await {
                tracing::warn!(object = %event.key, reason = %event.reason, "event not sent: {trouble}");
            }
        }
    }
}

fn content(event: &Event) -> events::Event {
    events::Event {
        type_: if event.warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: event.reason.as_str().to_owned(),
        note: Some(shortened(&event.message)),
        action: "Report".to_owned(),
        secondary: None,
    }
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(LONGEST_NOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn reference(event: &Event) -> ObjectReference {
    let kind = match event.kind {
        Kind::Account => TickerAccount::kind(&()),
        Kind::Set => InstrumentSet::kind(&()),
    };
    ObjectReference {
        api_version: Some(TickerAccount::api_version(&()).into_owned()),
        kind: Some(kind.into_owned()),
        namespace: Some(event.key.namespace.clone()),
        name: Some(event.key.name.clone()),
        uid: Some(event.uid.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_notes_are_cut_between_characters() {
        let text = "é".repeat(LONGEST_NOTE);
        assert_eq!(shortened(&text).len(), LONGEST_NOTE);
        assert_eq!(shortened(&format!("x{text}")).len(), LONGEST_NOTE - 1);
    }
}
