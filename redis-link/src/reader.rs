//! Reads keys: fields and pages of hashes, values, whether keys exist.
//!
//! Owns the connections for that, and opens them again after an error. It is shared by everything that
//! reads, each question with a time limit. Must not write, and must not know what is stored.

use std::time::Duration;

use redis::{Cmd, FromRedisValue};
use tokio::sync::Mutex;

use super::access::Access;
use super::connection_pool::{ConnectionPool, PoolError};
use super::target::Target;

/// The time limit of a question, opening a connection included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A field of a hash and its value.
pub type HashField = (Vec<u8>, Vec<u8>);

/// Reads one Redis, a single server or a cluster.
#[derive(Debug)]
pub struct RedisReader {
    target: Target,
    access: Access,
    name: String,
    pool: Mutex<Option<ConnectionPool>>,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Redis cannot be reached, or refuses the command.
    #[error("redis cannot be read")]
    Pool(#[from] PoolError),
    /// No answer in time.
    #[error("redis did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

impl RedisReader {
    /// Nothing is opened yet. `name` is that of its connections in CLIENT LIST: without spaces.
    #[must_use]
    pub fn new(target: Target, access: Access, name: String) -> Self {
        Self {
            target,
            access,
            name,
            pool: Mutex::new(None),
        }
    }

    /// One page of the hash `key` from `cursor` on, and the cursor of the next page; 0 after the last.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn hash_page(
        &self,
        key: &str,
        cursor: u64,
        count: usize,
    ) -> Result<(u64, Vec<HashField>), ReadError> {
        let mut command = redis::cmd("HSCAN");
        command.arg(key).arg(cursor).arg("COUNT").arg(count);
        self.ask(key, &command).await
    }

    /// The values of `fields` of the hash `key`, in their order; none for a missing one.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn hash_fields(
        &self,
        key: &str,
        fields: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(key).arg(fields);
        self.ask(key, &command).await
    }

    /// The value of `key`, if it has one.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let mut command = redis::cmd("MGET");
        command.arg(key);
        let values: Vec<Option<Vec<u8>>> = self.ask(key, &command).await?;
        Ok(values.into_iter().next().flatten())
    }

    /// Whether any of `keys` exists; of a single server they are asked for at once.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn any_exists(&self, keys: &[String]) -> Result<bool, ReadError> {
        let together = matches!(self.target, Target::Server(_));
        let groups = keys.chunks(if together { keys.len().max(1) } else { 1 });
        for group in groups {
            let Some(first) = group.first() else { continue };
            let mut command = redis::cmd("EXISTS");
            command.arg(group);
            let found: u64 = self.ask(first, &command).await?;
            if found > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Carries out a command about `key`. After an error the connections are opened again for the next
    /// question: a master may have gone, or the key.
    async fn ask<T: FromRedisValue>(&self, key: &str, command: &Cmd) -> Result<T, ReadError> {
        let asked = async {
            let mut connection = {
                let mut pool = self.pool.lock().await;
                if pool.as_ref().is_some_and(|pool| pool.closed.is_cancelled()) {
                    *pool = None;
                }
                let open = match pool.take() {
                    Some(open) => open,
                    None => ConnectionPool::open(&self.target, &self.access, &self.name).await?,
                };
                pool.insert(open).to(key).await?.clone()
            };
            let answer = command.query_async(&mut connection).await;
            answer.map_err(PoolError::Redis)
        };
        let answer = tokio::time::timeout(TIMEOUT, asked).await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if !is_about_the_key(&error) {
                    *self.pool.lock().await = None;
                }
                Err(error.into())
            }
            Err(_elapsed) => {
                *self.pool.lock().await = None;
                Err(ReadError::Timeout)
            }
        }
    }
}

/// Whether other keys can be read over the same connections: one that is no hash, or that may not be read,
/// takes them from nobody.
fn is_about_the_key(error: &PoolError) -> bool {
    let PoolError::Redis(error) = error else {
        return false;
    };
    matches!(error.code(), Some("WRONGTYPE" | "NOPERM"))
}
