//! Sends Kubernetes events about transitions. Best effort: an event that cannot be sent is logged,
//! and the status says the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crds::{InstrumentSet, TickerAccount, names};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{self, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::TIMEOUT;
use crate::cluster::api_error::within;
use crate::plan::{Event, EventReason, Kind};

/// Events that may wait for the API server. Further ones are dropped: the status says the same.
const WAITING: usize = 1_000;

/// Concurrent requests.
const IN_FLIGHT: usize = 4;

/// The least time between two events of one object for one reason, unless the planner paces them.
const REPEAT_GAP: Duration = Duration::from_secs(300);

/// The longest note that Kubernetes accepts.
const LONGEST_NOTE: usize = 1000;

/// Decides which events are due, and queues them without waiting.
pub(in crate::cluster) struct EventSender {
    due: mpsc::Sender<Event>,
    sent: BTreeMap<(String, EventReason), Instant>,
}

/// Sends queued events: an API server that is slow with events delays nothing else.
pub(in crate::cluster) struct EventPublisher {
    recorder: Recorder,
    due: mpsc::Receiver<Event>,
}

/// Makes both ends.
pub(in crate::cluster) fn event_channel(client: Client) -> (EventSender, EventPublisher) {
    let (events, due) = mpsc::channel(WAITING);
    let reporter = Reporter {
        controller: names::FIELD_MANAGER.to_owned(),
        instance: None,
    };
    let sender = EventSender {
        due: events,
        sent: BTreeMap::new(),
    };
    let publisher = EventPublisher {
        recorder: Recorder::new(client, reporter),
        due,
    };
    (sender, publisher)
}

impl EventSender {
    /// Queues what is due.
    pub(super) fn send(&mut self, events: &[Event], now: Instant) {
        self.sent
            .retain(|_, at| now.saturating_duration_since(*at) < REPEAT_GAP);
        for event in events {
            let sent = (event.uid.clone(), event.reason);
            if !event.reason.is_paced() {
                if self.sent.contains_key(&sent) {
                    continue;
                }
                self.sent.insert(sent, now);
            }
            if self.due.try_send(event.clone()).is_err() {
                tracing::debug!(object = %event.key, reason = %event.reason, "event dropped");
            }
        }
    }
}

impl EventPublisher {
    /// Sends until `stop`.
    pub(in crate::cluster) async fn run(self, stop: CancellationToken) {
        let Self { recorder, due } = self;
        let due = stream::unfold(due, async |mut due| Some((due.recv().await?, due)));
        let sending = due.for_each_concurrent(IN_FLIGHT, async |event| {
            let (content, reference) = (content(&event), reference(&event));
            if let Err(error) = within(TIMEOUT, recorder.publish(&content, &reference)).await {
                tracing::warn!(object = %event.key, reason = %event.reason, "event not sent: {error}");
            }
        });
        tokio::select! {
            () = stop.cancelled() => {}
            () = sending => stop.cancelled().await,
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
    use service::clock::Clock;

    use super::*;

    #[tokio::test]
    async fn an_event_is_repeated_after_a_while_unless_the_planner_paces_it() {
        let (due, mut queued) = mpsc::channel(WAITING);
        let sent = BTreeMap::new();
        let mut sender = EventSender { due, sent };
        let event = |reason| Event {
            kind: Kind::Set,
            key: crate::plan::Key::new("desk", "s"),
            uid: "1".to_owned(),
            warning: false,
            reason,
            message: String::new(),
        };
        let start = Clock::system().now();
        for seconds in [0, 60, 299, 300] {
            let now = start + Duration::from_secs(seconds);
            let reasons = [EventReason::FailedOver, EventReason::Moved];
            sender.send(&reasons.map(event), now);
        }
        let mut reasons = Vec::new();
        while let Ok(event) = queued.try_recv() {
            reasons.push(event.reason);
        }
        let times = |reason| reasons.iter().filter(|it| **it == reason).count();
        assert_eq!(
            (times(EventReason::FailedOver), times(EventReason::Moved)),
            (2, 4)
        );
    }

    #[test]
    fn long_notes_are_cut_between_characters() {
        let text = "é".repeat(LONGEST_NOTE);
        assert_eq!(shortened(&text).len(), LONGEST_NOTE);
        assert_eq!(shortened(&format!("x{text}")).len(), LONGEST_NOTE - 1);
    }
}
