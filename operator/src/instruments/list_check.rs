//! Whether a fetched instruments list is accepted. Pure.
//!
//! Owns the limit of what a list may lose against the last good one. A list that lacks instruments
//! which stream is treated by the planner.

/// A list that lost more than this share of its rows, in percent, counts as incomplete.
const LARGEST_LOSS_PERCENT: usize = 30;

/// A list that is not accepted; the last good one stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectedDump {
    /// It has no rows.
    #[error("the instruments list is empty")]
    Empty,
    /// It has far fewer rows than the last good one.
    #[error(
        "the list has {now} instruments, the last good one had {before}: it is incomplete and not used"
    )]
    Shrunk {
        /// Rows of the last good list.
        before: usize,
        /// Rows of this one.
        now: usize,
    },
}

/// Whether a list with `now` rows can follow one with `before` rows.
///
/// # Errors
/// When it cannot.
pub fn check_rows(before: Option<usize>, now: usize) -> Result<(), RejectedDump> {
    if now == 0 {
        return Err(RejectedDump::Empty);
    }
    match before {
        Some(before)
            if now.saturating_mul(100) < before.saturating_mul(100 - LARGEST_LOSS_PERCENT) =>
        {
            Err(RejectedDump::Shrunk { before, now })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_may_lose_thirty_percent_and_no_more() {
        assert_eq!(check_rows(None, 1), Ok(()));
        assert_eq!(check_rows(Some(1000), 700), Ok(()));
        assert_eq!(check_rows(Some(1000), 5000), Ok(()));
        assert_eq!(
            check_rows(Some(1000), 699),
            Err(RejectedDump::Shrunk {
                before: 1000,
                now: 699
            })
        );
        assert_eq!(check_rows(Some(1000), 0), Err(RejectedDump::Empty));
    }
}
