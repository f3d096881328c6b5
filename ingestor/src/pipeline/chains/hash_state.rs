//! What the hashes of one chain need besides its forward.
//!
//! Owns how often they are written. Pure.

use std::time::{Duration, Instant};

use greeks::OptionRight;

use crate::last_value::chain_hash::ChainHash;

/// A hash whose forward has changed is written once in this time at most.
const CHANGED_EVERY: Duration = Duration::from_secs(1);

/// Any other one: a Redis may have forgotten it.
const UNCHANGED_EVERY: Duration = Duration::from_secs(10);

/// What a chain's hashes need besides its forward.
#[derive(Clone, Debug, Default)]
pub(super) struct HashState {
    pub(super) keys: Vec<ChainHash>,
    /// The strikes that are known, ascending, each with the positions of its call and put.
    pub(super) strikes: Vec<(f64, [Option<u32>; 2])>,
    /// When it was written, and the forward price then.
    pub(super) written: Option<(Instant, f64)>,
}

impl HashState {
    /// Whether it has to be written with this forward price.
    pub(super) fn is_due(&self, forward: f64, now: Instant) -> bool {
        self.written.is_none_or(|(at, price)| {
            let every = if price == forward {
                UNCHANGED_EVERY
            } else {
                CHANGED_EVERY
            };
            now.saturating_duration_since(at) >= every
        })
    }

    /// Adds a key, once.
    pub(super) fn add_key(&mut self, key: ChainHash) {
        if !self.keys.iter().any(|known| known.is(&key)) {
            self.keys.push(key);
        }
    }

    /// Adds a strike, and an option at it.
    pub(super) fn add_strike(&mut self, strike: f64, option: Option<(OptionRight, u32)>) {
        let at = self.strikes.partition_point(|known| known.0 < strike);
        if self.strikes.get(at).is_none_or(|known| known.0 != strike) {
            self.strikes.insert(at, (strike, [None; 2]));
        }
        if let Some((right, option)) = option {
            self.strikes[at].1[right as usize] = Some(option);
        }
    }
}
