//! A ticker server with very little cost: it makes its frames once and then only writes them, at
//! the rate of the bench.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kite::{Command, Detail, FrameBuilder, Full, Level, Packet, Quote, Token};
use service::clock::Clock;

/// Ticks are sent this often, in as many frames as that takes.
const STEP: Duration = Duration::from_millis(1);

/// Packets per frame, as the real server gathers them.
pub(crate) const PER_FRAME: usize = 20;

/// One connection's worth of ticks on demand.
#[derive(Debug)]
pub(crate) struct Source {
    address: SocketAddr,
    rate: Arc<AtomicU64>,
}

impl Source {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let source = Self {
            address: listener.local_addr()?,
            rate: Arc::default(),
        };
        let rate = Arc::clone(&source.rate);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let rate = Arc::clone(&rate);
                // Any end is fine: the client has left, or the bench is over.
                std::thread::spawn(move || serve(stream, &rate));
            }
        });
        Ok(source)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends this many ticks a second from now on.
    pub(crate) fn set_rate(&self, ticks: u64) {
        self.rate.store(ticks, Ordering::Relaxed);
    }
}

fn serve(mut stream: TcpStream, rate: &AtomicU64) -> Result<()> {
    stream.set_nodelay(true)?;
    shake_hands(&mut stream)?;
    let tokens = subscribed(&mut stream)?;
    let mut reading = stream.try_clone()?;
    // Commands and pings have to be read, or the client would treat the server as stuck.
    std::thread::spawn(move || std::io::copy(&mut reading, &mut std::io::sink()));
    let clock = Clock::system();
    let now = u32::try_from(clock.wall_micros() / 1_000_000)?;
    let chunks = tokens.chunks(PER_FRAME).enumerate();
    let frames: Vec<Vec<u8>> = chunks
        .map(|(number, tokens)| frame(tokens, number as u32, now))
        .collect();
    // A first packet of each instrument, at any rate.
    for frame in &frames {
        stream.write_all(frame)?;
    }
    let (mut next, mut owed, mut at) = (0, 0.0, clock.now());
    let mut beat = at;
    let mut burst = Vec::new();
    loop {
        at += STEP;
        #[expect(
            clippy::disallowed_methods,
            reason = "a thread that does nothing but keep a rate"
        )]
        std::thread::sleep(at.saturating_duration_since(clock.now()));
        owed += rate.load(Ordering::Relaxed) as f64 * STEP.as_secs_f64() / PER_FRAME as f64;
        burst.clear();
        if at >= beat {
            burst.extend_from_slice(&[0x82, 1, 0]);
            beat += Duration::from_secs(1);
        }
        while owed >= 1.0 {
            burst.extend_from_slice(&frames[next]);
            next = (next + 1) % frames.len();
            owed -= 1.0;
        }
        stream.write_all(&burst)?;
    }
}

fn shake_hands(stream: &mut TcpStream) -> Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        ensure!(stream.read(&mut byte)? == 1, "the client went");
        request.push(byte[0]);
    }
    let request = String::from_utf8(request)?;
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .context("no WebSocket")?;
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Ok(stream.write_all(answer.as_bytes())?)
}

/// Reads commands until the modes were set.
fn subscribed(stream: &mut TcpStream) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let len = match head[1] & 0x7f {
            126 => {
                let mut len = [0; 2];
                stream.read_exact(&mut len)?;
                usize::from(u16::from_be_bytes(len))
            }
            127 => anyhow::bail!("a command of more than 64 KiB"),
            len => usize::from(len),
        };
        let mut mask = [0; 4];
        stream.read_exact(&mut mask)?;
        let mut text = vec![0; len];
        stream.read_exact(&mut text)?;
        for (byte, mask) in text.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        match Command::parse(std::str::from_utf8(&text)?) {
            Ok(Command::Subscribe(more)) => tokens.extend(more),
            Ok(Command::SetMode(..)) => return Ok(tokens),
            Ok(Command::Unsubscribe(_)) | Err(_) => {}
        }
    }
}

/// A WebSocket frame with a full packet of each token.
fn frame(tokens: &[Token], number: u32, now: u32) -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    for token in tokens {
        let level = Level {
            quantity: 75 + number,
            price: 12_345,
            orders: 3,
        };
        let mut full = Full {
            oi: 2_952_525,
            exchange_time: now,
            last_trade_time: now,
            ..Full::default()
        };
        full.depth.buy = [level; 5];
        full.depth.sell = [level; 5];
        let quote = Quote {
            volume: 1_200 + number,
            last_quantity: 75,
            average_price: 12_340,
            open: 12_000,
            high: 13_000,
            low: 11_000,
            close: 12_100,
            ..Quote::default()
        };
        let packet = Packet {
            token: *token,
            last_price: 12_345 + number as i32,
            detail: Detail::Full(quote, full),
        };
        assert!(builder.push(&packet), "twenty packets fit a frame");
    }
    let payload = builder.finish();
    let mut frame = vec![0x82, 126];
    frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    frame.extend_from_slice(&payload);
    frame
}
