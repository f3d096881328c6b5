//! Clients that speak Kite's own protocol, at `/kite`; `/kite-mock` is the same for mock instruments, because
//! a binary packet cannot say that it is mock.
//!
//! Owns their admission, and what happens by itself. A client that reads slowly gets the newest tick of each
//! instrument; nothing tells it of the others, as Kite does not.

mod commands;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use futures::stream::SplitStream;
use kite::ServerText;
use kite::frame::HEARTBEAT;
use kite::limits::HEARTBEAT_INTERVAL;
use secrecy::SecretString;
use serde::Deserialize;
use service::text::LineQuota;

use super::Gateway;
use super::admission::{BUFFER, is_allowed};
use super::frames::{self, End, Sink};
use super::quota::{Connection, Place};
use crate::auth::AuthError;
use crate::auth::claims::LEEWAY;
use crate::hub::ClientId;
use crate::outbox::{KiteFrames, Outbox, Pace};
use crate::rights::Rights;

/// How often it is asked whether the token was revoked.
const REVOKED_EVERY: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
pub(crate) struct KiteQuery {
    #[serde(default)]
    access_token: String,
}

/// Opens the socket of a client of real instruments.
pub(crate) async fn real(
    state: State<Arc<Gateway>>,
    query: Query<KiteQuery>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    open(state.0, query.0, &headers, upgrade, false).await
}

/// Opens the socket of a client of mock instruments.
pub(crate) async fn mock(
    state: State<Arc<Gateway>>,
    query: Query<KiteQuery>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    open(state.0, query.0, &headers, upgrade, true).await
}

/// Official clients look at the status of the upgrade.
async fn open(
    gateway: Arc<Gateway>,
    query: KiteQuery,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
    is_mock: bool,
) -> Response {
    if !is_allowed(headers, &gateway.origins) {
        return (StatusCode::FORBIDDEN, "Origin not allowed").into_response();
    }
    if gateway.shutdown.is_cancelled() || gateway.directory.borrow().is_none() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let token = SecretString::from(query.access_token);
    let rights = match gateway.authenticator.check(&token).await {
        Ok(rights) => rights,
        Err(error) if error.is_temporary() => {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Err(error) => return (StatusCode::FORBIDDEN, error.to_string()).into_response(),
    };
    let client = gateway.new_client();
    let connection = Connection {
        connection_id: format!("{:016x}", fastrand::u64(..)),
        user_id: rights.user.user_id.as_str().into(),
        connected_at: gateway.authenticator.now(),
    };
    let place = match gateway.connections.enter(client, connection) {
        Ok(place) => place,
        Err(error) => return (StatusCode::TOO_MANY_REQUESTS, error.to_string()).into_response(),
    };
    let frame = gateway.limits.frame;
    upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(frame)
        .max_frame_size(frame)
        .on_upgrade(move |socket| serve(gateway, (client, place), rights, token, is_mock, socket))
}

async fn serve(
    gateway: Arc<Gateway>,
    (client, _place): (ClientId, Place),
    rights: Rights,
    token: SecretString,
    is_mock: bool,
    socket: WebSocket,
) {
    let (mut sink, mut stream) = socket.split();
    let outbox = Arc::new(Outbox::default());
    gateway.hub.connect(client, Arc::clone(&outbox));
    outbox.set_pace(Pace::new(rights.hz(None), false));
    let now = gateway.clock.now();
    let mut session = KiteSession {
        commands: gateway.limits.commands(),
        heartbeat: now,
        revoked: now + REVOKED_EVERY,
        leaves: None,
        gateway,
        client,
        outbox,
        rights,
        token,
        is_mock,
    };
    for account in &session.rights.orders {
        session.gateway.hub.subscribe_orders(client, account);
    }
    let user = service::text::printable(&session.rights.user.user_id, 64);
    tracing::info!(user, "kite client connected");
    let Err(end) = session.turns(&mut sink, &mut stream).await;
    drop(session);
    tracing::info!(user, why = end.word(), "kite client left");
    frames::close(sink, &end).await;
}

struct KiteSession {
    gateway: Arc<Gateway>,
    client: ClientId,
    outbox: Arc<Outbox>,
    rights: Rights,
    token: SecretString,
    is_mock: bool,
    commands: LineQuota,
    heartbeat: Instant,
    revoked: Instant,
    /// When this client is closed, because the process ends.
    leaves: Option<Instant>,
}

impl Drop for KiteSession {
    fn drop(&mut self) {
        self.gateway.hub.disconnect(self.client);
    }
}

impl KiteSession {
    async fn turns(
        &mut self,
        sink: &mut Sink,
        stream: &mut SplitStream<WebSocket>,
    ) -> Result<std::convert::Infallible, End> {
        let limit = self.gateway.limits.slow_after;
        loop {
            let now = self.gateway.clock.now();
            self.on_time(now, sink).await?;
            let KiteFrames { texts, frames, due } = self.outbox.take_frames(now);
            let texts = texts.into_iter().map(Message::Text);
            let frames = frames.into_iter().map(|it| Message::Binary(it.into()));
            let mut wrote = false;
            for message in texts.chain(frames) {
                frames::send(sink, message, limit).await?;
                self.on_time(self.gateway.clock.now(), sink).await?;
                wrote = true;
            }
            // The sign of life comes each second, so that nothing is due before it but ticks.
            let next = due.map_or(self.heartbeat, |due| due.min(self.heartbeat));
            tokio::select! {
                biased;
                frame = stream.next() => self.on_frame(frame, sink).await?,
                () = std::future::ready(()), if wrote => {}
                () = self.outbox.filled.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
                () = self.gateway.shutdown.cancelled(), if self.leaves.is_none() => {}
            }
        }
    }

    /// What is due by itself, whatever the client sends and reads.
    async fn on_time(&mut self, now: Instant, sink: &mut Sink) -> Result<(), End> {
        self.check_time()?;
        if self.leaves.is_none() && self.gateway.shutdown.is_cancelled() {
            // One after another, so that they do not all come again at once.
            let wait = self.gateway.limits.drain.mul_f64(0.8 * fastrand::f64());
            self.leaves = Some(now + wait);
        }
        if self.leaves.is_some_and(|at| now >= at) {
            return Err(End::Drain);
        }
        if now >= self.revoked {
            self.revoked = now + REVOKED_EVERY;
            let authenticator = &self.gateway.authenticator;
            if authenticator.is_revoked(&self.token, &self.rights).await == Some(true) {
                return Err(End::refused(&AuthError::Revoked));
            }
        }
        if now >= self.heartbeat {
            self.heartbeat = now + HEARTBEAT_INTERVAL;
            let zero = Message::Binary(Bytes::from_static(&HEARTBEAT));
            frames::send(sink, zero, self.gateway.limits.slow_after).await?;
        }
        Ok(())
    }

    fn check_time(&self) -> Result<(), End> {
        if self.gateway.authenticator.now() >= self.rights.expires + LEEWAY {
            return Err(End::refused(&AuthError::Expired));
        }
        Ok(())
    }

    async fn on_frame(
        &mut self,
        frame: Option<Result<Message, axum::Error>>,
        sink: &mut Sink,
    ) -> Result<(), End> {
        match frame {
            Some(Ok(Message::Text(text))) => {
                for error in self.on_text(&text) {
                    let text = ServerText::Error(error).to_json();
                    let limit = self.gateway.limits.slow_after;
                    frames::send(sink, Message::Text(text.into()), limit).await?;
                }
                Ok(())
            }
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Client),
            Some(Err(error)) => Err(frames::end_of(error)),
        }
    }
}
