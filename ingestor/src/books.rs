//! The books of one account: what the directory of streaming instruments has to say, and what
//! changed against what it says.
//!
//! Owns the directory's rows and who may change which. Pure; must not know Redis beyond the names
//! of keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Assignment;
use contract::assignment::Account;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::events::message::EventBody;
use crate::last_value::keys::{key_start, prefix_of};
use crate::redis::target::Target;

/// What one account streams, as the directory says it.
#[derive(Clone, Debug)]
pub struct Books {
    /// Whose.
    pub account: Account,
    /// Where.
    pub target: Target,
    /// Rows by token: those of which something is kept.
    pub entries: BTreeMap<u32, Entry>,
    /// Prefixes of all channels.
    pub prefixes: Vec<Arc<str>>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it stands in the directory.
    pub json: String,
    /// Prefixes of the channels it is published on.
    pub prefixes: Vec<Arc<str>>,
}

/// What a row of the directory says, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    symbol: String,
    tradingsymbol: String,
    segment: String,
    exchange: String,
    strike: Option<f64>,
    expiry: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    lot_size: Option<u32>,
    tick_size: Option<f64>,
    channel: String,
    set: String,
    /// Who streams it.
    account: String,
    namespace: Option<String>,
    mode: String,
}

/// Rows of the directory to write, each with what readers are to be told of it.
pub type Difference = Vec<(u32, Option<EventBody>)>;

impl Books {
    /// The books that an assignment makes.
    #[must_use]
    pub fn new(assignment: &Assignment, target: Target) -> Self {
        let prefixes: BTreeMap<&str, Arc<str>> = assignment
            .channels
            .iter()
            .map(|channel| prefix_of(channel))
            .map(|prefix| (prefix, prefix.into()))
            .collect();
        let is_kept = |output: &contract::Output| {
            let keep = output
                .keep
                .and_then(|keep| assignment.keeps.get(usize::from(keep)));
            keep.is_some_and(|keep| keep.last.is_some())
        };
        let kept = assignment.instruments.iter();
        let kept = kept.filter(|row| row.outputs.iter().any(is_kept));
        let entries = kept.map(|row| {
            let channels = row
                .outputs
                .iter()
                .map(|output| assignment.channels[usize::from(output.channel)].as_str());
            let mut own: Vec<Arc<str>> = channels
                .filter_map(|channel| prefixes.get(prefix_of(channel)).cloned())
                .collect();
            own.sort_unstable();
            own.dedup();
            let json = Listing::new(row, assignment).to_json();
            (
                row.token.0,
                Entry {
                    json,
                    prefixes: own,
                },
            )
        });
        Self {
            account: assignment.account.clone(),
            target,
            entries: entries.collect(),
            prefixes: prefixes.into_values().collect(),
        }
    }

    /// What every key and events channel begins with.
    #[must_use]
    pub const fn key_start(&self) -> &'static str {
        key_start(self.account.mock)
    }

    /// Key of the directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("{}ticker:instruments", self.key_start())
    }

    /// Key of the newest ticks under a prefix.
    #[must_use]
    pub fn last(&self, prefix: &str) -> String {
        format!("{}{prefix}:last", self.key_start())
    }

    /// Whether a row of the directory is this account's to change.
    #[must_use]
    pub fn owns(&self, listing: &Listing) -> bool {
        listing.account == self.account.name && listing.namespace == self.account.namespace
    }

    /// Compares with what the directory says of the tokens in `found`; rows that nobody can read
    /// are as good as none. Restarts and moves from account to account are no news: only what was
    /// not listed before is created.
    #[must_use]
    pub fn difference(&self, found: &BTreeMap<u32, Option<String>>) -> Difference {
        let mut difference = Difference::new();
        for (token, text) in found {
            let Some(entry) = self.entries.get(token) else {
                continue;
            };
            if text.as_ref() == Some(&entry.json) {
                continue;
            }
            let listed = text.as_deref().and_then(Listing::parse);
            let now = Listing::parse(&entry.json);
            let event = match (listed, now) {
                (None, Some(now)) => Some(created(*token, &now, &entry.prefixes)),
                (Some(before), Some(now)) => changed(*token, &before, &now, &entry.prefixes),
                (_, None) => None,
            };
            difference.push((*token, event));
        }
        difference
    }

    /// What is to be told of a row that leaves the directory, if it is this account's to remove.
    #[must_use]
    pub fn removal(&self, token: u32, text: &str) -> Option<EventBody> {
        let listing = Listing::parse(text).filter(|listing| self.owns(listing))?;
        if self.entries.contains_key(&token) {
            return None;
        }
        let prefix = prefix_of(&listing.channel).into();
        Some(deleted(token, &listing, &[prefix]))
    }
}

impl Listing {
    fn new(row: &contract::Row, assignment: &Assignment) -> Self {
        let channel = row.outputs.first();
        let channel = channel.map(|output| &assignment.channels[usize::from(output.channel)]);
        let set = row.sets.first();
        let set = set.map(|set| &assignment.sets[usize::from(*set)]);
        Self {
            symbol: row.symbol.clone(),
            tradingsymbol: row.tradingsymbol.clone(),
            segment: row.segment.clone(),
            exchange: row.exchange.clone(),
            strike: row.strike,
            expiry: row.expiry.map(|day| day.to_string()),
            kind: row.instrument_type.as_str().to_owned(),
            lot_size: row.lot_size,
            tick_size: row.tick_size,
            channel: channel.cloned().unwrap_or_default(),
            set: set.cloned().unwrap_or_default(),
            account: assignment.account.name.clone(),
            namespace: assignment.account.namespace.clone(),
            mode: row.mode.as_str().to_owned(),
        }
    }

    /// Reads a row; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Prefix of the channel it is published on.
    #[must_use]
    pub fn prefix(&self) -> &str {
        prefix_of(&self.channel)
    }

    #[expect(
        clippy::expect_used,
        reason = "strings and numbers always serialise into memory"
    )]
    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data serialises")
    }
}

fn created(token: u32, listing: &Listing, prefixes: &[Arc<str>]) -> EventBody {
    EventBody::new("subscription_created", &about(token, listing), prefixes)
}

fn deleted(token: u32, listing: &Listing, prefixes: &[Arc<str>]) -> EventBody {
    EventBody::new("subscription_deleted", &about(token, listing), prefixes)
}

/// What differs in what a contract is; `None` where only who streams it, or how, is another.
fn changed(
    token: u32,
    before: &Listing,
    now: &Listing,
    prefixes: &[Arc<str>],
) -> Option<EventBody> {
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
    Some(EventBody::new("instrument_changed", &members, prefixes))
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

#[cfg(test)]
mod tests;
