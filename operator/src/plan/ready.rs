//! Whether an account or a set is ready, and why: the first rule that fits decides.
//!
//! Owns the order of the rules and the patience they have. Each judgement is a pure function of a
//! few facts; messages are for people and say what to do.

pub(crate) mod obstacle;
mod secret;
pub(crate) mod set;
mod time;

use std::time::Instant;

use contract::Report;
use contract::report::CredentialsReport;
use crds::condition::Reason;

use super::input::live_sockets;
use super::{Process, Scrape, Secret};
pub(crate) use time::{Finding, Judgement, PATIENCE, Past, judge};

/// Attempts without an answer after which a process counts as not answering.
const BAD_SCRAPES: u32 = 2;

/// What is known of an account that can be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountFacts<'a> {
    /// Name of its Secret.
    pub(crate) secret_name: &'a str,
    pub(crate) secret: &'a Secret,
    pub(crate) process: &'a Process,
    pub(crate) scrape: &'a Scrape,
    /// The report, if it speaks of this account.
    pub(crate) report: Option<&'a Report>,
    /// Instruments it should stream; `None` where nobody knows.
    pub(crate) assigned: Option<usize>,
    /// Sockets that these need.
    pub(crate) needed: u32,
    /// Whether the process is told of changed files at once.
    pub(crate) poked: bool,
    /// The Secret for Redis and its name, if its spec names one.
    pub(crate) redis_secret: Option<(&'a str, &'a Secret)>,
    /// What of it cannot be written, and why.
    pub(crate) unwritten: Option<&'a str>,
}

/// Stands between what is well and what is not, in the message of what is Ready all the same.
const BUT: &str = "; ";

/// What is wrong although it is Ready, by its message.
pub(crate) fn reservation(message: &str) -> Option<&str> {
    message.split_once(BUT).map(|(_, but)| but)
}

/// What an account's message adds where pods are left to find changes themselves.
const SLOW_PATH: &str = "; changes reach the pod with its kubelet's next sync, in about a minute (poke.enabled is false)";

/// Whether the process answers, as far as one bad attempt may be believed.
pub(crate) fn answers(scrape: &Scrape, now: Instant) -> bool {
    let gone = scrape.failing.as_ref().is_some_and(|failing| {
        failing.attempts >= BAD_SCRAPES || now.saturating_duration_since(failing.since) >= PATIENCE
    });
    scrape.report.is_some() && !gone
}

