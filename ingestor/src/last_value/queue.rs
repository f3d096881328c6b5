//! Outputs that are written once per interval, spread over it.
//!
//! Owns the rounds of one interval and the steps of a round. Pure; must not know what is written.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A part of what is due is written this often.
pub(super) const STEP: Duration = Duration::from_millis(5);

/// Outputs with the same interval.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    interval: Duration,
    /// Outputs that changed since the last round.
    waiting: Vec<u32>,
    /// Outputs that the current round still has to write.
    round: VecDeque<u32>,
    /// How many outputs a step writes, and how many this step still may write.
    slice: usize,
    left: usize,
    round_since: Option<Instant>,
    /// When something is due.
    pub(super) next: Option<Instant>,
}

impl WriteQueue {
    /// A queue whose outputs are written at most once per `interval`.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            ..Self::default()
        }
    }

    /// Whether nothing is to be written.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.round.is_empty()
    }

    /// Adds an output that has changed.
    pub(super) fn push(&mut self, output: u32, now: Instant) {
        self.waiting.push(output);
        if self.next.is_none() {
            let round = self.round_since.map(|since| since + self.interval);
            self.next = Some(round.map_or(now, |round| round.max(now)));
        }
    }

    /// The next output to write at `now`; while `draining`, regardless of the interval.
    pub(super) fn take(&mut self, now: Instant, draining: bool) -> Option<u32> {
        if !draining && self.next.is_none_or(|next| now < next) && self.left == 0 {
            return None;
        }
        if self.left == 0 {
            self.step(now);
        }
        let output = self.round.pop_front();
        self.left = self.left.saturating_sub(1).min(self.round.len());
        if self.left == 0 {
            self.plan_next(now);
        }
        output
    }

    /// Begins a step, and a new round if the last one is done.
    fn step(&mut self, now: Instant) {
        if self.round.is_empty() {
            self.round.extend(self.waiting.drain(..));
            self.round_since = Some(now);
            let steps = self.interval.as_nanos().div_ceil(STEP.as_nanos()).max(1);
            self.slice = self.round.len().div_ceil(steps as usize).max(1);
        }
        self.left = self.slice;
    }

    fn plan_next(&mut self, now: Instant) {
        self.next = match (self.round.is_empty(), self.waiting.is_empty()) {
            (false, _) => Some(now + STEP),
            (true, false) => self.round_since.map(|since| since + self.interval),
            (true, true) => None,
        };
    }
}
