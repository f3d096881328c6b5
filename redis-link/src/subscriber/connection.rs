//! One connection that subscribes, and what it is to read.
//!
//! Owns connecting, connecting again, and what is lost meanwhile. Must not know slots.

use std::collections::BTreeSet;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use service::text::{LineQuota, printable};

use super::event::ChannelEvent;
use super::open::{ConnectionError, OpenConnection};
use crate::access::Access;
use crate::error::HandshakeError;
use crate::handshake::establish;
use crate::introduction::Established;
use crate::retry::RETRY;
use crate::target::ServerTarget;

/// A connection that lasted this long does not count as a failure.
const PROVEN_AFTER: Duration = Duration::from_secs(5);

/// The longest text about a failed connection: it may name several Sentinels.
const LONGEST_ERROR: usize = 400;

/// Full buffers that are read in one turn; then other tasks have theirs.
const READS: usize = 16;

/// One connection to one server.
pub(super) struct SubscriberConnection {
    server: ServerTarget,
    access: Access,
    name: String,
    sharded: bool,
    wanted: BTreeSet<Box<str>>,
    state: State,
    /// The state of wanted channels is to be compared with the server's.
    is_dirty: bool,
    opened_at: Option<Instant>,
    failures: u32,
    error: Option<String>,
    /// Something says that another node is to be asked.
    doubt: bool,
    lines: LineQuota,
    jitter: fastrand::Rng,
}

enum State {
    Disconnected { until: Option<Instant> },
    Connecting(BoxFuture<'static, Result<Established, HandshakeError>>),
    Connected(Box<OpenConnection>),
}

impl SubscriberConnection {
    pub(super) fn new(
        server: ServerTarget,
        access: Access,
        name: String,
        seed: u64,
        sharded: bool,
    ) -> Self {
        Self {
            server,
            access,
            name,
            sharded,
            wanted: BTreeSet::new(),
            state: State::Disconnected { until: None },
            is_dirty: false,
            opened_at: None,
            failures: 0,
            error: None,
            doubt: false,
            lines: LineQuota::for_reasons(),
            jitter: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn want(&mut self, channel: &str) {
        self.is_dirty |= self.wanted.insert(channel.into());
    }

    pub(super) fn unwant(&mut self, channel: &str) {
        self.is_dirty |= self.wanted.remove(channel);
    }

    /// Wants these channels and no others. Those that it had, and that are read elsewhere from now on,
    /// are lost here.
    pub(super) fn want_only<'a>(
        &mut self,
        channels: impl Iterator<Item = &'a Box<str>>,
        emit: &mut dyn FnMut(ChannelEvent<'_>),
    ) {
        let wanted: BTreeSet<Box<str>> = channels.cloned().collect();
        if wanted == self.wanted {
            return;
        }
        if let State::Connected(open) = &self.state {
            for channel in self.wanted.difference(&wanted) {
                if open.has(channel) {
                    emit(ChannelEvent::Lost { channel });
                }
            }
        }
        self.wanted = wanted;
        self.is_dirty = true;
    }

    /// How many wanted channels are subscribed to.
    pub(super) fn subscribed(&self) -> usize {
        let State::Connected(open) = &self.state else {
            return 0;
        };
        let wanted = self.wanted.iter();
        wanted.filter(|it| open.has(it)).count()
    }

    /// Why channels are not subscribed to.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref().filter(|_| !self.wanted.is_empty())
    }

    /// Whether something has said since the last call that another node is to be asked.
    pub(super) const fn take_doubt(&mut self) -> bool {
        std::mem::replace(&mut self.doubt, false)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Disconnected { until } => until.filter(|_| !self.wanted.is_empty()),
            State::Connecting(_) => None,
            State::Connected(open) => open.deadline(),
        }
    }

    /// Reads and writes as far as possible now; connects when it is time.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        emit: &mut dyn FnMut(ChannelEvent<'_>),
    ) {
        // A node without channels needs no connection; one that is open stays.
        if let State::Disconnected { until } = self.state
            && !self.wanted.is_empty()
            && until.is_none_or(|until| now >= until)
        {
            let (server, access) = (self.server.clone(), self.access.clone());
            let name = self.name.clone();
            self.state = State::Connecting(Box::pin(async move {
                establish(&server, &access, &name, None).await
            }));
        }
        if let State::Connecting(connecting) = &mut self.state {
            let Poll::Ready(result) = connecting.as_mut().poll(cx) else {
                return;
            };
            match result {
                Ok(established) => self.open(established, now),
                Err(error) => self.fail(&error, now),
            }
        }
        if let Err(error) = self.exchange(cx, now, emit) {
            self.close(emit);
            self.fail(&error, now);
        }
    }

    fn open(&mut self, established: Established, now: Instant) {
        self.opened_at = Some(now);
        self.error = None;
        self.is_dirty = true;
        self.state = State::Connected(Box::new(OpenConnection::new(established, now)));
    }

    fn exchange(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        emit: &mut dyn FnMut(ChannelEvent<'_>),
    ) -> Result<(), ConnectionError> {
        let State::Connected(open) = &mut self.state else {
            return Ok(());
        };
        let mut more = true;
        for _ in 0..READS {
            more = open.read(cx, now)?;
            let told = open.take_pushes(now, &self.wanted, emit)?;
            self.is_dirty |= told.dirty;
            self.doubt |= told.moved;
            if told.refusal.is_some() {
                self.error = told.refusal;
            }
            if !more {
                break;
            }
        }
        if more {
            cx.waker().wake_by_ref();
        }
        if std::mem::take(&mut self.is_dirty) || open.may_ask_again(now) {
            open.reconcile(&self.wanted, now, self.sharded);
            if open.are_all_subscribed(&self.wanted) {
                self.error = None;
            }
        }
        open.ping(now)?;
        let asked = (&self.server, self.name.as_str(), &self.access);
        open.watch(cx, now, asked)?;
        open.write(cx)
    }

    fn close(&mut self, emit: &mut dyn FnMut(ChannelEvent<'_>)) {
        let closed = State::Disconnected { until: None };
        if let State::Connected(open) = std::mem::replace(&mut self.state, closed) {
            for channel in self.wanted.iter().filter(|it| open.has(it)) {
                emit(ChannelEvent::Lost { channel });
            }
        }
    }

    fn fail(&mut self, error: &(dyn std::error::Error + 'static), now: Instant) {
        let lasted = |at| now.saturating_duration_since(at) >= PROVEN_AFTER;
        if self.opened_at.take().is_some_and(lasted) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = RETRY.delay(self.failures, self.jitter.f64());
        self.state = State::Disconnected {
            until: Some(now + wait),
        };
        self.doubt = true;
        let text = service::exit::chain(error).to_string();
        let text = printable(&text, LONGEST_ERROR);
        // Logged once per reason, not once per try.
        if self.error.as_ref() != Some(&text)
            && let Some(suppressed) = self.lines.take(now)
        {
            tracing::warn!(error = %text, suppressed, "subscriptions to redis are lost, retrying");
        }
        self.error = Some(text);
    }
}
