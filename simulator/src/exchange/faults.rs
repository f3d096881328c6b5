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
    /// Only for connections and requests of this API key; absent means all. The instruments list knows no API keys.
    #[serde(default)]
    api_key: Option<String>,
    /// Status of answers to upgrades.
    #[serde(default, deserialize_with = "present")]
    refuse: Option<Option<u16>>,
    /// The answer of `/instruments`.
    #[serde(default, deserialize_with = "present")]
    instruments: Option<Option<RestFault>>,
    /// The answer of `POST /session/token`. The request token stays good.
    #[serde(default, deserialize_with = "present")]
    session: Option<Option<RestFault>>,
    /// The answer of `/user/profile`.
    #[serde(default, deserialize_with = "present")]
    profile: Option<Option<RestFault>>,
    /// After this many answers each fault above that the same change begins ends by itself.
    #[serde(default)]
    count: Option<u32>,
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

/// A fault of a REST route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestFault {
    /// A load balancer's page with status 502.
    Html502,
    /// No answer for a minute, then a load balancer's page with status 504.
    Hang,
    /// 503: Kite cannot reach what is behind it.
    NetworkException,
    /// 429: more requests than are allowed.
    TooManyRequests,
}

/// What a fault answers, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct CountedFault<T> {
    answer: T,
    /// The fault ends after this many answers; without a number it stays until it is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
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
    refuse: Option<CountedFault<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<CountedFault<RestFault>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<CountedFault<RestFault>>,
    mute: bool,
    freeze: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    linger: Option<u32>,
    conflate: u8,
}

/// The active faults.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Faults {
    instruments: Option<CountedFault<RestFault>>,
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
        let scope = match change.api_key {
            None => &mut self.all,
            Some(key) => {
                if self.api_keys.len() >= MAX_KEYS && !self.api_keys.contains_key(&key) {
                    return Err(FaultError::TooMany);
                }
                self.api_keys.entry(key).or_default()
            }
        };
        replace(&mut scope.refuse, change.refuse, change.count);
        replace(&mut scope.session, change.session, change.count);
        replace(&mut scope.profile, change.profile, change.count);
        scope.mute = change.mute.unwrap_or(scope.mute);
        scope.freeze = change.freeze.unwrap_or(scope.freeze);
        scope.conflate = change.conflate.unwrap_or(scope.conflate);
        if let Some(linger) = change.linger {
            scope.linger = linger.filter(|seconds| *seconds > 0);
        }
        replace(&mut self.instruments, change.instruments, change.count);
        self.api_keys.retain(|_, scope| *scope != Scope::default());
        Ok(())
    }

    /// The status of the answer to an upgrade of `api_key`, if it is to be refused. Counts the
    /// refusal.
    pub fn refuse(&mut self, api_key: &str) -> Option<u16> {
        self.take(api_key, |scope| &mut scope.refuse)
    }

    /// The fault of the answer to a session exchange of `api_key`. Counts the answer.
    pub fn session(&mut self, api_key: &str) -> Option<RestFault> {
        self.take(api_key, |scope| &mut scope.session)
    }

    /// The fault of the answer to a request for the profile with `api_key`. Counts the answer.
    pub fn profile(&mut self, api_key: &str) -> Option<RestFault> {
        self.take(api_key, |scope| &mut scope.profile)
    }

    /// The fault of the answer to a request for the instruments list. Counts the answer.
    pub fn instruments(&mut self) -> Option<RestFault> {
        take(&mut self.instruments)
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

    /// The fault of an API key, or else that of all.
    fn take<T: Copy>(
        &mut self,
        api_key: &str,
        fault: impl Fn(&mut Scope) -> &mut Option<CountedFault<T>>,
    ) -> Option<T> {
        let own = self.api_keys.get_mut(api_key);
        own.and_then(|scope| take(fault(scope)))
            .or_else(|| take(fault(&mut self.all)))
    }

    fn scopes(&self, api_key: &str) -> impl Iterator<Item = &Scope> {
        self.api_keys.get(api_key).into_iter().chain([&self.all])
    }
}

/// Begins or ends a fault that a change names.
fn replace<T>(fault: &mut Option<CountedFault<T>>, change: Option<Option<T>>, count: Option<u32>) {
    if let Some(answer) = change {
        *fault = answer.map(|answer| CountedFault { answer, count });
    }
}

/// What an active fault answers; after its last answer it ends.
fn take<T: Copy>(fault: &mut Option<CountedFault<T>>) -> Option<T> {
    let CountedFault { answer, count } = fault.as_mut()?;
    let answer = *answer;
    match count {
        None => {}
        Some(left @ 2..) => *left -= 1,
        Some(_) => *fault = None,
    }
    Some(answer)
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
            (Some(403), Some(RestFault::Html502))
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
    fn faults_of_rest_routes_are_counted_by_route_and_api_key() {
        let mut faults = Faults::default();
        let once = r#"{"session": "network_exception", "profile": "too_many_requests", "count": 1, "api_key": "a"}"#;
        change(&mut faults, once).unwrap();
        change(&mut faults, r#"{"profile": "html502"}"#).unwrap();
        assert_eq!((faults.session("b"), faults.instruments()), (None, None));
        let sessions = [(); 2].map(|()| faults.session("a"));
        assert_eq!(sessions, [Some(RestFault::NetworkException), None]);
        let profiles = [(); 3].map(|()| faults.profile("a"));
        let all = Some(RestFault::Html502);
        assert_eq!(profiles, [Some(RestFault::TooManyRequests), all, all]);
        change(
            &mut faults,
            r#"{"profile": null, "instruments": "hang", "count": 2}"#,
        )
        .unwrap();
        assert_eq!(faults.profile("a"), None);
        let lists = [(); 3].map(|()| faults.instruments());
        assert_eq!(lists, [Some(RestFault::Hang), Some(RestFault::Hang), None]);
    }

    #[test]
    fn active_faults_are_shown_with_what_is_left_of_them() {
        let mut faults = Faults::default();
        change(
            &mut faults,
            r#"{"refuse": 429, "session": "hang", "count": 2}"#,
        )
        .unwrap();
        assert_eq!(faults.refuse("a"), Some(429));
        let shown = serde_json::to_value(&faults).unwrap();
        assert_eq!(
            shown["all"]["refuse"],
            serde_json::json!({"answer": 429, "count": 1})
        );
        assert_eq!(
            shown["all"]["session"],
            serde_json::json!({"answer": "hang", "count": 2})
        );
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
