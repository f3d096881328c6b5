//! One ticker connection: the session's decisions carried out on a socket.
//!
//! Owns the socket and the dial. Must not decide when to dial or what to subscribe to.

pub(crate) mod allocation;
mod control;
mod dial;
mod event;
pub(crate) mod mute_limit;

pub(crate) mod socket;
pub(crate) mod takeover;
mod view;

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use kite::Command;
use kite::session::downtime::Downtime;
use kite::session::{Action, Failure, Session};
use service::text::{LONGEST_REASON, LineQuota, printable};

pub(crate) use dial::Dialler;
use dial::{DialOutcome, dial};
pub(crate) use event::ConnectionEvent;
use socket::{Frame, Socket, SocketError};

use crate::input::credentials::Credentials;

/// One connection.
pub(crate) struct Connection {
    index: u8,
    session: Session,
    /// Outlives the session: another endpoint is no end of an outage.
    downtime: Downtime,
    socket: SocketState,
    /// A socket that was replaced, while it is being closed.
    leaving: Option<BoxFuture<'static, ()>>,
    opened: u64,
    /// With which the last dial went out.
    credentials: Option<Credentials>,
    last_error: Option<String>,
    lines: LineQuota,
    events: VecDeque<ConnectionEvent>,
}

enum SocketState {
    Disconnected,
    /// The old socket is being closed. A dial waits for that, because Kite counts both.
    Closing {
        closed: BoxFuture<'static, ()>,
        next: Option<Dialler>,
    },
    Connecting(BoxFuture<'static, DialOutcome>),
    Connected(Box<Socket>),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("index", &self.index)
            .field("phase", &self.session.phase())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Connection number `index`, with nothing to stream. `seed` makes its waits differ from
    /// others'.
    #[must_use]
    pub(crate) fn new(index: u8, seed: u64) -> Self {
        Self {
            index,
            session: Session::new(seed),
            downtime: Downtime::default(),
            socket: SocketState::Disconnected,
            leaving: None,
            opened: 0,
            credentials: None,
            last_error: None,
            lines: LineQuota::for_reasons(),
            events: VecDeque::new(),
        }
    }

    /// Drops session and socket, to start again with another endpoint.
    pub(crate) fn restart(&mut self, seed: u64) {
        self.session = Session::new(seed);
        self.last_error = None;
        self.close();
    }

    /// Closes the socket with a Close frame, or ends the dial.
    pub(crate) fn close(&mut self) {
        self.close_socket();
        self.events.push_back(ConnectionEvent::Ended);
    }

    /// Closes the live socket, and opens another one without a wait: the dial reads the credentials of then.
    pub(crate) fn renew(&mut self, now: Instant) {
        tracing::info!(
            connection = self.index,
            "the socket is opened again, with the access token of now"
        );
        self.session.renew(now);
        self.close_socket();
        self.events.push_back(ConnectionEvent::Renewed);
    }

    /// Takes the socket of another connection that carries the same, and closes its own.
    pub(crate) fn take_over(&mut self, other: Self) {
        let opened = self.opened + other.opened;
        let older = std::mem::replace(self, Self { opened, ..other });
        (self.downtime, self.lines) = (older.downtime, older.lines);
        if let SocketState::Connected(socket) = older.socket {
            self.leaving = Some(Box::pin(socket.close()));
        }
    }

    fn close_socket(&mut self) {
        self.socket = match std::mem::replace(&mut self.socket, SocketState::Disconnected) {
            SocketState::Connected(socket) => SocketState::Closing {
                closed: Box::pin(socket.close()),
                next: None,
            },
            SocketState::Closing { closed, .. } => SocketState::Closing { closed, next: None },
            SocketState::Disconnected | SocketState::Connecting(_) => SocketState::Disconnected,
        };
    }

    /// What happened since the last call, oldest first.
    pub(crate) fn take_event(&mut self) -> Option<ConnectionEvent> {
        self.events.pop_front()
    }

    /// The server sent an error on a live socket, which stays open.
    pub(crate) fn on_server_error(&mut self, message: &str, now: Instant) {
        // It may repeat what it was asked with.
        let redacted = self.credentials.as_ref().map(|known| known.redact(message));
        let message = printable(redacted.as_deref().unwrap_or(message), LONGEST_REASON);
        let error = format!("the server reports: {message}");
        self.note("Kite sent an error on a ticker connection", error, now);
    }

    fn note(&mut self, what: &'static str, error: String, now: Instant) {
        if self.last_error.as_ref() != Some(&error)
            && let Some(suppressed) = self.lines.take(now)
        {
            tracing::warn!(connection = self.index, %error, suppressed, "{what}");
        }
        self.last_error = Some(error);
    }

    /// The next frame that is available; `None` when the socket ended or no frame is available.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Option<Frame>> {
        let SocketState::Connected(socket) = &mut self.socket else {
            return Poll::Ready(None);
        };
        match socket.poll_frame(cx) {
            Poll::Ready(Ok(frame)) => {
                self.session.on_frame(now);
                Poll::Ready(Some(frame))
            }
            Poll::Ready(Err(error)) => {
                self.lose(&error, now);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Carries out the actions of the session, as far as possible now.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, dialler: Option<&Dialler>) {
        if let Some(leaving) = &mut self.leaving
            && leaving.as_mut().poll(cx).is_ready()
        {
            self.leaving = None;
        }
        self.session.on_timeout(now);
        self.poll_socket(cx, now, dialler);
        while let Some(action) = self.session.poll_action(now) {
            match action {
                Action::Dial => self.dial(dialler),
                Action::Send(command) => self.send(command, now),
                Action::Close => self.close(),
                Action::Replace(unticked) => {
                    let seconds = unticked.as_secs();
                    self.events.push_back(ConnectionEvent::Mute);
                    self.close();
                    let error =
                        format!("heartbeats but no ticks for {seconds} s: the socket is replaced");
                    self.note("ticker connection sends no ticks", error, now);
                }
                Action::Ping => {
                    self.write(now, Socket::ping);
                }
                Action::Confirm => self.events.push_back(ConnectionEvent::Confirm),
                Action::Abandon => self.abandon(dialler, now),
            }
            self.poll_socket(cx, now, dialler);
        }
        self.write(now, |socket| socket.poll_flush(cx));
        let up_since = self.session.live().map(|(since, _last_tick)| since);
        self.downtime
            .observe(self.session.is_needed(), up_since, now);
    }

    fn abandon(&mut self, dialler: Option<&Dialler>, now: Instant) {
        let socket = std::mem::replace(&mut self.socket, SocketState::Disconnected);
        let error = match dialler {
            Some(dialler) if matches!(socket, SocketState::Connecting(_)) => dialler.timed_out(),
            _ => "no frame and no pong arrived in time".to_owned(),
        };
        self.end(error, now);
    }

    /// Completes when no socket is being closed.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let SocketState::Closing { closed, next } = &mut self.socket {
            let Poll::Ready(()) = closed.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            self.socket = match next.take() {
                Some(dialler) => SocketState::Connecting(Box::pin(dial(dialler))),
                None => SocketState::Disconnected,
            };
        }
        Poll::Ready(())
    }

