//! What the answers to commands say: counts, what is refused, and where a key is not.
//!
//! Owns their meaning. Must not touch the stream that they came by.

use std::time::{Duration, Instant};

use service::text::{LONGEST_REASON, printable};

use super::advice;
use super::fault::LinkError;
use crate::redis::counts::Counts;
use crate::redis::outbox::{Answered, Kind};
use crate::redis::refusing::Refusing;
use crate::redis::resp::Reply;

/// What a replica answers to a command that writes.
const READ_ONLY: &[u8] = b"READONLY";

/// What a server of a cluster answers about a key that it does not have, or not yet, or not any more.
const ELSEWHERE: [&[u8]; 3] = [b"MOVED ", b"ASK ", b"TRYAGAIN "];

/// And while the cluster takes no keys: that is over without a word.
const CLUSTER_DOWN: &[u8] = b"CLUSTERDOWN ";

/// What a server answers to everything for a while: ticks wait for another link, as when it is away.
const NOT_NOW: [&[u8]; 2] = [b"BUSY ", b"LOADING "];

/// A server that said it was a replica counts as one for this long, if it says nothing else: longer
/// than the longest wait for another link.
const REPLICA_FOR: Duration = Duration::from_secs(10);

/// What is known from answers, over all links to one server.
#[derive(Debug)]
pub(super) struct Answers {
    clustered: bool,
    pub(super) counts: Counts,
    refusing: Refusing,
    /// The same for what is kept: ticks flow all the same.
    unkeeping: Refusing,
    /// When the server said that it is a replica, and nothing has shown otherwise.
    replica: Option<Instant>,
    /// The server said that a key is elsewhere.
    moved: bool,
    /// The link is to be given up, once all answers that came are counted.
    leave: Option<LinkError>,
    /// Keys were refused, and are not known to be written since.
    unwritten: bool,
}

impl Answers {
    pub(super) fn new(clustered: bool) -> Self {
        Self {
            clustered,
            counts: Counts::default(),
            refusing: Refusing::default(),
            unkeeping: Refusing::default(),
            replica: None,
            moved: false,
            leave: None,
            unwritten: false,
        }
    }

    /// Takes the answer to a command; whether it refuses in a way that is news.
    pub(super) fn take(&mut self, command: Answered, reply: Reply<'_>, now: Instant) -> bool {
        let kind = command.kind;
        let counts = &mut self.counts;
        let (refusing, done, refused) = match kind {
            Kind::Tick => (
                &mut self.refusing,
                &mut counts.published,
                &mut counts.failed,
            ),
            Kind::Kept => (&mut self.unkeeping, &mut counts.kept, &mut counts.unkept),
        };
        let Reply::Error(text) = reply else {
            *done += 1;
            refusing.on_success();
            if kind == Kind::Kept {
                self.replica = None;
            }
            return false;
        };
        *refused += 1;
        if text.starts_with(READ_ONLY) {
            self.replica = Some(now);
            self.leave = Some(LinkError::Replica);
            return false;
        }
        if NOT_NOW.iter().any(|code| text.starts_with(code)) {
            let text = String::from_utf8_lossy(text);
            self.leave = Some(LinkError::NotNow(printable(&text, LONGEST_REASON)));
            return false;
        }
        if self.clustered && ELSEWHERE.iter().any(|code| text.starts_with(code)) {
            self.moved = true;
            return false;
        }
        self.moved |= self.clustered && text.starts_with(CLUSTER_DOWN);
        if command.outdated {
            return false;
        }
        self.unwritten |= kind == Kind::Kept;
        refusing.on_refused(text, now)
    }

    /// Why no command on this link will be answered otherwise, once.
    pub(super) const fn take_leave(&mut self) -> Option<LinkError> {
        self.leave.take()
    }

    /// A link was opened.
    pub(super) fn on_open(&mut self) {
        self.refusing.on_open();
    }

    /// Another server answers from now on.
    pub(super) fn forget_server(&mut self) {
        self.refusing = Refusing::default();
        self.unkeeping = Refusing::default();
        self.replica = None;
    }

    /// Forgets that keys were refused.
    pub(super) fn forgive_keeping(&mut self) {
        self.unkeeping = Refusing::default();
    }

    /// Whether the server said since the last call that a key is elsewhere.
    pub(super) const fn take_moved(&mut self) -> bool {
        std::mem::replace(&mut self.moved, false)
    }

    /// Whether keys that were refused are taken again, once: what was refused is to be written anew.
    pub(super) fn take_recovered(&mut self, now: Instant) -> bool {
        let recovered = self.unwritten && self.unkeeping.text(now).is_none();
        self.unwritten &= !recovered;
        recovered
    }

