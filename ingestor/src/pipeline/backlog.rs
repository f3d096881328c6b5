//! What could not be sent yet: the latest packet of every token, oldest first.
//!
//! Owns the order, and the count of replaced packets. A linked list through an array with one place
//! per instrument, and room for as many packets as were ever held at once; every operation takes
//! constant time. Pure.

use kite::Packet;

const NONE: u32 = u32::MAX;

/// Room for this many packets is kept while none is held.
const KEPT_ROOM: usize = 1_000;

/// Held packets by row.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    nodes: Vec<Node>,
    ends: Ends,
    len: usize,
    packets: Vec<Packet>,
    /// Positions in `packets` that are free.
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Node {
    before: u32,
    after: u32,
    /// Position of the packet, or [`NONE`].
    packet: u32,
}

const EMPTY: Node = Node {
    before: NONE,
    after: NONE,
    packet: NONE,
};

#[derive(Clone, Debug)]
struct Ends {
    oldest: u32,
    newest: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            oldest: NONE,
            newest: NONE,
        }
    }
}

impl Backlog {
    /// Forgets everything and makes room for `rows` instruments.
    pub(super) fn reset(&mut self, rows: usize) {
        self.nodes.clear();
        self.nodes.resize(rows, EMPTY);
        self.nodes.shrink_to_fit();
        self.ends = Ends::default();
        self.len = 0;
        self.forget_packets();
    }

    /// Whether nothing is held.
    #[inline]
    #[must_use]
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Holds the newest packet of `row`; `true` when it replaced an older one.
    pub(super) fn hold(&mut self, row: u32, packet: &Packet) -> bool {
        let known = self.nodes[row as usize].packet;
        let replaced = known != NONE;
        let at = if replaced {
            self.unlink(row);
            self.packets[known as usize] = *packet;
            known
        } else {
            self.store(packet)
        };
        let newest = self.ends.newest;
        self.nodes[row as usize] = Node {
            before: newest,
            after: NONE,
            packet: at,
        };
        match newest {
            NONE => self.ends.oldest = row,
            newest => self.nodes[newest as usize].after = row,
        }
        self.ends.newest = row;
        self.len += 1;
        replaced
    }

    /// Removes and returns the packet that was accepted first.
    pub(super) fn take_oldest(&mut self) -> Option<(u32, Packet)> {
        let row = self.ends.oldest;
        if row == NONE {
            return None;
        }
        let at = self.nodes[row as usize].packet;
        self.unlink(row);
        let packet = self.packets[at as usize];
        self.free.push(at);
        if self.is_empty() {
            self.forget_packets();
        }
        Some((row, packet))
    }

    fn store(&mut self, packet: &Packet) -> u32 {
        if let Some(at) = self.free.pop() {
            self.packets[at as usize] = *packet;
            return at;
        }
        self.packets.push(*packet);
        self.packets.len() as u32 - 1
    }

    fn forget_packets(&mut self) {
        self.packets.clear();
        self.packets.shrink_to(KEPT_ROOM);
        self.free.clear();
        self.free.shrink_to(KEPT_ROOM);
    }

    fn unlink(&mut self, row: u32) {
        let Node { before, after, .. } = self.nodes[row as usize];
        match before {
            NONE => self.ends.oldest = after,
            before => self.nodes[before as usize].after = after,
        }
        match after {
            NONE => self.ends.newest = before,
            after => self.nodes[after as usize].before = before,
        }
        self.nodes[row as usize] = EMPTY;
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use kite::{Detail, Token};
    use proptest::prelude::*;

    use super::*;

    fn packet(price: i32) -> Packet {
        Packet {
            token: Token(1),
            last_price: price,
            detail: Detail::Ltp,
        }
    }

    proptest! {
        /// Against a plain list: a newer packet of a row takes the older one out and goes last.
        #[test]
        fn the_latest_per_row_comes_out_in_order(
            steps in proptest::collection::vec(proptest::option::weighted(0.8, 0_u32..8), 0..200)
        ) {
            let mut backlog = Backlog::default();
            backlog.reset(8);
            let mut list: Vec<(u32, Packet)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                if let Some(row) = step {
                    let packet = packet(number as i32);
                    let before = list.len();
                    list.retain(|(other, _)| *other != row);
                    prop_assert_eq!(backlog.hold(row, &packet), list.len() < before);
                    list.push((row, packet));
                } else {
                    let oldest = (!list.is_empty()).then(|| list.remove(0));
                    prop_assert_eq!(backlog.take_oldest(), oldest);
                }
                prop_assert_eq!(backlog.len, list.len());
                prop_assert_eq!(backlog.is_empty(), list.is_empty());
            }
        }
    }
}
