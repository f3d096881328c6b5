//! One event on its way to Redis: its messages, and its entry in the log.
//!
//! Owns which parts are done. What was accepted is not sent again, and a part that Redis refuses for
//! good does not hold up what follows. Must not decide the content of events.

use std::time::Instant;

use redis::{RedisResult, Value};
use redis_link::server_clock::ServerClock;
use redis_link::temporary::READ_ONLY;

use super::listing::DirectoryListing;
use super::refusal::{self, Outcome, Part};
use crate::events::event::{AccountEvent, EventKind};
use crate::events::message::EventMessage;
use redis_link::connection_pool::{ConnectionPool, PoolError};

/// Events stay in the log for this long.
const LOG_MILLIS: i64 = 24 * 3600 * 1000;

/// An event of which some parts are not done.
#[derive(Debug)]
pub(super) struct Delivery {
    json: String,
    /// What still gets it: channels, and last the log.
    parts: Vec<Part>,
    outcome: Outcome,
}

impl Delivery {
    /// All of a message; `None` if nobody is told.
    pub(super) fn of(message: EventMessage) -> Option<Self> {
        let channels = message.channels.into_iter().map(Part::Channel);
        let parts = channels.chain(message.log.map(Part::Log)).collect();
        Self::to(parts, message.json)
    }

    fn to(parts: Vec<Part>, json: String) -> Option<Self> {
        let outcome = Outcome::default();
        (!parts.is_empty()).then_some(Self {
            json,
            parts,
            outcome,
        })
    }

    /// All of an event or order update.
    pub(super) fn of_event(event: &AccountEvent, listing: &DirectoryListing) -> Option<Self> {
        if let EventKind::Order(order) = &event.kind {
            let channel = format!("{}orders:{}", listing.key_start(), listing.account.name);
            return Self::to(vec![Part::Channel(channel)], order.clone());
        }
        let prefixes = match event.prefixes.as_slice() {
            [] => listing.prefixes_of(event.tokens()),
            known => known.to_vec(),
        };
        let body = event.body(&prefixes)?;
        Self::of(body.message(&listing.account, &listing.audience, event.ts))
    }

    /// Leaves out the log; returns whether there was anything to leave out.
    pub(super) fn leave_out_log(&mut self) -> bool {
        self.parts
            .pop_if(|part| matches!(part, Part::Log(_)))
            .is_some()
    }

    /// Sends what is not done, and returns what became of all of it. The log is trimmed by the time of
    /// its server, once that is known.
    ///
    /// # Errors
    /// When the rest has to wait for another connection.
    pub(super) async fn send(
        &mut self,
        pool: &mut ConnectionPool,
        clock: &mut ServerClock,
        (now, wall_micros): (Instant, i64),
    ) -> Result<Outcome, PoolError> {
        // Plain messages may go to any server: they are sent to the one that has the log.
        let Some(Part::Channel(place) | Part::Log(place)) = self.parts.last() else {
            return Ok(std::mem::take(&mut self.outcome));
        };
        let redis = pool.to(place).await?;
        let pipe = self.commands(clock.millis(now, wall_micros));
        let answers: Vec<RedisResult<Value>> = pipe.query_async(redis).await?;
        self.take(answers, clock, now)
    }

    fn commands(&self, server_millis: Option<i64>) -> redis::Pipeline {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for part in &self.parts {
            match part {
                Part::Log(log) => {
                    let add = pipe.cmd("XADD").arg(log);
                    if let Some(now) = server_millis {
                        add.arg("MINID").arg("~").arg((now - LOG_MILLIS).max(0));
                    }
                    add.arg("*").arg("d").arg(&self.json);
                }
                Part::Channel(channel) => {
                    pipe.cmd("PUBLISH").arg(channel).arg(&self.json);
                }
                Part::Directory | Part::Alive => {}
            }
        }
        pipe
    }

    /// Takes the answers to [`Delivery::commands`].
    fn take(
        &mut self,
        answers: Vec<RedisResult<Value>>,
        clock: &mut ServerClock,
        now: Instant,
    ) -> Result<Outcome, PoolError> {
        let mut answers = answers.into_iter();
        let mut waits = None;
        for part in std::mem::take(&mut self.parts) {
            match answers.next() {
                Some(Ok(answer)) => {
                    if let Value::BulkString(id) = answer {
                        clock.on_id(&id, now);
                    }
                    self.outcome.push((part, None));
                }
                Some(Err(error)) => match refusal::text(&error) {
                    Some(text) => self.outcome.push((part, Some(text))),
                    None => {
                        self.parts.push(part);
                        waits = Some(error);
                    }
                },
                None => self.parts.push(part),
            }
        }
        let Some(error) = waits else {
            return Ok(std::mem::take(&mut self.outcome));
        };
        if error.code() == Some(READ_ONLY) {
            // What a replica accepted has not reached the readers of the master.
            let accepted = self
                .outcome
                .extract_if(.., |(_, refused)| refused.is_none());
            self.parts.splice(..0, accepted.map(|(part, _)| part));
        }
        Err(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery() -> Delivery {
        Delivery::of(EventMessage {
            channels: vec!["ticker:nifty:events".to_owned(), "ticker:events".to_owned()],
            log: Some("ticker:events:log".to_owned()),
            json: "{}".to_owned(),
        })
        .unwrap()
    }

    fn error(text: &str) -> RedisResult<Value> {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        value.extract_error()
    }

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn take(
        delivery: &mut Delivery,
        answers: Vec<RedisResult<Value>>,
    ) -> Result<Outcome, PoolError> {
        delivery.take(answers, &mut ServerClock::default(), Instant::now())
    }

    const ACCEPTED: RedisResult<Value> = Ok(Value::Int(1));

    #[test]
    fn a_part_that_is_refused_for_good_is_left_out_and_told() {
        let mut delivery = delivery();
        let (channel, key) = ("NOPERM no permissions", "WRONGTYPE Operation against a key");
        let outcome = take(&mut delivery, vec![error(channel), ACCEPTED, error(key)]);
        let text = |text: &str| Some(text.to_owned());
        let expected = vec![
            (
                Part::Channel("ticker:nifty:events".to_owned()),
                text(channel),
            ),
            (Part::Channel("ticker:events".to_owned()), None),
            (Part::Log("ticker:events:log".to_owned()), text(key)),
        ];
        assert_eq!(outcome.unwrap(), expected);
        assert!(delivery.commands(None).is_empty());
    }

    #[test]
    fn only_what_was_not_accepted_waits_for_another_connection() {
        let mut delivery = delivery();
        let answers = vec![ACCEPTED, ACCEPTED, error("CLUSTERDOWN The cluster is down")];
        take(&mut delivery, answers).unwrap_err();
        assert_eq!(delivery.commands(None).len(), 1, "the log alone");
    }

    #[test]
    fn what_a_replica_accepted_is_sent_again() {
        let mut delivery = delivery();
        let answers = vec![ACCEPTED, ACCEPTED, error("READONLY You can't write")];
        take(&mut delivery, answers).unwrap_err();
        assert_eq!(delivery.commands(None).len(), 3);
    }

    #[test]
    fn the_log_is_trimmed_by_the_time_of_the_server() {
        let commands = |now| {
            let packed = delivery().commands(now).get_packed_pipeline();
            String::from_utf8(packed).unwrap()
        };
        assert!(!commands(None).contains("MINID"));
        let trimmed = commands(Some(1_764_657_000_000));
        assert!(trimmed.contains("1764570600000"), "{trimmed}");
    }
}
