//! Remembers packets that were written to sockets, so that a test can compare them digit by digit
//! with what was published. Bounded: packets without room are counted.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Maximum number of remembered packets; about 40 MB of full ones as text.
pub const MAX_ENTRIES: usize = 100_000;

/// One packet that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedPacket {
    /// Position in the recording, over all connections.
    pub seq: usize,
    /// The connection it was written to.
    pub conn: u64,
    /// Its instrument token; zero for a packet too short to have one.
    pub token: u32,
    /// The packet without its length, as lower-case hexadecimal.
    pub hex: String,
}

/// The recording so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecordedPage {
    /// Entries in the order they were written.
    pub entries: Vec<RecordedPacket>,
    /// Packets for which there was no room.
    pub dropped: u64,
}

/// A recorder that is off until started.
#[derive(Debug, Default)]
pub struct PacketRecorder {
    on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tokens: Option<HashSet<u32>>,
    page: RecordedPage,
}

impl PacketRecorder {
    /// Forgets the last recording and starts one of the given tokens, or of all.
    pub fn start(&self, tokens: Option<HashSet<u32>>) {
        let mut state = self.state();
        *state = State {
            tokens,
            page: RecordedPage::default(),
        };
        self.on.store(true, Relaxed);
    }

    /// Stops; the recording stays readable.
    pub fn stop(&self) {
        self.on.store(false, Relaxed);
    }

    /// Notes a frame of packets that was written to a connection.
    pub fn write(&self, conn: u64, frame: &[u8]) {
        if !self.on.load(Relaxed) {
            return;
        }
        let mut state = self.state();
        let State { tokens, page } = &mut *state;
        for packet in split(frame) {
            let token = packet
                .first_chunk()
                .map_or(0, |bytes| u32::from_be_bytes(*bytes));
            if tokens
                .as_ref()
                .is_some_and(|wanted| !wanted.contains(&token))
            {
                continue;
            }
            if page.entries.len() == MAX_ENTRIES {
                page.dropped += 1;
                continue;
            }
            page.entries.push(RecordedPacket {
                seq: page.entries.len(),
                conn,
                token,
                hex: hex(packet),
            });
        }
    }

    /// Up to `limit` entries from position `after` on, of one connection or of all.
    #[must_use]
    pub fn read(&self, conn: Option<u64>, after: usize, limit: usize) -> RecordedPage {
        let state = self.state();
        let entries = state.page.entries.iter().skip(after);
        let wanted = entries.filter(|entry| conn.is_none_or(|conn| entry.conn == conn));
        RecordedPage {
            entries: wanted.take(limit).cloned().collect(),
            dropped: state.page.dropped,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The packets of a frame as bytes; stops at a broken end.
fn split(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = frame.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (len, tail) = rest.split_first_chunk::<2>()?;
        let (packet, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        rest = tail;
        Some(packet)
    })
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS[usize::from(nibble)];
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packets of eight bytes: tokens 257 and 513, price 5.
    const FRAME: [u8; 22] = [
        0, 2, 0, 8, 0, 0, 1, 1, 0, 0, 0, 5, 0, 8, 0, 0, 2, 1, 0, 0, 0, 5,
    ];

    #[test]
    fn packets_are_kept_in_order_by_connection_and_token() {
        let recorder = PacketRecorder::default();
        recorder.write(1, &FRAME);
        assert!(
            recorder.read(None, 0, 10).entries.is_empty(),
            "off until started"
        );
        recorder.start(Some([257].into()));
        recorder.write(1, &FRAME);
        recorder.write(2, &FRAME);
        let page = recorder.read(Some(2), 0, 10);
        let entry = RecordedPacket {
            seq: 1,
            conn: 2,
            token: 257,
            hex: "0000010100000005".to_owned(),
        };
        assert_eq!(page.entries, [entry]);
        recorder.stop();
        recorder.write(1, &FRAME);
        assert_eq!(recorder.read(None, 0, 10).entries.len(), 2);
        assert_eq!(recorder.read(None, 1, 10).entries.len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let recorder = PacketRecorder::default();
        recorder.start(None);
        for _ in 0..MAX_ENTRIES / 2 + 1 {
            recorder.write(1, &FRAME);
        }
        let page = recorder.read(None, MAX_ENTRIES - 1, 10);
        assert_eq!((page.entries.len(), page.dropped), (1, 2));
    }
}
