//! Commands about events and the directory that Redis refuses for good.
//!
//! Owns which errors those are, when a refused part is tried again, and the remarks about them. Pure;
//! times are arguments.

use std::time::{Duration, Instant};

use redis::RedisError;
use redis_link::server_clock::ServerClock;
use service::text::{LONGEST_REASON, printable};

/// The answer of a replica to a command that writes.
pub(super) const READ_ONLY: &str = "READONLY";

/// Answers that say nothing about a command: it is sent again, with another connection.
const PASSING: [&str; 9] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MOVED",
    "NOAUTH",
    READ_ONLY,
    "TRYAGAIN",
];

/// A refused part is tried again after this time.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The server's text, if it refuses the command for good.
pub(super) fn text(error: &RedisError) -> Option<String> {
    let code = error.code().filter(|code| !PASSING.contains(code))?;
    let text = format!("{code} {}", error.detail().unwrap_or_default());
    Some(printable(text.trim_end(), LONGEST_REASON))
}

/// What became of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Channels that accepted it.
    pub(super) published: Vec<String>,
    /// Channels that Redis refused, with its answers.
    pub(super) refused: Vec<(String, String)>,
    /// Whether it is in the log.
    pub(super) is_logged: bool,
    /// The log that Redis refused, with its answer.
    pub(super) refused_log: Option<(String, String)>,
}

/// What others may know of the connections beside those that carry ticks.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirectoryHealth {
    /// What is refused, with the consequence.
    pub(crate) remarks: Vec<String>,
    /// The time of the server that has the log of events.
    pub(crate) clock: ServerClock,
}

/// What is refused at present.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// The channel and the text.
    channel: Option<(String, String)>,
    log: Option<(String, Instant)>,
    directory: Option<(String, Instant)>,
}

impl Refusals {
    /// This became of an event. Returns whether there is a new refusal.
    pub(super) fn on_event(&mut self, outcome: &Outcome, now: Instant) -> bool {
        let before = self.remarks();
        let accepted = |channel: &String| outcome.published.contains(channel);
        self.channel.take_if(|(channel, _)| accepted(channel));
        if let Some((channel, text)) = outcome.refused.first() {
            let text = format!(
                "events are not published on {channel}, because redis refuses it ({text}): allow its user PUBLISH \
                 on this channel"
            );
            self.channel = Some((channel.clone(), text));
        }
        if let Some((log, text)) = &outcome.refused_log {
            let text = format!(
                "events are not added to the stream {log}, because redis refuses it ({text}): allow its user XADD on \
                 it, delete it if it is of another type, and use Redis 6.2 or later"
            );
            self.log = Some((text, now));
        } else if outcome.is_logged {
            self.log = None;
        }
        let mut remarks = self.remarks().into_iter();
        remarks.any(|remark| !before.contains(&remark))
    }

    /// A command about the directory was refused. Returns whether this is news.
    pub(super) fn on_directory(&mut self, text: &str, now: Instant) -> bool {
        let text = format!(
            "the directory of instruments is not kept, because redis refuses it ({text}): allow its user HSCAN, \
             HMGET, HSET and HDEL on ticker:instruments and PREFIX:last, and delete a key of another type"
        );
        let news = self
            .directory
            .as_ref()
            .is_none_or(|(known, _)| *known != text);
        self.directory = Some((text, now));
        news
    }

    /// The directory is known and written.
    pub(super) fn on_directory_kept(&mut self) {
        self.directory = None;
    }

    /// Whether entries of the log are to be left out for now.
    pub(super) fn is_log_left_out(&self, now: Instant) -> bool {
        let log = self.log.as_ref();
        log.is_some_and(|(_, since)| now.saturating_duration_since(*since) < AGAIN_AFTER)
    }

    /// When the directory is tried again; `None` while it is not refused.
    pub(super) fn directory_again(&self) -> Option<Instant> {
        let (_, since) = self.directory.as_ref()?;
        Some(*since + AGAIN_AFTER)
    }

    /// What is refused, with the consequence.
    pub(super) fn remarks(&self) -> Vec<String> {
        let told = |told: &Option<(String, Instant)>| told.as_ref().map(|(text, _)| text.clone());
        let channel = self.channel.as_ref().map(|(_, text)| text.clone());
        let all = [channel, told(&self.log), told(&self.directory)];
        all.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        super::text(&value.extract_error().unwrap_err())
    }

    #[test]
    fn what_another_connection_may_mend_is_no_refusal() {
        for passing in [
            "READONLY You can't write against a read only replica.",
            "LOADING Redis is loading the dataset in memory",
            "MOVED 1 127.0.0.1:7",
            "CLUSTERDOWN The cluster is down",
            "BUSY Redis is busy running a script.",
        ] {
            assert_eq!(refused(passing), None, "{passing}");
        }
        for lasting in [
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "ERR syntax error",
            "NOPERM this user has no permissions to run the 'xadd' command",
            "OOM command not allowed when used memory > 'maxmemory'.",
        ] {
            assert_eq!(refused(lasting).as_deref(), Some(lasting));
        }
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(super::text(&broken.into()), None);
    }

    #[test]
    fn a_channel_is_refused_until_it_accepts() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        let mut refusals = Refusals::default();
        let mut event = |published: &[&str], refused: &[&str]| {
            let text = |name: &&str| ((*name).to_owned(), "NOPERM".to_owned());
            let outcome = Outcome {
                published: published.iter().map(|name| (*name).to_owned()).collect(),
                refused: refused.iter().map(text).collect(),
                ..Outcome::default()
            };
            let news = refusals.on_event(&outcome, start);
            (news, refusals.remarks().len())
        };
        assert_eq!(event(&["b"], &["a"]), (true, 1));
        assert_eq!(event(&["b"], &[]), (false, 1));
        assert_eq!(event(&["b", "a"], &[]), (false, 0));
    }

    #[test]
    fn what_is_refused_is_told_once_and_tried_at_intervals() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        let mut refusals = Refusals::default();
        let refused = Outcome {
            refused_log: Some(("ticker:events:log".to_owned(), "OOM".to_owned())),
            ..Outcome::default()
        };
        assert!(refusals.on_event(&refused, start) && !refusals.on_event(&refused, start));
        assert!(refusals.is_log_left_out(start + AGAIN_AFTER / 2));
        assert!(!refusals.is_log_left_out(start + AGAIN_AFTER));
        assert!(refusals.on_directory("WRONGTYPE", start));
        assert!(!refusals.on_directory("WRONGTYPE", start + AGAIN_AFTER));
        assert_eq!(refusals.directory_again(), Some(start + 2 * AGAIN_AFTER));
        assert_eq!(refusals.remarks().len(), 2);
        let logged = Outcome {
            is_logged: true,
            ..Outcome::default()
        };
        assert!(!refusals.on_event(&logged, start));
        refusals.on_directory_kept();
        assert!(refusals.remarks().is_empty() && refusals.directory_again().is_none());
    }
}
