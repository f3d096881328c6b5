//! Interprets the answers to commands: counts, rejections, and keys that another server has.
//!
//! Owns their meaning. Must not touch the stream.

use std::time::{Duration, Instant};

use service::text::{LONGEST_REASON, printable};

use crate::counts::LinkCounts;
use crate::error::LinkError;
use crate::rejections::{Rejections, about_keys, about_messages};
use crate::replies::Reply;
use crate::role::{Role, RoleAnswer, RoleQuestion};
use crate::send_queue::{Answered, CommandKind};
use crate::server_clock::ServerClock;
use crate::temporary::{READ_ONLY, Temporary};

/// The answer while the cluster accepts no keys; its end is not announced.
const CLUSTER_DOWN: &[u8] = b"CLUSTERDOWN ";

/// How long a server that answered as a replica counts as one: longer than the longest wait for
/// another link.
const REPLICA_FOR: Duration = Duration::from_secs(10);

/// The state that follows from answers, over all links to one server.
#[derive(Debug, Default)]
pub(super) struct Answers {
    clustered: bool,
    pub(super) counts: LinkCounts,
    rejections: Rejections,
    /// Rejections of keys: messages flow all the same.
    key_rejections: Rejections,
    /// When the server answered as a replica, unless a later answer contradicts.
    replica: Option<Instant>,
    /// The server answered that another one has a key.
    moved: bool,
    /// The link has to be closed, once all received answers are counted.
    leave: Option<LinkError>,
    /// Keys were rejected, and none is known to be written since.
    unwritten: bool,
    /// How the server is asked for its role.
    pub(super) role: RoleQuestion,
    /// The server's time.
    pub(super) clock: ServerClock,
    /// Whether answers were read late, because this process stood still.
    pub(super) late: bool,
}

impl Answers {
    pub(super) fn new(clustered: bool) -> Self {
        Self {
            clustered,
            ..Self::default()
        }
    }

    /// Handles the answer to a command; returns whether it is a new kind of rejection.
    pub(super) fn take(&mut self, command: Answered, reply: Reply<'_>, now: Instant) -> bool {
        let kind = command.kind;
        let counts = &mut self.counts;
        let (rejections, done, refused) = match kind {
            CommandKind::Question => {
                self.take_role(reply.into(), now);
                return false;
            }
            CommandKind::Message => (
                &mut self.rejections,
                &mut counts.published,
                &mut counts.failed,
            ),
            CommandKind::Key => (
                &mut self.key_rejections,
                &mut counts.keys_written,
                &mut counts.keys_refused,
            ),
        };
        let Reply::Error(text) = reply else {
            *done += 1;
            rejections.on_success();
            if kind == CommandKind::Key {
                self.replica = None;
                if let Reply::Bulk(Some(id)) = reply
                    && !self.late
                {
                    self.clock.on_id(id, now);
                }
            }
            return false;
        };
        *refused += 1;
        if text.starts_with(READ_ONLY.as_bytes()) {
            self.replica = Some(now);
            self.leave = Some(LinkError::Replica);
            return false;
        }
        let state = Temporary::of(text);
        if state == Some(Temporary::NotReady) {
            // Messages wait for another link, as if the server were away.
            let text = String::from_utf8_lossy(text);
            self.leave = Some(LinkError::NotNow(printable(&text, LONGEST_REASON)));
            return false;
        }
        if self.clustered && state == Some(Temporary::Elsewhere) {
            self.moved = true;
            if !text.starts_with(CLUSTER_DOWN) {
                return false;
            }
        }
        if command.outdated {
            return false;
        }
        self.unwritten |= kind == CommandKind::Key;
        rejections.on_refused(text, now)
    }

    /// Handles the answer to the question for the role.
    fn take_role(&mut self, answer: RoleAnswer, now: Instant) {
        match self.role.read(answer) {
            Role::Replica => {
                self.replica = Some(now);
                self.leave = Some(LinkError::Replica);
            }
            Role::Master => self.replica = None,
            Role::Unknown => {}
        }
    }

    /// Why the link has to be closed; returned once.
    pub(super) const fn take_leave(&mut self) -> Option<LinkError> {
        self.leave.take()
    }

    /// A link was opened to a server that is asked for its role with `role`.
    pub(super) fn on_open(&mut self, role: RoleQuestion) {
        self.rejections.on_open();
        self.role = role;
        // It may be another server than before.
        self.clock = ServerClock::default();
        if role != RoleQuestion::None {
            self.replica = None;
        }
    }

    /// The link switched to another server.
    pub(super) fn forget_server(&mut self) {
        self.rejections = Rejections::default();
        self.key_rejections = Rejections::default();
        self.replica = None;
    }

    /// Forgets rejections of keys.
    pub(super) fn reset_key_rejections(&mut self) {
        self.key_rejections = Rejections::default();
    }

