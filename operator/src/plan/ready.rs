//! Whether an account or a set is ready, and why: the first rule that fits decides.
//!
//! Owns the order of the rules and the patience they have. Each judgement is a pure function of a
//! few facts; messages are for people and say what to do.

pub(crate) mod obstacle;
mod secret;
pub(crate) mod set;

use std::time::{Duration, Instant};

use contract::Report;
use contract::report::{ConnectionState, Credentials};
use crds::condition::{Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Now, Process, Scrape, Secret};

/// How long trouble may last before it counts as failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Attempts without an answer after which a process counts as not answering.
const BAD_SCRAPES: u32 = 2;

/// What the rules found, before time is considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Ready.
    Holds(Reason, String),
    /// Not ready, and it is no matter of time.
    Fails(Reason, String),
    /// Cannot be known, and it is no matter of time.
    Unknown(Reason, String),
    /// Not known for a moment, which others end; the patience that runs meanwhile goes on.
    Waits(Reason, String),
    /// Not ready; may be passing.
    Trouble {
        /// The reason while it may still pass.
        passing: Reason,
        /// The reason once it has lasted.
        lasting: Reason,
        message: String,
    },
    /// The process was not asked since the operator's start: what was known still counts for a while.
    Unasked,
}

/// A finding in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) state: State,
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// When the trouble counts as failure, as long as there is trouble.
    pub(crate) due: Option<Instant>,
}

/// What came before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past<'a> {
    /// The last `Ready` condition.
    pub(crate) ready: Option<&'a Condition>,
    /// The present generation of the spec.
    pub(crate) generation: Option<i64>,
    /// When known trouble counts as failure.
    pub(crate) due: Option<Instant>,
    /// Whether this is the first time this process sees the object.
    pub(crate) first: bool,
}

/// Considers time.
pub(crate) fn judge(finding: Finding, past: &Past<'_>, now: Now) -> Judgement {
    let done = |state, reason, message| Judgement {
        state,
        reason,
        message,
        due: None,
    };
    match finding {
        Finding::Holds(reason, message) => done(State::True, reason, message),
        Finding::Fails(reason, message) => done(State::False, reason, message),
        Finding::Unknown(reason, message) => done(State::Unknown, reason, message),
        Finding::Waits(reason, message) => Judgement {
            state: State::Unknown,
            reason,
            message,
            due: past
                .due
                .or_else(|| Some(now.monotonic + past.patience_left(now))),
        },
        Finding::Trouble {
            passing,
            lasting,
            message,
        } => {
            let due = past
                .due
                .unwrap_or_else(|| now.monotonic + past.patience_left(now));
            let lasts = now.monotonic >= due;
            let (state, reason) = if lasts {
                (State::False, lasting)
            } else {
                (State::Unknown, passing)
            };
            Judgement {
                state,
                reason,
                message,
                due: Some(due),
            }
        }
        Finding::Unasked => {
            let due = past.due.unwrap_or(now.monotonic + PATIENCE);
            let (state, reason, message) = if now.monotonic >= due {
                let message = "the ingest process was not asked for its report".to_owned();
                (State::False, Reason::PodNotReady, message)
            } else {
                past.known().unwrap_or_else(|| {
                    (
                        State::Unknown,
                        Reason::Pending,
                        "waits for the first report".to_owned(),
                    )
                })
            };
            Judgement {
                state,
                reason,
                message,
                due: Some(due),
            }
        }
    }
}

impl Past<'_> {
    /// The operator's restart must not make old trouble look new.
    fn patience_left(&self, now: Now) -> Duration {
        let Some(ready) = self.ready.filter(|_| self.first) else {
            return PATIENCE;
        };
        if ready.status == State::False.as_str() {
            return Duration::ZERO;
        }
        if ready.status == State::True.as_str() {
            return PATIENCE;
        }
        let lasted = now.wall.duration_since(ready.last_transition_time.0);
        PATIENCE.saturating_sub(Duration::try_from(lasted).unwrap_or_default())
    }

    /// What the object says, if it speaks of the present spec.
    fn known(&self) -> Option<(State, Reason, String)> {
        let ready = self
            .ready
            .filter(|ready| ready.observed_generation == self.generation)?;
        let state = State::from_word(&ready.status)?;
        let reason = Reason::from_word(&ready.reason)?;
        Some((state, reason, ready.message.clone()))
    }
}

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

/// Sockets that are up.
pub(crate) fn live(report: &Report) -> u32 {
    let live = report
        .connections
        .iter()
        .filter(|connection| connection.state == ConnectionState::Live);
    u32::try_from(live.count()).unwrap_or(u32::MAX)
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
    let open = report.map_or(0, live);
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
        if report.credentials == Credentials::Unread {
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
    report.redis.connected && live(report) >= needed.max(1) && report.streaming > 0
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
        Credentials::Missing { files } => Some((
            Reason::KeyMissing,
            secret::lacking(secret, facts.secret, files),
        )),
        Credentials::Refused => Some((
            Reason::TokenExpired,
            format!("Kite refused the access token (403): put today's into Secret {secret}"),
        )),
        Credentials::Unread | Credentials::Present | Credentials::Accepted => None,
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
