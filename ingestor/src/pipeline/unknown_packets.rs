//! Packets of a length that this version does not know.
//!
//! Owns samples of them and their share of the last minute. Pure; time is an argument. Must not
//! allocate per packet: only the first of each of the first three lengths is copied.

use std::time::{Duration, Instant};

use contract::report::{PacketSample, UnknownPackets};

/// How many lengths are sampled.
const LENGTHS: usize = 3;

/// How many bytes of a sample are shown: more than token, price and the first quantities.
const SHOWN: usize = 32;

/// The minute is counted in slots of five seconds.
const SLOT: Duration = Duration::from_secs(5);
const SLOTS: u64 = 12;

/// What is known of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnknownPacketCounter {
    total: u64,
    samples: Vec<PacketSample>,
    minute: LastMinute,
}

/// How many packets arrived in the last minute, and how many of them cannot be read.
#[derive(Clone, Debug, Default)]
struct LastMinute {
    since: Option<Instant>,
    slots: [Slot; SLOTS as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Which five seconds since the first packet.
    number: u64,
    packets: u64,
    unknown: u64,
}

impl UnknownPacketCounter {
    /// Counts the packets of one frame, of which `unknown` have an unknown length.
    #[inline]
    pub(crate) fn observe_frame(&mut self, packets: u64, unknown: u64, now: Instant) {
        self.total += unknown;
        self.minute.add(packets, unknown, now);
    }

    /// Whether the first packet of this length is wanted as a sample.
    #[must_use]
    pub(crate) fn wants(&self, length: usize) -> bool {
        let known = |sample: &PacketSample| sample.length as usize == length;
        self.samples.len() < LENGTHS && !self.samples.iter().any(known)
    }

    /// Keeps a packet as a sample.
    pub(crate) fn sample(&mut self, packet: &[u8]) {
        let shown = packet.iter().take(SHOWN);
        let digits = shown.flat_map(|byte| [byte >> 4, byte & 15]);
        let bytes = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        let bytes = bytes.collect();
        let length = packet.len() as u32;
        self.samples.push(PacketSample { length, bytes });
    }

    /// What the report says at `now`; nothing before the first.
    #[must_use]
    pub(crate) fn report(&self, now: Instant) -> Option<UnknownPackets> {
        if self.total == 0 {
            return None;
        }
        let (minute_packets, minute_unknown) = self.minute.sums(now);
        Some(UnknownPackets {
            total: self.total,
            minute_packets,
            minute_unknown,
            samples: self.samples.clone(),
        })
    }
}

impl LastMinute {
    fn add(&mut self, packets: u64, unknown: u64, now: Instant) {
        self.since.get_or_insert(now);
        let number = self.number(now);
        let slot = &mut self.slots[(number % SLOTS) as usize];
        if slot.number != number {
            *slot = Slot {
                number,
                ..Slot::default()
            };
        }
        slot.packets += packets;
        slot.unknown += unknown;
    }

    fn sums(&self, now: Instant) -> (u64, u64) {
        let number = self.number(now);
        let slots = self.slots.iter();
        let recent = slots.filter(|slot| slot.number + SLOTS > number);
        recent.fold((0, 0), |(packets, unknown), slot| {
            (packets + slot.packets, unknown + slot.unknown)
        })
    }

    fn number(&self, now: Instant) -> u64 {
        let since = self.since.unwrap_or(now);
        now.saturating_duration_since(since).as_secs() / SLOT.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    #[test]
    fn the_first_of_three_lengths_are_shown_with_their_first_bytes() {
        let mut unknown = UnknownPacketCounter::default();
        assert_eq!(unknown.report(start()), None);
        for length in [192, 3, 192, 50, 60, 0] {
            if unknown.wants(length) {
                unknown.sample(&vec![0xab; length]);
            }
            unknown.observe_frame(1, 1, start());
        }
        let report = unknown.report(start()).unwrap();
        let seen = report.samples.iter();
        let seen: Vec<_> = seen.map(|it| (it.length, it.bytes.as_str())).collect();
        let (long, short) = ("ab".repeat(32), "ab".repeat(3));
        assert_eq!(seen, [(192, &*long), (3, &*short), (50, &*long)]);
        assert_eq!(report.total, 6);
    }

    #[test]
    fn the_share_is_of_the_last_minute() {
        let (mut unknown, start) = (UnknownPacketCounter::default(), start());
        let seconds = Duration::from_secs;
        let minute = |unknown: &UnknownPacketCounter, at| {
            let report = unknown.report(at).unwrap();
            (report.minute_packets, report.minute_unknown)
        };
        unknown.observe_frame(100, 7, start);
        unknown.observe_frame(100, 0, start + seconds(30));
        assert_eq!(minute(&unknown, start + seconds(59)), (200, 7));
        assert_eq!(minute(&unknown, start + seconds(60)), (100, 0));
        // A slot that is used again begins anew.
        unknown.observe_frame(5, 1, start + seconds(62));
        assert_eq!(minute(&unknown, start + seconds(62)), (105, 1));
        assert_eq!(minute(&unknown, start + seconds(500)), (0, 0));
        assert_eq!(unknown.report(start + seconds(500)).unwrap().total, 8);
    }
}
