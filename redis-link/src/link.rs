//! The link: one connection at a time; every command is sent in order, and none twice.
//!
//! Owns connecting, writing, counting answers and reconnecting. The caller checks
//! [`Link::can_take`] before it renders a command and never waits. Driven by polling from one task;
//! must not spawn.

mod answers;
mod exchange;
mod view;

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use service::address::Address;
use service::text::{LineQuota, printable};

use super::access::Access;
use super::error::HandshakeError;
use super::handshake::establish;
use super::introduction::{Established, NOBODY};
use super::probe::Probe;
use super::replies::Replies;
use super::retry::RETRY;
use super::send_queue::{CommandKind, SendQueue};
use super::sentinel::SentinelWatch;
use super::stream::LinkStream;
use super::target::ServerTarget;
use answers::Answers;

/// A link that lasted this long does not count as a failure.
const PROVEN_AFTER: Duration = Duration::from_secs(5);

/// The longest text about a failed link: it may name several Sentinels.
const LONGEST_ERROR: usize = 400;

const READ_BUFFER: usize = 16 * 1024;

/// The connection to one Redis server.
pub struct Link {
    access: Access,
    name: String,
    target: Option<ServerTarget>,
    state: LinkState,
    previous: Option<i64>,
    queue: SendQueue,
    replies: Replies,
    buffer: Box<[u8]>,
    answers: Answers,
    opened: u64,
    opened_at: Option<Instant>,
    /// How often keys were rejected and then accepted again.
    forgotten: u64,
    failures: u32,
    error: Option<String>,
    lines: LineQuota,
    openings: LineQuota,
    /// Since when answers are awaited, or when the last of several arrived.
    progress: Option<Instant>,
    /// When answers were last read.
    looked: Option<Instant>,
    probe: Probe,
    /// The server of the present link.
    address: Option<Address>,
    watch: SentinelWatch,
    /// When the server was last asked for its role.
    role_asked: Option<Instant>,
    remark: Option<String>,
    jitter: fastrand::Rng,
}

enum LinkState {
    Disconnected { until: Option<Instant> },
    Connecting(BoxFuture<'static, Result<Established, HandshakeError>>),
    Connected(LinkStream),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("target", &self.target)
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}

impl Link {
    /// A link without a target yet. `name` is its name in CLIENT LIST: without spaces, and unique
    /// to this process. `clustered`: servers may answer that another one has a key.
    #[must_use]
    pub fn new(access: Access, name: String, seed: u64, clustered: bool) -> Self {
        Self {
            access,
            name,
            target: None,
            state: LinkState::Disconnected { until: None },
            previous: None,
            queue: SendQueue::default(),
            replies: Replies::default(),
            buffer: vec![0; READ_BUFFER].into(),
            answers: Answers::new(clustered),
            opened: 0,
            opened_at: None,
            forgotten: 0,
            failures: 0,
            error: None,
            lines: LineQuota::for_reasons(),
            openings: LineQuota::for_reasons(),
            progress: None,
            looked: None,
            probe: Probe::default(),
            address: None,
            watch: SentinelWatch::default(),
            role_asked: None,
            remark: None,
            jitter: fastrand::Rng::with_seed(seed),
        }
    }

    /// Switches to `target`; does nothing if the link already leads there.
    pub fn set_target(&mut self, target: &ServerTarget) {
        if self.target.as_ref() == Some(target) {
            return;
        }
        self.target = Some(target.clone());
        // Commands for the old server are too late for the new one, written or not.
        self.answers.counts.unknown += self.queue.forget();
        self.progress = None;
        // The client id of another server has no meaning for the new one.
        self.previous = None;
        self.failures = 0;
        self.answers.forget_server();
        (self.error, self.remark, self.address) = (None, None, None);
        self.watch.forget();
        self.state = LinkState::Disconnected { until: None };
    }

