//! Keeps this account's rows of the directory up to date, and removes rows that are no longer
//! needed.
//!
//! Owns the commands to Redis about the directory. Differences are decided in [`super::listing`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHasher;
use serde::Deserialize;

use super::listing::DirectoryListing;
use super::pool::{ConnectionPool, PoolError};
use super::row::DirectoryRow;
use crate::events::message::EventBody;

/// A row stays this long after its instrument left the account: another account may be about to
/// take it over, and a tick may be on its way.
const GRACE: Duration = Duration::from_secs(5);

/// Rows per command.
const AT_ONCE: usize = 500;

/// A field of a hash and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// What is known of the directory.
#[derive(Debug, Default)]
pub(super) struct DirectorySync {
    /// Rows of this account, as they were written or found.
    known: BTreeMap<u32, KnownRow>,
    /// Rows to remove, and when.
    leaving: BTreeMap<u32, Instant>,
    /// Newest ticks under prefixes that their instruments have left, and when they are removed.
    old: BTreeMap<(Arc<str>, u32), Instant>,
    /// Events that are still to be sent, oldest first.
    pub(super) events: VecDeque<EventBody>,
}

#[derive(Debug)]
struct KnownRow {
    /// Hash of the row's JSON, to detect a change.
    hash: u64,
    prefixes: Vec<Arc<str>>,
}

/// Which account wrote a tick.
#[derive(Deserialize)]
struct TickSource {
    src: String,
    namespace: Option<String>,
}

