//! What is said on one connection, after the client is let in.
//!
//! Owns the order: answers before ticks, and reading between writing, so that a client that gets much can
//! still ask. Ends with the reason for which the connection is closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures::StreamExt as _;
use futures::stream::SplitStream;
use secrecy::SecretString;
use service::text::LineQuota;

use super::Gateway;
use super::frames::{self, End, Sink};
use super::timers::{Due, Timers};
use crate::auth::AuthError;
use crate::auth::claims::LEEWAY;
use crate::hub::ClientId;
use crate::outbox::{Outbox, Pace};
use crate::protocol::answer::{self, LimitsShown};
use crate::protocol::command::{self, Command, Request};
use crate::rights::Rights;

/// One connected client.
pub(super) struct Conversation {
    pub(super) gateway: Arc<Gateway>,
    pub(super) client: ClientId,
    pub(super) outbox: Arc<Outbox>,
    pub(super) rights: Rights,
    token: SecretString,
    /// What was asked about the pace: a later subscription changes what it names.
    pub(super) max_hz: Option<f64>,
    pub(super) batch: bool,
    pub(super) answers: Vec<Utf8Bytes>,
    commands: LineQuota,
    timers: Timers,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.gateway.hub.disconnect(self.client);
    }
}

impl Conversation {
    /// Begins with the message that the client is connected.
    pub(super) fn begin(
        gateway: Arc<Gateway>,
        client: ClientId,
        connection_id: &str,
        rights: Rights,
        token: SecretString,
    ) -> Self {
        let outbox = Arc::new(Outbox::default());
        gateway.hub.connect(client, Arc::clone(&outbox));
        let (now, wall) = (gateway.clock.now(), gateway.authenticator.now());
        let limits = LimitsShown {
            max_tokens: gateway.limits.tokens_of(&rights),
            commands_per_s: gateway.limits.commands_per_s,
            max_frame: gateway.limits.frame,
            max_hz: rights.max_hz,
        };
        let market = Arc::clone(&gateway.market.borrow());
        let connected = answer::connected(connection_id, &rights.user, &limits, &market, wall);
        let mut begun = Self {
            commands: gateway.limits.commands(),
            timers: Timers::new(now, valid(&rights, wall)),
            gateway,
            client,
            outbox,
            rights,
            token,
            max_hz: None,
            batch: false,
            answers: vec![connected],
        };
        begun.set_pace();
        begun
    }

    pub(super) fn set_pace(&mut self) {
        let pace = Pace::new(self.rights.hz(self.max_hz), self.batch);
        self.outbox.set_pace(pace);
    }

