//! When contracts of a class end on their date, and from when on their settlement price is being fixed.
//!
//! Owns how that is written. Must not know which contracts there are.

use jiff::Timestamp;

use crate::hours::minute;

/// The end of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractExpiry {
    /// The first moment at which it is not traded any more.
    pub ends: Timestamp,
    /// From when on its settlement price is being fixed, where that is known.
    pub settles: Option<Timestamp>,
    /// Whether its date has no session: the usual time counts.
    pub is_unusual: bool,
}

/// A time of the day, or one before the end of its last open session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpiryTime {
    At(u16),
    BeforeEnd(u16),
}

/// When contracts of a class end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpiryRule {
    pub(crate) at: ExpiryTime,
    pub(crate) settles: Option<ExpiryTime>,
}

impl ExpiryTime {
    /// Reads `HH:MM`, `end` or `end-30m`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be HH:MM, end, or end-30m";
        if text == "end" {
            return Ok(Self::BeforeEnd(0));
        }
        if let Some(before) = text.strip_prefix("end-") {
            let minutes = before.strip_suffix('m').and_then(|it| it.parse().ok());
            let minutes = minutes.filter(|it| (1..=600).contains(it));
            return minutes.map(Self::BeforeEnd).ok_or(FORM);
        }
        minute(text).map(Self::At).ok_or(FORM)
    }

    /// The minute of a day whose last open session ends at `end`.
    pub(crate) const fn minute(self, end: u16) -> u16 {
        match self {
            Self::At(minute) => minute,
            Self::BeforeEnd(before) => end.saturating_sub(before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_of_the_day_or_one_before_its_end() {
        assert_eq!(ExpiryTime::parse("12:30"), Ok(ExpiryTime::At(750)));
        assert_eq!(ExpiryTime::parse("end"), Ok(ExpiryTime::BeforeEnd(0)));
        assert_eq!(ExpiryTime::parse("end-30m"), Ok(ExpiryTime::BeforeEnd(30)));
        for bad in [
            "", "12", "end-", "end-0m", "end-30", "end-900m", "End", "25:00",
        ] {
            assert!(ExpiryTime::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(ExpiryTime::BeforeEnd(30).minute(1_435), 1_405);
    }
}
