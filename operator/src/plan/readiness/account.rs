//! The rules for an account: the first rule that applies decides.
//!
//! Owns their order, and when a process counts as not answering.

use std::time::Instant;

use contract::Report;
use contract::report::{
    CredentialsReport, FEATURE_EGRESS, FEATURE_EVENTS, FEATURE_REFERENCES, FEATURE_STANDBY,
};
use crds::condition::Reason;

use super::credentials::{CREDENTIALS, credentials, is_dead_token, only_lacks_token};
use super::facts::AccountFacts;
use super::observation::{Observation, with_remark};
use super::{obstacle, secret};
use crate::plan::input::{AccountInput, Immutable, Process, Secret, live_sockets};

/// The field that names the Secret for Redis.
const REDIS: &str = "spec.redis.secretRef";

/// Where the address of Redis is set.
const CHECK_REDIS: &str =
    ": check spec.redis, or the operator's --redis-url (redis.url of the chart)";

/// What an account's message adds if pods are not annotated.
const SLOW_PATH: &str =
    "changes arrive in about a minute, with the kubelet's next sync, because poke.enabled is false";

/// The rules for an account.
pub(crate) fn account(
    account: &AccountInput<'_>,
    facts: &AccountFacts<'_>,
    now: Instant,
) -> Observation {
    if let Err(problem) = &account.spec {
        return Observation::Failed(Reason::Invalid, problem.to_string());
    }
    if let Some(foreign) = account.observed.foreign.first() {
        let message = format!(
            "{foreign} exists and was not made for this account: delete it, or give the account another name"
        );
        return Observation::Failed(Reason::NameTaken, message);
    }
    if let Some(why) = account.eligibility.suspension() {
        let open = facts.report.map_or(0, live_sockets);
        let mut message = why.message();
        match facts.assigned {
            Some(left @ 1..) => {
                message = format!("{message}; {left} stream on until others have them");
            }
            _ if open > 0 => message = format!("{message}; {}", still_open(facts, open)),
            _ => {}
        }
        return Observation::Failed(why.reason(), message);
    }
    flow(facts, now)
}

/// Rules for an account that may stream, and its process.
fn flow(facts: &AccountFacts<'_>, now: Instant) -> Observation {
    let asks = !facts.sleep.is_asleep() && facts.scrape.answers(now);
    let report = facts.report.filter(|_| asks);
    if let Some(report) = report
        && facts.assigned != Some(0)
        && streams(report, facts.needed)
    {
        let count = format!(
            "{} of {} instruments stream",
            report.streaming, report.assigned
        );
        let (reason, message) = if facts.market.is_closed() {
            let closed = facts.market.closed_until();
            (Reason::MarketClosed, format!("{closed}; {count}"))
        } else {
            (Reason::Streaming, count)
        };
        return Observation::Ready {
            reason,
            message,
            warning: warning(facts, report),
        };
    }
    // That of sockets which are open is not why nothing streams.
    let wrong = credentials(facts, report);
    let wrong = wrong.filter(|(reason, _)| *reason != Reason::RunningOnDeadToken);
    if let Some((reason, message)) = wrong {
        if only_lacks_token(facts, report) {
            return without_token(facts);
        }
        if facts.needs_token || !is_dead_token(reason) {
            // The cure may be there, and not have arrived.
            let unwritten = facts.unwritten.map(str::to_owned);
            return Observation::Failed(reason, with_remark(message, unwritten));
        }
    }
    if report.is_none() && (facts.sleep.is_asleep() || facts.sleep.is_starting()) {
        return resting(facts);
    }
    match report {
        None => process(facts),
        Some(report) if facts.assigned == Some(0) => idle(facts, report),
        Some(report) => interrupted(facts, report),
    }
}

/// An account whose token has ended, before a new one is needed.
fn without_token(facts: &AccountFacts<'_>) -> Observation {
    const WAITS: &str = "the access token has ended, as all do each morning: a new one is needed before the market opens";
    if facts.assigned == Some(0) {
        let message = format!("no instrument is assigned to this account; {WAITS}");
        return Observation::Ready {
            reason: Reason::Idle,
            message,
            warning: None,
        };
    }
    Observation::Ready {
        reason: Reason::MarketClosed,
        message: format!("{}; {WAITS}", facts.market.closed_until()),
        warning: None,
    }
}

