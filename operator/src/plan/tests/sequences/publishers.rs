//! Who publishes a token on a channel of a Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::assignment::prefix_of;
use contract::{Assignment, MovePart, Row};
use crds::set::{FuturesChannel, Publish};
use kite::{InstrumentType, Token};

use super::Pass;
use super::invariants::{ensure, lying_there};
use crate::plan::*;

/// The publisher of a token on a channel of a Redis.
type Publishers<'a> = BTreeMap<(&'a str, &'a str, Token), BTreeSet<&'a Key>>;

/// No account becomes the second publisher of a token on a channel. Two earlier publishers, as
/// after a restored backup, are not caused by this plan.
pub(super) fn one_publisher(pass: &Pass<'_>) -> Result<(), String> {
    let mut before = Publishers::new();
    for account in &pass.plan.accounts {
        let target = account.assignment.assignment();
        let last = pass.before.and_then(|(_, plan)| decided(plan, account));
        for old in former(pass, account) {
            let target = target.map_or(&old.redis_url, |new| &new.redis_url);
            note(&mut before, &account.key, old, target, |_, _| false);
            // From its boundary on a taking account publishes; in a file that nobody planned an invented move may be anywhere.
            let is_planned = last.is_some_and(|last| last.moves == old.moves);
            for row in old.instruments.iter().filter(|row| row.move_at.is_some()) {
                let takes = old.move_of(row).filter(|it| it.part == MovePart::To);
                let is_past = takes.is_some_and(|it| it.boundary.is_some());
                if is_planned && !is_past {
                    continue;
                }
                for channel in channels(old, row) {
                    let what = (target.as_str(), channel, row.token);
                    before.entry(what).or_default().insert(&account.key);
                }
            }
        }
    }
    let mut after = Publishers::new();
    for account in &pass.plan.accounts {
        if let Some(new) = account.assignment.assignment() {
            let goes_on = |row: &Row, channel: &str| {
                let had = former(pass, account).any(|old| publishes(old, row.token, channel));
                had && !row.sets.is_empty() && !is_wanted(pass.observed, account, new, row, channel)
            };
            note(&mut after, &account.key, new, &new.redis_url, goes_on);
        }
    }
    for (what, publishers) in after.iter().filter(|(_, publishers)| publishers.len() > 1) {
        let known = before.get(what).is_some_and(|known| known.len() > 1);
        ensure(known, || format!("{what:?} is published by {publishers:?}"))?;
    }
    Ok(())
}

/// Whether an account goes on with an output for a set that has the instrument elsewhere.
pub(super) fn goes_on(observed: &Observed, plan: &Plan) -> bool {
    plan.accounts.iter().any(|account| {
        account.assignment.assignment().is_some_and(|assignment| {
            let rows = assignment.instruments.iter();
            let mut rows = rows.filter(|row| !row.sets.is_empty());
            rows.any(|row| {
                let mut all = channels(assignment, row);
                all.any(|channel| !is_wanted(observed, account, assignment, row, channel))
            })
        })
    })
}

/// Notes what an account publishes, unless it `goes_on` with it until another account has it.
fn note<'a>(
    to: &mut Publishers<'a>,
    key: &'a Key,
    assignment: &'a Assignment,
    target: &'a str,
    goes_on: impl Fn(&Row, &str) -> bool,
) {
    // What is handed over comes twice for a while, and says so; a boundary divides what moves.
    let alone = |row: &&Row| !row.handover && row.move_at.is_none();
    for row in assignment.instruments.iter().filter(alone) {
        for channel in channels(assignment, row) {
            if !goes_on(row, channel) {
                let what = (target, channel, row.token);
                to.entry(what).or_default().insert(key);
            }
        }
    }
}

fn channels<'a>(assignment: &'a Assignment, row: &'a Row) -> impl Iterator<Item = &'a str> {
    let outputs = row.outputs.iter();
    outputs.map(|output| assignment.channels[usize::from(output.channel)].as_str())
}

fn publishes(assignment: &Assignment, token: Token, channel: &str) -> bool {
    let mut rows = assignment.instruments.iter();
    let row = rows.find(|row| row.token == token);
    row.is_some_and(|row| channels(assignment, row).any(|it| it == channel))
}

/// Whether a set that the account has the row for publishes below the channel's prefix.
fn is_wanted(
    observed: &Observed,
    account: &AccountPlan,
    assignment: &Assignment,
    row: &Row,
    channel: &str,
) -> bool {
    let own = |meta: &Meta| {
        let mut names = row
            .sets
            .iter()
            .map(|set| &assignment.sets[usize::from(*set)]);
        meta.key.namespace == account.key.namespace && names.any(|name| *name == meta.key.name)
    };
    let prefix = prefix_of(channel);
    let prefix = prefix.strip_prefix("mock:").unwrap_or(prefix);
    let kind = channel.rsplit(':').next();
    let has_future = |publish: &Publish| match (row.instrument_type, publish.futures_channel) {
        (InstrumentType::Future, FuturesChannel::Futures) => kind != Some("options"),
        (InstrumentType::Future, FuturesChannel::Options) => kind != Some("futures"),
        _ => true,
    };
    let mut sets = observed.sets.iter().filter(|set| own(&set.meta));
    sets.any(|set| match &set.spec {
        Ok(spec) => {
            let own = spec.publish.channel_prefix.as_deref().unwrap_or("ticker");
            let below = prefix.strip_prefix(own);
            let below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
            below && has_future(&spec.publish)
        }
        Err(_) => true,
    })
}

/// What lies there for an account, and what was decided last.
fn former<'a>(pass: &Pass<'a>, account: &AccountPlan) -> impl Iterator<Item = &'a Assignment> {
    let last = pass.before.and_then(|(_, plan)| decided(plan, account));
    let there = lying_there(pass.observed, &account.key);
    [there, last].into_iter().flatten()
}

fn decided<'a>(plan: &'a Plan, account: &AccountPlan) -> Option<&'a Assignment> {
    let mut accounts = plan.accounts.iter();
    let found = accounts.find(|old| (&old.key, &old.uid) == (&account.key, &account.uid))?;
    found.assignment.assignment().map(Arc::as_ref)
}
