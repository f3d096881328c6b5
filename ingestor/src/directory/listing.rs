//! The listing of one account: its desired rows of the directory of streaming instruments, and how
//! the directory differs.
//!
//! Owns the directory's rows, which account may change which row, and whose readers are told. Pure;
//! must not know Redis beyond the names of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::Assignment;
use contract::assignment::{Account, prefix_of};
use serde_json::{Map, Value, json};

use super::row::DirectoryRow;
use crate::events::audience::Audience;
use crate::events::message::EventBody;
use crate::last_value::keys::{key_start, price_key};
use redis_link::target::Target;

/// What one account streams, as rows of the directory.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryListing {
    /// The account.
    pub(crate) account: Account,
    /// Which readers are told of its events.
    pub(crate) audience: Audience,
    /// The Redis.
    pub(crate) target: Target,
    /// Rows by token, for instruments with keys in Redis.
    pub(crate) entries: BTreeMap<u32, DirectoryEntry>,
    /// Prefixes of all channels.
    pub(crate) prefixes: Vec<Arc<str>>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryEntry {
    /// The row's JSON.
    pub(crate) json: String,
    /// Prefixes of the channels on which it is published.
    pub(crate) prefixes: Vec<Arc<str>>,
}

/// Rows of the directory to write, each with the event for readers.
pub(crate) type Difference = Vec<(u32, Option<EventBody>)>;

impl DirectoryListing {
    /// Makes the listing of an assignment.
    #[must_use]
    pub(crate) fn new(assignment: &Assignment, target: Target) -> Self {
        let prefixes = assignment.channels.iter().map(|channel| prefix_of(channel));
        let prefixes: BTreeMap<&str, Arc<str>> =
            prefixes.map(|prefix| (prefix, prefix.into())).collect();
        let is_kept = |output: &contract::Output| {
            let keep = output.keep.map(usize::from);
            let keep = keep.and_then(|keep| assignment.keeps.get(keep));
            keep.is_some_and(|keep| keep.last.is_some())
        };
        let kept = assignment.instruments.iter();
        let kept = kept.filter(|row| row.outputs.iter().any(is_kept) && assignment.lists(row));
        let entries = kept.map(|row| {
            let channels = row.outputs.iter().map(|output| usize::from(output.channel));
            let own: BTreeSet<Arc<str>> = channels
                .filter_map(|at| prefixes.get(prefix_of(&assignment.channels[at])).cloned())
                .collect();
            let entry = DirectoryEntry {
                json: DirectoryRow::new(row, assignment).to_json(),
                prefixes: own.into_iter().collect(),
            };
            (row.token.0, entry)
        });
        Self {
            account: assignment.account.clone(),
            audience: Audience::new(assignment),
            target,
            entries: entries.collect(),
            prefixes: prefixes.into_values().collect(),
        }
    }