/// An account whose process rests, or has been started after its rest.
fn resting(facts: &AccountFacts<'_>) -> Observation {
    let until = facts.sleep.until();
    let until = until.and_then(|it| jiff::Timestamp::from_second(it).ok());
    let process = match until.map(kite::ist::civil) {
        Some(at) => {
            let at = at.strftime("%Y-%m-%d %H:%M IST");
            format!("its process does not run until {at} (schedule.sleepWhenClosed)")
        }
        None => "its process starts".to_owned(),
    };
    let remarks: Vec<String> = [facts.unwritten.map(str::to_owned), facts.calendar.clone()]
        .into_iter()
        .flatten()
        .collect();
    Observation::Ready {
        reason: Reason::MarketClosed,
        message: format!("{}; {process}", facts.market.closed_until()),
        warning: joined(&remarks),
    }
}

/// Rules for an account without instruments, by the report of its process.
fn idle(facts: &AccountFacts<'_>, report: &Report) -> Observation {
    let open = live_sockets(report);
    if facts.standby && open == 0 {
        let sockets = obstacle::sockets(report, facts.needed);
        let message = format!("its instruments moved to other accounts, and {sockets}");
        return Observation::degraded(Reason::Connecting, message);
    }
    if open > u32::from(facts.standby) {
        return Observation::degraded(Reason::Connecting, still_open(facts, open));
    }
    // Until its process has read the Secret, it is not known whether the Secret is complete.
    if report.credentials == CredentialsReport::Unread {
        return Observation::Degraded {
            passing: Reason::Pending,
            lasting: Reason::PodNotReady,
            message: "the ingest pod has not read its Secret yet".to_owned(),
        };
    }
    Observation::Ready {
        reason: Reason::Idle,
        message: if facts.standby {
            "no instrument is assigned to this account; one socket is open, since it was down"
                .to_owned()
        } else {
            "no instrument is assigned to this account: no socket is open".to_owned()
        },
        warning: joined(
            &warned_of_immutable(facts)
                .chain(remark(facts, report))
                .collect::<Vec<_>>(),
        ),
    }
}

/// Why an account with instruments does not stream, by the report of its process.
fn interrupted(facts: &AccountFacts<'_>, report: &Report) -> Observation {
    if let Some(why) = secret::missing_for_redis(facts.redis_secret)
        && !report.redis.connected
    {
        let message = format!("ticks do not reach Redis: {why}");
        return Observation::Failed(Reason::SecretMissing, message);
    }
    // Without an assignment the process knows neither Kite nor Redis.
    let unassigned = obstacle::assignment(report).filter(|_| report.assignment.is_none());
    let (reason, message) = if let Some(why) = unassigned {
        (Reason::Connecting, why)
    } else if let Some(why) =
        lacks(facts, report, FEATURE_EGRESS).filter(|_| report.redis.connected)
    {
        let sockets = obstacle::sockets(report, facts.needed);
        (Reason::Connecting, format!("{why}; {sockets}"))
    } else if report.redis.connected {
        (Reason::Connecting, obstacle::sockets(report, facts.needed))
    } else {
        let why = report.redis.error.as_deref().unwrap_or("no connection yet");
        let secret = secret::of_redis(facts.redis_secret);
        let unreachable = why.starts_with("cannot connect to ");
        let cure = if unreachable { CHECK_REDIS } else { "" };
        let message = format!("ticks do not reach Redis: {why}{cure}{secret}");
        let message = match facts.redis_secret {
            Some(named) => with_cure(named, REDIS, message),
            None => message,
        };
        (Reason::RedisUnavailable, message)
    };
    let message = with_remark(message, facts.unwritten.map(str::to_owned));
    Observation::degraded(reason, with_remark(message, remark(facts, report)))
}

/// What can be seen in credentials that were not used yet.
fn remark(facts: &AccountFacts<'_>, report: &Report) -> Option<String> {
    let CredentialsReport::Present { remark } = report.credentials else {
        return None;
    };
    let remark = secret::remark(remark?)?;
    Some(format!("Secret {}: {remark}", facts.secret_name))
}

