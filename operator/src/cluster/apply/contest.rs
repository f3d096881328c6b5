//! Objects of ours that another program changes again and again: a second operator for the same
//! namespace, or a tool that sets its own values.
//!
//! Owns how long such a change stays before it is written over: two that write over each other at once
//! would do so several times a second, and each time sockets close or a pod restarts. Pure; times are
//! arguments. Must not know what was changed.

use std::time::{Duration, Instant};

use service::backoff::Backoff;

/// A change stays for this long. The first is written over at once: it may be a mistake by hand.
const WAITS: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(300));

/// After this time without another change they start anew.
const FORGOTTEN: Duration = Duration::from_secs(900);

/// The changes that others made to one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Contest {
    /// The newest of them, by what identifies it, and since when it is seen.
    newest: Option<(u64, Instant)>,
    /// How many took something from us, none of them long after the change before.
    put_back: u32,
    /// Since when changes stay, while the newest does.
    staying: Option<Instant>,
}

impl Contest {
    /// Notes a change that is seen at `now`, and returns whether it may be written over now. `change`
    /// identifies it: it is seen in every pass until then. One that replaces a change that stays does not
    /// begin the wait anew: who changes the object all the time would never be written over, and never named.
    pub(super) fn note_change(&mut self, change: u64, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let seen = match self.newest {
            Some((newest, seen)) if newest == change => seen,
            before => {
                if before.is_some_and(|(_, seen)| since(seen) >= FORGOTTEN) {
                    self.put_back = 0;
                }
                self.newest = Some((change, now));
                now
            }
        };
        let start = self.staying.unwrap_or(seen);
        let stays = self.put_back > 0 && since(start) < WAITS.delay(self.put_back, 0.5);
        self.staying = stays.then_some(start);
        !stays
    }

    /// Notes that the change was written over, and that it had taken something from us: one that only
    /// adds to the object may come as often as it likes.
    pub(super) fn note_put_back(&mut self) {
        self.put_back = self.put_back.saturating_add(1);
    }

    /// Notes that nothing differs any more.
    pub(super) fn end(&mut self) {
        self.staying = None;
    }

    /// Whether another program keeps changing the object: the first time may be a mistake by hand.
    pub(super) fn lasts(&self) -> bool {
        self.staying.is_some() && self.put_back > 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use service::clock::Clock;

    use super::*;

    /// The seconds after which it is written over so many times; it is changed as soon as that is done, and
    /// from then on whenever it is looked at if that is `restless`.
    fn waits(contest: &mut Contest, times: u64, restless: bool, now: &mut Instant) -> Vec<u64> {
        (0..times)
            .map(|_| {
                let (start, mut change) = (*now, fastrand::u64(..));
                while !contest.note_change(change, *now) {
                    *now += Duration::from_millis(500);
                    assert!(*now - start < FORGOTTEN, "it is never written over");
                    change = change.wrapping_add(u64::from(restless));
                }
                contest.note_put_back();
                (*now - start).as_secs()
            })
            .collect()
    }

    #[test]
    fn who_goes_on_changing_it_is_written_over_ever_more_rarely() {
        let (mut contest, mut now) = (Contest::default(), Clock::system().now());
        let seen = waits(&mut contest, 11, false, &mut now);
        assert_eq!(seen, [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        // One that stays away is forgotten.
        now += FORGOTTEN;
        assert_eq!(waits(&mut contest, 2, false, &mut now), [0, 2]);
    }

    #[test]
    fn who_changes_it_all_the_time_is_written_over_and_named_all_the_same() {
        let (mut contest, mut now) = (Contest::default(), Clock::system().now());
        assert_eq!(waits(&mut contest, 4, true, &mut now), [0, 2, 4, 8]);
        assert!(!contest.note_change(1, now) && contest.lasts());
        // A change that ends by itself took nothing: the next one stays for the whole time.
        contest.end();
        now += Duration::from_secs(15);
        assert!(!contest.lasts() && !contest.note_change(2, now));
        now += Duration::from_secs(15);
        assert!(!contest.note_change(3, now));
        assert!(contest.note_change(4, now + Duration::from_secs(1)));
    }

    proptest! {
        /// Whatever is changed, and whenever it is looked at: at most one write in two seconds, beside
        /// the first.
        #[test]
        fn writes_are_bounded(passes in prop::collection::vec((0_u64..4, 0_u64..3_000), 1..200)) {
            let (mut contest, start) = (Contest::default(), Clock::system().now());
            let (mut now, mut writes, mut written) = (start, 0, None);
            for (change, later) in passes {
                now += Duration::from_millis(later);
                if written != Some(change) && contest.note_change(change, now) {
                    contest.note_put_back();
                    writes += 1;
                    written = Some(change);
                }
            }
            let most = 2 + (now - start).as_secs() / 2;
            prop_assert!(writes <= most, "{writes} writes, at most {most}");
        }
    }
}
