//! Which master of a Redis Cluster has which key.
//!
//! Owns the slot of a key and the map of slots. Pure; [`super::topology`] reads the map.

use service::address::Address;

/// The number of slots of every Redis Cluster.
const SLOTS: u16 = 16_384;

/// The slot of a key, or of a sharded channel. If there is text between the first braces, only that
/// text counts, so that keys can be kept together.
#[must_use]
pub fn slot_of(key: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(tag_of(key)) % SLOTS
}

fn tag_of(key: &[u8]) -> &[u8] {
    let find = |text: &[u8], byte| text.iter().position(|other| *other == byte);
    let tag = find(key, b'{').and_then(|open| {
        let rest = &key[open + 1..];
        find(rest, b'}').map(|close| &rest[..close])
    });
    tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

/// The map: masters, and the slots of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    masters: Vec<Address>,
    /// First slot, last slot, position of the master; in order.
    ranges: Vec<(u16, u16, usize)>,
}

impl Slots {
    /// Adds the slots from `first` to `last`.
    pub fn add(&mut self, first: u16, last: u16, master: Address) {
        let known = self.masters.iter().position(|other| *other == master);
        let position = known.unwrap_or_else(|| {
            self.masters.push(master);
            self.masters.len() - 1
        });
        if last < first {
            return;
        }
        let at = self.ranges.partition_point(|range| range.0 < first);
        self.ranges.insert(at, (first, last, position));
    }

    /// Every master that has slots.
    #[must_use]
    pub fn masters(&self) -> &[Address] {
        &self.masters
    }

    /// Whether every slot has a master.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let ranges = self.ranges.iter();
        let slots: u32 = ranges
            .map(|(first, last, _)| u32::from(last - first) + 1)
            .sum();
        slots >= u32::from(SLOTS)
    }

    /// The position in [`Slots::masters`] of the owner of `slot`; `None` while it has none.
    #[must_use]
    pub fn owner(&self, slot: u16) -> Option<usize> {
        let behind = self.ranges.partition_point(|range| range.0 <= slot);
        let range = self.ranges.get(behind.checked_sub(1)?)?;
        (slot <= range.1).then_some(range.2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn master(port: u16) -> Address {
        Address::parse("127.0.0.1", port, false).unwrap()
    }

    /// What `CLUSTER KEYSLOT` of a real server says.
    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        for (key, slot) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("{user1000}.following", 3_443),
            ("user1000", 3_443),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("", 0),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn a_slot_that_nobody_has_has_no_owner() {
        let mut slots = Slots::default();
        assert_eq!(slots.owner(0), None);
        slots.add(10, 20, master(2));
        slots.add(0, 5, master(1));
        slots.add(21, 21, master(1));
        let owners = [0, 5, 6, 9, 10, 20, 21, 22].map(|slot| slots.owner(slot));
        let (first, second) = (Some(1), Some(0));
        assert_eq!(
            owners,
            [first, first, None, None, second, second, first, None]
        );
        assert_eq!(slots.masters(), [master(2), master(1)]);
        assert!(!slots.is_whole());
        for (first, last) in [(6, 9), (22, SLOTS - 1)] {
            slots.add(first, last, master(3));
        }
        assert!(slots.is_whole());
    }

    proptest! {
        #[test]
        fn every_slot_has_the_owner_that_it_was_given(cuts in proptest::collection::btree_set(0..SLOTS, 1..20)) {
            let mut slots = Slots::default();
            let ends: Vec<u16> = cuts.into_iter().collect();
            for pair in ends.windows(2).rev() {
                slots.add(pair[0], pair[1] - 1, master(pair[0]));
            }
            for slot in 0..SLOTS {
                let given = ends.windows(2).find(|pair| (pair[0]..pair[1]).contains(&slot));
                let owner = slots.owner(slot).map(|at| slots.masters()[at].port);
                prop_assert_eq!(owner, given.map(|pair| pair[0]));
            }
        }
    }
}
