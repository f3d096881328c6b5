//! What could not be sent yet: the latest packet of every token, oldest first.
//!
//! Owns the order and the count of what newer packets replaced. A list through an array with one
//! place per instrument: nothing is allocated while it is used, and every operation takes the same
//! few steps. Pure.

use kite::{Detail, Packet, Token};

const NONE: u32 = u32::MAX;

/// Held packets by row.
#[derive(Debug, Default)]
pub struct Backlog {
    places: Vec<Place>,
    first: Ends,
    len: usize,
}

#[derive(Clone, Debug)]
struct Place {
    packet: Packet,
    before: u32,
    after: u32,
    held: bool,
}

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
    pub fn reset(&mut self, rows: usize) {
        let empty = Place {
            packet: Packet {
                token: Token(0),
                last_price: 0,
                detail: Detail::Ltp,
            },
            before: NONE,
            after: NONE,
            held: false,
        };
        self.places.clear();
        self.places.resize(rows, empty);
        self.places.shrink_to_fit();
        self.first = Ends::default();
        self.len = 0;
    }

    /// Whether nothing is held.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Packets held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Holds the newest packet of `row`; `true` when it replaced an older one.
    pub fn hold(&mut self, row: u32, packet: &Packet) -> bool {
        let replaced = self.places[row as usize].held;
        if replaced {
            self.unlink(row);
        }
        let newest = self.first.newest;
        let place = &mut self.places[row as usize];
        *place = Place {
            packet: *packet,
            before: newest,
            after: NONE,
            held: true,
        };
        match newest {
            NONE => self.first.oldest = row,
            newest => self.places[newest as usize].after = row,
        }
        self.first.newest = row;
        self.len += 1;
        replaced
    }

    /// Takes out the packet that was accepted first.
    pub fn take_oldest(&mut self) -> Option<(u32, Packet)> {
        let row = self.first.oldest;
        if row == NONE {
            return None;
        }
        self.unlink(row);
        Some((row, self.places[row as usize].packet))
    }

    fn unlink(&mut self, row: u32) {
        let Place { before, after, .. } = self.places[row as usize];
        match before {
            NONE => self.first.oldest = after,
            before => self.places[before as usize].after = after,
        }
        match after {
            NONE => self.first.newest = before,
            after => self.places[after as usize].before = before,
        }
        self.places[row as usize].held = false;
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
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
                prop_assert_eq!(backlog.len(), list.len());
                prop_assert_eq!(backlog.is_empty(), list.is_empty());
            }
        }
    }
}
