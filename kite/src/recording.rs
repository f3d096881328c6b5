//! A recording of what the server sent: frames with their receive times.
//!
//! Owns the format. A recording is a header and records; each has time, connection, kind and
//! length. Writing appends to a buffer; reading is total: any bytes give records, "cut short" or an
//! error, and never a panic. Must not compress.
//!
//! ```text
//! "KITEREC1"                                     once
//! u64 microseconds since 1970, u8 connection, u8 kind (0 binary, 1 text), u32 length, bytes   each
//! ```
//! Numbers are big-endian, as on the wire.

use std::io::{self, Read};

use crate::limits::LARGEST_FRAME;

/// The first bytes of every recording.
pub const MAGIC: [u8; 8] = *b"KITEREC1";

const HEAD: usize = 8 + 1 + 1 + 4;

/// What kind of frame was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Packets, or a heartbeat.
    Binary,
    /// JSON.
    Text,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it left the socket, epoch microseconds.
    pub received_us: u64,
    /// Index of the connection.
    pub connection: u8,
    /// Its kind.
    pub kind: FrameKind,
    /// What it held.
    pub payload: Vec<u8>,
}

/// Why a recording cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be read.
    #[error("recording cannot be read")]
    Io(#[from] io::Error),
    /// It does not begin with [`MAGIC`].
    #[error("this is not a recording: it does not begin with {}", MAGIC.escape_ascii())]
    Magic,
    /// A kind of frame that does not exist.
    #[error("recording is damaged: frame of kind {0}")]
    Kind(u8),
    /// A frame that no server sends.
    #[error("recording is damaged: frame of {0} bytes")]
    Length(u32),
}

/// Appends a record.
pub fn write(out: &mut Vec<u8>, received_us: u64, connection: u8, kind: FrameKind, payload: &[u8]) {
    out.extend_from_slice(&received_us.to_be_bytes());
    out.push(connection);
    out.push(match kind {
        FrameKind::Binary => 0,
        FrameKind::Text => 1,
    });
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
}

/// Reads records one after the other.
#[derive(Debug)]
pub struct Records<R> {
    source: R,
    /// Whether the recording ended inside a record: the writer was killed.
    cut: bool,
}

impl<R: Read> Records<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// When `source` is not a recording.
    pub fn new(mut source: R) -> Result<Self, RecordingError> {
        let mut magic = [0; MAGIC.len()];
        let read = fill(&mut source, &mut magic)?;
        if read < magic.len() || magic != MAGIC {
            return Err(RecordingError::Magic);
        }
        Ok(Self { source, cut: false })
    }

    /// Whether the recording ended inside a record. All earlier records are complete.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The next record; `None` at the end, also if the last record is incomplete.
    ///
    /// # Errors
    /// When the recording is damaged; nothing after that can be read.
    pub fn next_record(&mut self) -> Result<Option<Record>, RecordingError> {
        let mut head = [0; HEAD];
        let read = fill(&mut self.source, &mut head)?;
        if read < HEAD {
            self.cut = read > 0;
            return Ok(None);
        }
        let [time @ .., connection, kind, a, b, c, d] = head;
        let kind = match kind {
            0 => FrameKind::Binary,
            1 => FrameKind::Text,
            other => return Err(RecordingError::Kind(other)),
        };
        let len = u32::from_be_bytes([a, b, c, d]);
        if len as usize > LARGEST_FRAME {
            return Err(RecordingError::Length(len));
        }
        // Grows as bytes arrive: a wrong length does not allocate memory.
        let mut payload = Vec::new();
        let mut part = self.source.by_ref().take(u64::from(len));
        if let Err(error) = part.read_to_end(&mut payload)
            && error.kind() != io::ErrorKind::UnexpectedEof
        {
            return Err(error.into());
        }
        if payload.len() < len as usize {
            self.cut = true;
            return Ok(None);
        }
        Ok(Some(Record {
            received_us: u64::from_be_bytes(time),
            connection,
            kind,
            payload,
        }))
    }
}

/// Fills as much of `buffer` as possible and returns how much. A compressed file that was cut ends
/// with its own error.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> (Vec<Record>, bool) {
        let mut records = Records::new(bytes).unwrap();
        let mut all = Vec::new();
        while let Some(record) = records.next_record().unwrap() {
            all.push(record);
        }
        (all, records.is_cut())
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let payload = proptest::collection::vec(any::<u8>(), 0..40);
        (any::<u64>(), any::<u8>(), any::<bool>(), payload).prop_map(
            |(received_us, connection, text, payload)| Record {
                received_us,
                connection,
                kind: if text {
                    FrameKind::Text
                } else {
                    FrameKind::Binary
                },
                payload,
            },
        )
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        assert!(matches!(
            Records::new(&b"PK\x03\x04........"[..]),
            Err(RecordingError::Magic)
        ));
        assert!(matches!(
            Records::new(&b"KITE"[..]),
            Err(RecordingError::Magic)
        ));
        let mut lies = MAGIC.to_vec();
        lies.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        let mut records = Records::new(lies.as_slice()).unwrap();
        assert!(matches!(
            records.next_record(),
            Err(RecordingError::Length(_))
        ));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_cut_costs_one_record(
            records in proptest::collection::vec(any_record(), 0..10), cut in any::<prop::sample::Index>()
        ) {
            let mut bytes = MAGIC.to_vec();
            let mut ends = vec![bytes.len()];
            for record in &records {
                let Record { received_us, connection, kind, payload } = record;
                write(&mut bytes, *received_us, *connection, *kind, payload);
                ends.push(bytes.len());
            }
            prop_assert_eq!(read(&bytes), (records.clone(), false));
            let cut = MAGIC.len() + cut.index(bytes.len() - MAGIC.len() + 1);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            prop_assert_eq!(read(&bytes[..cut]), (records[..whole].to_vec(), !ends.contains(&cut)));
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut all = MAGIC.to_vec();
            all.extend_from_slice(&bytes);
            let mut records = Records::new(all.as_slice()).unwrap();
            while let Ok(Some(record)) = records.next_record() {
                prop_assert!(record.payload.len() <= bytes.len());
            }
        }
    }
}
