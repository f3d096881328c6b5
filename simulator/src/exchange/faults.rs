//! Faults on demand: errors that the simulator is told to produce. Owns only which faults are
//! requested; the ticker and the REST routes act on them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// Maximum number of API keys with their own faults.
const MAX_KEYS: usize = 1_000;

/// A change of faults. An absent member changes nothing; null or false ends a fault.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultChange {
    /// Only for connections of this API key; absent means all.
    #[serde(default)]
    api_key: Option<String>,
    /// Status of answers to upgrades.
    #[serde(default, deserialize_with = "present")]
    refuse: Option<Option<u16>>,
    /// After this many refusals the fault ends by itself.
    #[serde(default)]
    count: Option<u32>,
    /// The answer of `/instruments`.
    #[serde(default, deserialize_with = "present")]
    instruments: Option<Option<InstrumentsFault>>,
    /// Heartbeats without ticks.
    #[serde(default)]
    mute: Option<bool>,
    /// Sends nothing, not even pongs, on sockets that stay open.
    #[serde(default)]
    freeze: Option<bool>,
    /// Seconds for which a connection that has ended keeps its place; null or 0 ends the fault.
    #[serde(default, deserialize_with = "present")]
    linger: Option<Option<u32>>,
    /// Ticks of a hundred that a socket does not get, each socket others, as from a server that conflates.
    #[serde(default)]
    conflate: Option<u8>,
}

/// A fault of the instruments dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstrumentsFault {
    /// A load balancer's page with status 502.
    Html502,
}

/// A change that is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not a status of a failure.
    #[error("refuse must be a status from 400 to 599, such as 403 or 429, or null")]
    Status,
    /// Nothing would be left.
    #[error("conflate must be below 100")]
    Conflation,
    /// Too many API keys.
    #[error("{MAX_KEYS} API keys already have faults: end some first")]
    TooMany,
}

/// The faults of one API key, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Scope {
    #[serde(skip_serializing_if = "Option::is_none")]
    refuse: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    mute: bool,
    freeze: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    linger: Option<u32>,
    conflate: u8,
}

/// The active faults.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Faults {
    instruments: Option<InstrumentsFault>,
    all: Scope,
    api_keys: BTreeMap<String, Scope>,
}

impl Faults {
    /// Applies a change.
    ///
    /// # Errors
    /// When it names no status of a failure, or too many API keys have faults.
    pub fn apply(&mut self, change: FaultChange) -> Result<(), FaultError> {
        if let Some(Some(status)) = change.refuse
            && !(400..600).contains(&status)
        {
            return Err(FaultError::Status);
        }
        if change.conflate.is_some_and(|share| share >= 100) {
            return Err(FaultError::Conflation);
        }
        if let Some(instruments) = change.instruments {
            self.instruments = instruments;
        }
        let scope = match change.api_key {
            None => &mut self.all,
            Some(key) => {
                if self.api_keys.len() >= MAX_KEYS && !self.api_keys.contains_key(&key) {
                    return Err(FaultError::TooMany);
                }
                self.api_keys.entry(key).or_default()
            }
        };
        if let Some(refuse) = change.refuse {
            scope.refuse = refuse;
            scope.count = change.count;
        }
        scope.mute = change.mute.unwrap_or(scope.mute);
        scope.freeze = change.freeze.unwrap_or(scope.freeze);
        scope.conflate = change.conflate.unwrap_or(scope.conflate);
        if let Some(linger) = change.linger {
            scope.linger = linger.filter(|seconds| *seconds > 0);
        }
        self.api_keys.retain(|_, scope| *scope != Scope::default());
        Ok(())
    }

    /// The status of the answer to an upgrade of `api_key`, if it is to be refused. Counts the
    /// refusal.
    pub fn refuse(&mut self, api_key: &str) -> Option<u16> {
        self.api_keys
            .get_mut(api_key)
            .and_then(Scope::take_refusal)
            .or_else(|| self.all.take_refusal())
    }

    /// Whether connections of `api_key` get no packets.
    #[must_use]
    pub fn mutes(&self, api_key: &str) -> bool {
        self.scopes(api_key).any(|scope| scope.mute || scope.freeze)
    }

    /// Whether connections of `api_key` get nothing, not even heartbeats.
    #[must_use]
    pub fn freezes(&self, api_key: &str) -> bool {
        self.scopes(api_key).any(|scope| scope.freeze)
    }

    /// How long an ended connection of `api_key` keeps its place.
    #[must_use]
    pub fn linger(&self, api_key: &str) -> Duration {
        let seconds = self.scopes(api_key).filter_map(|scope| scope.linger).max();
        Duration::from_secs(u64::from(seconds.unwrap_or(0)))
    }

    /// How many ticks of a hundred each connection of `api_key` does not get.
    #[must_use]
    pub fn conflates(&self, api_key: &str) -> u8 {
        let shares = self.scopes(api_key).map(|scope| scope.conflate);
        shares.max().unwrap_or_default()
    }

    /// The fault of the instruments list.
    #[must_use]
    pub const fn instruments(&self) -> Option<InstrumentsFault> {
        self.instruments
    }

    fn scopes(&self, api_key: &str) -> impl Iterator<Item = &Scope> {
        self.api_keys.get(api_key).into_iter().chain([&self.all])
    }
}

impl Scope {
    fn take_refusal(&mut self) -> Option<u16> {
        let status = self.refuse?;
        match &mut self.count {
            None => {}
            Some(left @ 2..) => *left -= 1,
            Some(_) => (self.refuse, self.count) = (None, None),
        }
        Some(status)
    }
}

/// Distinguishes a member that is null from an absent one.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(faults: &mut Faults, json: &str) -> Result<(), FaultError> {
        faults.apply(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_refusal_ends_after_its_count() {
        let mut faults = Faults::default();
        change(
            &mut faults,
            r#"{"refuse": 429, "count": 2, "api_key": "a"}"#,
        )
        .unwrap();
        assert_eq!(faults.refuse("b"), None);
        let answers = [(); 3].map(|()| faults.refuse("a"));
        assert_eq!(answers, [Some(429), Some(429), None]);
    }

    #[test]
    fn absent_members_leave_faults_and_null_ends_them() {
        let mut faults = Faults::default();
        change(
            &mut faults,
            r#"{"refuse": 403, "mute": true, "instruments": "html502"}"#,
        )
        .unwrap();
        change(&mut faults, r#"{"freeze": true}"#).unwrap();
        assert!(faults.mutes("x") && faults.freezes("x"));
        assert_eq!(
            (faults.refuse("x"), faults.instruments()),
            (Some(403), Some(InstrumentsFault::Html502))
        );
        change(
            &mut faults,
            r#"{"refuse": null, "mute": false, "freeze": false, "instruments": null}"#,
        )
        .unwrap();
        assert!(!faults.mutes("x"));
        assert_eq!((faults.refuse("x"), faults.instruments()), (None, None));
    }

    #[test]
    fn a_success_is_no_refusal() {
        let mut faults = Faults::default();
        assert_eq!(
            change(&mut faults, r#"{"refuse": 200}"#),
            Err(FaultError::Status)
        );
    }

    #[test]
    fn some_ticks_always_come() {
        let mut faults = Faults::default();
        assert_eq!(
            change(&mut faults, r#"{"conflate": 100}"#),
            Err(FaultError::Conflation)
        );
        change(&mut faults, r#"{"conflate": 40, "api_key": "a"}"#).unwrap();
        assert_eq!((faults.conflates("a"), faults.conflates("b")), (40, 0));
    }
}
