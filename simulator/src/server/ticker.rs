//! The WebSocket: admission before the upgrade, then one task per socket that writes queued frames
//! and passes commands to the exchange.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use kite::Command;
use kite::frame::HEARTBEAT;
use kite::limits::HEARTBEAT_INTERVAL;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::App;
use super::query::parameter;
use crate::exchange::{ConnectionHandle, Outgoing, Refusal};

/// Largest message that a client may send: 3,000 tokens take 33 KB.
const MAX_BYTES: usize = 1024 * 1024;

/// How long a reader may take for the Close frame at shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers a handshake.
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let query = query.unwrap_or_default();
    let (Some(api_key), Some(access_token)) = (
        parameter(&query, "api_key"),
        parameter(&query, "access_token"),
    ) else {
        return (
            StatusCode::BAD_REQUEST,
            "api_key and access_token are required",
        )
            .into_response();
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let now = app.now();
    let admitted = app.exchange().connect(&api_key, &access_token, now);
    match admitted {
        Ok((handle, queue)) => {
            tracing::info!(conn = handle.id, "connected");
            let guard = ConnectionGuard { app, handle };
            upgrade
                .max_message_size(MAX_BYTES)
                .max_frame_size(MAX_BYTES)
                .on_upgrade(|socket| run_socket(socket, guard, queue))
        }
        Err(refusal) => refuse(refusal),
    }
}

fn refuse(refusal: Refusal) -> Response {
    tracing::info!(status = refusal.status(), reason = %refusal, "refused");
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    (status, refusal.to_string()).into_response()
}

/// A place of an API key, released when the socket ends in any way, or the upgrade fails.
struct ConnectionGuard {
    app: Arc<App>,
    handle: Arc<ConnectionHandle>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let now = self.app.now();
        self.app.exchange().disconnect(self.handle.id, now);
        tracing::info!(conn = self.handle.id, "disconnected");
    }
}

async fn run_socket(socket: WebSocket, guard: ConnectionGuard, queue: mpsc::Receiver<Outgoing>) {
    let (mut sink, stream) = socket.split();
    let (app, handle) = (&guard.app, &guard.handle);
    let shutting_down = tokio::select! {
        () = handle.cut.cancelled() => false,
        () = write(app, handle, &mut sink, queue) => false,
        () = read(app, handle, stream) => false,
        () = app.shutdown.cancelled() => true,
    };
    if shutting_down {
        let reason = CloseFrame {
            code: close_code::AWAY,
            reason: "shutting down".into(),
        };
        let closing = sink.send(Message::Close(Some(reason)));
        // A peer that does not read it is dropped.
        let _ended = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }
}

/// Writes heartbeats and whatever is queued until the socket fails.
async fn write(
    app: &App,
    handle: &ConnectionHandle,
    sink: &mut SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Outgoing>,
) {
    let mut heartbeat =
        tokio::time::interval_at(Instant::now() + HEARTBEAT_INTERVAL, HEARTBEAT_INTERVAL);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frozen = handle.frozen.subscribe();
    loop {
        if frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        let written = tokio::select! {
            biased;
            _ = heartbeat.tick() => send_heartbeat(handle, sink).await,
            Some(frame) = queue.recv() => send_frame(app, handle, sink, frame).await,
            Ok(()) = frozen.changed() => Ok(()),
            else => return,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn send_heartbeat(
    handle: &ConnectionHandle,
    sink: &mut SplitSink<WebSocket, Message>,
) -> Result<(), axum::Error> {
    sink.send(Message::Binary(Bytes::from_static(&HEARTBEAT)))
        .await?;
    handle.heartbeat_written();
    Ok(())
}

async fn send_frame(
    app: &App,
    handle: &ConnectionHandle,
    sink: &mut SplitSink<WebSocket, Message>,
    frame: Outgoing,
) -> Result<(), axum::Error> {
    let message = match &frame {
        Outgoing::Packets(bytes, _) | Outgoing::Raw(bytes) => Message::Binary(bytes.clone()),
        Outgoing::Text(text) => Message::Text(text.as_str().into()),
    };
    sink.send(message).await?;
    handle.written(&frame);
    if let Outgoing::Packets(bytes, _) = &frame {
        app.recorder.write(handle.id, bytes);
    }
    Ok(())
}

/// Reads commands until the client leaves. Pings are answered by the WebSocket implementation while
/// it reads; frames that are not commands are ignored, as by Kite.
async fn read(app: &App, handle: &ConnectionHandle, mut stream: SplitStream<WebSocket>) {
    let mut frozen = handle.frozen.subscribe();
    loop {
        if frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        let message = tokio::select! {
            message = stream.next() => message,
            Ok(()) = frozen.changed() => continue,
        };
        match message {
            Some(Ok(Message::Text(text))) => match Command::parse(&text) {
                Ok(command) => {
                    let now = app.now();
                    app.exchange().command(handle.id, &command, now);
                }
                Err(error) => tracing::debug!(conn = handle.id, %error, "ignored"),
            },
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}
