//! A plan as text that does not depend on names of types: equal texts are equal for users, for
//! ingest processes and for the code that applies plans.

use std::fmt::{self, Display, Write};

use contract::Assignment;
use serde::Serialize;

use crate::plan::*;

/// Adds everything in a plan, except its memory.
pub(super) fn render(text: &mut String, plan: &Plan, now: Now) -> fmt::Result {
    for account in &plan.accounts {
        render_account(text, account)?;
    }
    for set in &plan.sets {
        writeln!(text, "set {} {}", set.key, set.uid)?;
        line(text, change(set.change), &json(&*set.status))?;
    }
    for event in &plan.events {
        let kind = match event.kind {
            Kind::Account => "account",
            Kind::Set => "set",
        };
        let (key, uid, warning) = (&event.key, &event.uid, event.warning);
        let (reason, message) = (event.reason, &event.message);
        writeln!(
            text,
            "event {kind} {key} {uid} {warning} {reason} {message}"
        )?;
    }
    for (origin, findings) in &plan.lists {
        line(text, "list", &format_args!("{origin} {findings:?}"))?;
    }
    match plan.next {
        Some(next) => line(text, "next", &(next - now.monotonic).as_nanos()),
        None => line(text, "next", &"never"),
    }
}

fn render_account(text: &mut String, account: &AccountPlan) -> fmt::Result {
    writeln!(text, "account {} {}", account.key, account.uid)?;
    let (delivery, assignment) = delivery(&account.assignment);
    match assignment {
        Some(assignment) => line(text, delivery, &json(assignment))?,
        None => line(text, delivery, &"")?,
    }
    if let Some(workload) = &account.workload {
        let (secret, redis) = (&workload.secret, workload.redis_secret.as_deref());
        let (redis, image) = (redis.unwrap_or("-"), workload.pod.image.as_deref());
        let resources = json(&workload.pod.resources);
        let image = image.unwrap_or("-");
        writeln!(text, "workload {secret} {redis} {image} {resources}")?;
    }
    line(text, "awaiting", &account.awaiting)?;
    line(text, "expecting", &account.expecting)?;
    line(text, change(account.change), &json(&*account.status))
}

/// The change of an assignment, and its content.
pub(super) fn delivery(delivery: &AssignmentChange) -> (&'static str, Option<&Assignment>) {
    match delivery {
        AssignmentChange::None => ("leave", None),
        AssignmentChange::AlreadyWritten(assignment) => ("in place", Some(assignment)),
        AssignmentChange::Write(assignment) => ("write", Some(assignment)),
    }
}

/// How urgent a status is.
pub(super) fn change(change: Change) -> &'static str {
    match change {
        Change::None => "unchanged",
        Change::First => "first",
        Change::Refresh => "refresh",
        Change::Transition => "transition",
    }
}

fn line(text: &mut String, what: &str, value: &dyn Display) -> fmt::Result {
    writeln!(text, "{what} {value}")
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}