    /// Until the connection is to be closed.
    pub(super) async fn run(
        &mut self,
        sink: &mut Sink,
        stream: &mut SplitStream<WebSocket>,
    ) -> End {
        match self.turns(sink, stream).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn turns(
        &mut self,
        sink: &mut Sink,
        stream: &mut SplitStream<WebSocket>,
    ) -> Result<std::convert::Infallible, End> {
        let shutdown = self.gateway.shutdown.clone();
        let (clock, limit) = (self.gateway.clock.clone(), self.gateway.limits.slow_after);
        let mut messages = VecDeque::new();
        loop {
            let now = clock.now();
            if shutdown.is_cancelled() && !self.timers.is_draining() {
                self.begin_drain();
            }
            while let Some(due) = self.timers.take(now) {
                self.on_due(due, sink).await?;
            }
            let next = self.timers.next();
            let mut waits = None;
            // Not more than one turn's ticks wait here.
            let has_room = messages.is_empty();
            messages.extend(self.answers.drain(..));
            if has_room {
                let mut taken = Vec::new();
                waits = self.outbox.take(now, &mut taken);
                messages.extend(taken);
            }
            let wrote = !messages.is_empty();
            if wrote {
                let draining = self.timers.is_draining();
                let is_due = || clock.now() >= next || (!draining && shutdown.is_cancelled());
                frames::write(sink, &mut messages, limit, is_due).await?;
                self.timers.on_sent(clock.now());
            }
            let next = self.timers.next();
            let next = waits.map_or(next, |waits| waits.min(next));
            tokio::select! {
                biased;
                frame = stream.next() => self.on_frame(frame).await?,
                // There may be more to write.
                () = std::future::ready(()), if wrote => {}
                () = self.outbox.filled.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
                () = shutdown.cancelled(), if !self.timers.is_draining() => {}
            }
        }
    }

    async fn on_due(&mut self, due: Due, sink: &mut Sink) -> Result<(), End> {
        match due {
            Due::Dead => Err(End::Dead),
            Due::Drain => Err(End::Drain),
            Due::Expired => Err(End::Policy(AuthError::Expired.to_string())),
            Due::Ping => {
                let ping = Message::Ping(Bytes::new());
                frames::send(sink, ping, self.gateway.limits.slow_after).await
            }
            Due::Heartbeat => {
                let now = self.gateway.authenticator.now();
                self.answers.push(answer::heartbeat(now));
                Ok(())
            }
            Due::AskRevoked => {
                let authenticator = &self.gateway.authenticator;
                // Where that is not known, who is connected stays.
                match authenticator.is_revoked(&self.token, &self.rights).await {
                    Some(true) => Err(End::Policy(AuthError::Revoked.to_string())),
                    Some(false) | None => Ok(()),
                }
            }
        }
    }

    /// The process ends: clients are told, and closed one after another, so that they do not all come again
    /// at once.
    fn begin_drain(&mut self) {
        let all = self.gateway.limits.drain.mul_f64(0.8);
        let wait = all.mul_f64(fastrand::f64());
        self.timers.drain_at(self.gateway.clock.now() + wait);
        let millis = u64::try_from(wait.as_millis()).unwrap_or_default();
        self.answers.push(answer::closing(millis));
    }

    async fn on_frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.timers.on_heard();
        match frame {
            Some(Ok(Message::Text(text))) => self.on_text(&text).await,
            Some(Ok(Message::Binary(_))) => Err(End::Binary),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Client),
            Some(Err(error)) => Err(frames::end_of(error)),
        }
    }

    async fn on_text(&mut self, text: &str) -> Result<(), End> {
        let now = self.gateway.clock.now();
        // Before it is read: that costs most.
        if self.commands.take(now).is_none() {
            let text = self.gateway.limits.too_many_commands();
            self.answers.push(answer::error(None, &text));
            return Ok(());
        }
        let Request { id, command } = command::parse(text);
        let id = id.as_ref();
        match command {
            Err(text) => self.answers.push(answer::error(id, &text)),
            Ok(Command::Subscribe(wanted)) => self.subscribe(id, wanted, now),
            Ok(Command::Unsubscribe(named)) => self.unsubscribe(id, &named),
            Ok(Command::SubscribeOrders(accounts)) => self.subscribe_orders(id, accounts),
            Ok(Command::List) => self.list(id),
            Ok(Command::Ping) => {
                let now = self.gateway.authenticator.now();
                self.answers.push(answer::pong(id, now));
            }
            Ok(Command::Hello(heartbeat)) => {
                let every = heartbeat.and_then(|it| Duration::try_from_secs_f64(it).ok());
                self.timers.set_heartbeat(every);
                self.answers.push(answer::hello(id, heartbeat));
            }
            Ok(Command::Refresh(token)) => self.refresh(id, token, now).await?,
            Ok(Command::Auth(_)) => {
                self.answers
                    .push(answer::error(id, "already authenticated"));
            }
        }
        Ok(())
    }

    /// Goes on with another token of the same user.
    async fn refresh(
        &mut self,
        id: Option<&serde_json::Value>,
        token: SecretString,
        now: Instant,
    ) -> Result<(), End> {
        match self.gateway.authenticator.check(&token).await {
            Ok(rights) if rights.user.user_id == self.rights.user.user_id => {
                let wall = self.gateway.authenticator.now();
                self.timers.set_valid(now, valid(&rights, wall));
                self.answers.push(answer::refreshed(id, rights.expires));
                (self.rights, self.token) = (rights, token);
                self.set_pace();
                self.keep_to_rights(now);
                Ok(())
            }
            Ok(_other) => {
                let text = "the token is of another user";
                self.answers.push(answer::error(id, text));
                Ok(())
            }
            Err(AuthError::Revoked) => Err(End::refused(&AuthError::Revoked)),
            Err(error) => {
                self.answers.push(answer::error(id, &error.to_string()));
                Ok(())
            }
        }
    }
}

/// For how long a token is valid yet, the leeway included.
fn valid(rights: &Rights, now: f64) -> Duration {
    let left = (rights.expires + LEEWAY - now).max(0.0);
    Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)
}
