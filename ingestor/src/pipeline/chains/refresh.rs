//! When the Greeks of a chain are computed again although its options do not tick.
//!
//! Owns which chains have moved, in which order they are renewed, and how many rows a second. Pure; must not know prices of
//! options or Redis.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use greeks::forward::ChosenForward;

/// A forward price that has moved by this part of itself is another one.
const MOVE: f64 = 1e-4;

/// A chain is renewed once in this time at most.
const CHAIN_EVERY: Duration = Duration::from_secs(1);

/// Rows a second of this process at most.
const ROWS_PER_SECOND: f64 = 5_000.0;

/// Rows at once at most: no tick waits longer for them than a fraction of a millisecond.
const ROWS_AT_ONCE: f64 = 100.0;

/// Rows are renewed in steps of this length.
const STEP: Duration = Duration::from_millis(20);

/// What was last renewed of a chain.
#[derive(Clone, Copy, Debug, Default)]
struct Renewal {
    /// The forward price then, and since when its source was used.
    base: Option<(f64, Instant)>,
    begun: Option<Instant>,
    /// How many of its options are done, while it is in the queue.
    done: u32,
    is_queued: bool,
}

/// The chains that have moved.
#[derive(Debug, Default)]
pub(super) struct RefreshSchedule {
    chains: Vec<Renewal>,
    /// Those that have moved, oldest first.
    queue: VecDeque<u16>,
    /// How many rows may be renewed now, since when more were allowed.
    allowed: f64,
    since: Option<Instant>,
}

impl RefreshSchedule {
    /// Of so many chains.
    pub(super) fn new(chains: usize) -> Self {
        Self {
            chains: vec![Renewal::default(); chains],
            queue: VecDeque::with_capacity(chains),
            ..Self::default()
        }
    }

    /// Takes over when a chain was last renewed, which was at another position.
    pub(super) fn succeed(&mut self, chain: u16, old: &Self, before: u16) {
        let known = old.chains[usize::from(before)];
        self.chains[usize::from(chain)] = Renewal {
            done: 0,
            is_queued: false,
            ..known
        };
        if known.is_queued {
            self.since = self.since.or(old.since);
            self.queue(chain);
        }
    }

    /// Notes the forward price of a chain. One from another source has not moved: the sources do not agree exactly.
    #[inline]
    pub(super) fn observe(&mut self, chain: u16, forward: &ChosenForward) {
        let renewal = &mut self.chains[usize::from(chain)];
        match renewal.base {
            Some((base, since)) if since == forward.since => {
                if !renewal.is_queued && (forward.price - base).abs() >= MOVE * base {
                    self.since.get_or_insert(forward.at);
                    self.queue(chain);
                }
            }
            _ => renewal.base = Some((forward.price, forward.since)),
        }
    }

    fn queue(&mut self, chain: u16) {
        self.chains[usize::from(chain)].is_queued = true;
        self.queue.push_back(chain);
    }

    /// The chain to renew at `now`, and how many of its options were done before; `None` if there is none or enough were renewed
    /// just now.
    pub(super) fn next(&mut self, now: Instant) -> Option<(u16, u32)> {
        self.allow(now);
        if self.allowed < 1.0 {
            return None;
        }
        let chains = &self.chains;
        let at = self
            .queue
            .iter()
            .position(|chain| chains[usize::from(*chain)].may_begin(now))?;
        // The oldest that may begin goes on first until it is done.
        let chain = self.queue.remove(at)?;
        self.queue.push_front(chain);
        Some((chain, self.chains[usize::from(chain)].done))
    }

    /// How many rows may still be renewed.
    pub(super) fn allowed(&self) -> u32 {
        self.allowed as u32
    }

    /// Notes that options of the first chain were looked at, in `range`, and some of them `renewed`, at this forward price;
    /// `all`: how many it has.
    pub(super) fn done(
        &mut self,
        range: &Range<u32>,
        renewed: u32,
        all: u32,
        forward: Option<&ChosenForward>,
        now: Instant,
    ) {
        self.allowed -= f64::from(renewed);
        let Some(chain) = self.queue.front().copied() else {
            return;
        };
        let renewal = &mut self.chains[usize::from(chain)];
        if range.start == 0 {
            renewal.begun = Some(now);
            renewal.base = forward.map(|it| (it.price, it.since));
        }
        renewal.done = range.end;
        if range.end >= all {
            (renewal.done, renewal.is_queued) = (0, false);
            self.queue.pop_front();
        }
    }

    /// When something has to be renewed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let chains = self.queue.iter();
        let begins = chains.map(|chain| self.chains[usize::from(*chain)].begins());
        let begins = begins.min()?;
        let step = if self.allowed < 1.0 {
            STEP
        } else {
            Duration::ZERO
        };
        begins.max(self.since.map(|since| since + step))
    }

    fn allow(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        if passed >= STEP || self.allowed >= 1.0 {
            let more = passed.as_secs_f64() * ROWS_PER_SECOND;
            self.allowed = (self.allowed + more).min(ROWS_AT_ONCE);
            self.since = Some(now);
        }
    }
}

