//! Drives the subscriber: joins and leaves channels, and hands on what comes.
//!
//! Owns that task, and what each event of a channel means. Must not wait for a client.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use redis_link::subscriber::{ChannelEvent, Subscriber};
use serde::Deserialize;
use serde_json::value::RawValue;
use service::clock::Clock;
use service::probe::Heartbeat;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::directory::sync::KnownDirectory;
use crate::instrument::InstrumentId;
use crate::outbox::Notice;
use crate::protocol::answer;
use crate::tick::Tick;

/// Channels of events that are always read.
const EVENTS: [(&str, bool); 2] = [("ticker:events", false), ("mock:ticker:events", true)];

/// The subscriber is polled at least this often, so that the task is seen to live.
const BEAT: std::time::Duration = std::time::Duration::from_secs(1);

/// What the task is given.
pub(crate) struct HubTask {
    pub(crate) hub: Arc<Hub>,
    pub(crate) subscriber: Subscriber,
    pub(crate) clock: Clock,
    /// Gets instruments whose rows have changed.
    pub(crate) changes: mpsc::Sender<Option<InstrumentId>>,
    pub(crate) directory: watch::Receiver<KnownDirectory>,
    /// Gets why channels are not subscribed to.
    pub(crate) error: watch::Sender<Option<String>>,
    pub(crate) heartbeat: Heartbeat,
}

/// What matters of an event.
#[derive(Deserialize)]
struct Event<'a> {
    event_type: &'a str,
    instrument_token: Option<u32>,
    from_ts: Option<f64>,
    to_ts: Option<f64>,
    #[serde(default)]
    tokens: Vec<u32>,
}

impl HubTask {
    /// Reads until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        for (channel, _) in EVENTS {
            self.subscriber.want(channel);
        }
        loop {
            self.heartbeat.beat(self.clock.now());
            if self.directory.has_changed().unwrap_or_default() {
                self.adopt();
            }
            for (channel, wanted) in self.hub.lock().channels.take_wishes() {
                if wanted {
                    self.subscriber.want(&channel);
                } else {
                    self.subscriber.unwant(&channel);
                }
            }
            let error = self.subscriber.error();
            self.error.send_if_modified(|known| {
                let differs = *known != error;
                *known = error;
                differs
            });
            let latest = self.clock.now() + BEAT;
            let deadline = self
                .subscriber
                .deadline()
                .map_or(latest, |it| it.min(latest));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                // Polled in every turn, also in the one after its deadline, and before what clients cause: nothing
                // that they ask for keeps the others from their ticks.
                () = read(&mut self.subscriber, &self.hub, &self.changes, &self.clock) => {}
                () = self.hub.wishes.notified() => {}
                changed = self.directory.changed() => if changed.is_ok() {
                    self.adopt();
                } else {
                    // Its task has ended; the process ends too.
                    return shutdown.cancelled().await;
                },
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
        }
    }

    /// Follows instruments that have gone to other channels.
    fn adopt(&mut self) {
        let known = self.directory.borrow_and_update().clone();
        if let Some(directory) = known {
            self.hub.lock().adopt(&directory);
        }
    }
}

/// Reads what comes; ends when the subscriber is to be polled at another time.
async fn read(
    subscriber: &mut Subscriber,
    hub: &Hub,
    changes: &mpsc::Sender<Option<InstrumentId>>,
    clock: &Clock,
) {
    let deadline = subscriber.deadline();
    poll_fn(|cx| {
        let now = clock.times();
        let wall = now.wall.as_microsecond();
        subscriber.poll(cx, now.monotonic, &mut |event| {
            hub.on_event(event, now.monotonic, wall, changes);
        });
        if subscriber.deadline() == deadline {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

impl Hub {
    fn on_event(
        &self,
        event: ChannelEvent<'_>,
        now: Instant,
        wall_micros: i64,
        changes: &mpsc::Sender<Option<InstrumentId>>,
    ) {
        match event {
            ChannelEvent::Message { channel, payload } => {
                if let Some((_, is_mock)) = EVENTS.iter().find(|(it, _)| *it == channel) {
                    self.on_change(payload, *is_mock, changes);
                } else if !self.on_order(channel, payload) {
                    match Tick::parse(payload) {
                        Some(tick) => self.deliver(channel, tick, now),
                        None => self.lock().counts.invalid += 1,
                    }
                }
            }
            ChannelEvent::Subscribed { channel } => {
                if EVENTS.iter().any(|(it, _)| *it == channel) {
                    // Events may have been missed.
                    let _full = changes.try_send(None);
                }
                if self.lock().on_subscribed(channel, seconds(wall_micros)) {
                    self.unread.notify_one();
                    self.wishes.notify_one();
                }
            }
            ChannelEvent::Lost { channel } => {
                let mut state = self.lock();
                state.counts.gaps += 1;
                state.channels.on_lost(channel, seconds(wall_micros));
            }
        }
    }

    /// An order update, if `channel` is one of orders.
    fn on_order(&self, channel: &str, payload: &[u8]) -> bool {
        let state = self.lock();
        let Some(orders) = state.channels.orders(channel) else {
            return false;
        };
        if let Ok(data) = serde_json::from_slice::<&RawValue>(payload) {
            let text = answer::order(&orders.account, data);
            for (_, outbox) in &orders.clients {
                outbox.notice(Notice::Order, text.clone());
            }
        }
        true
    }

    /// An event about what streams, or about ticks that are missing.
    fn on_change(
        &self,
        payload: &[u8],
        is_mock: bool,
        changes: &mpsc::Sender<Option<InstrumentId>>,
    ) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(payload) else {
            return;
        };
        match event.event_type {
            "subscription_created" | "subscription_deleted" | "instrument_changed" => {
                let id = event
                    .instrument_token
                    .map(|token| InstrumentId { token, is_mock });
                // If the queue is full, everything is read from time to time.
                let _full = changes.try_send(id);
            }
            "gap" => {
                let ids = event.tokens.iter();
                let ids = ids.map(|token| InstrumentId {
                    token: *token,
                    is_mock,
                });
                let (from, to) = (event.from_ts.unwrap_or(0.0), event.to_ts.unwrap_or(0.0));
                self.lock().tell_gap(ids, from, to, "ingest");
            }
            _ => {}
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a date fit into 53 bits"
)]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
