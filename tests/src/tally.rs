//! A subscriber on its own thread that reads as little as possible of each message, and counts.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::condition::eventually;
use anyhow::Result;
use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use service::clock::Clock;

/// Counts ticks of a pattern, missing ones, and latencies.
#[derive(Debug)]
pub struct Tally {
    shared: Arc<Shared>,
    stream: TcpStream,
}

#[derive(Debug)]
struct Shared {
    count: AtomicU64,
    missing: AtomicU64,
    /// Microseconds.
    latencies: Mutex<Histogram<u64>>,
}

impl Drop for Tally {
    fn drop(&mut self) {
        // The thread ends when its socket does; the socket may have ended already.
        let _ended = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

impl Tally {
    /// Subscribes and starts to count ticks, missing ones, and latencies.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn start(redis: SocketAddr, pattern: &str) -> Result<Self> {
        Self::start_with(redis, pattern, true)
    }

    /// Subscribes and counts messages, without reading them.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn start_counting(redis: SocketAddr, pattern: &str) -> Result<Self> {
        Self::start_with(redis, pattern, false)
    }

    fn start_with(redis: SocketAddr, pattern: &str, look: bool) -> Result<Self> {
        let mut stream = TcpStream::connect(redis)?;
        let length = pattern.len();
        stream.write_all(
            format!("*2\r\n$10\r\nPSUBSCRIBE\r\n${length}\r\n{pattern}\r\n").as_bytes(),
        )?;
        let shared = Arc::new(Shared {
            count: AtomicU64::new(0),
            missing: AtomicU64::new(0),
            latencies: Mutex::new(Histogram::new(3)?),
        });
        let (reading, counting) = (stream.try_clone()?, Arc::clone(&shared));
        std::thread::spawn(move || read(reading, &counting, look));
        Ok(Self { shared, stream })
    }

    /// Ticks so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// Ticks that were published according to `seq` and did not arrive, since the start or the last
    /// reset.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.shared.missing.load(Ordering::Relaxed)
    }

    /// Waits until there were `count` ticks.
    pub async fn wait_for(&self, count: u64) {
        eventually("ticks", async || {
            let seen = self.count();
            if seen >= count {
                Ok(())
            } else {
                Err(format!("{seen} of {count}"))
            }
        })
        .await;
    }

    /// Forgets latencies and what was missing so far.
    pub fn reset(&self) {
        self.shared.missing.store(0, Ordering::Relaxed);
        self.shared
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reset();
    }

    /// The latencies since the last reset, in microseconds.
    #[must_use]
    pub fn latencies(&self) -> Histogram<u64> {
        self.shared
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn read(mut stream: TcpStream, shared: &Shared, look: bool) {
    let clock = Clock::system();
    let mut buffer = vec![0; 1 << 20];
    let mut filled = 0;
    let (keys, mut last) = (Keys::new(), Last::new());
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer[filled..]) else {
            return;
        };
        filled += read;
        let now = clock.wall_micros();
        let mut at = 0;
        while let Some((message, end)) = message(&buffer[..filled], at) {
            at = end;
            if look {
                take(message, now, &keys, &mut last, shared);
            } else {
                shared.count.fetch_add(1, Ordering::Relaxed);
            }
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
}

/// The channel and text of one `pmessage`, and its end; `None` while it is incomplete.
fn message(buffer: &[u8], start: usize) -> Option<([&[u8]; 2], usize)> {
    let (count, mut at) = header(buffer, start, b'*')?;
    let mut parts = [&buffer[..0]; 2];
    for _ in 0..count {
        // The answer to PSUBSCRIBE ends with a number instead of a text.
        if buffer.get(at) == Some(&b':') {
            at = header(buffer, at, b':')?.1;
            continue;
        }
        let (length, text) = header(buffer, at, b'$')?;
        parts = [parts[1], buffer.get(text..text + length)?];
        at = text + length + 2;
    }
    (at <= buffer.len()).then_some((parts, at))
}

fn header(buffer: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let line = buffer.get(at..)?;
    let end = line.iter().position(|byte| *byte == b'\n')?;
    assert_eq!(line[0], kind, "not what Redis sends to a subscriber");
    let number = std::str::from_utf8(&line[1..end - 1]).ok()?.parse().ok()?;
    Some((number, at + end + 1))
}

/// The epoch and number of each channel's newest tick.
type Last = HashMap<Vec<u8>, (u64, u64)>;

fn take([channel, text]: [&[u8]; 2], now: i64, keys: &Keys, last: &mut Last, shared: &Shared) {
    let (Some(seq), Some(epoch), Some(received)) = (
        number(text, &keys.seq),
        number(text, &keys.epoch),
        number(text, &keys.received),
    ) else {
        return;
    };
    shared.count.fetch_add(1, Ordering::Relaxed);
    // Numbers begin at 1 with each publisher's start.
    let known = last.get_mut(channel);
    let before = known
        .as_ref()
        .filter(|known| known.0 == epoch)
        .map_or(0, |known| known.1);
    assert!(seq > before, "a tick came twice or out of order");
    shared
        .missing
        .fetch_add(seq - before - 1, Ordering::Relaxed);
    match known {
        Some(known) => *known = (epoch, seq),
        None => drop(last.insert(channel.to_vec(), (epoch, seq))),
    }
    let latency = u64::try_from(now - received.cast_signed()).unwrap_or(0);
    let mut latencies = shared
        .latencies
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    latencies.saturating_record(latency);
}

/// The fields that are read of a tick. They are searched with a library that is optimised also in
/// test builds: a tally that is too slow would delay Redis.
struct Keys {
    seq: Finder<'static>,
    epoch: Finder<'static>,
    received: Finder<'static>,
}

impl Keys {
    fn new() -> Self {
        Self {
            seq: Finder::new(b"\"seq\":"),
            epoch: Finder::new(b"\"epoch\":\""),
            received: Finder::new(b"\"recv_us\":"),
        }
    }
}

fn number(text: &[u8], key: &Finder<'_>) -> Option<u64> {
    let at = key.find(text)? + key.needle().len();
    let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
