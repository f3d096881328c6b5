//! How long an option lives.
//!
//! Owns the year fraction and what is true at an instant of the expiry day. Every instant is given: must not know a calendar.

/// Seconds of a year in which a volatility is measured.
const YEAR_S: f64 = 31_536_000.0;

/// An option in its last minute is computed as if this much was left, in seconds: nothing divides by zero.
const SHORTEST_S: i64 = 60;

/// Years from `now` to `expiry_ts`, one minute at least.
#[must_use]
pub fn years(expiry_ts: i64, now: i64) -> f64 {
    expiry_ts.saturating_sub(now).max(SHORTEST_S) as f64 / YEAR_S
}

/// The instants at which an option ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenor {
    /// When it expires.
    pub expiry_ts: i64,
    /// From when the price is fixed that pays; `None` where it trades no longer then.
    pub settles_ts: Option<i64>,
}

/// What an instant is for an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryPhase {
    /// It has time left.
    Alive,
    /// The price that pays is being fixed while it still trades: it is no longer an option on the price of one moment.
    Settling,
    /// It has ended.
    Expired,
}

impl Tenor {
    /// What `now` is for the option.
    #[must_use]
    pub fn phase(self, now: i64) -> ExpiryPhase {
        if now >= self.expiry_ts {
            ExpiryPhase::Expired
        } else if self.settles_ts.is_some_and(|it| it <= now) {
            ExpiryPhase::Settling
        } else {
            ExpiryPhase::Alive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_365_days_and_the_last_minute_never_ends() {
        assert_eq!(years(31_536_000, 0), 1.0);
        assert_eq!(years(86_400 * 5, 0), 5.0 / 365.0);
        assert_eq!(years(100, 40), 60.0 / 31_536_000.0);
        assert_eq!(years(100, 99), years(100, 40));
        assert_eq!(years(100, 5_000), years(100, 40));
        assert!(years(i64::MAX, i64::MIN).is_finite());
    }

    #[test]
    fn the_last_day_has_three_parts() {
        let tenor = Tenor {
            expiry_ts: 1_796_119_800,
            settles_ts: Some(1_796_119_200),
        };
        assert_eq!(tenor.phase(1_796_119_199), ExpiryPhase::Alive);
        assert_eq!(tenor.phase(1_796_119_200), ExpiryPhase::Settling);
        assert_eq!(tenor.phase(1_796_119_799), ExpiryPhase::Settling);
        assert_eq!(tenor.phase(1_796_119_800), ExpiryPhase::Expired);
        let currency = Tenor {
            settles_ts: None,
            ..tenor
        };
        assert_eq!(currency.phase(1_796_119_799), ExpiryPhase::Alive);
    }
}