    /// The prefix of every key and events channel.
    #[must_use]
    pub(crate) const fn key_start(&self) -> &'static str {
        key_start(self.account.mock)
    }

    /// Key of the directory.
    #[must_use]
    pub(crate) fn directory(&self) -> String {
        format!("{}ticker:instruments", self.key_start())
    }

    /// Key of the newest ticks of a prefix.
    #[must_use]
    pub(crate) fn last(&self, prefix: &str) -> String {
        format!("{}{prefix}:last", self.key_start())
    }

    /// The prefixes under which any of `tokens` is published; all prefixes if they have no keys in
    /// Redis.
    #[must_use]
    pub(crate) fn prefixes_of(&self, tokens: &[u32]) -> Vec<Arc<str>> {
        let entries = tokens.iter().filter_map(|token| self.entries.get(token));
        let found: BTreeSet<_> = entries.flat_map(|entry| &entry.prefixes).collect();
        if found.is_empty() {
            return self.prefixes.clone();
        }
        found.into_iter().cloned().collect()
    }

    /// Whether this account may change a row of the directory.
    #[must_use]
    pub(crate) fn owns(&self, row: &DirectoryRow) -> bool {
        self.is_account(&row.account, row.namespace.as_deref())
    }

    /// Whether this name and namespace, as readers see them, are of this account.
    pub(super) fn is_account(&self, name: &str, namespace: Option<&str>) -> bool {
        name == self.account.name && namespace == self.account.namespace.as_deref()
    }

    /// Whether another account wrote this row of the directory.
    pub(super) fn is_of_another(&self, text: Option<&str>) -> bool {
        let row = text.and_then(DirectoryRow::parse);
        row.is_some_and(|row| !self.owns(&row))
    }

    /// Compares with the rows of the directory in `found`; rows that cannot be read count as
    /// missing. Restarts and moves between accounts give no event: only an instrument that was not
    /// listed before is created.
    #[must_use]
    pub(crate) fn difference(&self, found: &BTreeMap<u32, Option<String>>) -> Difference {
        let wanted = found.iter().filter_map(|(token, text)| {
            let entry = self.entries.get(token)?;
            (text.as_ref() != Some(&entry.json)).then_some((*token, text, entry))
        });
        let difference = wanted.map(|(token, text, entry)| {
            let before = text.as_deref().and_then(DirectoryRow::parse);
            let event = DirectoryRow::parse(&entry.json).and_then(|now| match before {
                None => Some(told("subscription_created", token, &now, &entry.prefixes)),
                Some(before) => changed(token, &before, &now, &entry.prefixes),
            });
            (token, event)
        });
        difference.collect()
    }

    /// Price keys under names that instruments of this account had in the directory, and that none of them has now.
    #[must_use]
    pub(crate) fn former_price_keys(&self, found: &BTreeMap<u32, Option<String>>) -> Vec<String> {
        let renamed = found.iter().filter_map(|(token, text)| {
            let entry = self.entries.get(token)?;
            let before = DirectoryRow::parse(text.as_deref().filter(|it| *it != entry.json)?)?;
            let now = DirectoryRow::parse(&entry.json)?;
            (before.name() != now.name()).then(|| before.name())
        });
        let mut names: BTreeSet<String> = renamed.collect();
        if !names.is_empty() {
            for entry in self.entries.values() {
                if let Some(row) = DirectoryRow::parse(&entry.json) {
                    names.remove(&row.name());
                }
            }
        }
        let start = self.key_start();
        let keys = names.iter().map(|name| price_key(start, name));
        keys.collect()
    }

    /// The event for a row that leaves the directory, if this account may remove it.
    #[must_use]
    pub(crate) fn removal(&self, token: u32, text: &str) -> Option<EventBody> {
        let row = DirectoryRow::parse(text).filter(|row| self.owns(row))?;
        if self.entries.contains_key(&token) {
            return None;
        }
        let prefix = prefix_of(&row.channel).into();
        Some(told("subscription_deleted", token, &row, &[prefix]))
    }
}

fn told(kind: &'static str, token: u32, row: &DirectoryRow, prefixes: &[Arc<str>]) -> EventBody {
    EventBody::new(kind, &row.members(token), prefixes)
}

/// The differing properties of a contract; `None` if only the account or the way of streaming
/// differs.
fn changed(
    token: u32,
    before: &DirectoryRow,
    now: &DirectoryRow,
    prefixes: &[Arc<str>],
) -> Option<EventBody> {
    let (old, new) = (before.terms(), now.terms());
    let differing: Map<String, Value> = new
        .into_iter()
        .zip(old)
        .filter(|((_, new), (_, old))| new != old)
        .map(|((name, new), (_, old))| (name.to_owned(), json!({"old": old, "new": new})))
        .collect();
    if differing.is_empty() {
        return None;
    }
    let mut members = now.members(token);
    members["changed"] = Value::Object(differing);
    Some(EventBody::new("instrument_changed", &members, prefixes))
}

#[cfg(test)]
mod tests;
