//! Binary WebSocket frames: a count, then length-prefixed packets.
//!
//! Owns splitting and building. Total on any bytes: it reports and skips what it cannot read; it
//! must not panic, or stop before the frame's end without an error.

use crate::packet::{Packet, UnknownLength};

/// The payload that means "still here". The Java client reads any frame as a packet count, so only
/// a zero byte is safe.
pub const HEARTBEAT: [u8; 1] = [0];

const COUNT_LEN: usize = 2;
const PREFIX_LEN: usize = 2;

/// Iterates over the packets of one binary frame.
///
/// A frame shorter than a packet count (the one-byte heartbeat) has none. An unreadable packet is
/// one `Err` item; the iterator goes on after it if the frame allows.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
    announced: u16,
    done: bool,
}

/// Something in a frame that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// One packet has an unknown length; the following ones are still read.
    #[error("unknown packet")]
    Packet(#[from] UnknownLength),
    /// The frame ended inside a packet.
    #[error("frame ended with {missing} of its packets unread")]
    Truncated {
        /// Packets announced but not complete.
        missing: u16,
    },
    /// Bytes follow the last announced packet.
    #[error("{0} bytes after the last packet of the frame")]
    Trailing(usize),
}

impl<'a> Packets<'a> {
    /// Reads the packet count of `frame`.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        match frame.split_at_checked(COUNT_LEN) {
            Some((count, rest)) => Self {
                rest,
                announced: u16::from_be_bytes([count[0], count[1]]),
                done: false,
            },
            None => Self {
                rest: &[],
                announced: 0,
                done: true,
            },
        }
    }

    fn take_raw(&mut self) -> Option<&'a [u8]> {
        let (prefix, rest) = self.rest.split_at_checked(PREFIX_LEN)?;
        let len = usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
        let (packet, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(packet)
    }
}

/// The raw packets of a frame, of any length; an incomplete one is left out.
pub fn raw_packets(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut packets = Packets::new(frame);
    (0..packets.announced).map_while(move |_| packets.take_raw())
}

impl Iterator for Packets<'_> {
    type Item = Result<Packet, FrameError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.announced == 0 {
            self.done = true;
            return (!self.rest.is_empty()).then_some(Err(FrameError::Trailing(self.rest.len())));
        }
        let Some(packet) = self.take_raw() else {
            self.done = true;
            return Some(Err(FrameError::Truncated {
                missing: self.announced,
            }));
        };
        self.announced -= 1;
        Some(Packet::decode(packet).map_err(FrameError::from))
    }
}

/// Builds one binary frame.
#[derive(Clone, Debug)]
pub struct FrameBuilder {
    bytes: Vec<u8>,
    count: u16,
}

impl Default for FrameBuilder {
    fn default() -> Self {
        Self {
            bytes: vec![0; COUNT_LEN],
            count: 0,
        }
    }
}

impl FrameBuilder {
    /// Appends a packet; `false` when the frame already holds 65,535 and has to be finished first.
    #[must_use]
    pub fn push(&mut self, packet: &Packet) -> bool {
        if self.count == u16::MAX {
            return false;
        }
        self.count += 1;
        // At most 184, so the cast is exact.
        self.bytes
            .extend_from_slice(&(packet.encoded_len() as u16).to_be_bytes());
        packet.encode(&mut self.bytes);
        true
    }

    /// Appends a raw packet; `false` as for [`FrameBuilder::push`], or when it is too long.
    #[must_use]
    pub fn push_raw(&mut self, packet: &[u8]) -> bool {
        let Ok(len) = u16::try_from(packet.len()) else {
            return false;
        };
        if self.count == u16::MAX {
            return false;
        }
        self.count += 1;
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(packet);
        true
    }

    /// Packets in the frame so far.
    #[must_use]
    pub const fn len(&self) -> u16 {
        self.count
    }

    /// Whether the frame holds no packet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The finished frame.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[..COUNT_LEN].copy_from_slice(&self.count.to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Detail;
    use crate::packet::tests::any_packet;
    use crate::{Packet, Token};

    fn ltp(token: u32) -> Packet {
        Packet {
            token: Token(token),
            last_price: 5,
            detail: Detail::Ltp,
        }
    }

    #[test]
    fn heartbeats_and_empty_frames_have_no_packets() {
        assert_eq!(Packets::new(&HEARTBEAT).count(), 0);
        assert_eq!(Packets::new(&[]).count(), 0);
        assert_eq!(Packets::new(&[0, 0]).count(), 0);
    }

    #[test]
    fn a_frame_is_made_again_of_its_raw_packets() {
        let mut frame = vec![0, 3];
        frame.extend_from_slice(&[0, 3, 9, 9, 9, 0, 0]);
        frame.extend_from_slice(&[0, 8, 0, 0, 1, 1, 0, 0, 0, 5]);
        let mut again = FrameBuilder::default();
        for packet in raw_packets(&frame) {
            assert!(again.push_raw(packet));
        }
        assert_eq!(again.finish(), frame);
        assert_eq!(raw_packets(&frame[..8]).count(), 1, "the second is cut");
        assert_eq!(raw_packets(&HEARTBEAT).count(), 0);
    }

    #[test]
    fn an_unknown_length_is_skipped_and_the_next_packet_read() {
        let mut frame = vec![0, 3];
        frame.extend_from_slice(&[0, 3, 9, 9, 9, 0, 0]);
        frame.extend_from_slice(&[0, 8, 0, 0, 1, 1, 0, 0, 0, 5]);
        let packets: Vec<_> = Packets::new(&frame).collect();
        assert_eq!(
            packets,
            [
                Err(FrameError::Packet(UnknownLength(3))),
                Err(FrameError::Packet(UnknownLength(0))),
                Ok(ltp(257)),
            ]
        );
    }

    #[test]
    fn a_cut_frame_says_how_many_packets_are_missing() {
        let mut frame = vec![0, 2];
        frame.extend_from_slice(&[0, 8, 0, 0, 1, 1, 0, 0, 0, 5]);
        frame.extend_from_slice(&[0, 8, 0, 0]);
        let packets: Vec<_> = Packets::new(&frame).collect();
        assert_eq!(
            packets,
            [Ok(ltp(257)), Err(FrameError::Truncated { missing: 1 })]
        );
    }

    #[test]
    fn bytes_behind_the_last_packet_are_reported() {
        let packets: Vec<_> = Packets::new(&[0, 0, 7]).collect();
        assert_eq!(packets, [Err(FrameError::Trailing(1))]);
    }

    #[test]
    fn a_frame_is_full_at_65_535_packets() {
        let mut frame = FrameBuilder::default();
        for _ in 0..u16::MAX {
            assert!(frame.push(&ltp(1)));
        }
        assert!(!frame.push(&ltp(1)));
        assert_eq!(
            Packets::new(&frame.finish()).filter(Result::is_ok).count(),
            65_535
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let count = Packets::new(&bytes).count();
            prop_assert!(count <= bytes.len());
        }

        #[test]
        fn what_was_built_is_read_back(packets in proptest::collection::vec(any_packet(), 0..50)) {
            let mut frame = FrameBuilder::default();
            for packet in &packets {
                prop_assert!(frame.push(packet));
            }
            let frame = frame.finish();
            let read: Result<Vec<_>, _> = Packets::new(&frame).collect();
            prop_assert_eq!(read.unwrap(), packets);
        }
    }
}