impl Renewal {
    /// The first moment at which it may be renewed; `None`: at once.
    fn begins(&self) -> Option<Instant> {
        let begun = self.begun.filter(|_| self.done == 0);
        begun.map(|begun| begun + CHAIN_EVERY)
    }

    fn may_begin(&self, now: Instant) -> bool {
        self.begins().is_none_or(|begins| begins <= now)
    }
}

#[cfg(test)]
mod tests {
    use greeks::forward::ForwardSource;

    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    fn forward(price: f64, since: Instant) -> ChosenForward {
        ChosenForward {
            price,
            source: ForwardSource::Future,
            since,
            at: since,
        }
    }

    /// Renews what may be renewed at `now` of chains that have `all` options each; returns the chains and how many rows.
    fn renew(
        schedule: &mut RefreshSchedule,
        all: u32,
        price: f64,
        start: Instant,
        now: Instant,
    ) -> Vec<(u16, u32)> {
        let mut renewed = Vec::new();
        while let Some((chain, done)) = schedule.next(now) {
            let end = all.min(done + schedule.allowed());
            let chosen = forward(price, start);
            schedule.done(&(done..end), end - done, all, Some(&chosen), now);
            renewed.push((chain, end - done));
        }
        renewed
    }

    #[test]
    fn a_move_of_a_basis_point_renews_a_chain_once_a_second() {
        let (mut schedule, start) = (RefreshSchedule::new(2), start());
        let at = |millis| start + Duration::from_millis(millis);
        schedule.observe(1, &forward(10_000.0, start));
        schedule.observe(1, &forward(10_000.9, start));
        assert_eq!(schedule.deadline(), None);
        schedule.next(start);
        schedule.observe(1, &forward(10_001.0, start));
        assert!(schedule.deadline().is_some_and(|it| it <= at(20)));
        assert_eq!(renew(&mut schedule, 10, 10_001.0, start, at(20)), [(1, 10)]);
        assert_eq!(schedule.deadline(), None);
        schedule.observe(1, &forward(10_003.0, start));
        assert_eq!(renew(&mut schedule, 10, 10_003.0, start, at(1_019)), []);
        assert_eq!(schedule.deadline(), Some(at(1_020)));
        assert_eq!(
            renew(&mut schedule, 10, 10_003.0, start, at(1_020)),
            [(1, 10)]
        );
    }

    #[test]
    fn another_source_is_no_move() {
        let (mut schedule, start) = (RefreshSchedule::new(1), start());
        schedule.observe(0, &forward(10_000.0, start));
        let later = start + Duration::from_secs(1);
        schedule.observe(0, &forward(10_100.0, later));
        assert_eq!(schedule.deadline(), None);
        schedule.observe(0, &forward(10_102.0, later));
        assert!(schedule.deadline().is_some());
    }

    #[test]
    fn no_more_rows_than_allowed_and_the_oldest_first() {
        const CHAINS: u16 = 40;
        let (mut schedule, start) = (RefreshSchedule::new(usize::from(CHAINS)), start());
        for chain in (0..CHAINS).rev() {
            schedule.observe(chain, &forward(10_000.0, start));
            schedule.observe(chain, &forward(10_010.0, start));
        }
        let (mut order, mut rows, mut most) = (Vec::new(), 0, 0);
        let mut now = start;
        while let Some(deadline) = schedule.deadline() {
            now = now.max(deadline);
            let renewed = renew(&mut schedule, 225, 10_010.0, start, now);
            let step: u32 = renewed.iter().map(|it| it.1).sum();
            (rows, most) = (rows + step, most.max(step));
            order.extend(renewed.into_iter().map(|it| it.0));
        }
        order.dedup();
        assert_eq!(order, (0..CHAINS).rev().collect::<Vec<_>>());
        assert_eq!(rows, 9_000);
        assert!(f64::from(most) <= ROWS_AT_ONCE);
        let took = (now - start).as_secs_f64();
        assert!((1.78..1.85).contains(&took), "{took}");
    }

    #[test]
    fn another_assignment_renews_what_had_moved() {
        let (mut old, start) = (RefreshSchedule::new(1), start());
        old.observe(0, &forward(10_000.0, start));
        old.observe(0, &forward(10_010.0, start));
        let mut new = RefreshSchedule::new(2);
        new.succeed(1, &old, 0);
        new.next(start);
        let now = start + STEP;
        assert_eq!(renew(&mut new, 10, 10_010.0, start, now), [(1, 10)]);
    }
}
