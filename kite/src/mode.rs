//! Subscription modes. Owns their names and their order of richness.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much of an instrument the server streams; ordered from the poorest to the richest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The last price only: 8 bytes.
    Ltp,
    /// Prices of the day, volume and totals: 44 bytes (28 for an index). A bare subscribe means this.
    #[default]
    Quote,
    /// Everything, five levels of depth included: 184 bytes (32 for an index).
    Full,
}

impl Mode {
    /// All modes, poorest first.
    pub const ALL: [Self; 3] = [Self::Ltp, Self::Quote, Self::Full];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ltp => "ltp",
            Self::Quote => "quote",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A mode name that Kite does not have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown mode {0:?}: use ltp, quote or full")]
pub struct UnknownMode(pub String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == name)
            .ok_or_else(|| UnknownMode(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_order_is_by_richness() {
        for mode in Mode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert!(Mode::Ltp < Mode::Quote && Mode::Quote < Mode::Full);
        assert!("FULL".parse::<Mode>().is_err());
    }
}
