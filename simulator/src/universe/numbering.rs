//! Assigns exchange tokens, unique within a segment.

use kite::{Segment, Token};
use rand::Rng;
use rustc_hash::FxHashSet;

use super::terms::Venue;

/// The first exchange token assigned in each segment, near those of the real market.
const FIRST: [(usize, u32); 7] = [
    (1, 20_000),
    (2, 35_000),
    (3, 1_000),
    (4, 540_000),
    (5, 800_000),
    (6, 100_000),
    (7, 430_000),
];

/// Numbers in use.
#[derive(Debug)]
pub(super) struct Numbering {
    next: [u32; 10],
    taken: FxHashSet<Token>,
}

impl Numbering {
    /// A numbering with a random start.
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        let mut next = [0; 10];
        for (segment, first) in FIRST {
            next[segment] = first + rng.random_range(0..500);
        }
        Self {
            next,
            taken: FxHashSet::default(),
        }
    }

    /// Goes on behind the numbers of the day before.
    pub(super) fn go_on(&mut self, highest: impl Fn(u8) -> Option<u32>) {
        for (segment, next) in (0_u8..).zip(&mut self.next) {
            *next = highest(segment).unwrap_or(*next);
        }
    }

    /// Takes a token; `false` if it is already in use.
    pub(super) fn take(&mut self, token: Token) -> bool {
        self.taken.insert(token)
    }

    /// The next number of a segment, with the gaps that a real numbering has.
    pub(super) fn next_exchange_token(&mut self, segment: Segment, rng: &mut impl Rng) -> u32 {
        let next = &mut self.next[usize::from(segment.byte())];
        *next += rng.random_range(1..4);
        *next
    }

    /// A number that stays the same from day to day: FNV-1a of the symbol, incremented while in
    /// use.
    pub(super) fn stable_exchange_token(&self, venue: Venue, symbol: &str) -> u32 {
        let hash = symbol.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let base = if venue.segment == Segment::Bse {
            540_000
        } else {
            30_000
        };
        let mut exchange_token = base + hash % 5_000;
        while self.taken.contains(&number(venue.segment, exchange_token)) {
            exchange_token += 1;
        }
        exchange_token
    }
}

/// Kite's rule for instrument tokens.
pub(super) fn number(segment: Segment, exchange_token: u32) -> Token {
    Token(exchange_token << 8 | u32::from(segment.byte()))
}
