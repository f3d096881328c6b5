//! Reads the newest ticks that clients wait for.
//!
//! Owns that task. It asks only for instruments whose channel is subscribed to: what is published after the
//! answer comes on the channel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_link::reader::{ReadError, RedisReader};
use service::clock::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::directory::sync::KnownDirectory;
use crate::instrument::InstrumentId;
use crate::tick::Tick;

/// Instruments that are read at once.
const AT_ONCE: usize = 500;

/// How soon it is tried again when Redis could not be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Reads until `shutdown`.
pub(crate) async fn run(
    hub: Arc<Hub>,
    reader: Arc<RedisReader>,
    directory: watch::Receiver<KnownDirectory>,
    clock: Clock,
    shutdown: CancellationToken,
) {
    let reading = async {
        loop {
            hub.unread.notified().await;
            loop {
                let ids = hub.take_unread();
                if ids.is_empty() {
                    break;
                }
                if let Err(error) = read(&hub, &reader, &directory, &clock, &ids).await {
                    tracing::debug!(error = %service::exit::chain(&error), "newest ticks cannot be read, retrying");
                    hub.read_again(&ids);
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = reading => {}
    }
}

async fn read(
    hub: &Hub,
    reader: &RedisReader,
    directory: &watch::Receiver<KnownDirectory>,
    clock: &Clock,
    ids: &[InstrumentId],
) -> Result<(), ReadError> {
    let known = directory.borrow().clone().unwrap_or_default();
    let mut keys: BTreeMap<String, Vec<InstrumentId>> = BTreeMap::new();
    for id in ids {
        match known.get(*id) {
            Some(row) => {
                let key = row.last_value_key(id.is_mock);
                keys.entry(key).or_default().push(*id);
            }
            // It no longer streams.
            None => hub.on_snapshot(*id, None, clock.now()),
        }
    }
    for (key, ids) in keys {
        let fields: Vec<String> = ids.iter().map(|id| id.token.to_string()).collect();
        let found = reader.hash_fields(&key, &fields).await?;
        for (id, text) in ids.into_iter().zip(found) {
            let tick = text.and_then(|text| Tick::parse(&text));
            // Tokens are given to other contracts in time, and old values may stay for a while.
            let fits = |tick: &Tick| {
                let row = known.get(id);
                tick.id == id
                    && row.is_some_and(|row| tick.is_of(&row.exchange, &row.tradingsymbol))
            };
            hub.on_snapshot(id, tick.filter(fits), clock.now());
        }
    }
    Ok(())
}

impl Hub {
    /// Some of the instruments whose newest tick is to be read.
    fn take_unread(&self) -> Vec<InstrumentId> {
        let mut state = self.lock();
        let mut ids = Vec::new();
        while ids.len() < AT_ONCE
            && let Some(id) = state.unread.pop_first()
        {
            ids.push(id);
        }
        ids
    }

    fn read_again(&self, ids: &[InstrumentId]) {
        let mut state = self.lock();
        let wanted = ids.iter().filter(|id| state.instruments.contains_key(id));
        let wanted: Vec<InstrumentId> = wanted.copied().collect();
        state.unread.extend(wanted);
        drop(state);
        self.unread.notify_one();
    }

    /// The newest tick of an instrument, as it is stored; none if none is.
    fn on_snapshot(&self, id: InstrumentId, tick: Option<Tick>, now: Instant) {
        let mut state = self.lock();
        let Some(followed) = state.instruments.get_mut(&id) else {
            return;
        };
        if let Some(tick) = tick
            && followed
                .newest
                .as_ref()
                .is_none_or(|newest| tick.order.is_after(&newest.order))
        {
            followed.newest = Some(Arc::new(tick));
        }
        for listener in &mut followed.listeners {
            if std::mem::replace(&mut listener.waits, false)
                && let Some(newest) = &followed.newest
            {
                listener.outbox.push(newest, listener.mode, true, now);
            }
        }
    }
}
