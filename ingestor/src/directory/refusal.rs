//! Commands about events and the directory that Redis refuses, and that another connection would not
//! mend: a right is missing, a key is of another type, or the server accepts no writes.
//!
//! Owns which errors those are, when a refused part is tried again, and the remarks about them. Pure;
//! times are arguments.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::RedisError;
use redis_link::server_clock::ServerClock;
use redis_link::temporary::Temporary;
use serde_json::Value;
use service::text::{LONGEST_REASON, printable};

use super::listing::DirectoryListing;
use crate::events::message::EventBody;

/// A refused part is tried again after this time.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The server's text, if it refuses the command and would do so on another connection.
pub(super) fn text(error: &RedisError) -> Option<String> {
    let code = error.code()?;
    match Temporary::of(code.as_bytes()) {
        None | Some(Temporary::NoWrites(_)) => {}
        Some(_) => return None,
    }
    let text = format!("{code} {}", error.detail().unwrap_or_default());
    Some(printable(text.trim_end(), LONGEST_REASON))
}

/// What may be refused by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Events on a channel.
    Channel(String),
    /// Their log, a stream of this name.
    Log(String),
    Directory,
    Alive,
}

/// What became of an event: its parts, with the texts of those that Redis refused.
pub(super) type Outcome = Vec<(Part, Option<String>)>;

/// What others may know of the connections beside those that carry ticks.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirectoryHealth {
    /// What is refused, with the consequence.
    pub(crate) remarks: Vec<String>,
    /// The time of the server that has the log of events.
    pub(crate) clock: ServerClock,
}

/// What is refused at present: the texts, and since when each is not tried again.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<Part, (String, Instant)>);

impl Refusals {
    /// A part was written, or refused with a text. Returns whether the refusal is news.
    pub(super) fn set(&mut self, part: Part, refused: Option<&str>, now: Instant) -> bool {
        let Some(text) = refused else {
            self.0.remove(&part);
            return false;
        };
        let before = self.0.insert(part, (text.to_owned(), now));
        before.is_none_or(|(known, _)| known != text)
    }

    /// Forgets what is no longer written for `listing`. The channel of order updates is told again if
    /// there is another one.
    pub(super) fn retain(&mut self, listing: &DirectoryListing) {
        let all = EventBody::new("", &Value::Null, &listing.prefixes);
        let all = all.message(&listing.account, &listing.audience, 0);
        self.0.retain(|part, _| match part {
            Part::Channel(channel) => all.channels.contains(channel),
            Part::Log(_) => all.log.is_some(),
            Part::Directory | Part::Alive => true,
        });
    }

    /// Whether entries of the log are to be left out for now. What passes is tried with every event.
    pub(super) fn is_log_left_out(&self, now: Instant) -> bool {
        self.0.iter().any(|(part, (text, since))| {
            let waits = now.saturating_duration_since(*since) < AGAIN_AFTER;
            waits && matches!(part, Part::Log(_)) && Temporary::of(text.as_bytes()).is_none()
        })
    }

    /// When the directory is tried again; `None` while it is not refused.
    pub(super) fn directory_again(&self) -> Option<Instant> {
        let (_, since) = self.0.get(&Part::Directory)?;
        Some(*since + AGAIN_AFTER)
    }

    /// What is refused, with the consequence and what to do: a server that accepts no writes needs
    /// another cure than a user without a right. Channels share one remark, which names one of them.
    pub(super) fn remarks(&self) -> Vec<String> {
        let is_channel = |part: &&Part| matches!(part, Part::Channel(_));
        let others = self.0.keys().filter(is_channel).count().saturating_sub(1);
        let more = if others > 0 {
            format!(" and {others} more")
        } else {
            String::new()
        };
        let remarks = self.0.iter().skip(others);
        let remarks = remarks.map(|(part, (text, _))| {
            let (consequence, right) = match part {
                Part::Channel(channel) => (
                    format!("events are not published on {channel}{more}"),
                    "allow its user PUBLISH on every channel of events",
                ),
                Part::Log(log) => (
                    format!("events are not added to the stream {log}"),
                    "allow its user XADD on it, delete it if it is of another type, and use Redis 6.2 or later",
                ),
                Part::Directory => (
                    "the directory of instruments is not kept".to_owned(),
                    "allow its user HSCAN, HMGET, HSET and HDEL on ticker:instruments and PREFIX:last, and delete a \
                     key of another type",
                ),
                Part::Alive => (
                    "the sign of life is not written".to_owned(),
                    "allow its user PUBLISH on ticker:events and SET on ticker:alive:*",
                ),
            };
            match Temporary::of(text.as_bytes()) {
                Some(Temporary::NoWrites(cure)) => {
                    format!("{consequence}, because redis accepts no writes at present ({text}): {cure}")
                }
                _ => format!("{consequence}, because redis refuses it ({text}): {right}"),
            }
        });
        remarks.collect()
    }
}

#[cfg(test)]
mod tests;
