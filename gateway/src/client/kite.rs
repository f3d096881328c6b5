//! Clients that speak Kite's own protocol, at `/kite`; `/kite-mock` is the same for mock instruments, because
//! a binary packet cannot say that it is mock.
//!
//! Owns their admission and their commands. A client that reads slowly gets the newest tick of each
//! instrument; nothing tells it of the others, as Kite does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use futures::stream::SplitStream;
use kite::frame::HEARTBEAT;
use kite::limits::{HEARTBEAT_INTERVAL, TOKENS_PER_CONNECTION, TOO_MANY_TOKENS};
use kite::{Command, Mode, ServerText, Token};
use secrecy::SecretString;
use serde::Deserialize;

use super::Gateway;
use super::admission::{BUFFER, is_allowed};
use super::frames::{self, End, Sink};
use super::quota::{Connection, Place};
use crate::auth::AuthError;
use crate::auth::claims::LEEWAY;
use crate::hub::ClientId;
use crate::instrument::InstrumentId;
use crate::outbox::Outbox;
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
    let session = KiteSession {
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
}

impl Drop for KiteSession {
    fn drop(&mut self) {
        self.gateway.hub.disconnect(self.client);
    }
}

impl KiteSession {
    async fn turns(
        &self,
        sink: &mut Sink,
        stream: &mut SplitStream<WebSocket>,
    ) -> Result<std::convert::Infallible, End> {
        let limit = self.gateway.limits.slow_after;
        let mut heartbeat = tokio::time::interval(HEARTBEAT_INTERVAL);
        let mut revoked = tokio::time::interval(REVOKED_EVERY);
        revoked.reset();
        let mut leaves = None;
        loop {
            let (texts, frame) = self.outbox.take_frame();
            for text in texts {
                frames::send(sink, Message::Text(text), limit).await?;
            }
            let wrote = frame.is_some();
            if let Some(frame) = frame {
                frames::send(sink, Message::Binary(frame.into()), limit).await?;
            }
            tokio::select! {
                biased;
                frame = stream.next() => self.on_frame(frame, sink).await?,
                _ = heartbeat.tick() => {
                    self.check_time()?;
                    if leaves.is_some_and(|at| self.gateway.clock.now() >= at) {
                        return Err(End::Drain);
                    }
                    let zero = Message::Binary(Bytes::from_static(&HEARTBEAT));
                    frames::send(sink, zero, limit).await?;
                }
                _ = revoked.tick() => {
                    let authenticator = &self.gateway.authenticator;
                    if authenticator.is_revoked(&self.token, &self.rights).await == Some(true) {
                        return Err(End::refused(&AuthError::Revoked));
                    }
                }
                () = self.gateway.shutdown.cancelled(), if leaves.is_none() => {
                    // One after another, so that they do not all come again at once.
                    let wait = self.gateway.limits.drain.mul_f64(0.8 * fastrand::f64());
                    leaves = Some(self.gateway.clock.now() + wait);
                }
                () = std::future::ready(()), if wrote => {}
                () = self.outbox.filled.notified() => {}
            }
        }
    }

    fn check_time(&self) -> Result<(), End> {
        if self.gateway.authenticator.now() >= self.rights.expires + LEEWAY {
            return Err(End::refused(&AuthError::Expired));
        }
        Ok(())
    }

    async fn on_frame(
        &self,
        frame: Option<Result<Message, axum::Error>>,
        sink: &mut Sink,
    ) -> Result<(), End> {
        match frame {
            Some(Ok(Message::Text(text))) => {
                let now = self.gateway.clock.now();
                // What is no command is ignored, as Kite does.
                for error in
                    Command::parse(&text).map_or_else(|_| Vec::new(), |it| self.carry_out(&it, now))
                {
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

    /// Returns what the client is told about it.
    fn carry_out(&self, command: &Command, now: Instant) -> Vec<String> {
        match command {
            Command::Subscribe(tokens) => {
                let hub = &self.gateway.hub;
                let new = tokens
                    .iter()
                    .filter(|it| !hub.has(self.client, self.id(**it)));
                if hub.total(self.client) + new.count() > usize::from(TOKENS_PER_CONNECTION) {
                    return vec![TOO_MANY_TOKENS.to_owned()];
                }
                self.follow(tokens, Mode::Quote, false, now)
            }
            Command::SetMode(mode, tokens) => self.follow(tokens, *mode, true, now),
            Command::Unsubscribe(tokens) => {
                for token in tokens {
                    self.gateway.hub.unsubscribe(self.client, self.id(*token));
                }
                Vec::new()
            }
        }
    }

    const fn id(&self, token: Token) -> InstrumentId {
        InstrumentId {
            token: token.0,
            is_mock: self.is_mock,
        }
    }

    /// Subscribes, or changes the mode of what is subscribed to (`known`).
    fn follow(&self, tokens: &[Token], mode: Mode, known: bool, now: Instant) -> Vec<String> {
        let (mut errors, mut missing) = (Vec::new(), 0_usize);
        let directory = self.gateway.directory.borrow().clone().unwrap_or_default();
        let hub = &self.gateway.hub;
        let Some(allowed) = self.rights.mode(mode) else {
            return vec!["the token allows none of these modes".to_owned()];
        };
        for token in tokens {
            let id = self.id(*token);
            if known && !hub.has(self.client, id) {
                continue;
            }
            let row = directory.get(id);
            let row = row.filter(|it| self.rights.allow(&it.exchange, &it.tradingsymbol));
            let Some(row) = row else {
                missing += 1;
                continue;
            };
            hub.subscribe(self.client, (id, &row.channel), allowed, now);
            if mode > row.mode && errors.is_empty() {
                errors.push(format!("set streams {}: {}", row.mode, row.name()));
            }
        }
        if missing > 0 {
            errors.push(format!("{missing} of these instruments do not stream here"));
        }
        errors
    }
}