/// The rules for an account.
pub(crate) fn account(facts: &AccountFacts<'_>, now: Instant) -> Finding {
    let report = facts.report.filter(|_| answers(facts.scrape, now));
    if let Some(report) = report
        && facts.assigned != Some(0)
        && streams(report, facts.needed)
    {
        let mut message = format!(
            "{} of {} instruments stream{}",
            report.streaming,
            report.assigned,
            if facts.poked { "" } else { SLOW_PATH }
        );
        // It streams what it was told before.
        let obstacles = [
            obstacle::assignment(report),
            facts.unwritten.map(str::to_owned),
            report.redis.keys_error.clone(),
        ];
        for why in obstacles.into_iter().flatten() {
            message.push_str(&format!("{BUT}{why}"));
        }
        // Sockets outlive what they were opened with.
        let kite = credentials(facts, Some(report)).map(|(_, why)| why);
        let redis = secret::missing_for_redis(facts.redis_secret);
        for why in kite.into_iter().chain(redis) {
            message.push_str(&format!(
                "{BUT}{why}: no lost connection can be opened again"
            ));
        }
        return Finding::Holds(Reason::Streaming, message);
    }
    if let Some((reason, message)) = credentials(facts, report) {
        return Finding::Fails(reason, message);
    }
    let open = report.map_or(0, live_sockets);
    if facts.assigned == Some(0) && open > 0 {
        return Finding::Trouble {
            passing: Reason::Connecting,
            lasting: Reason::Connecting,
            message: still_open(facts, open),
        };
    }
    if facts.assigned == Some(0) {
        // Before its process has looked nobody knows whether the Secret is whole.
        let Some(report) = report else {
            return process(facts);
        };
        if report.credentials == CredentialsReport::Unread {
            return Finding::Trouble {
                passing: Reason::Pending,
                lasting: Reason::PodNotReady,
                message: "the ingest pod has not read its Secret yet".to_owned(),
            };
        }
        return Finding::Holds(
            Reason::Idle,
            "no instrument is assigned to this account: no socket is open".to_owned(),
        );
    }
    let Some(report) = report else {
        return process(facts);
    };
    if let Some(why) = secret::missing_for_redis(facts.redis_secret)
        && !report.redis.connected
    {
        let message = format!("ticks do not reach Redis: {why}");
        return Finding::Fails(Reason::SecretMissing, message);
    }
    // Without an assignment it knows neither Kite nor Redis.
    let unassigned = obstacle::assignment(report).filter(|_| report.assignment.is_none());
    let (reason, message) = if let Some(why) = unassigned {
        (Reason::Connecting, why)
    } else if report.redis.connected {
        (Reason::Connecting, obstacle::sockets(report, facts.needed))
    } else {
        let why = report.redis.error.as_deref().unwrap_or("no connection yet");
        (
            Reason::RedisUnavailable,
            format!(
                "ticks do not reach Redis: {why}{}",
                secret::of_redis(facts.redis_secret)
            ),
        )
    };
    Finding::Trouble {
        passing: reason,
        lasting: reason,
        message,
    }
}

/// What is said of sockets that have to close.
pub(crate) fn still_open(facts: &AccountFacts<'_>, open: u32) -> String {
    let why = match facts.unwritten {
        Some(why) => format!(": {why}"),
        None if facts.poked => String::new(),
        None => SLOW_PATH.to_owned(),
    };
    format!("{open} sockets are still open, though nothing is assigned{why}")
}

fn streams(report: &Report, needed: u32) -> bool {
    report.redis.connected && live_sockets(report) >= needed.max(1) && report.streaming > 0
}

/// What is wrong with the credentials, as far as is known.
pub(crate) fn credentials(
    facts: &AccountFacts<'_>,
    report: Option<&Report>,
) -> Option<(Reason, String)> {
    let secret = facts.secret_name;
    if *facts.secret == Secret::Missing {
        let message = format!(
            "Secret {secret} does not exist: create it with the keys api_key and access_token"
        );
        return Some((Reason::SecretMissing, message));
    }
    match &report?.credentials {
        CredentialsReport::Missing { files } => Some((
            Reason::KeyMissing,
            secret::lacking(secret, facts.secret, files),
        )),
        CredentialsReport::Refused => Some((
            Reason::TokenExpired,
            format!("Kite refused the access token (403): put today's into Secret {secret}"),
        )),
        CredentialsReport::Unread | CredentialsReport::Present | CredentialsReport::Accepted => {
            None
        }
    }
}

fn process(facts: &AccountFacts<'_>) -> Finding {
    let message = match (facts.process, &facts.scrape.failing) {
        (Process::Unknown | Process::Present { ready: true, .. }, None) => return Finding::Unasked,
        (
            Process::Present {
                trouble: Some(trouble),
                name,
                ..
            },
            _,
        ) => format!("{name} is not running: {trouble}"),
        (_, Some(failing)) => format!("the ingest pod does not answer: {}", failing.why),
        (Process::Absent, None) => match facts.unwritten {
            Some(why) => format!("the ingest pod does not exist: {why}"),
            None => "the ingest pod does not exist yet".to_owned(),
        },
        (Process::Present { name, .. }, None) => format!("{name} is not ready yet"),
    };
    Finding::Trouble {
        passing: Reason::PodNotReady,
        lasting: Reason::PodNotReady,
        message,
    }
}

#[cfg(test)]
mod tests;