    /// Whether everything is refused, and another link may do what this one does not.
    pub(super) fn is_link_useless(&self, now: Instant) -> bool {
        self.refusing.is_link_useless(now)
    }

    /// Whether the server takes no keys. It takes messages, as every replica does; only a key that is
    /// written shows what it is.
    pub(super) fn is_replica(&self, now: Instant) -> bool {
        let is_new = |since| now.saturating_duration_since(since) < REPLICA_FOR;
        self.replica.is_some_and(is_new)
    }

    /// What the server says about ticks that it refuses.
    pub(super) fn refused_ticks(&self, now: Instant) -> Option<String> {
        let text = refused(&self.refusing, now)?;
        Some(advice::about_ticks(&text))
    }

    /// What it says about keys that it refuses, and what to do.
    pub(super) fn refused_keys(&self, now: Instant) -> Option<String> {
        let text = refused(&self.unkeeping, now)?;
        if self.clustered && text.as_bytes().starts_with(CLUSTER_DOWN) {
            return Some(format!("the redis cluster takes no keys ({text})"));
        }
        Some(advice::about_keys(&text))
    }
}

fn refused(refusing: &Refusing, now: Instant) -> Option<String> {
    let text = String::from_utf8_lossy(refusing.text(now)?);
    Some(printable(&text, LONGEST_REASON))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Answered = Answered {
        kind: Kind::Tick,
        outdated: false,
    };
    const KEPT: Answered = Answered {
        kind: Kind::Kept,
        outdated: false,
    };

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_key_that_is_elsewhere_is_no_refusal() {
        let (now, mut answers) = (start(), Answers::new(true));
        for text in [&b"MOVED 1 127.0.0.1:7"[..], b"ASK 1 h:7", b"TRYAGAIN later"] {
            assert!(!answers.take(KEPT, Reply::Error(text), now));
            assert!(answers.take_moved() && !answers.take_moved());
        }
        assert_eq!(answers.refused_keys(now), None);
        assert_eq!(answers.counts.unkept, 3);
    }

    #[test]
    fn a_server_that_is_busy_with_something_else_is_left() {
        let (now, mut answers) = (start(), Answers::new(false));
        let busy = Reply::Error(b"BUSY Redis is busy running a script.");
        assert!(!answers.take(TICK, busy, now));
        assert!(matches!(answers.take_leave(), Some(LinkError::NotNow(_))));
        assert_eq!(answers.counts.failed, 1);
        // A name that is taken is something else.
        let taken = Reply::Error(b"BUSYGROUP Consumer Group name already exists");
        assert!(answers.take(KEPT, taken, now));
        assert!(answers.take_leave().is_none());
    }

    #[test]
    fn a_cluster_that_is_down_is_told_and_asked_again() {
        let (now, mut answers) = (start(), Answers::new(true));
        let down = Reply::Error(b"CLUSTERDOWN The cluster is down");
        assert!(answers.take(KEPT, down, now));
        assert!(answers.take_moved());
        assert!(answers.refused_keys(now).unwrap().contains("CLUSTERDOWN"));
    }

    #[test]
    fn what_was_refused_is_written_anew_once_the_refusal_is_over() {
        let (now, mut answers) = (start(), Answers::new(false));
        let later = now + Duration::from_secs(60);
        let full = Reply::Error(b"OOM command not allowed");
        assert!(answers.take(KEPT, full, now));
        assert!(!answers.take_recovered(later), "nothing was taken since");
        assert!(!answers.take(KEPT, Reply::Integer(1), now));
        assert!(!answers.take_recovered(now), "some may still be refused");
        assert!(answers.take_recovered(later) && !answers.take_recovered(later));
    }

    /// Nothing may be written any more that could show that keys are taken again.
    #[test]
    fn a_refusal_of_what_is_no_longer_written_is_not_told() {
        let (now, mut answers) = (start(), Answers::new(false));
        let refused = Reply::Error(b"NOPERM this user has no permissions");
        assert!(answers.take(KEPT, refused, now));
        answers.forgive_keeping();
        let outdated = Answered {
            outdated: true,
            ..KEPT
        };
        assert!(!answers.take(outdated, refused, now));
        assert_eq!(answers.refused_keys(now), None);
        assert_eq!(answers.counts.unkept, 2);
    }

    #[test]
    fn one_server_of_a_cluster_is_told_what_it_answers() {
        let (now, mut answers) = (start(), Answers::new(false));
        let moved = Reply::Error(b"MOVED 1 127.0.0.1:7");
        assert!(answers.take(KEPT, moved, now));
        assert!(!answers.take_moved());
        let said = answers.refused_keys(now).unwrap();
        assert!(said.contains("spec.redis.cluster.nodes"), "{said}");
    }
}
