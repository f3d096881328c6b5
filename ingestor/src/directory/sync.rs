//! Keeps this account's rows of the directory up to date, and removes rows that are no longer
//! needed.
//!
//! Owns the known rows, and how long rows that are not wanted stay. Differences are
//! decided in [`super::listing`]; the commands are [`super::store`]'s.
//!
//! Several accounts may stream an instrument; its row belongs to the one that wrote it last. An
//! account writes over the row of another only when it begins to stream the instrument, when its
//! own entry changes, and at its start. In between it reads its rows in turn, and writes only those
//! that are missing, such as after their owner left, or that are its own and differ. Otherwise two
//! accounts would overwrite each other for ever.

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;

use super::listing::DirectoryListing;
use super::row::DirectoryRow;
use super::store::{AT_ONCE, DirectoryStore, FoundRows, TickKey};
use crate::events::message::EventBody;
use redis_link::connection_pool::PoolError;

/// A row stays this long after its instrument left the account: another account may be about to
/// take it over, and a tick may be on its way.
const GRACE: Duration = Duration::from_secs(5);

/// Into how many parts the rows are divided that are compared in turn.
const PARTS: usize = 20;

/// A part has at least so many rows: a few rows are soon compared.
const SMALLEST_PART: usize = 50;

/// What is known of the directory.
#[derive(Debug, Default)]
pub(super) struct DirectorySync {
    /// Rows of this account, as they were written or found.
    known: BTreeMap<u32, KnownRow>,
    /// Rows to remove, and when.
    leaving: BTreeMap<u32, Instant>,
    /// Newest ticks under prefixes that their instruments have left, and when they are removed.
    old: BTreeMap<TickKey, Instant>,
    /// Price keys under names that instruments of this account have no longer, and when they are removed again: a price
    /// may have been on its way.
    old_prices: BTreeMap<String, Instant>,
    /// The token from which on rows are compared in turn.
    next_part: u32,
    /// Events that are still to be sent, oldest first.
    pub(super) events: VecDeque<EventBody>,
}

#[derive(Debug, PartialEq)]
struct KnownRow {
    /// Hash of the row's JSON, to detect a change.
    hash: u64,
    prefixes: Vec<Arc<str>>,
}

impl KnownRow {
    fn new(json: &str, prefixes: Vec<Arc<str>>) -> Self {
        let hash = FxBuildHasher.hash_one(json);
        Self { hash, prefixes }
    }
}

impl DirectorySync {
    /// Reads the whole directory and compares, because an earlier process may have left rows in it.
    pub(super) async fn read_all(
        &mut self,
        store: &mut DirectoryStore,
        now: Instant,
    ) -> Result<(), PoolError> {
        let listing = Arc::clone(&store.listing);
        let wanted = listing.entries.keys();
        let mut found: FoundRows = wanted.map(|token| (*token, None)).collect();
        let mut cursor = 0;
        loop {
            let (next, rows) = store.scan(cursor).await?;
            for (token, json) in rows {
                self.see(&listing, token, json, &mut found);
            }
            if next == 0 {
                return self.apply(store, &found, now).await;
            }
            cursor = next;
        }
    }

    /// Compares new and changed rows with the directory, and those of instruments that were about
    /// to leave: another account may have written them meanwhile.
    pub(super) async fn compare_changed(
        &mut self,
        store: &mut DirectoryStore,
        now: Instant,
    ) -> Result<(), PoolError> {
        let changed = store.listing.entries.iter().filter(|(token, entry)| {
            self.leaving.contains_key(token)
                || self.known.get(token)
                    != Some(&KnownRow::new(&entry.json, entry.prefixes.clone()))
        });
        let changed: Vec<u32> = changed.map(|(token, _)| *token).collect();
        let found = store.rows(&changed).await?;
        self.apply(store, &found, now).await
    }

    /// Compares the next part of this account's rows with the directory: others may have changed it.
    pub(super) async fn compare_part(
        &mut self,
        store: &mut DirectoryStore,
        now: Instant,
    ) -> Result<(), PoolError> {
        let listing = Arc::clone(&store.listing);
        let (rows, from) = (&listing.entries, self.next_part);
        let in_turn = rows.range(from..).chain(rows.range(..from));
        let part = in_turn.take(rows.len().div_ceil(PARTS).max(SMALLEST_PART));
        let part: Vec<u32> = part.map(|(token, _)| *token).collect();
        self.next_part = part.last().map_or(0, |last| last.wrapping_add(1));
        let mut found = store.rows(&part).await?;
        found.retain(|_, row| !listing.is_of_another(row.as_deref()));
        self.apply(store, &found, now).await
    }

