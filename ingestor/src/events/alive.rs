//! Alive: the sign of life that readers get while nothing ticks.
//!
//! Owns what it says, its channel and its key, and when it counts as out of date. Pure; times are
//! arguments. It is not an event that happened: it is never queued and never logged.

use std::time::{Duration, Instant};

use contract::assignment::Account;
use serde_json::json;

use super::audience::Audience;
use super::message::EventBody;
use crate::last_value::keys::key_start;

/// How often readers get it. Readers of a quiet channel take three that are missing for a
/// connection that is dead.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// After how many seconds without another one its key expires.
pub(crate) const TTL_S: u64 = 30;

/// The data plane describes itself about once a second. A description that is older than this is
/// not passed on, because the sockets may be unattended.
const OUT_OF_DATE: Duration = Duration::from_secs(5);

/// The state of an account's streaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AliveState {
    /// Sockets to Kite that are up.
    pub(crate) live: usize,
    /// Sockets that its instruments need.
    pub(crate) needed: usize,
    /// Instruments assigned of which readers get ticks.
    pub(crate) assigned: usize,
    /// When the newest tick arrived, epoch seconds, if one has.
    pub(crate) last_tick_ts: Option<i64>,
    /// When this was so.
    pub(crate) at: Instant,
}

/// A sign of life as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AliveMessage {
    /// Its channel, unless the account's events are silenced.
    pub(crate) channel: Option<String>,
    /// Its key.
    pub(crate) key: String,
    /// The JSON of both.
    pub(crate) json: String,
}

impl AliveState {
    /// Whether it still describes the present.
    #[must_use]
    pub(crate) fn is_current(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < OUT_OF_DATE
    }

    /// The message of `account` for `audience` at `ts`, epoch seconds.
    #[must_use]
    pub(crate) fn message(&self, account: &Account, audience: &Audience, ts: i64) -> AliveMessage {
        let members = json!({
            "live": self.live,
            "needed": self.needed,
            "assigned": self.assigned,
            "last_tick_ts": self.last_tick_ts,
        });
        let event = EventBody::new("alive", &members, &[]).message(account, audience, ts);
        AliveMessage {
            channel: event.channels.into_iter().next(),
            key: key(account),
            json: event.json,
        }
    }
}

/// Two namespaces may have accounts of one name.
fn key(account: &Account) -> String {
    let start = key_start(account.mock);
    let namespace = account.namespace.as_deref();
    let namespace = namespace.map_or_else(String::new, |namespace| format!("{namespace}:"));
    format!("{start}ticker:alive:{namespace}{}", account.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::instruments::tests::sample;

    fn state() -> AliveState {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let at = Instant::now();
        AliveState {
            live: 1,
            needed: 2,
            assigned: 4_500,
            last_tick_ts: None,
            at,
        }
    }

    #[test]
    fn the_key_tells_accounts_of_one_name_apart_and_mock_ones_from_real_ones() {
        let mut assignment = sample();
        let audience = Audience::new(&assignment);
        let account = &mut assignment.account;
        let message = state().message(account, &audience, 7);
        assert_eq!(message.channel.as_deref(), Some("ticker:events"));
        assert_eq!(message.key, "ticker:alive:acct-a");
        (account.namespace, account.mock) = (Some("trading".to_owned()), true);
        let message = state().message(account, &audience, 7);
        assert_eq!(message.channel.as_deref(), Some("mock:ticker:events"));
        assert_eq!(message.key, "mock:ticker:alive:trading:acct-a");
        let json: serde_json::Value = serde_json::from_str(&message.json).unwrap();
        let expected = json!({
            "event_type": "alive", "ts": 7, "is_mock": true, "account_id": "acct-a",
            "namespace": "trading", "live": 1, "needed": 2, "assigned": 4_500, "last_tick_ts": null,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn an_account_without_events_keeps_its_key() {
        let mut assignment = sample();
        assignment.events = false;
        let audience = Audience::new(&assignment);
        let message = state().message(&assignment.account, &audience, 7);
        assert_eq!(message.channel, None);
        assert_eq!(message.key, "ticker:alive:acct-a");
    }

    #[test]
    fn a_data_plane_that_stands_still_is_not_alive() {
        let state = state();
        assert!(state.is_current(state.at + Duration::from_secs(4)));
        assert!(!state.is_current(state.at + Duration::from_secs(5)));
    }
}