    fn dial(&mut self, dialler: Option<&Dialler>) {
        let Some(dialler) = dialler.cloned() else {
            return;
        };
        match &mut self.socket {
            SocketState::Closing { next, .. } => *next = Some(dialler),
            SocketState::Disconnected | SocketState::Connecting(_) | SocketState::Connected(_) => {
                self.socket = SocketState::Connecting(Box::pin(dial(dialler)));
            }
        }
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>, now: Instant, dialler: Option<&Dialler>) {
        if self.poll_closed(cx).is_pending() {
            return;
        }
        let SocketState::Connecting(dialling) = &mut self.socket else {
            return;
        };
        let Poll::Ready(outcome) = dialling.as_mut().poll(cx) else {
            return;
        };
        let accepted = match outcome.socket {
            Ok(socket) => {
                self.socket = SocketState::Connected(Box::new(socket));
                self.opened += 1;
                self.last_error = None;
                self.session.on_connected(now);
                tracing::info!(connection = self.index, "ticker connection is open");
                self.events.push_back(ConnectionEvent::Opened);
                Some(true)
            }
            Err(error) => {
                self.socket = SocketState::Disconnected;
                let failure = error.failure();
                self.session.on_dial_failed(failure, now);
                let why = || service::exit::chain(&error).to_string();
                let why = dialler.map_or_else(why, |dialler| dialler.failed(&error));
                self.end(why, now);
                (failure == Failure::Refused).then_some(false)
            }
        };
        self.credentials = outcome.credentials;
        let checked = self.credentials.clone().zip(accepted);
        let checked = checked.map(|(which, accepted)| ConnectionEvent::Checked(which, accepted));
        self.events.extend(checked);
    }

    fn send(&mut self, command: Command, now: Instant) {
        if self.write(now, |socket| socket.send(command.to_json())) {
            self.events.push_back(ConnectionEvent::Sent(command));
        }
    }

    /// Calls `take` with the socket if it is open. Returns whether there was no error; after one the
    /// socket is lost.
    fn write(
        &mut self,
        now: Instant,
        take: impl FnOnce(&mut Socket) -> Result<(), SocketError>,
    ) -> bool {
        if let SocketState::Connected(socket) = &mut self.socket
            && let Err(error) = take(socket)
        {
            self.lose(&error, now);
            return false;
        }
        true
    }

    fn lose(&mut self, error: &SocketError, now: Instant) {
        self.socket = SocketState::Disconnected;
        self.session.on_lost(now);
        self.end(service::exit::chain(error).to_string(), now);
    }

    fn end(&mut self, error: String, now: Instant) {
        self.note("ticker connection is down", error, now);
        self.events.push_back(ConnectionEvent::Ended);
    }
}

#[cfg(test)]
mod tests;
