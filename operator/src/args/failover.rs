//! How long an account must be down before its instruments move: as users write it.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

/// The shortest and the longest time.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

/// After which time instruments move away from an account that is down; `None`: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailoverAfter(pub Option<Duration>);

/// A text that is not such a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time from 10s to 1h, such as 30s or 2m; 0 turns failover off")]
pub struct InvalidFailoverAfter(String);

impl FromStr for FailoverAfter {
    type Err = InvalidFailoverAfter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidFailoverAfter(text.to_owned());
        if text.trim() == "0" {
            return Ok(Self(None));
        }
        let time: SignedDuration = text.trim().parse().map_err(|_| invalid())?;
        let time = Duration::try_from(time).map_err(|_| invalid())?;
        match time {
            Duration::ZERO => Ok(Self(None)),
            time if time >= BOUNDS.0 && time <= BOUNDS.1 => Ok(Self(Some(time))),
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_bounds() {
        let read = |text: &str| text.parse::<FailoverAfter>().map(|it| it.0);
        let seconds = |seconds| Ok(Some(Duration::from_secs(seconds)));
        assert_eq!(read("30s"), seconds(30));
        assert_eq!(read("1m30s"), seconds(90));
        assert_eq!(read("1h"), seconds(3600));
        assert_eq!(read("10s"), seconds(10));
        assert_eq!((read("0"), read("0s")), (Ok(None), Ok(None)));
        for wrong in ["", "30", "9s", "61m", "-30s", "soon"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("0 turns failover off"), "{wrong}: {error}");
        }
    }
}
