//! Events as published messages.
//!
//! Owns their JSON and their channels. Pure; the time is an argument. Who is silenced says
//! [`super::audience`].

use std::sync::Arc;

use contract::assignment::Account;
use serde_json::{Value, json};

use super::audience::Audience;
use crate::last_value::keys::key_start;

/// An event for readers, without its time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventBody {
    kind: &'static str,
    /// Its own members, as text: thousands may wait, and a JSON tree takes five times as much
    /// memory.
    members: String,
    /// Prefixes of the readers that it concerns.
    prefixes: Vec<Arc<str>>,
}

/// An event as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventMessage {
    /// The channels, each once.
    pub(crate) channels: Vec<String>,
    /// Key of the stream to which it is added too, if everybody is told.
    pub(crate) log: Option<String>,
    /// The JSON.
    pub(crate) json: String,
}

impl EventBody {
    /// An event of this kind with these members.
    #[must_use]
    pub(crate) fn new(kind: &'static str, members: &Value, prefixes: &[Arc<str>]) -> Self {
        Self {
            kind,
            members: members.to_string(),
            prefixes: prefixes.to_vec(),
        }
    }

    /// The message of `account` for `audience` at `ts`, epoch seconds.
    #[must_use]
    pub(crate) fn message(&self, account: &Account, audience: &Audience, ts: i64) -> EventMessage {
        let mut json = json!({
            "event_type": self.kind,
            "ts": ts,
            "is_mock": account.mock,
            "account_id": account.name,
        });
        let members = serde_json::from_str(&self.members);
        if let (Value::Object(all), Ok(Value::Object(members))) = (&mut json, members) {
            if let Some(namespace) = &account.namespace {
                all.insert("namespace".to_owned(), namespace.as_str().into());
            }
            all.extend(members);
        }
        let start = key_start(account.mock);
        let everybody = format!("{start}ticker:events");
        let prefixes = self.prefixes.iter();
        let prefixes = prefixes.filter(|prefix| audience.is_told(prefix));
        let own = prefixes.map(|prefix| format!("{start}{prefix}:events"));
        let mut channels: Vec<String> = own.filter(|channel| *channel != everybody).collect();
        let log = audience.everybody.then(|| format!("{everybody}:log"));
        channels.extend(audience.everybody.then_some(everybody));
        EventMessage {
            channels,
            log,
            json: json.to_string(),
        }
    }
}
