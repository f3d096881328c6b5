//! When instruments tick. Spreads them over time instead of letting all tick at once.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::rates::Rates;

/// How far behind its plan the schedule catches up; ticks of a longer stop are skipped.
const LONGEST_LAG: Duration = Duration::from_secs(1);

/// The instruments that tick, and when next. Times are since the start.
#[derive(Debug)]
pub(super) struct Schedule {
    /// How often; [`Schedule::replan`] makes a change take effect at once.
    pub(super) rates: Rates,
    rng: ChaCha8Rng,
    entries: Vec<Entry>,
    is_planned: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    position: usize,
    due: Duration,
}

impl Schedule {
    /// Nothing ticks yet.
    pub(super) fn new(rates: Rates, listings: usize, seed: u64) -> Self {
        Self {
            rates,
            rng: ChaCha8Rng::seed_from_u64(seed.wrapping_add(2)),
            entries: Vec::new(),
            is_planned: vec![false; listings],
        }
    }

    /// Makes an instrument tick from now on.
    pub(super) fn add(&mut self, position: usize, now: Duration) {
        if !self.is_planned[position] {
            self.is_planned[position] = true;
            let due = self.first(position, now);
            self.entries.push(Entry { position, due });
        }
    }

    /// Appends due instruments to `due` that tick now, and plans their next ticks; removes those that are not watched.
    pub(super) fn take_due(
        &mut self,
        now: Duration,
        is_watched: impl Fn(usize) -> bool,
        ticks: impl Fn(usize) -> bool,
        due: &mut Vec<usize>,
    ) {
        let mut at = 0;
        while let Some(entry) = self.entries.get(at).copied() {
            if !is_watched(entry.position) {
                self.is_planned[entry.position] = false;
                self.entries.swap_remove(at);
                continue;
            }
            if entry.due <= now {
                // One that stands still has its turn all the same: when it ticks again, not all of them are due at once.
                if ticks(entry.position) {
                    due.push(entry.position);
                }
                self.entries[at].due = self.next(entry, now);
            }
            at += 1;
        }
    }

    /// Plans all ticks again, after a pause or a change of rates.
    pub(super) fn replan(&mut self, now: Duration) {
        for at in 0..self.entries.len() {
            self.entries[at].due = self.first(self.entries[at].position, now);
        }
    }

    /// Anywhere in one interval.
    fn first(&mut self, position: usize, now: Duration) -> Duration {
        let share = self.rng.random_range(0.0..1.0);
        match self.rates.interval(position) {
            Some(interval) => now + interval.mul_f64(share),
            None => Duration::MAX,
        }
    }

    /// Intervals vary by half around their mean.
    fn next(&mut self, entry: Entry, now: Duration) -> Duration {
        let share = self.rng.random_range(0.5..1.5);
        match self.rates.interval(entry.position) {
            Some(interval) => {
                entry.due.max(now.saturating_sub(LONGEST_LAG)) + interval.mul_f64(share)
            }
            None => Duration::MAX,
        }
    }
}
