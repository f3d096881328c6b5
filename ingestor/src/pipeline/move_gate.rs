//! One move of instruments between two accounts, as far as it is here.
//!
//! Owns how a boundary divides packets, and when the move is over for this account. Pure; must not know instruments.

use std::time::{Duration, Instant};

use contract::{Boundary, Move, MovePart};

/// The account that gives has done so once its socket is so many seconds past the boundary.
const GIVEN_AFTER: i64 = 2;

/// So many packets in a row must be past the boundary: a single time that is wrong ends nothing.
const CONFIRMED_BY: u8 = 2;

/// One move of the assignment, as far as it is here.
#[derive(Clone, Debug)]
pub(crate) struct MoveGate {
    /// Its id.
    pub(crate) id: String,
    part: MovePart,
    pub(super) boundary: Option<Boundary>,
    /// When this process got the boundary.
    since: Option<Instant>,
    /// Packets in a row that were past the boundary.
    past: u8,
}

impl MoveGate {
    pub(super) fn new(from: &Move) -> Self {
        Self {
            id: from.id.clone(),
            part: from.part,
            boundary: from.boundary,
            since: None,
            past: 0,
        }
    }

    /// Goes on from the same move of the assignment before.
    pub(super) fn succeed(&mut self, before: Option<&Self>, now: Instant) {
        match before.filter(|before| before.is_same(self)) {
            Some(before) => (self.since, self.past) = (before.since, before.past),
            None => self.since = self.boundary.map(|_| now),
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.id, self.part, self.boundary) == (&other.id, other.part, other.boundary)
    }

    /// Whether this account gives its instruments away.
    pub(super) const fn gives(&self) -> bool {
        matches!(self.part, MovePart::From)
    }

    /// The second from which on this account publishes what it takes.
    pub(super) fn taken_from(&self) -> Option<i64> {
        self.boundary
            .filter(|_| !self.gives())
            .map(|boundary| boundary.second)
    }

    /// Whether a packet of the exchange's `second` is to be published here.
    #[inline]
    pub(super) fn passes(&mut self, second: Option<i64>, now: Instant) -> bool {
        let Some(boundary) = self.boundary else {
            return self.gives();
        };
        if let Some(second) = second {
            let is_past = second >= boundary.second.saturating_add(GIVEN_AFTER);
            self.past = match is_past || self.past >= CONFIRMED_BY {
                true => self.past.saturating_add(1),
                false => 0,
            };
        }
        let over = self.is_over(now);
        match self.part {
            MovePart::From => !over && second.is_some_and(|second| second < boundary.second),
            MovePart::To => over || second.is_none_or(|second| second >= boundary.second),
        }
    }

    /// This process stood still for so long: what arrived meanwhile has not been seen yet.
    pub(super) fn on_standstill(&mut self, lasted: Duration) {
        self.since = self.since.and_then(|since| since.checked_add(lasted));
    }

    /// Whether the boundary no longer matters, because it has had its time: this account publishes nothing, or everything.
    #[must_use]
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let passed = || {
            let (boundary, since) = (self.boundary?, self.since?);
            let within = Duration::from_secs(u64::from(boundary.within_s));
            Some(now.saturating_duration_since(since) >= within)
        };
        passed().unwrap_or(false)
    }

    /// Whether it can be taken from this account. What is late of a slower instrument is published until then.
    #[must_use]
    pub(crate) fn has_given(&self, now: Instant) -> bool {
        let is_past = self.past >= CONFIRMED_BY || self.is_over(now);
        self.gives() && self.boundary.is_some() && is_past
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_764_570_600;

    fn gate(part: MovePart, boundary: Option<i64>, now: Instant) -> MoveGate {
        let boundary = boundary.map(|second| Boundary {
            second,
            within_s: 10,
        });
        let id = "a:1".to_owned();
        let mut gate = MoveGate::new(&Move { id, part, boundary });
        gate.succeed(None, now);
        gate
    }

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    /// Every second from one side only, whichever socket is ahead.
    #[test]
    fn each_second_is_of_one_of_the_two() {
        let now = start();
        let mut sides = [MovePart::From, MovePart::To].map(|part| gate(part, Some(T), now));
        for second in (T - 5..T + 9).flat_map(|second| [second; 3]) {
            let passes = sides.each_mut().map(|it| it.passes(Some(second), now));
            assert_eq!(passes, [second < T, second >= T], "{}", second - T);
        }
        assert!(sides[0].has_given(now));
        // What is late of a slower instrument still comes from the account that gives, as long as it has it.
        let passes = sides.each_mut().map(|it| it.passes(Some(T - 1), now));
        assert_eq!(passes, [true, false]);
    }

    #[test]
    fn without_a_boundary_the_giving_account_has_everything() {
        let now = start();
        for second in [None, Some(0), Some(T), Some(i64::MAX)] {
            assert!(gate(MovePart::From, None, now).passes(second, now));
            assert!(!gate(MovePart::To, None, now).passes(second, now));
        }
    }

    #[test]
    fn what_has_no_time_is_the_taking_accounts_from_its_boundary_on() {
        let now = start();
        let mut sides = [MovePart::From, MovePart::To].map(|part| gate(part, Some(T), now));
        let passes = sides.each_mut().map(|it| it.passes(None, now));
        assert_eq!(passes, [false, true]);
    }

    #[test]
    fn a_single_wrong_time_ends_nothing() {
        let now = start();
        let mut giving = gate(MovePart::From, Some(T), now);
        assert!(!giving.passes(Some(T + 9_000), now));
        assert!(giving.passes(Some(T - 1), now));
        assert!(!giving.passes(Some(T + 9_000), now) && !giving.has_given(now));
        assert!(!giving.passes(Some(T + 2), now) && giving.has_given(now));
    }

    /// Instruments that do not tick, a boundary that was wrong, an exchange that is closed.
    #[test]
    fn after_its_time_the_move_is_over_whatever_comes() {
        let now = start();
        let later = now + Duration::from_secs(10);
        let almost = later - Duration::from_millis(1);
        let mut sides = [MovePart::From, MovePart::To].map(|part| gate(part, Some(T), now));
        let passes = sides.each_mut().map(|it| it.passes(Some(T - 1), almost));
        assert_eq!(passes, [true, false]);
        let passes = sides.each_mut().map(|it| it.passes(Some(T - 1), later));
        assert_eq!(passes, [false, true]);
    }

    /// A further assignment meanwhile does not begin the time anew; another boundary does.
    #[test]
    fn the_time_counts_from_the_boundary() {
        let now = start();
        let later = now + Duration::from_secs(10);
        let before = gate(MovePart::To, Some(T), now);
        let after = |boundary: Option<i64>| {
            let mut gate = gate(MovePart::To, boundary, later);
            gate.succeed(Some(&before), later);
            gate.is_over(later)
        };
        assert!(after(Some(T)));
        assert!(!after(Some(T + 1)) && !after(None));
    }

    /// After a stop the packets that waited are read, and each is of the account that its second says.
    #[test]
    fn a_process_that_stood_still_divides_what_waited_by_its_seconds() {
        let now = start();
        let later = now + Duration::from_secs(20);
        for (part, before, after) in [(MovePart::From, true, false), (MovePart::To, false, true)] {
            let mut gate = gate(part, Some(T), now);
            gate.on_standstill(Duration::from_secs(19));
            assert_eq!(gate.passes(Some(T - 1), later), before);
            assert_eq!(gate.passes(Some(T), later), after);
        }
    }
}