/// The message about a process that is too old for a part of its assignment.
fn lacks(facts: &AccountFacts<'_>, report: &Report, feature: &str) -> Option<String> {
    let has = report.features.iter().any(|it| it == feature);
    let lacks = !has && facts.needs.contains(&feature);
    lacks.then(|| obstacle::too_old(feature, facts.image))
}

/// The message about sockets that have to close.
fn still_open(facts: &AccountFacts<'_>, open: u32) -> String {
    let why = match facts.unwritten {
        Some(why) => format!(": {why}"),
        None if facts.poked => String::new(),
        None => format!("; {SLOW_PATH}"),
    };
    format!("{open} sockets are still open although no instrument is assigned{why}")
}

/// Problems that exist although instruments stream.
fn warning(facts: &AccountFacts<'_>, report: &Report) -> Option<String> {
    let slow = (!facts.poked).then(|| SLOW_PATH.to_owned());
    // It still streams its last assignment.
    let told_before = [
        obstacle::assignment(report),
        lacks(facts, report, FEATURE_EGRESS),
        lacks(facts, report, FEATURE_EVENTS),
        lacks(facts, report, FEATURE_REFERENCES),
        lacks(facts, report, FEATURE_STANDBY),
        facts.unwritten.map(str::to_owned),
        report.redis.keys_error.clone(),
        obstacle::unknown_packets(report),
        facts.calendar.clone(),
        facts.old_rate.clone(),
    ];
    let told_before = told_before.into_iter().flatten();
    let told_before = told_before.chain(report.redis.remarks.iter().cloned());
    // Open sockets survive a loss of their credentials.
    let kite = credentials(facts, Some(report))
        .filter(|(reason, _)| facts.needs_token || !is_dead_token(*reason))
        .map(|(_, why)| why);
    let redis = secret::missing_for_redis(facts.redis_secret);
    let kept: Vec<String> = match kite {
        // It is said with that.
        Some(_) => Vec::new(),
        None => warned_of_immutable(facts).collect(),
    };
    let opened_with = [kite, redis].into_iter().flatten();
    let opened_with = opened_with.map(|why| {
        format!("{why}: a connection that is lost now cannot be reopened for the time being")
    });
    let all: Vec<String> = slow
        .into_iter()
        .chain(told_before)
        .chain(opened_with)
        .chain(kept)
        .collect();
    joined(&all)
}

fn joined(all: &[String]) -> Option<String> {
    (!all.is_empty()).then(|| all.join("; "))
}

fn streams(report: &Report, needed: u32) -> bool {
    report.redis.connected && live_sockets(report) >= needed.max(1) && report.streaming > 0
}

/// A message about values of a Secret that a kubelet may hold back.
fn with_cure((name, secret): (&str, &Secret), field: &str, message: String) -> String {
    match secret::immutable(name, secret, field) {
        Some(cure) => format!("{message}; {cure}"),
        None => message,
    }
}

/// The message about Secrets that are immutable now, although all is well today.
fn warned_of_immutable(facts: &AccountFacts<'_>) -> impl Iterator<Item = String> {
    let own = Some((facts.secret_name, facts.secret)).map(|it| (it, CREDENTIALS));
    let redis = facts.redis_secret.map(|it| (it, REDIS));
    let now = |secret: &Secret| {
        matches!(
            secret,
            Secret::Present {
                immutable: Immutable::Yes,
                ..
            }
        )
    };
    let all = [own, redis].into_iter().flatten();
    all.filter(move |((_, secret), _)| now(secret))
        .filter_map(|((name, secret), field)| secret::immutable(name, secret, field))
}

fn process(facts: &AccountFacts<'_>) -> Observation {
    let message = match (facts.process, &facts.scrape.failing) {
        (Process::Unknown | Process::Present { ready: true, .. }, None) => {
            return Observation::Unasked;
        }
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
    // Such as that a pod that is stuck cannot be replaced.
    let unwritten = facts.unwritten.filter(|why| !message.contains(why));
    let message = with_remark(message, unwritten.map(str::to_owned));
    Observation::degraded(Reason::PodNotReady, message)
}

#[cfg(test)]
mod tests;
