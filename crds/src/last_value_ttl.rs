//! When a last price expires: with the sessions of its market, or after a while.
//!
//! Owns the two spellings. Must not know any hour.

use kube::core::Duration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The word for the first.
const SESSION: &str = "Session";

/// When a last price expires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastValueTtl {
    /// Half an hour after the last session of the next trading day.
    #[default]
    Session,
    /// So long after the last tick.
    For(Duration),
}

impl Serialize for LastValueTtl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Session => serializer.serialize_str(SESSION),
            Self::For(duration) => duration.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LastValueTtl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == SESSION {
            return Ok(Self::Session);
        }
        let duration = text.parse::<Duration>();
        duration.map(Self::For).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_written() {
        let read = |json: &str| serde_json::from_str::<LastValueTtl>(json);
        assert_eq!(read("\"Session\"").unwrap(), LastValueTtl::Session);
        let day = read("\"24h\"").unwrap();
        let duration = std::time::Duration::from_secs(86_400);
        assert_eq!(day, LastValueTtl::For(duration.into()));
        assert_eq!(serde_json::to_string(&day).unwrap(), "\"86400s\"");
        let session = serde_json::to_string(&LastValueTtl::Session).unwrap();
        assert_eq!(session, "\"Session\"");
        assert!(read("\"session\"").is_err() && read("\"soon\"").is_err());
    }
}