    /// Whether the server has answered since the last call that another one has a key.
    pub(super) const fn take_moved(&mut self) -> bool {
        std::mem::replace(&mut self.moved, false)
    }

    /// Whether rejected keys are accepted again; returned once: all keys have to be written again.
    pub(super) fn take_recovered(&mut self, now: Instant) -> bool {
        let recovered = self.unwritten && self.key_rejections.text(now).is_none();
        self.unwritten &= !recovered;
        recovered
    }

    /// Whether everything is rejected, so that a new link should be tried.
    pub(super) fn is_link_useless(&self, now: Instant) -> bool {
        self.rejections.is_link_useless(now)
    }

    /// Whether the server is a replica. It accepts messages, as every replica does; only writing a
    /// key shows what it is.
    pub(super) fn is_replica(&self, now: Instant) -> bool {
        let is_new = |since| now.saturating_duration_since(since) < REPLICA_FOR;
        self.replica.is_some_and(is_new)
    }

    /// The message about rejected messages.
    pub(super) fn refused_messages(&self, now: Instant) -> Option<String> {
        let text = refused(&self.rejections, now)?;
        Some(about_messages(&text))
    }

    /// The message about rejected keys, with what to do.
    pub(super) fn refused_keys(&self, now: Instant) -> Option<String> {
        let text = refused(&self.key_rejections, now)?;
        if self.clustered && text.as_bytes().starts_with(CLUSTER_DOWN) {
            return Some(format!("the redis cluster accepts no writes ({text})"));
        }
        Some(about_keys(&text))
    }
}

fn refused(rejections: &Rejections, now: Instant) -> Option<String> {
    let text = String::from_utf8_lossy(rejections.text(now)?);
    Some(printable(&text, LONGEST_REASON))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Answered = Answered {
        kind: CommandKind::Message,
        outdated: false,
    };
    const KEY: Answered = Answered {
        kind: CommandKind::Key,
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
            assert!(!answers.take(KEY, Reply::Error(text), now));
            assert!(answers.take_moved() && !answers.take_moved());
        }
        assert_eq!(answers.refused_keys(now), None);
        assert_eq!(answers.counts.keys_refused, 3);
    }

    #[test]
    fn a_server_that_is_busy_with_something_else_is_left() {
        let (now, mut answers) = (start(), Answers::new(false));
        let busy = Reply::Error(b"BUSY Redis is busy running a script.");
        assert!(!answers.take(MESSAGE, busy, now));
        assert!(matches!(answers.take_leave(), Some(LinkError::NotNow(_))));
        assert_eq!(answers.counts.failed, 1);
        // A name that is taken is something else.
        let taken = Reply::Error(b"BUSYGROUP Consumer Group name already exists");
        assert!(answers.take(KEY, taken, now));
        assert!(answers.take_leave().is_none());
    }

    #[test]
    fn a_cluster_that_is_down_is_told_and_asked_again() {
        let (now, mut answers) = (start(), Answers::new(true));
        let down = Reply::Error(b"CLUSTERDOWN The cluster is down");
        assert!(answers.take(KEY, down, now));
        assert!(answers.take_moved());
        assert!(answers.refused_keys(now).unwrap().contains("CLUSTERDOWN"));
    }

    #[test]
    fn what_was_refused_is_written_anew_once_the_refusal_is_over() {
        let (now, mut answers) = (start(), Answers::new(false));
        let later = now + Duration::from_secs(60);
        let full = Reply::Error(b"OOM command not allowed");
        assert!(answers.take(KEY, full, now));
        assert!(!answers.take_recovered(later), "nothing was taken since");
        assert!(!answers.take(KEY, Reply::Integer(1), now));
        assert!(!answers.take_recovered(now), "some may still be refused");
        assert!(answers.take_recovered(later) && !answers.take_recovered(later));
    }

    /// Nothing may be written any more that could show that keys are taken again.
    #[test]
    fn a_refusal_of_what_is_no_longer_written_is_not_told() {
        let (now, mut answers) = (start(), Answers::new(false));
        let refused = Reply::Error(b"NOPERM this user has no permissions");
        assert!(answers.take(KEY, refused, now));
        answers.reset_key_rejections();
        let outdated = Answered {
            outdated: true,
            ..KEY
        };
        assert!(!answers.take(outdated, refused, now));
        assert_eq!(answers.refused_keys(now), None);
        assert_eq!(answers.counts.keys_refused, 2);
    }

    #[test]
    fn one_server_of_a_cluster_is_told_what_it_answers() {
        let (now, mut answers) = (start(), Answers::new(false));
        let moved = Reply::Error(b"MOVED 1 127.0.0.1:7");
        assert!(answers.take(KEY, moved, now));
        assert!(!answers.take_moved());
        let said = answers.refused_keys(now).unwrap();
        assert!(said.contains("spec.redis.cluster.nodes"), "{said}");
    }
}
