//! The WebSocket: admission before the upgrade, then one task per socket that writes what the
//! exchange queues and hands commands to it.

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
use crate::exchange::{Link, Outgoing, Refusal};

/// Largest message that a client may send: 3,000 tokens take 33 KB.
const MOST_BYTES: usize = 1024 * 1024;

/// How long a reader may take for the Close frame at shutdown.
const FAREWELL: Duration = Duration::from_secs(1);

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
        Ok((link, queue)) => {
            tracing::info!(conn = link.id, "connected");
            let seat = Seat { app, link };
            upgrade
                .max_message_size(MOST_BYTES)
                .max_frame_size(MOST_BYTES)
                .on_upgrade(|socket| converse(socket, seat, queue))
        }
        Err(refusal) => refuse(refusal),
    }
}

fn refuse(refusal: Refusal) -> Response {
    tracing::info!(status = refusal.status(), reason = %refusal, "refused");
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    (status, refusal.to_string()).into_response()
}

/// A place of an API key, given back when the socket ends in whatever way, the upgrade's failure
/// included.
struct Seat {
    app: Arc<App>,
    link: Arc<Link>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now = self.app.now();
        self.app.exchange().disconnect(self.link.id, now);
        tracing::info!(conn = self.link.id, "disconnected");
    }
}

async fn converse(socket: WebSocket, seat: Seat, queue: mpsc::Receiver<Outgoing>) {
    let (mut sink, stream) = socket.split();
    let (app, link) = (&seat.app, &seat.link);
    let leave = tokio::select! {
        () = link.cut.cancelled() => false,
        () = write(app, link, &mut sink, queue) => false,
        () = read(app, link, stream) => false,
        () = app.shutdown.cancelled() => true,
    };
    if leave {
        let reason = CloseFrame {
            code: close_code::AWAY,
            reason: "shutting down".into(),
        };
        let farewell = sink.send(Message::Close(Some(reason)));
        // A peer that does not take it is dropped.
        let _ended = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// Writes heartbeats and whatever is queued until the socket fails.
async fn write(
    app: &App,
    link: &Link,
    sink: &mut SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Outgoing>,
) {
    let mut heartbeat =
        tokio::time::interval_at(Instant::now() + HEARTBEAT_INTERVAL, HEARTBEAT_INTERVAL);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frozen = link.frozen.subscribe();
    loop {
        if frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        let written = tokio::select! {
            biased;
            _ = heartbeat.tick() => beat(link, sink).await,
            Some(frame) = queue.recv() => deliver(app, link, sink, frame).await,
            Ok(()) = frozen.changed() => Ok(()),
            else => return,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn beat(link: &Link, sink: &mut SplitSink<WebSocket, Message>) -> Result<(), axum::Error> {
    sink.send(Message::Binary(Bytes::from_static(&HEARTBEAT)))
        .await?;
    link.beat();
    Ok(())
}

async fn deliver(
    app: &App,
    link: &Link,
    sink: &mut SplitSink<WebSocket, Message>,
    frame: Outgoing,
) -> Result<(), axum::Error> {
    let message = match &frame {
        Outgoing::Packets(bytes, _) | Outgoing::Raw(bytes) => Message::Binary(bytes.clone()),
        Outgoing::Text(text) => Message::Text(text.as_str().into()),
    };
    sink.send(message).await?;
    link.written(&frame);
    if let Outgoing::Packets(bytes, _) = &frame {
        app.recorder.write(link.id, bytes);
    }
    Ok(())
}

/// Reads commands until the client leaves. Pings are answered by the WebSocket implementation while
/// it reads; what is no command is ignored, as by Kite.
async fn read(app: &App, link: &Link, mut stream: SplitStream<WebSocket>) {
    let mut frozen = link.frozen.subscribe();
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
                    app.exchange().command(link.id, &command, now);
                }
                Err(error) => tracing::debug!(conn = link.id, %error, "ignored"),
            },
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}