    /// Removes rows whose grace time is over.
    pub(super) async fn clear(
        &mut self,
        store: &mut DirectoryStore,
        now: Instant,
    ) -> Result<(), PoolError> {
        let listing = Arc::clone(&store.listing);
        let due = self.leaving.iter().filter(|(_, at)| **at <= now);
        let due: Vec<u32> = due.map(|(token, _)| *token).collect();
        for tokens in due.chunks(AT_ONCE) {
            // Another account may have taken over a row meanwhile.
            let rows = store.rows(tokens).await?.into_iter();
            let gone =
                rows.filter_map(|(token, row)| Some((token, listing.removal(token, &row?)?)));
            let (gone, events): (Vec<u32>, Vec<EventBody>) = gone.unzip();
            store.delete_rows(&gone).await?;
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
        let due: Vec<TickKey> = due.map(|(key, _)| key.clone()).collect();
        store.delete_ticks(&due).await?;
        self.old.retain(|_, at| *at > now);
        let due = self.old_prices.iter().filter(|(_, at)| **at <= now);
        store.expire_prices(due.map(|(key, _)| key)).await?;
        self.old_prices.retain(|_, at| *at > now);
        Ok(())
    }

    /// Removes this account's rows without events: the instruments stream on elsewhere. Those that
    /// another account wrote stay.
    pub(super) async fn leave(&self, store: &mut DirectoryStore) -> Result<(), PoolError> {
        let tokens: Vec<u32> = self.known.keys().copied().collect();
        let mut own = store.rows(&tokens).await?;
        own.retain(|_, row| !store.listing.is_of_another(row.as_deref()));
        let own: Vec<u32> = own.into_keys().collect();
        store.delete_rows(&own).await?;
        let ticks = self.known.iter().flat_map(|(token, known)| {
            let prefixes = known.prefixes.iter().cloned();
            prefixes.map(|prefix| (prefix, *token))
        });
        let mut ticks: Vec<TickKey> = ticks.collect();
        ticks.sort_unstable();
        store.delete_ticks(&ticks).await
    }

    /// When [`DirectorySync::clear`] has to be called.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.leaving.values().chain(self.old.values());
        due.chain(self.old_prices.values()).min().copied()
    }

    /// Records one row of the directory, if it concerns this account.
    fn see(&mut self, listing: &DirectoryListing, token: u32, json: String, found: &mut FoundRows) {
        // An earlier process may have written it under another prefix.
        if let Some(row) = DirectoryRow::parse(&json)
            && listing.owns(&row)
        {
            let known = || KnownRow::new(&json, vec![row.prefix().into()]);
            self.known.entry(token).or_insert_with(known);
        }
        if let Some(wanted) = found.get_mut(&token) {
            *wanted = Some(json);
        }
    }

    /// Writes differing rows, and schedules the removal of rows that are no longer needed.
    async fn apply(
        &mut self,
        store: &mut DirectoryStore,
        found: &FoundRows,
        now: Instant,
    ) -> Result<(), PoolError> {
        let listing = Arc::clone(&store.listing);
        let renamed = listing.former_price_keys(found);
        // Before the write: after it nothing tells the former name.
        store.expire_prices(renamed.iter()).await?;
        self.old_prices
            .extend(renamed.into_iter().map(|key| (key, now + GRACE)));
        let mut difference = listing.difference(found);
        while !difference.is_empty() {
            let rows = difference.drain(..difference.len().min(AT_ONCE));
            let (tokens, events): (Vec<u32>, Vec<Option<EventBody>>) = rows.unzip();
            store.write_rows(tokens.into_iter()).await?;
            // After the write it is no longer a difference: its event is sent from now on.
            self.events.extend(events.into_iter().flatten());
        }
        let wanted = found
            .keys()
            .filter_map(|token| listing.entries.get_key_value(token));
        for (token, entry) in wanted {
            let row = KnownRow::new(&entry.json, entry.prefixes.clone());
            let before = self.known.insert(*token, row);
            let before = before.into_iter().flat_map(|known| known.prefixes);
            for prefix in before.filter(|prefix| !entry.prefixes.contains(prefix)) {
                self.old.insert((prefix, *token), now + GRACE);
            }
        }
        self.old.retain(|(prefix, token), _| {
            let entry = listing.entries.get(token);
            !entry.is_some_and(|entry| entry.prefixes.contains(prefix))
        });
        let is_wanted = |token: &u32| listing.entries.contains_key(token);
        self.leaving.retain(|token, _| !is_wanted(token));
        for token in self.known.keys().filter(|token| !is_wanted(token)) {
            self.leaving.entry(*token).or_insert(now + GRACE);
        }
        Ok(())
    }
}
