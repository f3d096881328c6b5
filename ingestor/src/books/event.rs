//! Events for back ends: what happened to an instrument, a connection or the credentials.
//!
//! Owns their JSON and which channels they go to. Pure; the time is an argument.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Books, Listing};

/// Something that readers are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    kind: &'static str,
    /// Members of its own, as text: thousands may wait, and a tree takes five times as much.
    members: String,
    /// Prefixes whose readers it concerns.
    prefixes: Vec<Arc<str>>,
}

/// An event as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The channels, each once.
    pub channels: Vec<String>,
    /// Key of the stream that takes it too.
    pub log: String,
    /// When it happened, epoch milliseconds.
    pub millis: i64,
    /// The JSON.
    pub json: String,
}

impl Event {
    /// An event of this kind with these members.
    #[must_use]
    pub fn new(kind: &'static str, members: &Value, prefixes: &[Arc<str>]) -> Self {
        Self {
            kind,
            members: members.to_string(),
            prefixes: prefixes.to_vec(),
        }
    }

    pub(super) fn created(token: u32, listing: &Listing, prefixes: &[Arc<str>]) -> Self {
        Self::new("subscription_created", &about(token, listing), prefixes)
    }

    pub(super) fn deleted(token: u32, listing: &Listing, prefixes: &[Arc<str>]) -> Self {
        Self::new("subscription_deleted", &about(token, listing), prefixes)
    }

    /// What differs in what a contract is; `None` where only who streams it, or how, is another.
    pub(super) fn changed(
        token: u32,
        before: &Listing,
        now: &Listing,
        prefixes: &[Arc<str>],
    ) -> Option<Self> {
        let (old, new) = (terms(before), terms(now));
        let differing: Map<String, Value> = new
            .into_iter()
            .zip(old)
            .filter(|((_, new), (_, old))| new != old)
            .map(|((name, new), (_, old))| (name.to_owned(), json!({"old": old, "new": new})))
            .collect();
        if differing.is_empty() {
            return None;
        }
        let mut members = about(token, now);
        members["changed"] = Value::Object(differing);
        Some(Self::new("instrument_changed", &members, prefixes))
    }

    /// How it goes out at `ts`, epoch seconds.
    #[must_use]
    pub fn announce(&self, books: &Books, ts: i64) -> Announcement {
        let mut json = json!({
            "event_type": self.kind,
            "ts": ts,
            "is_mock": books.account.mock,
            "account_id": books.account.name,
        });
        let members = serde_json::from_str(&self.members);
        if let (Value::Object(all), Ok(Value::Object(members))) = (&mut json, members) {
            if let Some(namespace) = &books.account.namespace {
                all.insert("namespace".to_owned(), namespace.as_str().into());
            }
            all.extend(members);
        }
        let start = books.key_start();
        let everybody = format!("{start}ticker:events");
        let own = self
            .prefixes
            .iter()
            .map(|prefix| format!("{start}{prefix}:events"));
        let mut channels: Vec<String> = own.filter(|channel| *channel != everybody).collect();
        channels.push(everybody.clone());
        Announcement {
            channels,
            log: format!("{everybody}:log"),
            millis: ts * 1_000,
            json: json.to_string(),
        }
    }
}

/// What a contract is, beyond its token.
fn terms(listing: &Listing) -> [(&'static str, Value); 3] {
    [
        ("lot_size", listing.lot_size.into()),
        ("tick_size", listing.tick_size.into()),
        ("tradingsymbol", listing.tradingsymbol.as_str().into()),
    ]
}

fn about(token: u32, listing: &Listing) -> Value {
    json!({
        "instrument_token": token,
        "metadata": {
            "tradingsymbol": listing.tradingsymbol,
            "symbol": listing.symbol,
            "exchange": listing.exchange,
            "expiry": listing.expiry,
            "strike": listing.strike,
            "type": listing.kind,
        },
    })
}
