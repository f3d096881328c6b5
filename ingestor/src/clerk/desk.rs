//! The clerk's desk: which rows of the directory are this account's, and which are to leave.
//!
//! Owns the commands to Redis about the directory. What differs is decided in [`crate::books`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHasher;
use serde::Deserialize;

use super::ways::{WayError, Ways};
use crate::books::Books;
use crate::books::Listing;
use crate::events::message::EventBody;

/// A row stays this long after nobody wants it here: another account may be about to take it over,
/// and a tick may be on its way.
const GRACE: Duration = Duration::from_secs(5);

/// Rows per command.
const AT_ONCE: usize = 500;

/// A field of a hash and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// What is known of the directory.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Rows of this account, as they were written or found.
    known: BTreeMap<u32, Known>,
    /// Rows that are to leave, and when.
    leaving: BTreeMap<u32, Instant>,
    /// Newest ticks under prefixes that their instruments have left, and when these go.
    old: BTreeMap<(Arc<str>, u32), Instant>,
    /// Events that are still to be told, oldest first.
    pub(super) events: VecDeque<EventBody>,
}

#[derive(Debug)]
struct Known {
    /// Of the row's JSON: enough to tell whether it is another.
    hash: u64,
    prefixes: Vec<Arc<str>>,
}

/// Who wrote a tick.
#[derive(Deserialize)]
struct Writer {
    src: String,
    namespace: Option<String>,
}