impl DirectorySync {
    /// Reads the whole directory and compares, because an earlier process may have left rows in it.
    pub(super) async fn read_all(
        &mut self,
        listing: &DirectoryListing,
        pool: &mut ConnectionPool,
        now: Instant,
    ) -> Result<(), PoolError> {
        let mut found: BTreeMap<u32, Option<String>> =
            listing.entries.keys().map(|token| (*token, None)).collect();
        let mut cursor = 0_u64;
        loop {
            let (next, rows): (u64, Vec<Pair>) = redis::cmd("HSCAN")
                .arg(listing.directory())
                .arg(cursor)
                .arg("COUNT")
                .arg(AT_ONCE)
                .query_async(pool.to(&listing.directory()).await?)
                .await?;
            for (token, json) in rows {
                let token = std::str::from_utf8(&token)
                    .ok()
                    .and_then(|text| text.parse().ok());
                if let (Some(token), Ok(json)) = (token, String::from_utf8(json)) {
                    self.see(listing, token, json, &mut found);
                }
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        self.apply(listing, &found, pool, now).await
    }

    /// Compares new and changed rows with the directory, or all rows if others may have changed it.
    pub(super) async fn compare(
        &mut self,
        listing: &DirectoryListing,
        everything: bool,
        pool: &mut ConnectionPool,
        now: Instant,
    ) -> Result<(), PoolError> {
        let changed = listing.entries.iter().filter(|(token, entry)| {
            let known = self.known.get(token);
            let same = known.is_some_and(|known| {
                known.hash == hash(&entry.json) && known.prefixes == entry.prefixes
            });
            everything || !same
        });
        let changed: Vec<u32> = changed.map(|(token, _)| *token).collect();
        let mut found = BTreeMap::new();
        for tokens in changed.chunks(AT_ONCE) {
            let rows = fields(&listing.directory(), tokens, pool).await?;
            found.extend(tokens.iter().copied().zip(rows));
        }
        self.apply(listing, &found, pool, now).await
    }

    /// Removes rows whose grace time is over.
    pub(super) async fn clear(
        &mut self,
        listing: &DirectoryListing,
        pool: &mut ConnectionPool,
        now: Instant,
    ) -> Result<(), PoolError> {
        let due = self.leaving.iter().filter(|(_, at)| **at <= now);
        let due: Vec<u32> = due.map(|(token, _)| *token).collect();
        for tokens in due.chunks(AT_ONCE) {
            let rows = fields(&listing.directory(), tokens, pool).await?;
            // Another account may have taken over a row meanwhile.
            let gone = tokens.iter().zip(rows);
            let gone =
                gone.filter_map(|(token, row)| Some((*token, listing.removal(*token, &row?)?)));
            let (gone, events): (Vec<u32>, Vec<EventBody>) = gone.unzip();
            delete(&listing.directory(), &gone, pool).await?;
            self.events.extend(events);
            for token in tokens {
                self.leaving.remove(token);
                let known = self.known.remove(token);
                for prefix in known.into_iter().flat_map(|known| known.prefixes) {
                    self.old.insert((prefix, *token), now);
                }
            }
        }
        let due = self.old.iter().filter(|(_, at)| **at <= now);
        let due: Vec<_> = due.map(|(key, _)| key.clone()).collect();
        // Ordered by prefix.
        for ticks in due.chunk_by(|a, b| a.0 == b.0) {
            let tokens: Vec<u32> = ticks.iter().map(|(_, token)| *token).collect();
            remove_ticks(listing, &ticks[0].0, &tokens, pool).await?;
            for key in ticks {
                self.old.remove(key);
            }
        }
        Ok(())
    }

    /// Removes this account's rows without events: the instruments stream on elsewhere.
    pub(super) async fn leave(
        &self,
        listing: &DirectoryListing,
        pool: &mut ConnectionPool,
    ) -> Result<(), PoolError> {
        let tokens: Vec<u32> = self.known.keys().copied().collect();
        for tokens in tokens.chunks(AT_ONCE) {
            delete(&listing.directory(), tokens, pool).await?;
        }
        let mut ticks: BTreeMap<&Arc<str>, Vec<u32>> = BTreeMap::new();
        for (token, known) in &self.known {
            for prefix in &known.prefixes {
                ticks.entry(prefix).or_default().push(*token);
            }
        }
        for (prefix, tokens) in ticks {
            remove_ticks(listing, prefix, &tokens, pool).await?;
        }
        Ok(())
    }

    /// When [`DirectorySync::clear`] has to be called.
    pub(super) fn next(&self) -> Option<Instant> {
        self.leaving
            .values()
            .chain(self.old.values())
            .min()
            .copied()
    }

    /// Records one row of the directory, if it concerns this account.
    fn see(
        &mut self,
        listing: &DirectoryListing,
        token: u32,
        json: String,
        found: &mut BTreeMap<u32, Option<String>>,
    ) {
        // An earlier process may have written it under another prefix.
        if let Some(row) = DirectoryRow::parse(&json)
            && listing.owns(&row)
        {
            self.known.entry(token).or_insert_with(|| KnownRow {
                hash: hash(&json),
                prefixes: vec![row.prefix().into()],
            });
        }
        if let Some(wanted) = found.get_mut(&token) {
            *wanted = Some(json);
        }
    }

    /// Writes differing rows, and schedules the removal of rows that are no longer needed.
    async fn apply(
        &mut self,
        listing: &DirectoryListing,
        found: &BTreeMap<u32, Option<String>>,
        pool: &mut ConnectionPool,
        now: Instant,
    ) -> Result<(), PoolError> {
        let mut difference = listing.difference(found);
        while !difference.is_empty() {
            let rows = difference.drain(..difference.len().min(AT_ONCE));
            let rows: Vec<_> = rows.collect();
            let mut command = redis::cmd("HSET");
            command.arg(listing.directory());
            for (token, _) in &rows {
                if let Some(entry) = listing.entries.get(token) {
                    command.arg(token).arg(&entry.json);
                }
            }
            let redis = pool.to(&listing.directory()).await?;
            let () = command.query_async(redis).await?;
            // After the write it is no longer a difference: its event is sent from now on.
            let events = rows.into_iter().filter_map(|(_, event)| event);
            self.events.extend(events);
        }
        for token in found.keys() {
            let Some(entry) = listing.entries.get(token) else {
                continue;
            };
            let known = KnownRow {
                hash: hash(&entry.json),
                prefixes: entry.prefixes.clone(),
            };
            let before = self.known.insert(*token, known);
            let left: BTreeSet<Arc<str>> = before.into_iter().flat_map(|it| it.prefixes).collect();
            for prefix in left
                .into_iter()
                .filter(|prefix| !entry.prefixes.contains(prefix))
            {
                self.old.insert((prefix, *token), now + GRACE);
            }
        }
        self.old.retain(|(prefix, token), _| {
            let entry = listing.entries.get(token);
            !entry.is_some_and(|entry| entry.prefixes.contains(prefix))
        });
        self.leaving
            .retain(|token, _| !listing.entries.contains_key(token));
        for token in self
            .known
            .keys()
            .filter(|token| !listing.entries.contains_key(token))
        {
            self.leaving.entry(*token).or_insert(now + GRACE);
        }
        Ok(())
    }
}

/// Values of fields of a hash, without missing ones and those that are not text.
async fn fields(
    key: &str,
    tokens: &[u32],
    pool: &mut ConnectionPool,
) -> Result<Vec<Option<String>>, PoolError> {
    let mut command = redis::cmd("HMGET");
    let command = command.arg(key).arg(tokens);
    let values: Vec<Option<Vec<u8>>> = command.query_async(pool.to(key).await?).await?;
    let texts = values.into_iter();
    Ok(texts.map(|value| String::from_utf8(value?).ok()).collect())
}

async fn delete(key: &str, tokens: &[u32], pool: &mut ConnectionPool) -> Result<(), PoolError> {
    if tokens.is_empty() {
        return Ok(());
    }
    let mut command = redis::cmd("HDEL");
    let command = command.arg(key).arg(tokens);
    Ok(command.query_async(pool.to(key).await?).await?)
}

/// Removes the newest ticks of instruments under a prefix, if this account wrote them.
async fn remove_ticks(
    listing: &DirectoryListing,
    prefix: &str,
    tokens: &[u32],
    pool: &mut ConnectionPool,
) -> Result<(), PoolError> {
    let key = listing.last(prefix);
    for tokens in tokens.chunks(AT_ONCE) {
        let ticks = fields(&key, tokens, pool).await?;
        let ours = |tick: &str| {
            let writer: Option<TickSource> = serde_json::from_str(tick).ok();
            writer.is_some_and(|writer| {
                writer.src == listing.account.name && writer.namespace == listing.account.namespace
            })
        };
        let own = tokens.iter().zip(ticks);
        let own = own.filter(|(_, tick)| tick.as_deref().is_some_and(ours));
        let own: Vec<u32> = own.map(|(token, _)| *token).collect();
        delete(&key, &own, pool).await?;
    }
    Ok(())
}

fn hash(json: &str) -> u64 {
    let mut hasher = FxHasher::default();
    json.hash(&mut hasher);
    hasher.finish()
}
