//! The directory and the newest ticks of one account in Redis.
//!
//! Owns the commands that read, write and remove them. Must not decide what has to be written.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::RedisError;
use serde::Deserialize;

use super::listing::DirectoryListing;
use redis_link::connection_pool::{ConnectionPool, PoolError};

/// Rows per command.
pub(super) const AT_ONCE: usize = 500;

/// A field of a hash and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// Fields of a hash, such as rows of the directory, by token; `None` for a missing one.
pub(super) type FoundRows = BTreeMap<u32, Option<String>>;

/// The newest tick of an instrument under a prefix.
pub(super) type TickKey = (Arc<str>, u32);

pub(super) struct DirectoryStore {
    pub(super) listing: Arc<DirectoryListing>,
    pub(super) pool: ConnectionPool,
}

/// Which account wrote a tick.
#[derive(Deserialize)]
struct TickSource {
    src: String,
    namespace: Option<String>,
}

impl DirectoryStore {
    /// One page of rows of all accounts, from `cursor` on, and the cursor of the next page; 0 after the last.
    pub(super) async fn scan(
        &mut self,
        cursor: u64,
    ) -> Result<(u64, Vec<(u32, String)>), PoolError> {
        let key = self.listing.directory();
        let mut command = redis::cmd("HSCAN");
        let command = command.arg(&key).arg(cursor).arg("COUNT").arg(AT_ONCE);
        let (next, rows): (u64, Vec<Pair>) = command.query_async(self.pool.to(&key).await?).await?;
        let rows = rows.into_iter().filter_map(|(token, json)| {
            let token = std::str::from_utf8(&token).ok()?.parse().ok()?;
            Some((token, String::from_utf8(json).ok()?))
        });
        Ok((next, rows.collect()))
    }

    /// The rows of `tokens`.
    pub(super) async fn rows(&mut self, tokens: &[u32]) -> Result<FoundRows, PoolError> {
        self.fields(&self.listing.directory(), tokens).await
    }

    /// Writes the rows of `tokens`, of which at least one is listed.
    pub(super) async fn write_rows(
        &mut self,
        tokens: impl Iterator<Item = u32>,
    ) -> Result<(), PoolError> {
        let key = self.listing.directory();
        let mut command = redis::cmd("HSET");
        command.arg(&key);
        for token in tokens {
            if let Some(entry) = self.listing.entries.get(&token) {
                command.arg(token).arg(&entry.json);
            }
        }
        Ok(command.query_async(self.pool.to(&key).await?).await?)
    }

    pub(super) async fn delete_rows(&mut self, tokens: &[u32]) -> Result<(), PoolError> {
        self.delete(&self.listing.directory(), tokens).await
    }

    /// Removes newest ticks, sorted by prefix, if this account wrote them.
    pub(super) async fn delete_ticks(&mut self, ticks: &[TickKey]) -> Result<(), PoolError> {
        for ticks in ticks.chunk_by(|a, b| a.0 == b.0) {
            let key = self.listing.last(&ticks[0].0);
            let tokens: Vec<u32> = ticks.iter().map(|(_, token)| *token).collect();
            let mut own = self.fields(&key, &tokens).await?;
            own.retain(|_, tick| tick.as_deref().is_some_and(|it| self.wrote(it)));
            let own: Vec<u32> = own.into_keys().collect();
            self.delete(&key, &own).await?;
        }
        Ok(())
    }

    /// Removes prices under these keys, by a time of expiry in the past: the right to write a price is enough. A Redis
    /// older than 6.2 refuses it; the price then expires by itself.
    pub(super) async fn expire_prices(
        &mut self,
        keys: impl Iterator<Item = &String>,
    ) -> Result<(), PoolError> {
        for key in keys {
            let mut command = redis::cmd("SET");
            let command = command.arg(key).arg("").arg("XX").arg("PXAT").arg(1);
            let result: Result<(), RedisError> =
                command.query_async(self.pool.to(key).await?).await;
            match result {
                Err(refused) if refused.code().is_some() => {
                    tracing::debug!(key, %refused, "a price under a former name stays until it expires");
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn wrote(&self, tick: &str) -> bool {
        serde_json::from_str(tick).is_ok_and(|writer: TickSource| {
            let namespace = writer.namespace.as_deref();
            self.listing.is_account(&writer.src, namespace)
        })
    }

    /// Values of fields of a hash, without missing ones and those that are not text.
    async fn fields(&mut self, key: &str, tokens: &[u32]) -> Result<FoundRows, PoolError> {
        let mut found = FoundRows::new();
        for tokens in tokens.chunks(AT_ONCE) {
            let mut command = redis::cmd("HMGET");
            let command = command.arg(key).arg(tokens);
            let values: Vec<Option<Vec<u8>>> =
                command.query_async(self.pool.to(key).await?).await?;
            let texts = values.into_iter();
            let texts = texts.map(|value| String::from_utf8(value?).ok());
            found.extend(tokens.iter().copied().zip(texts));
        }
        Ok(found)
    }

    async fn delete(&mut self, key: &str, tokens: &[u32]) -> Result<(), PoolError> {
        for tokens in tokens.chunks(AT_ONCE) {
            let mut command = redis::cmd("HDEL");
            let command = command.arg(key).arg(tokens);
            let () = command.query_async(self.pool.to(key).await?).await?;
        }
        Ok(())
    }
}
