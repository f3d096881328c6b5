//! Writes the sign of life of an account, and what its markets do, every ten seconds, for as long as Redis takes it.
//!
//! Owns when the next one is due. Must not decide what it says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::SessionMoment;
use redis::RedisError;
use tokio::sync::watch;

use super::listing::DirectoryListing;
use super::refusal;
use crate::events::alive::{AliveMessage, AliveState, EVERY, TTL_S};
use crate::events::market::{self, MarketClasses};
use redis_link::connection_pool::{ConnectionPool, PoolError};

/// How soon it is looked again after the data plane had nothing to say.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The writer.
#[derive(Debug)]
pub(super) struct AliveWriter {
    state: watch::Receiver<Option<AliveState>>,
    market: watch::Receiver<MarketClasses>,
    due: Option<Instant>,
}

impl AliveWriter {
    pub(super) const fn new(
        state: watch::Receiver<Option<AliveState>>,
        market: watch::Receiver<MarketClasses>,
    ) -> Self {
        Self {
            state,
            market,
            due: None,
        }
    }

    /// When [`AliveWriter::write`] has to be called, if that is not at once.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next one is due at once: it goes to another Redis, or is of another account.
    pub(super) const fn restart(&mut self) {
        self.due = None;
    }

    /// Writes it if it is due, and returns whether Redis took it, or the text with which it refuses it.
    pub(super) async fn write(
        &mut self,
        listing: &DirectoryListing,
        pool: &mut ConnectionPool,
        now: Instant,
        ts: i64,
    ) -> Result<Option<Result<(), String>>, PoolError> {
        if self.due.is_some_and(|due| now < due) {
            return Ok(None);
        }
        let state = *self.state.borrow();
        let Some(state) = state.filter(|state| state.is_current(now)) else {
            self.due = Some(now + LOOK_AGAIN);
            return Ok(None);
        };
        let message = state.message(&listing.account, &listing.audience, ts);
        // After an error it stays due: it is sent as soon as there is a connection again.
        let classes = Arc::clone(&self.market.borrow());
        let market = (&*market::key(&listing.account), &*classes);
        let written = outcome(send(&message, market, pool).await?)?;
        self.due = Some(now + EVERY);
        Ok(Some(written))
    }
}

/// All commands are sent, whatever the answer to one of them is.
async fn send(
    message: &AliveMessage,
    (key, classes): (&str, &[(String, SessionMoment)]),
    pool: &mut ConnectionPool,
) -> Result<Vec<Result<(), RedisError>>, PoolError> {
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
    let kept = set.arg("EX").arg(TTL_S).query_async(redis).await;
    let mut answers = vec![told, kept];
    if !classes.is_empty() {
        let mut set = redis::cmd("HSET");
        set.arg(key);
        for (class, moment) in classes {
            set.arg(class).arg(market::value(moment));
        }
        let redis = pool.to(key).await?;
        answers.push(set.query_async(redis).await);
    }
    Ok(answers)
}

/// The first text with which one of the commands is refused.
///
/// # Errors
/// When another connection is needed, whatever the other answer is.
fn outcome(answers: Vec<Result<(), RedisError>>) -> Result<Result<(), String>, PoolError> {
    let mut written = Ok(());
    for error in answers.into_iter().filter_map(Result::err) {
        match refusal::text(&error) {
            Some(text) => written = written.and(Err(text)),
            None => return Err(error.into()),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Result<(), RedisError> {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        value.extract_error().map(|_| ())
    }

    #[test]
    fn what_another_connection_may_mend_hides_behind_no_refusal() {
        let right = "NOPERM no permissions";
        for state in ["READONLY replica", "BUSY script", "LOADING data"] {
            assert!(
                outcome(vec![refused(right), refused(state)]).is_err(),
                "{state}"
            );
        }
        let told = outcome(vec![refused(right), Ok(())]).unwrap();
        assert_eq!(told, Err(right.to_owned()));
        assert_eq!(outcome(vec![Ok(()), Ok(())]).unwrap(), Ok(()));
    }
}