impl Desk {
    /// Reads the whole directory and compares: an earlier process may have left rows in it.
    pub(super) async fn survey(
        &mut self,
        books: &Books,
        ways: &mut Ways,
        now: Instant,
    ) -> Result<(), WayError> {
        let mut found: BTreeMap<u32, Option<String>> =
            books.entries.keys().map(|token| (*token, None)).collect();
        let mut cursor = 0_u64;
        loop {
            let (next, rows): (u64, Vec<Pair>) = redis::cmd("HSCAN")
                .arg(books.directory())
                .arg(cursor)
                .arg("COUNT")
                .arg(AT_ONCE)
                .query_async(ways.to(&books.directory()).await?)
                .await?;
            for (token, json) in rows {
                let token = std::str::from_utf8(&token)
                    .ok()
                    .and_then(|text| text.parse().ok());
                if let (Some(token), Ok(json)) = (token, String::from_utf8(json)) {
                    self.see(books, token, json, &mut found);
                }
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        self.settle(books, &found, ways, now).await
    }

    /// Compares with the directory what is new or another than it was, or everything that is wanted
    /// where somebody may have changed it.
    pub(super) async fn compare(
        &mut self,
        books: &Books,
        everything: bool,
        ways: &mut Ways,
        now: Instant,
    ) -> Result<(), WayError> {
        let changed = books.entries.iter().filter(|(token, entry)| {
            let known = self.known.get(token);
            let same = known.is_some_and(|known| {
                known.hash == hash(&entry.json) && known.prefixes == entry.prefixes
            });
            everything || !same
        });
        let changed: Vec<u32> = changed.map(|(token, _)| *token).collect();
        let mut found = BTreeMap::new();
        for tokens in changed.chunks(AT_ONCE) {
            let rows = fields(&books.directory(), tokens, ways).await?;
            found.extend(tokens.iter().copied().zip(rows));
        }
        self.settle(books, &found, ways, now).await
    }

    /// Removes what has had its grace.
    pub(super) async fn clear(
        &mut self,
        books: &Books,
        ways: &mut Ways,
        now: Instant,
    ) -> Result<(), WayError> {
        let due = self.leaving.iter().filter(|(_, at)| **at <= now);
        let due: Vec<u32> = due.map(|(token, _)| *token).collect();
        for tokens in due.chunks(AT_ONCE) {
            let rows = fields(&books.directory(), tokens, ways).await?;
            // Another account may have taken one over meanwhile.
            let gone = tokens.iter().zip(rows);
            let gone =
                gone.filter_map(|(token, row)| Some((*token, books.removal(*token, &row?)?)));
            let (gone, events): (Vec<u32>, Vec<EventBody>) = gone.unzip();
            delete(&books.directory(), &gone, ways).await?;
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
            remove_ticks(books, &ticks[0].0, &tokens, ways).await?;
            for key in ticks {
                self.old.remove(key);
            }
        }
        Ok(())
    }

    /// Takes this account's rows out, without a word to readers: they stream on elsewhere.
    pub(super) async fn leave(&self, books: &Books, ways: &mut Ways) -> Result<(), WayError> {
        let tokens: Vec<u32> = self.known.keys().copied().collect();
        for tokens in tokens.chunks(AT_ONCE) {
            delete(&books.directory(), tokens, ways).await?;
        }
        let mut ticks: BTreeMap<&Arc<str>, Vec<u32>> = BTreeMap::new();
        for (token, known) in &self.known {
            for prefix in &known.prefixes {
                ticks.entry(prefix).or_default().push(*token);
            }
        }
        for (prefix, tokens) in ticks {
            remove_ticks(books, prefix, &tokens, ways).await?;
        }
        Ok(())
    }

    /// When [`Desk::clear`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.leaving
            .values()
            .chain(self.old.values())
            .min()
            .copied()
    }

    /// Notes one row of the directory, if it concerns this account.
    fn see(
        &mut self,
        books: &Books,
        token: u32,
        json: String,
        found: &mut BTreeMap<u32, Option<String>>,
    ) {
        // What an earlier process wrote may have been under another prefix.
        if let Some(listing) = Listing::parse(&json)
            && books.owns(&listing)
        {
            self.known.entry(token).or_insert_with(|| Known {
                hash: hash(&json),
                prefixes: vec![listing.prefix().into()],
            });
        }
        if let Some(wanted) = found.get_mut(&token) {
            *wanted = Some(json);
        }
    }

    /// Writes what differs, and has what is not wanted any more leave.
    async fn settle(
        &mut self,
        books: &Books,
        found: &BTreeMap<u32, Option<String>>,
        ways: &mut Ways,
        now: Instant,
    ) -> Result<(), WayError> {
        let mut difference = books.difference(found);
        while !difference.is_empty() {
            let rows = difference.drain(..difference.len().min(AT_ONCE));
            let rows: Vec<_> = rows.collect();
            let mut command = redis::cmd("HSET");
            command.arg(books.directory());
            for (token, _) in &rows {
                if let Some(entry) = books.entries.get(token) {
                    command.arg(token).arg(&entry.json);
                }
            }
            let redis = ways.to(&books.directory()).await?;
            let () = command.query_async(redis).await?;
            // What is written is no difference the next time: it is told from now on.
            let events = rows.into_iter().filter_map(|(_, event)| event);
            self.events.extend(events);
        }
        for token in found.keys() {
            let Some(entry) = books.entries.get(token) else {
                continue;
            };
            let known = Known {
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
            let entry = books.entries.get(token);
            !entry.is_some_and(|entry| entry.prefixes.contains(prefix))
        });
        self.leaving
            .retain(|token, _| !books.entries.contains_key(token));
        for token in self
            .known
            .keys()
            .filter(|token| !books.entries.contains_key(token))
        {
            self.leaving.entry(*token).or_insert(now + GRACE);
        }
        Ok(())
    }
}

/// Values of fields of a hash; nothing for those that are not there or no text.
async fn fields(
    key: &str,
    tokens: &[u32],
    ways: &mut Ways,
) -> Result<Vec<Option<String>>, WayError> {
    let mut command = redis::cmd("HMGET");
    let command = command.arg(key).arg(tokens);
    let values: Vec<Option<Vec<u8>>> = command.query_async(ways.to(key).await?).await?;
    let texts = values.into_iter();
    Ok(texts.map(|value| String::from_utf8(value?).ok()).collect())
}

async fn delete(key: &str, tokens: &[u32], ways: &mut Ways) -> Result<(), WayError> {
    if tokens.is_empty() {
        return Ok(());
    }
    let mut command = redis::cmd("HDEL");
    let command = command.arg(key).arg(tokens);
    Ok(command.query_async(ways.to(key).await?).await?)
}

/// Removes the newest ticks of instruments under a prefix, as far as this account wrote them.
async fn remove_ticks(
    books: &Books,
    prefix: &str,
    tokens: &[u32],
    ways: &mut Ways,
) -> Result<(), WayError> {
    let key = books.last(prefix);
    for tokens in tokens.chunks(AT_ONCE) {
        let ticks = fields(&key, tokens, ways).await?;
        let ours = |tick: &str| {
            let writer: Option<Writer> = serde_json::from_str(tick).ok();
            writer.is_some_and(|writer| {
                writer.src == books.account.name && writer.namespace == books.account.namespace
            })
        };
        let own = tokens.iter().zip(ticks);
        let own = own.filter(|(_, tick)| tick.as_deref().is_some_and(ours));
        let own: Vec<u32> = own.map(|(token, _)| *token).collect();
        delete(&key, &own, ways).await?;
    }
    Ok(())
}

fn hash(json: &str) -> u64 {
    let mut hasher = FxHasher::default();
    json.hash(&mut hasher);
    hasher.finish()
}