    /// Appends one command. To be called only while it is open; the caller limits the amount.
    #[inline]
    pub fn push(&mut self, kind: CommandKind, write: impl FnOnce(&mut Vec<u8>)) {
        self.queue.push(kind, write);
    }

    /// Ends the connection, or the attempt to connect.
    pub fn abandon(&mut self) {
        self.answers.counts.unknown += self.queue.forget();
        self.state = LinkState::Disconnected { until: None };
        self.target = None;
    }

    /// Whether the server has reported since the last call that another one has a key.
    pub const fn take_moved(&mut self) -> bool {
        self.answers.take_moved()
    }

    /// Forgets rejections of keys, because other keys, or none, are written from now on.
    pub fn reset_key_rejections(&mut self) {
        self.queue.outdate_keys();
        self.answers.reset_key_rejections();
    }

    /// Reads and writes as far as possible now; connects when it is time. Returns whether the link
    /// was opened or lost in this call.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut changed = false;
        if let LinkState::Disconnected { until } = self.state
            && until.is_none_or(|until| now >= until)
            && let Some(target) = self.target.clone()
        {
            let (access, name) = (self.access.clone(), self.name.clone());
            // Whether its user may end another connection is asked though its id is not known.
            let previous = self.previous.or((self.opened > 0).then_some(NOBODY));
            self.state = LinkState::Connecting(Box::pin(async move {
                establish(&target, &access, &name, previous).await
            }));
        }
        if let LinkState::Connecting(connecting) = &mut self.state {
            let Poll::Ready(result) = connecting.as_mut().poll(cx) else {
                return false;
            };
            changed = true;
            match result {
                Ok(established) => self.open(established, now),
                Err(error) => self.fail(&error, now),
            }
        }
        if self.is_open()
            && let Err(error) = self.exchange(cx, now)
        {
            self.close();
            self.fail(&error, now);
            return true;
        }
        changed
    }

    fn open(&mut self, established: Established, now: Instant) {
        let stream = match LinkStream::new(established.stream) {
            Ok(stream) => stream,
            Err(error) => return self.fail(&error, now),
        };
        self.answers.counts.reconnects += u64::from(self.opened > 0);
        self.opened += 1;
        self.opened_at = Some(now);
        self.error = None;
        self.answers.on_open(established.role);
        // The first link does not show it. It is told once.
        if self.opened > 1 {
            if let Some(text) = &established.remark
                && self.remark.as_ref() != Some(text)
            {
                self.warn(now, "redis forbids something useful", text);
            }
            self.remark = established.remark;
        }
        self.previous = established.id;
        self.address = Some(established.address);
        self.replies = Replies::default();
        (self.looked, self.role_asked) = (None, None);
        self.state = LinkState::Connected(stream);
        if let Some(suppressed) = self.openings.take(now) {
            tracing::info!(suppressed, "redis link is open");
        }
    }

    fn close(&mut self) {
        if self.is_open() {
            self.state = LinkState::Disconnected { until: None };
            self.answers.counts.unknown += self.queue.lose();
            self.progress = None;
            self.probe.forget();
            self.watch.forget();
        }
    }

    fn fail(&mut self, error: &(dyn std::error::Error + 'static), now: Instant) {
        // A server that ends a new link at once is tried less often than after a link that lasted.
        let lasted = |at| now.saturating_duration_since(at) >= PROVEN_AFTER;
        if self.opened_at.take().is_some_and(lasted) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = RETRY.delay(self.failures, self.jitter.f64());
        self.state = LinkState::Disconnected {
            until: Some(now + wait),
        };
        let text = service::exit::chain(error).to_string();
        let text = printable(&text, LONGEST_ERROR);
        // Logged once per reason, not once per try.
        if self.error.as_ref() != Some(&text) {
            self.warn(now, "redis link is down, retrying", &text);
            self.error = Some(text);
        }
    }

    fn warn(&mut self, now: Instant, what: &'static str, error: &str) {
        if let Some(suppressed) = self.lines.take(now) {
            tracing::warn!(error, suppressed, "{what}");
        }
    }
}
