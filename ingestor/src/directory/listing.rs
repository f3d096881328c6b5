//! The listing of one account: what the directory of streaming instruments has to say, and what
//! changed against what it says.
//!
//! Owns the directory's rows and who may change which. Pure; must not know Redis beyond the names
//! of keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Assignment;
use contract::assignment::Account;
use serde_json::{Map, Value, json};

use super::row::DirectoryRow;
use crate::events::message::EventBody;
use crate::last_value::keys::{key_start, prefix_of};
use redis_link::target::Target;

/// What one account streams, as the directory says it.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryListing {
    /// Whose.
    pub(crate) account: Account,
    /// Where.
    pub(crate) target: Target,
    /// Rows by token: those of which something is kept.
    pub(crate) entries: BTreeMap<u32, DirectoryEntry>,
    /// Prefixes of all channels.
    pub(crate) prefixes: Vec<Arc<str>>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryEntry {
    /// As it stands in the directory.
    pub(crate) json: String,
    /// Prefixes of the channels it is published on.
    pub(crate) prefixes: Vec<Arc<str>>,
}

/// Rows of the directory to write, each with what readers are to be told of it.
pub(crate) type Difference = Vec<(u32, Option<EventBody>)>;

impl DirectoryListing {
    /// The listing that an assignment makes.
    #[must_use]
    pub(crate) fn new(assignment: &Assignment, target: Target) -> Self {
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
            let json = DirectoryRow::new(row, assignment).to_json();
            (
                row.token.0,
                DirectoryEntry {
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
    pub(crate) const fn key_start(&self) -> &'static str {
        key_start(self.account.mock)
    }

    /// Key of the directory.
    #[must_use]
    pub(crate) fn directory(&self) -> String {
        format!("{}ticker:instruments", self.key_start())
    }

    /// Key of the newest ticks under a prefix.
    #[must_use]
    pub(crate) fn last(&self, prefix: &str) -> String {
        format!("{}{prefix}:last", self.key_start())
    }

    /// Whether a row of the directory is this account's to change.
    #[must_use]
    pub(crate) fn owns(&self, row: &DirectoryRow) -> bool {
        row.account == self.account.name && row.namespace == self.account.namespace
    }

    /// Compares with what the directory says of the tokens in `found`; rows that nobody can read
    /// are as good as none. Restarts and moves from account to account are no news: only what was
    /// not listed before is created.
    #[must_use]
    pub(crate) fn difference(&self, found: &BTreeMap<u32, Option<String>>) -> Difference {
        let mut difference = Difference::new();
        for (token, text) in found {
            let Some(entry) = self.entries.get(token) else {
                continue;
            };
            if text.as_ref() == Some(&entry.json) {
                continue;
            }
            let listed = text.as_deref().and_then(DirectoryRow::parse);
            let now = DirectoryRow::parse(&entry.json);
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
    pub(crate) fn removal(&self, token: u32, text: &str) -> Option<EventBody> {
        let row = DirectoryRow::parse(text).filter(|row| self.owns(row))?;
        if self.entries.contains_key(&token) {
            return None;
        }
        let prefix = prefix_of(&row.channel).into();
        Some(deleted(token, &row, &[prefix]))
    }
}

fn created(token: u32, row: &DirectoryRow, prefixes: &[Arc<str>]) -> EventBody {
    EventBody::new("subscription_created", &row.members(token), prefixes)
}

fn deleted(token: u32, row: &DirectoryRow, prefixes: &[Arc<str>]) -> EventBody {
    EventBody::new("subscription_deleted", &row.members(token), prefixes)
}

/// What differs in what a contract is; `None` where only who streams it, or how, is another.
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
