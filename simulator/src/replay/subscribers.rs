//! The connected clients, their subscriptions, and what is sent to each.
//!
//! Owns the sockets. A client that does not read delays the recording for a while and is then
//! dropped, as by the real server.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use kite::frame::{HEARTBEAT, raw_packets};
use kite::limits::HEARTBEAT_INTERVAL;
use kite::{Command, FrameBuilder};
use service::clock::Clock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Frames that wait for one client.
const QUEUE: usize = 256;

/// A client that reads nothing for this long is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

const TOKEN: usize = 4;

/// What was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Binary frames of the recording, heartbeats among them.
    pub frames: u64,
    /// Packets in them.
    pub packets: u64,
    /// Packets sent to clients.
    pub sent: u64,
    /// Text frames of the recording.
    pub texts: u64,
}

/// Every connected client, and what was sent so far.
#[derive(Debug)]
pub(super) struct Subscribers {
    state: Mutex<SharedState>,
    instruments: Option<String>,
    clock: Clock,
    shutdown: CancellationToken,
}

#[derive(Debug, Default)]
struct SharedState {
    next: u64,
    clients: BTreeMap<u64, Client>,
    /// When a client last subscribed.
    subscribed: Option<Instant>,
    summary: ReplaySummary,
}

#[derive(Debug)]
struct Client {
    frames: mpsc::Sender<Message>,
    tokens: HashSet<u32>,
}

impl Subscribers {
    pub(super) fn new(instruments: Option<String>, shutdown: CancellationToken) -> Self {
        Self {
            state: Mutex::default(),
            instruments,
            clock: Clock::system(),
            shutdown,
        }
    }

    pub(super) fn summary(&self) -> ReplaySummary {
        self.state().summary
    }

    /// Subscribed instruments, and when that last changed.
    pub(super) fn subscribed(&self) -> (usize, Option<Instant>) {
        let state = self.state();
        let all: HashSet<u32> = state
            .clients
            .values()
            .flat_map(|it| &it.tokens)
            .copied()
            .collect();
        (all.len(), state.subscribed)
    }

    /// Sends the packets of a recorded frame to their subscribers.
    pub(super) async fn packets(&self, frame: &[u8]) {
        let mut made = Vec::new();
        {
            let mut state = self.state();
            state.summary.frames += 1;
            state.summary.packets += raw_packets(frame).count() as u64;
            for (id, client) in &state.clients {
                let mut builder = FrameBuilder::default();
                for packet in raw_packets(frame).filter(|packet| client.wants(packet)) {
                    // As many as the recorded frame holds always fit.
                    let _pushed = builder.push_raw(packet);
                }
                if !builder.is_empty() {
                    made.push((*id, client.frames.clone(), builder));
                }
            }
        }
        for (id, frames, builder) in made {
            let packets = u64::from(builder.len());
            let frame = Message::Binary(builder.finish().into());
            if self.send(id, &frames, frame).await {
                self.state().summary.sent += packets;
            }
        }
    }

    /// Sends a recorded text to the first client.
    pub(super) async fn text(&self, text: &[u8]) {
        let first = {
            let mut state = self.state();
            state.summary.texts += 1;
            let first = state.clients.iter().next();
            first.map(|(id, client)| (*id, client.frames.clone()))
        };
        if let Some((id, frames)) = first {
            let text = String::from_utf8_lossy(text).into_owned();
            self.send(id, &frames, Message::Text(text.into())).await;
        }
    }

    /// Closes all connections after their queued frames.
    pub(super) async fn end(&self) {
        let clients: Vec<_> = {
            let state = self.state();
            let clients = state.clients.iter();
            clients
                .map(|(id, client)| (*id, client.frames.clone()))
                .collect()
        };
        for (id, frames) in &clients {
            self.send(*id, frames, Message::Close(None)).await;
        }
        for (_, frames) in clients {
            // A client that does not read it is dropped with the process.
            drop(tokio::time::timeout(SEND_TIMEOUT, frames.closed()).await);
        }
    }

    async fn send(&self, id: u64, frames: &mpsc::Sender<Message>, frame: Message) -> bool {
        let sent = tokio::time::timeout(SEND_TIMEOUT, frames.send(frame)).await;
        let sent = matches!(sent, Ok(Ok(())));
        if !sent && self.state().clients.remove(&id).is_some() {
            tracing::warn!(client = id, "client dropped, because it does not read");
        }
        sent
    }

    fn state(&self) -> MutexGuard<'_, SharedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self) -> (u64, mpsc::Receiver<Message>) {
        let (frames, queue) = mpsc::channel(QUEUE);
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        let tokens = HashSet::new();
        state.clients.insert(id, Client { frames, tokens });
        (id, queue)
    }

    fn command(&self, id: u64, command: &Command) {
        let mut state = self.state();
        state.subscribed = Some(self.clock.now());
        let Some(client) = state.clients.get_mut(&id) else {
            return;
        };
        match command {
            Command::Subscribe(tokens) => client.tokens.extend(tokens.iter().map(|it| it.0)),
            Command::Unsubscribe(tokens) => tokens.iter().for_each(|token| {
                client.tokens.remove(&token.0);
            }),
            // Packets come in the mode they were recorded in.
            Command::SetMode(..) => {}
        }
    }
}

impl Client {
    fn wants(&self, packet: &[u8]) -> bool {
        let token = packet.first_chunk::<TOKEN>();
        token.is_some_and(|token| self.tokens.contains(&u32::from_be_bytes(*token)))
    }
}

pub(super) async fn instruments(
    State(subscribers): State<Arc<Subscribers>>,
) -> Result<String, (StatusCode, &'static str)> {
    let none = "replay was started without --instruments";
    subscribers
        .instruments
        .clone()
        .ok_or((StatusCode::NOT_FOUND, none))
}

pub(super) async fn upgrade(
    State(subscribers): State<Arc<Subscribers>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(async move |socket| run_socket(socket, &subscribers).await)
}

async fn run_socket(socket: WebSocket, subscribers: &Subscribers) {
    let (id, mut queue) = subscribers.join();
    let (mut sink, mut stream) = socket.split();
    let mut heartbeat = tokio::time::interval(HEARTBEAT_INTERVAL);
    loop {
        let written = tokio::select! {
            () = subscribers.shutdown.cancelled() => break,
            _ = heartbeat.tick() => sink.send(Message::Binary(Bytes::from_static(&HEARTBEAT))).await,
            frame = queue.recv() => match frame {
                Some(frame) => sink.send(frame).await,
                None => break,
            },
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Ok(command) = Command::parse(&text) {
                        subscribers.command(id, &command);
                    }
                    Ok(())
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => break,
            },
        };
        if written.is_err() {
            break;
        }
    }
    subscribers.state().clients.remove(&id);
}
