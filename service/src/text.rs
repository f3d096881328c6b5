//! Text from other parties: made safe to print, and limited so that it does not fill the log.
//!
//! Owns the limits that protect a terminal and a disk from a peer. Pure; time is an argument.

use std::time::{Duration, Instant};

/// Replaces every character that moves the cursor, breaks a line or changes the direction of
/// writing by a space, and keeps at most `longest` characters.
#[must_use]
pub fn printable(text: &str, longest: usize) -> String {
    text.chars()
        .take(longest)
        .map(|char| if is_printable(char) { char } else { ' ' })
        .collect()
}

fn is_printable(char: char) -> bool {
    let turns_or_breaks = matches!(
        char,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !char.is_control() && !turns_or_breaks
}

/// The longest error text of a peer that is shown, in characters.
pub const LONGEST_REASON: usize = 200;

/// Limits log lines of one kind: a few at once, then one per interval.
#[derive(Clone, Debug)]
pub struct LineQuota {
    burst: u32,
    every: Duration,
    left: u32,
    earned: Option<Instant>,
    suppressed: u64,
}

impl LineQuota {
    /// `burst` lines at once, and one more for each `every` that passes.
    #[must_use]
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self {
            burst,
            every,
            left: burst,
            earned: None,
            suppressed: 0,
        }
    }

    /// For errors that repeat while something fails: five at once, and one each half minute.
    #[must_use]
    pub const fn for_reasons() -> Self {
        Self::new(5, Duration::from_secs(30))
    }

    /// Registers a line at `now`. Returns `None` if it must not be written; otherwise how many
    /// lines were suppressed since the last written one.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        let earned = *self.earned.get_or_insert(now);
        let passed = now.saturating_duration_since(earned);
        let more = passed.as_nanos() / self.every.as_nanos().max(1);
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(more).min(self.burst);
            self.earned = Some(now);
        }
        if self.left == 0 {
            self.suppressed += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_rule_a_terminal_becomes_blank() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\u{202e}d", 99), "a [2Jb  c d");
        assert_eq!(printable("₹ ok é", 99), "₹ ok é");
        assert_eq!(printable("long", 2), "lo");
    }

    #[test]
    fn lines_come_in_a_burst_and_then_at_their_pace() {
        let start = crate::clock::Clock::system().now();
        let mut quota = LineQuota::new(2, Duration::from_secs(10));
        assert_eq!(quota.take(start), Some(0));
        assert_eq!(quota.take(start), Some(0));
        assert_eq!(quota.take(start), None);
        assert_eq!(quota.take(start + Duration::from_secs(9)), None);
        assert_eq!(quota.take(start + Duration::from_secs(10)), Some(2));
        assert_eq!(quota.take(start + Duration::from_secs(11)), None);
    }

    proptest! {
        #[test]
        fn no_line_is_lost_from_the_count(gaps in proptest::collection::vec(0_u64..5_000, 1..200)) {
            let mut now = crate::clock::Clock::system().now();
            let start = now;
            let mut quota = LineQuota::new(3, Duration::from_secs(1));
            let (mut written, mut told) = (0, 0);
            for gap in &gaps {
                now += Duration::from_millis(*gap);
                if let Some(suppressed) = quota.take(now) {
                    written += 1;
                    told += suppressed;
                }
            }
            prop_assert!(written <= 3 + now.duration_since(start).as_secs());
            prop_assert_eq!(written + told + quota.suppressed, gaps.len() as u64);
        }
    }
}
