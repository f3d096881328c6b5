//! Keeps the directory as it is in Redis: read whole from time to time, and the rows that an event names at
//! once.
//!
//! Owns that task. A read that fails changes nothing: what was known stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use redis_link::reader::{ReadError, RedisReader};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{InstrumentDirectory, StreamedInstrument, key_start};
use crate::instrument::InstrumentId;

/// How often it is read whole.
const WHOLE_EVERY: Duration = Duration::from_secs(60);

/// How soon it is read again when that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(50);

/// Rows per command.
const AT_ONCE: usize = 500;

/// Changes that may wait; if there are more, the directory is read whole.
pub(crate) const CHANGES: usize = 1024;

/// The directory as it is known; none until it was read.
pub(crate) type KnownDirectory = Option<Arc<InstrumentDirectory>>;

/// The task that reads it.
#[derive(Debug)]
pub(crate) struct DirectorySync {
    pub(crate) reader: Arc<RedisReader>,
    /// Instruments whose rows have changed; none means that everything may have.
    pub(crate) changes: mpsc::Receiver<Option<InstrumentId>>,
    pub(crate) known: watch::Sender<KnownDirectory>,
}

impl DirectorySync {
    /// Reads until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let reading = async {
            let mut lines = service::text::LineQuota::for_reasons();
            loop {
                let Err(error) = self.follow().await;
                let error = service::exit::chain(&error).to_string();
                #[expect(clippy::disallowed_methods, reason = "how often to say so")]
                if let Some(suppressed) = lines.take(std::time::Instant::now()) {
                    tracing::warn!(error, suppressed, "the directory cannot be read, retrying");
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = reading => {}
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, ReadError> {
        loop {
            let whole = self.read_whole().await?;
            self.publish(whole);
            let end = tokio::time::Instant::now() + WHOLE_EVERY;
            while let Ok(change) = tokio::time::timeout_at(end, self.changes.recv()).await {
                let Some(change) = change else {
                    // The hub has ended.
                    return std::future::pending().await;
                };
                tokio::time::sleep(GATHER).await;
                let mut changed = BTreeSet::from_iter(change);
                let mut everything = change.is_none();
                while let Ok(change) = self.changes.try_recv() {
                    everything |= change.is_none();
                    changed.extend(change);
                }
                if everything {
                    break;
                }
                self.read_rows(&changed).await?;
            }
        }
    }

    async fn read_whole(&self) -> Result<InstrumentDirectory, ReadError> {
        let mut directory = InstrumentDirectory::default();
        for is_mock in [false, true] {
            let key = key(is_mock);
            let mut cursor = 0;
            loop {
                let (next, rows) = self.reader.hash_page(&key, cursor, AT_ONCE).await?;
                for (token, row) in rows {
                    let token = std::str::from_utf8(&token)
                        .ok()
                        .and_then(|it| it.parse().ok());
                    if let (Some(token), Some(row)) = (token, StreamedInstrument::parse(&row)) {
                        directory.set(InstrumentId { token, is_mock }, Some(row));
                    }
                }
                if next == 0 {
                    break;
                }
                cursor = next;
            }
        }
        Ok(directory)
    }

    async fn read_rows(&self, changed: &BTreeSet<InstrumentId>) -> Result<(), ReadError> {
        let known = self.known.borrow().clone().unwrap_or_default();
        let mut directory = InstrumentDirectory::clone(&known);
        for is_mock in [false, true] {
            let ids: Vec<InstrumentId> = changed
                .iter()
                .copied()
                .filter(|it| it.is_mock == is_mock)
                .collect();
            for ids in ids.chunks(AT_ONCE) {
                let fields: Vec<String> = ids.iter().map(|id| id.token.to_string()).collect();
                let rows = self.reader.hash_fields(&key(is_mock), &fields).await?;
                for (id, row) in ids.iter().zip(rows) {
                    directory.set(*id, row.and_then(|row| StreamedInstrument::parse(&row)));
                }
            }
        }
        self.publish(directory);
        Ok(())
    }

    fn publish(&self, directory: InstrumentDirectory) {
        self.known.send_if_modified(|known| {
            if known.as_deref() == Some(&directory) {
                return false;
            }
            *known = Some(Arc::new(directory));
            true
        });
    }
}

fn key(is_mock: bool) -> String {
    format!("{}ticker:instruments", key_start(is_mock))
}
