//! What is told at most once a minute: what comes in between is added up.
//!
//! Pure. Must not know what is told.

use std::time::{Duration, Instant};

/// One is told in this time.
const PERIOD: Duration = Duration::from_secs(60);

/// Something that is told once in a while.
#[derive(Clone, Debug, Default)]
pub(super) struct Paced<T> {
    sent: Option<Instant>,
    waiting: Option<T>,
}

/// What can be told together with what happens later.
pub(super) trait Accumulate: Default {
    fn add(&mut self, later: Self);
}

impl<T: Accumulate> Paced<T> {
    /// What is told now, of what waits and what is new.
    pub(super) fn next(&mut self, new: Option<T>, now: Instant) -> Option<T> {
        if let Some(new) = new {
            self.waiting.get_or_insert_default().add(new);
        }
        let since = |at: Instant| now.saturating_duration_since(at);
        self.sent = self.sent.filter(|at| since(*at) < PERIOD);
        if self.sent.is_some() || self.waiting.is_none() {
            return None;
        }
        self.sent = Some(now);
        self.waiting.take()
    }

    /// Whether something was told in the last minute, as of the last call.
    pub(super) fn is_recent(&self) -> bool {
        self.sent.is_some()
    }

    /// When what waits is told.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.as_ref()?;
        Some(self.sent? + PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Accumulate for u32 {
        fn add(&mut self, later: Self) {
            *self += later;
        }
    }

    #[test]
    fn what_comes_within_a_minute_is_told_after_it_as_one() {
        let start = crate::plan::fixture::start().monotonic;
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut paced = Paced::<u32>::default();
        assert_eq!(paced.next(None, at(0)), None);
        assert_eq!((paced.next(Some(3), at(0)), paced.due()), (Some(3), None));
        assert_eq!(paced.next(Some(4), at(10)), None);
        assert_eq!(paced.next(Some(5), at(59)), None);
        assert_eq!(paced.due(), Some(at(60)));
        assert_eq!(paced.next(None, at(60)), Some(9));
        assert_eq!((paced.next(None, at(61)), paced.due()), (None, None));
        assert_eq!(paced.next(Some(1), at(125)), Some(1));
    }
}
