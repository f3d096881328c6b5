//! A small Kite: accepts sockets, records commands, and sends heartbeats and what the test says.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use kite::{Command, Detail, FrameBuilder, Full, Mode, Packet, Quote, Token};
use service::clock::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::{ACCESS_TOKEN, token, within};

/// How often a socket gets a heartbeat, as from Kite: without any frame it would be given up.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// What the server received.
#[derive(Debug, PartialEq)]
pub enum Seen {
    Refused,
    Opened,
    Command(Command),
    CloseFrame,
    Gone,
}

pub struct KiteServer {
    address: SocketAddr,
    accepted: Arc<Mutex<HashSet<String>>>,
    sockets: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Message>>,
    seen: mpsc::UnboundedReceiver<Seen>,
    pings: Arc<AtomicU64>,
}

impl KiteServer {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1").await
    }

    /// At this address of the machine.
    pub async fn start_at(host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(Mutex::new(HashSet::from([ACCESS_TOKEN.to_owned()])));
        let (socket_sender, sockets) = mpsc::unbounded_channel();
        let (seen_sender, seen) = mpsc::unbounded_channel();
        let tokens = Arc::clone(&accepted);
        let pings = Arc::new(AtomicU64::new(0));
        let pinged = Arc::clone(&pings);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tokens, sockets, seen) = (
                    Arc::clone(&tokens),
                    socket_sender.clone(),
                    seen_sender.clone(),
                );
                tokio::spawn(serve(stream, tokens, sockets, seen, Arc::clone(&pinged)));
            }
        });
        Self {
            address,
            accepted,
            sockets,
            seen,
            pings,
        }
    }

    /// Pings so far.
    pub fn pings(&self) -> u64 {
        self.pings.load(Ordering::Relaxed)
    }

    pub fn origin(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// From now on only this access token is accepted.
    pub fn accept_only(&self, access_token: &str) {
        *self.accepted.lock().unwrap() = HashSet::from([access_token.to_owned()]);
    }

    /// The next socket that is opened, to send through.
    pub async fn socket(&mut self) -> mpsc::UnboundedSender<Message> {
        within("a socket", self.sockets.recv()).await.unwrap()
    }

    /// The next thing received.
    pub async fn seen(&mut self) -> Seen {
        within("something seen", self.seen.recv()).await.unwrap()
    }

    /// Expects the next commands to subscribe to the instruments with these numbers, in full mode.
    pub async fn sees_subscription(&mut self, numbers: &[u32]) {
        let tokens: Vec<Token> = numbers.iter().map(|number| token(*number)).collect();
        assert_eq!(
            self.seen().await,
            Seen::Command(Command::Subscribe(tokens.clone()))
        );
        let mode = Command::SetMode(Mode::Full, tokens);
        assert_eq!(self.seen().await, Seen::Command(mode));
    }

    /// Whether nothing was received since the last call.
    pub fn nothing_seen(&mut self) -> bool {
        self.seen.try_recv().is_err()
    }
}

#[expect(clippy::result_large_err, reason = "the library's callback says so")]
async fn serve(
    stream: TcpStream,
    tokens: Arc<Mutex<HashSet<String>>>,
    sockets: mpsc::UnboundedSender<mpsc::UnboundedSender<Message>>,
    seen: mpsc::UnboundedSender<Seen>,
    pings: Arc<AtomicU64>,
) {
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let target = request.uri().to_string();
        let token = target.split("access_token=").nth(1).unwrap_or_default();
        let version = request.headers().get("x-kite-version");
        assert!(target.starts_with("/?api_key="), "the target has its slash");
        assert_eq!(version.unwrap(), "3");
        if tokens.lock().unwrap().contains(token) {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        Err(refusal)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, check).await else {
        drop(seen.send(Seen::Refused));
        return;
    };
    let (sender, mut frames) = mpsc::unbounded_channel();
    drop(seen.send(Seen::Opened));
    drop(sockets.send(sender));
    let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
    loop {
        tokio::select! {
            _ = beat.tick() => drop(socket.send(heartbeat()).await),
            frame = frames.recv() => match frame {
                Some(frame) => drop(socket.send(frame).await),
                None => return,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let command = Command::parse(&text).expect("a command");
                    drop(seen.send(Seen::Command(command)));
                }
                Some(Ok(Message::Close(_))) => drop(seen.send(Seen::CloseFrame)),
                Some(Ok(Message::Ping(_))) => drop(pings.fetch_add(1, Ordering::Relaxed)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    drop(seen.send(Seen::Gone));
                    return;
                }
            },
        }
    }
}

pub fn heartbeat() -> Message {
    Message::binary(vec![0])
}

/// A full packet of this moment whose price and volume are told apart by `price`.
pub fn full(token: Token, price: i32) -> Packet {
    let now = Clock::system().wall_micros() / 1_000_000;
    let quote = Quote {
        volume: price.unsigned_abs(),
        open: price,
        high: price,
        low: price,
        ..Quote::default()
    };
    let times = Full {
        last_trade_time: now as u32,
        exchange_time: now as u32,
        ..Full::default()
    };
    Packet {
        token,
        last_price: price,
        detail: Detail::Full(quote, times),
    }
}

pub fn frame(packets: &[Packet]) -> Message {
    let mut frame = FrameBuilder::default();
    for packet in packets {
        assert!(frame.push(packet));
    }
    Message::binary(frame.finish())
}

/// One packet of each of the fifty.
pub fn round(price: i32) -> Message {
    let packets: Vec<_> = (1..=50).map(|number| full(token(number), price)).collect();
    frame(&packets)
}
