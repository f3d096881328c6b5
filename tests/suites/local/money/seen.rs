//! What a reader of Redis, the table and the state folder show, beside what is expected.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{Local, RedisServer};

use super::expected::{Assigned, Expected};

/// What is seen of one state.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// The rows of `ticker:instruments`: tokens and names.
    pub(super) directory: BTreeMap<u32, String>,
    pub(super) assigned: BTreeMap<u32, Assigned>,
    references: BTreeSet<u32>,
    /// Of each set in the table: streaming and selected instruments.
    counts: BTreeMap<&'static str, String>,
}

/// An instrument came or went.
#[derive(Clone, Debug)]
pub(super) struct SubscriptionEvent {
    /// `created` or `deleted`, and the token.
    pub(super) change: (String, u32),
    /// In whole seconds.
    pub(super) at: i64,
}

impl Seen {
    pub(super) fn wanted(expected: &Expected) -> Self {
        Self {
            directory: expected.directory(),
            assigned: expected.assigned(),
            references: expected.references.clone(),
            counts: expected.counts(),
        }
    }

    pub(super) async fn now(redis: &RedisServer, local: &Local, account: &str) -> Result<Self> {
        let assignment = local.sealed(account)?.open()?;
        let references = assignment.instruments.iter().filter(|row| row.reference);
        let published = assignment.instruments.iter();
        let published = published.filter(|row| !row.outputs.is_empty());
        let assigned = published.map(|row| {
            let sets = row.sets.iter();
            let sets = sets.map(|set| assignment.sets[usize::from(*set)].clone());
            let retained = row.retained;
            let sets = sets.collect();
            (row.token.0, Assigned { sets, retained })
        });
        let counts = ["kept", "dropped", "week"].map(|name| {
            let count = local.row(name).and_then(|row| row.get(4).cloned());
            (name, count.unwrap_or_default())
        });
        Ok(Self {
            directory: directory(redis).await?,
            assigned: assigned.collect(),
            references: references.map(|row| row.token.0).collect(),
            counts: BTreeMap::from(counts),
        })
    }

    /// What differs, for people.
    pub(super) fn unlike(&self, wanted: &Self) -> String {
        let differing = |a: &Self, b: &Self| -> Vec<String> {
            let rows = a.directory.iter();
            let rows = rows.filter(|(token, name)| b.directory.get(token) != Some(name));
            rows.map(|(_, name)| name.clone()).collect()
        };
        let rows = self.assigned.iter();
        let rows: Vec<_> = rows
            .filter(|(token, it)| wanted.assigned.get(token) != Some(it))
            .take(3)
            .collect();
        format!(
            "missing {:?}, needless {:?}; {:?} of {:?}; references {:?} of {:?}; {} rows of {}, wrong {rows:?}",
            differing(wanted, self),
            differing(self, wanted),
            self.counts,
            wanted.counts,
            self.references,
            wanted.references,
            self.assigned.len(),
            wanted.assigned.len(),
        )
    }
}

async fn directory(redis: &RedisServer) -> Result<BTreeMap<u32, String>> {
    let mut connection = redis.connection().await?;
    let mut all = redis::cmd("HGETALL");
    let all = all.arg("ticker:instruments");
    let all: BTreeMap<u32, String> = all.query_async(&mut connection).await?;
    let names = all.into_iter().map(|(token, row)| {
        let row: Value = serde_json::from_str(&row)?;
        let name = row["tradingsymbol"].as_str().context("no name")?;
        Ok((token, name.to_owned()))
    });
    names.collect()
}

/// All events of instruments that came or went, in their order.
pub(super) async fn subscription_events(redis: &RedisServer) -> Result<Vec<SubscriptionEvent>> {
    let mut connection = redis.connection().await?;
    let mut range = redis::cmd("XRANGE");
    let range = range.arg("ticker:events:log").arg("-").arg("+");
    let entries: Vec<(String, Vec<String>)> = range.query_async(&mut connection).await?;
    let events = entries.iter().map(|(_, fields)| -> Result<_> {
        let event = fields.get(1).context("an entry without a field")?;
        Ok(subscription(&serde_json::from_str(event)?))
    });
    let events: Vec<Option<SubscriptionEvent>> = events.collect::<Result<_>>()?;
    Ok(events.into_iter().flatten().collect())
}

fn subscription(event: &Value) -> Option<SubscriptionEvent> {
    let kind = event["event_type"].as_str()?;
    let kind = kind.strip_prefix("subscription_")?.to_owned();
    let token = u32::try_from(event["instrument_token"].as_u64()?).ok()?;
    let (change, at) = ((kind, token), event["ts"].as_i64()?);
    Some(SubscriptionEvent { change, at })
}
