//! One ticker connection as the exchange sees it: its subscriptions, and the bounded queue to its
//! socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use kite::limits::TOKENS_PER_CONNECTION;
use kite::{FrameBuilder, Mode, Packet, Token};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Frames that may wait for a socket.
const MAX_FRAMES: usize = 1_024;
/// Bytes that may wait for a socket; a reader that falls further behind is disconnected, as by the
/// real server. Holds several snapshots of 3,000 full packets (558 KB each).
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Something to write to a socket.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A frame of packets.
    Packets(Bytes, u16),
    /// A binary frame made by hand.
    Raw(Bytes),
    /// A text frame.
    Text(String),
}

impl Outgoing {
    fn len(&self) -> usize {
        match self {
            Self::Packets(frame, _) | Self::Raw(frame) => frame.len(),
            Self::Text(text) => text.len(),
        }
    }
}

/// State shared by the task of a socket and the exchange.
#[derive(Debug)]
pub struct ConnectionHandle {
    /// Number of the connection; never used twice.
    pub id: u64,
    /// Its API key.
    pub api_key: Arc<str>,
    /// Cancelled to drop the socket without a Close frame.
    pub cut: CancellationToken,
    /// Whether the socket is frozen.
    pub frozen: watch::Sender<bool>,
    queued: AtomicUsize,
    counts: SentCounters,
}

/// What was written to sockets.
#[derive(Debug, Default)]
struct SentCounters {
    packets: AtomicU64,
    frames: AtomicU64,
    heartbeats: AtomicU64,
    bytes: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Packets in frames of packets.
    pub packets: u64,
    /// Frames of packets.
    pub frames: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Payload bytes of all frames.
    pub bytes: u64,
}

impl Sent {
    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            frames: self.frames + other.frames,
            heartbeats: self.heartbeats + other.heartbeats,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl ConnectionHandle {
    fn new(id: u64, api_key: Arc<str>, frozen: bool) -> Self {
        Self {
            id,
            api_key,
            cut: CancellationToken::new(),
            frozen: watch::Sender::new(frozen),
            queued: AtomicUsize::new(0),
            counts: SentCounters::default(),
        }
    }

    /// Notes that a frame has reached the socket.
    pub fn written(&self, frame: &Outgoing) {
        let len = frame.len();
        self.queued.fetch_sub(len, Relaxed);
        self.counts.bytes.fetch_add(len as u64, Relaxed);
        if let Outgoing::Packets(_, packets) = frame {
            self.counts.frames.fetch_add(1, Relaxed);
            self.counts.packets.fetch_add(u64::from(*packets), Relaxed);
        }
    }

    /// Notes that a heartbeat has reached the socket.
    pub fn heartbeat_written(&self) {
        self.counts.heartbeats.fetch_add(1, Relaxed);
        self.counts.bytes.fetch_add(1, Relaxed);
    }

    /// The counts of written frames.
    #[must_use]
    pub fn sent(&self) -> Sent {
        Sent {
            packets: self.counts.packets.load(Relaxed),
            frames: self.counts.frames.load(Relaxed),
            heartbeats: self.counts.heartbeats.load(Relaxed),
            bytes: self.counts.bytes.load(Relaxed),
        }
    }

    /// Bytes that wait for the socket.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued.load(Relaxed)
    }
}

/// One subscription.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    /// How often it was subscribed to: duplicates count toward the limit.
    times: usize,
    pub(super) mode: Mode,
}

/// One connection.
#[derive(Debug)]
pub(super) struct ClientConnection {
    pub(super) handle: Arc<ConnectionHandle>,
    pub(super) muted: bool,
    /// Ticks of a hundred that it does not get, and what decides which.
    pub(super) conflated: u8,
    chance: ChaCha8Rng,
    sender: mpsc::Sender<Outgoing>,
    pub(super) subscriptions: FxHashMap<Token, Subscription>,
    counted: usize,
    pending: FrameBuilder,
}

/// More instruments than a connection may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyTokens;

impl ClientConnection {
    pub(super) fn new(
        id: u64,
        api_key: Arc<str>,
        (muted, frozen): (bool, bool),
        conflated: u8,
    ) -> (Self, mpsc::Receiver<Outgoing>) {
        let (sender, queue) = mpsc::channel(MAX_FRAMES);
        let connection = Self {
            handle: Arc::new(ConnectionHandle::new(id, api_key, frozen)),
            muted,
            conflated,
            chance: ChaCha8Rng::seed_from_u64(id),
            sender,
            subscriptions: FxHashMap::default(),
            counted: 0,
            pending: FrameBuilder::default(),
        };
        (connection, queue)
    }

    /// Adds tokens in quote mode, all or none.
    pub(super) fn subscribe(&mut self, tokens: &[Token]) -> Result<(), TooManyTokens> {
        if self.counted + tokens.len() > usize::from(TOKENS_PER_CONNECTION) {
            return Err(TooManyTokens);
        }
        self.counted += tokens.len();
        for token in tokens {
            let fresh = Subscription {
                times: 0,
                mode: Mode::Quote,
            };
            let subscription = self.subscriptions.entry(*token).or_insert(fresh);
            subscription.times += 1;
            subscription.mode = Mode::Quote;
        }
        Ok(())
    }

    /// Removes a token; `false` when it was not there.
    pub(super) fn unsubscribe(&mut self, token: Token) -> bool {
        let Some(gone) = self.subscriptions.remove(&token) else {
            return false;
        };
        self.counted -= gone.times;
        true
    }

    /// Changes the mode of a subscribed token; `false` when nothing changed.
    pub(super) fn set_mode(&mut self, token: Token, mode: Mode) -> bool {
        match self.subscriptions.get_mut(&token) {
            Some(subscription) if subscription.mode != mode => {
                subscription.mode = mode;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Adds a tick to the frame that is being filled, unless this connection is not to get it.
    pub(super) fn push_tick(&mut self, packet: &Packet) {
        if self.conflated == 0 || self.chance.random_range(0..100) >= self.conflated {
            self.push(packet);
        }
    }

    /// Adds a packet to the frame that is being filled.
    pub(super) fn push(&mut self, packet: &Packet) {
        if self.muted {
            return;
        }
        if !self.pending.push(packet) {
            self.flush();
            // An empty frame takes any packet.
            let _pushed = self.pending.push(packet);
        }
    }

    /// Queues the filled frame for the socket.
    pub(super) fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let frame = std::mem::take(&mut self.pending);
        let packets = frame.len();
        self.send(Outgoing::Packets(frame.finish().into(), packets));
    }

    /// Queues a frame; ends the connection if its reader is too far behind.
    pub(super) fn send(&self, frame: Outgoing) {
        let len = frame.len();
        let waiting = self.handle.queued.fetch_add(len, Relaxed) + len;
        if waiting > MAX_BYTES || self.sender.try_send(frame).is_err() {
            self.handle.cut.cancel();
        }
    }
}
