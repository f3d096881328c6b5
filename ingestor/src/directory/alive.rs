//! Writes the sign of life of an account, every ten seconds, for as long as Redis takes it.
//!
//! Owns when the next one is due. Must not decide what it says.

use std::time::{Duration, Instant};

use redis::RedisError;
use tokio::sync::watch;

use super::listing::DirectoryListing;
use super::pool::{ConnectionPool, PoolError};
use crate::events::alive::{AliveMessage, AliveState, EVERY, TTL_S};

/// How soon it is looked again after the data plane had nothing to say.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Answers after which the connection leads to the wrong server, or to one that is not ready: the
/// task opens its connections anew. With any other, a right or memory is missing.
const ELSEWHERE: [&str; 8] = [
    "READONLY",
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "LOADING",
    "NOAUTH",
];

/// The writer.
#[derive(Debug)]
pub(super) struct AliveWriter {
    state: watch::Receiver<Option<AliveState>>,
    due: Option<Instant>,
}

impl AliveWriter {
    pub(super) const fn new(state: watch::Receiver<Option<AliveState>>) -> Self {
        Self { state, due: None }
    }

    /// When [`AliveWriter::write`] has to be called, if that is not at once.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next one is due at once: it goes to another Redis, or is of another account.
    pub(super) const fn restart(&mut self) {
        self.due = None;
    }

    /// Writes it if it is due. An answer that concerns nothing else is returned, and does not end
    /// the connection.
    pub(super) async fn write(
        &mut self,
        listing: &DirectoryListing,
        pool: &mut ConnectionPool,
        now: Instant,
        ts: i64,
    ) -> Result<Option<RedisError>, PoolError> {
        if self.due.is_some_and(|due| now < due) {
            return Ok(None);
        }
        let state = *self.state.borrow();
        let Some(state) = state.filter(|state| state.is_current(now)) else {
            self.due = Some(now + LOOK_AGAIN);
            return Ok(None);
        };
        let message = state.message(&listing.account, &listing.audience, ts);
        let refused = match send(&message, pool).await {
            Err(PoolError::Redis(error)) if is_its_own(&error) => Some(error),
            // After an error it stays due: it is sent as soon as there is a connection again.
            sent => sent.map(|()| None)?,
        };
        self.due = Some(now + EVERY);
        Ok(refused)
    }
}

/// Both commands are sent, whatever the answer to one of them is.
async fn send(message: &AliveMessage, pool: &mut ConnectionPool) -> Result<(), PoolError> {
    let redis = pool.to(&message.key).await?;
    let told = match &message.channel {
        None => Ok(()),
        Some(channel) => {
            let mut publish = redis::cmd("PUBLISH");
            let publish = publish.arg(channel).arg(&message.json);
            publish.query_async(redis).await
        }
    };
    let mut set = redis::cmd("SET");
    let set = set.arg(&message.key).arg(&message.json);
    let kept: Result<(), RedisError> = set.arg("EX").arg(TTL_S).query_async(redis).await;
    Ok(told.and(kept)?)
}

fn is_its_own(error: &RedisError) -> bool {
    error.code().is_some_and(|code| !ELSEWHERE.contains(&code))
}
