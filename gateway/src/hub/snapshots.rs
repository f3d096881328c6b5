//! Reads the newest ticks that clients wait for.
//!
//! Owns that task. It asks only for instruments whose channel is subscribed to: what is published after the
//! answer comes on the channel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_link::reader::RedisReader;
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
        // What could not be read holds up nothing else.
        let mut failed = Vec::new();
        let mut again = clock.now();
        loop {
            tokio::select! {
                () = hub.unread.notified() => {}
                () = tokio::time::sleep_until(again.into()), if !failed.is_empty() => {
                    hub.read_again(&std::mem::take(&mut failed));
                }
            }
            let had_failed = !failed.is_empty();
            loop {
                let ids = hub.take_unread();
                if ids.is_empty() {
                    break;
                }
                failed.append(&mut read(&hub, &reader, &directory, &clock, &ids).await);
            }
            if !had_failed {
                again = clock.now() + AGAIN;
            }
            failed.sort_unstable();
            failed.dedup();
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = reading => {}
    }
}

/// Reads the newest ticks of `ids`. Returns those whose hash cannot be read.
async fn read(
    hub: &Hub,
    reader: &RedisReader,
    directory: &watch::Receiver<KnownDirectory>,
    clock: &Clock,
    ids: &[InstrumentId],
) -> Vec<InstrumentId> {
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
    let mut failed = Vec::new();
    for (key, ids) in keys {
        let fields: Vec<String> = ids.iter().map(|id| id.token.to_string()).collect();
        let found = match reader.hash_fields(&key, &fields).await {
            Ok(found) => found,
            Err(error) => {
                let error = service::exit::chain(&error);
                tracing::debug!(key, %error, "newest ticks cannot be read, retrying");
                failed.extend(ids);
                continue;
            }
        };
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
    failed
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
    pub(super) fn on_snapshot(&self, id: InstrumentId, tick: Option<Tick>, now: Instant) {
        let mut state = self.lock();
        let Some(followed) = state.instruments.get_mut(&id) else {
            return;
        };
        let newer = tick.filter(|tick| {
            let newest = followed.newest.as_ref();
            newest.is_none_or(|newest| tick.order.is_after(&newest.order))
        });
        let is_newer = newer.is_some();
        if let Some(newer) = newer {
            followed.newest = Some(Arc::new(newer));
        }
        for listener in &mut followed.listeners {
            let waits = std::mem::take(&mut listener.waits);
            // On its channel it is no longer news, so that who does not wait gets it here too.
            if (waits || is_newer)
                && let Some(newest) = &followed.newest
            {
                listener.outbox.push(newest, listener.mode, waits, now);
            }
        }
    }
}
