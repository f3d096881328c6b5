//! Tests of what is found of an account.

mod credentials;
mod grace;

use crate::plan::input::MarketNow;
use contract::report::{ConnectionReport, ConnectionState, CredentialRemark, RedisReport};
use crds::condition::State;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::*;
use crate::plan::fixture::{later, start};
use crate::plan::readiness::GRACE;
use crate::plan::readiness::{History, outcome};
use crate::plan::{Failing, Scrape};

/// A process with one of one sockets up and five instruments streaming.
fn good() -> Report {
    Report {
        assignment_versions: contract::ASSIGNMENT_VERSIONS.to_vec(),
        credentials: CredentialsReport::Accepted,
        redis: RedisReport {
            connected: true,
            ..RedisReport::default()
        },
        connections: vec![socket(ConnectionState::Live)],
        assigned: 5,
        streaming: 5,
        ..Report::default()
    }
}

fn socket(state: ConnectionState) -> ConnectionReport {
    ConnectionReport {
        index: 0,
        state,
        instruments: 5,
        streaming: 5,
        reconnects: 0,
        down_ms: None,
        ticks_per_second: None,
        last_tick_us: None,
        last_error: None,
    }
}

fn running() -> Process {
    Process::Present {
        name: "kt-a-0".to_owned(),
        address: None,
        ready: true,
        stopped: false,
        trouble: None,
    }
}

/// What is found of an account with a good report, after `change`.
fn found(change: impl FnOnce(&mut Report, &mut Secret, &mut Process, &mut Scrape)) -> Observation {
    let (mut report, mut secret) = (
        good(),
        Secret::Present {
            version: "1".to_owned(),
            key: None,
            names: vec!["api_kye".to_owned(), "token".to_owned()],
            token: None,
            immutable: Immutable::No,
            login: None,
        },
    );
    let (mut process, mut scrape) = (running(), Scrape::default());
    scrape.report = Some(good().into());
    change(&mut report, &mut secret, &mut process, &mut scrape);
    let facts = AccountFacts {
        sleep: crate::plan::input::Sleep::default(),
        market: MarketNow::default(),
        calendar: None,
        old_rate: None,
        offers_login: false,
        login_obstacle: None,
        token_source: contract::TokenSource::Secret,
        token: None,
        needs_token: true,
        account: "a",
        secret_name: "kite",
        secret: &secret,
        process: &process,
        report: scrape.report.is_some().then_some(&report),
        scrape: &scrape,
        assigned: Some(5),
        needed: 1,
        poked: true,
        redis_secret: None,
        unwritten: None,
        standby: false,
        needs: Vec::new(),
        image: None,
    };
    flow(&facts, start().monotonic)
}

fn reason(finding: &Observation) -> (&'static str, Reason) {
    match finding {
        Observation::Ready { reason, .. } => ("True", *reason),
        Observation::Failed(reason, _) => ("False", *reason),
        Observation::Unknown(reason, _) => ("Unknown", *reason),
        Observation::Degraded { lasting, .. } => ("Trouble", *lasting),
        Observation::Waiting(reason, _) => ("Waits", *reason),
        Observation::Unread(reason, _) => ("Unread", *reason),
        Observation::Unasked => ("Unasked", Reason::Pending),
    }
}

#[test]
fn streaming() {
    assert_eq!(reason(&found(|_, _, _, _| {})), ("True", Reason::Streaming));
    // Open sockets survive a deleted Secret, but the message still names it.
    let finding = found(|_, secret, _, _| *secret = Secret::Missing);
    let Observation::Ready {
        reason: Reason::Streaming,
        warning: Some(message),
        ..
    } = finding
    else {
        panic!("{finding:?}");
    };
    assert!(message.contains("Secret kite does not exist"), "{message}");
}

#[test]
fn what_redis_forbids_is_said_although_ticks_flow() {
    let remarks = ["no CLIENT KILL", "a clock that differs"].map(str::to_owned);
    let finding = found(|report, _, _, _| report.redis.remarks = remarks.to_vec());
    let Observation::Ready {
        reason: Reason::Streaming,
        warning: Some(message),
        ..
    } = finding
    else {
        panic!("{finding:?}");
    };
    assert_eq!(message, remarks.join("; "));
}

#[test]
fn what_cannot_be_written_is_why_there_is_no_pod() {
    let (secret, scrape) = (Secret::Unknown, Scrape::default());
    let mut facts = AccountFacts {
        sleep: crate::plan::input::Sleep::default(),
        market: MarketNow::default(),
        calendar: None,
        old_rate: None,
        offers_login: false,
        login_obstacle: None,
        token_source: contract::TokenSource::Secret,
        token: None,
        needs_token: true,
        account: "a",
        secret_name: "kite",
        secret: &secret,
        process: &Process::Absent,
        report: None,
        scrape: &scrape,
        assigned: Some(5),
        needed: 1,
        poked: true,
        redis_secret: None,
        unwritten: Some("StatefulSet n/kt-a cannot be applied: exceeded quota"),
        standby: false,
        needs: Vec::new(),
        image: None,
    };
    let message = |facts: &AccountFacts<'_>| match flow(facts, start().monotonic) {
        Observation::Degraded { message, .. } => message,
        other => panic!("must be trouble: {other:?}"),
    };
    let said = message(&facts);
    assert_eq!(said.matches("exceeded quota").count(), 1, "{said}");
    // Nor is one that is stuck replaced.
    let stuck = Process::Present {
        name: "kt-a-0".to_owned(),
        address: None,
        ready: false,
        stopped: false,
        trouble: Some("ImagePullBackOff".to_owned()),
    };
    facts.process = &stuck;
    facts.unwritten = Some("Pod n/kt-a-0 cannot be deleted: no");
    let said = message(&facts);
    assert!(
        said.ends_with("ImagePullBackOff; Pod n/kt-a-0 cannot be deleted: no"),
        "{said}"
    );
}

#[test]
fn sockets_that_have_to_close_are_not_called_closed() {
    let (secret, process) = (Secret::Unknown, running());
    let scrape = Scrape {
        report: Some(good().into()),
        ..Scrape::default()
    };
    let facts = AccountFacts {
        sleep: crate::plan::input::Sleep::default(),
        market: MarketNow::default(),
        calendar: None,
        old_rate: None,
        offers_login: false,
        login_obstacle: None,
        token_source: contract::TokenSource::Secret,
        token: None,
        needs_token: true,
        account: "a",
        secret_name: "kite",
        secret: &secret,
        process: &process,
        report: scrape.report.as_deref(),
        scrape: &scrape,
        assigned: Some(0),
        needed: 0,
        poked: true,
        redis_secret: None,
        unwritten: Some("ConfigMap n/kt-a-assignment cannot be applied: exceeded quota"),
        standby: false,
        needs: Vec::new(),
        image: None,
    };
    let Observation::Degraded { message, .. } = flow(&facts, start().monotonic) else {
        panic!("must be trouble")
    };
    assert!(message.starts_with("1 sockets are still open"), "{message}");
    assert!(message.ends_with("exceeded quota"), "{message}");
}

/// A reported problem goes on while its cause is being fixed, and gives no new event.
#[test]
fn waiting_neither_ends_nor_renews_grace() {
    let now = start();
    let waits = || Observation::Waiting(Reason::Connecting, String::new());
    let fresh = outcome(waits(), &History::default(), now);
    assert_eq!(
        (fresh.state, fresh.due),
        (State::Unknown, Some(now.monotonic + GRACE))
    );
    let past = History {
        due: fresh.due,
        ..History::default()
    };
    let late = later(now, 60);
    let still = outcome(waits(), &past, late);
    assert_eq!((still.state, still.due), (State::Unknown, fresh.due));
    let trouble = Observation::Degraded {
        passing: Reason::Connecting,
        lasting: Reason::Stale,
        message: String::new(),
    };
    assert_eq!(outcome(trouble, &past, late).state, State::False);
}

#[test]
fn nothing_assigned() {
    let (secret, missing) = (Secret::Unknown, Secret::Missing);
    let (process, scrape) = (Process::Absent, Scrape::default());
    let mut facts = AccountFacts {
        sleep: crate::plan::input::Sleep::default(),
        market: MarketNow::default(),
        calendar: None,
        old_rate: None,
        offers_login: false,
        login_obstacle: None,
        token_source: contract::TokenSource::Secret,
        token: None,
        needs_token: true,
        account: "a",
        secret_name: "kite",
        secret: &secret,
        process: &process,
        scrape: &scrape,
        report: None,
        assigned: Some(0),
        poked: true,
        redis_secret: None,
        unwritten: None,
        standby: false,
        needs: Vec::new(),
        image: None,
        needed: 0,
    };
    // The Secret has not been read yet: a key may be missing.
    assert_eq!(
        reason(&flow(&facts, start().monotonic)),
        ("Trouble", Reason::PodNotReady)
    );
    let report = |credentials| Report {
        credentials,
        ..Report::default()
    };
    let (report, looked) = (
        report(CredentialsReport::Unread),
        report(CredentialsReport::Present { remark: None }),
    );
    let (running, mut asked) = (running(), Scrape::default());
    asked.report = Some(report.clone().into());
    (facts.process, facts.scrape) = (&running, &asked);
    facts.report = Some(&report);
    let Observation::Degraded { passing, .. } = flow(&facts, start().monotonic) else {
        panic!("its process has not looked either")
    };
    assert_eq!(passing, Reason::Pending);
    facts.report = Some(&looked);
    assert_eq!(
        reason(&flow(&facts, start().monotonic)),
        ("True", Reason::Idle)
    );
    (facts.process, facts.scrape, facts.report) = (&process, &scrape, None);
    facts.secret = &missing;
    assert_eq!(
        reason(&flow(&facts, start().monotonic)),
        ("False", Reason::SecretMissing)
    );
}

#[test]
fn sockets_pod_or_redis_not_up() {
    let finding =
        found(|report, _, _, _| report.connections = vec![socket(ConnectionState::Connecting)]);
    assert_eq!(reason(&finding), ("Trouble", Reason::Connecting));
    let finding = found(|report, _, _, _| report.streaming = 0);
    assert_eq!(reason(&finding), ("Trouble", Reason::Connecting));
    let finding = found(|report, _, _, _| report.redis.connected = false);
    assert_eq!(reason(&finding), ("Trouble", Reason::RedisUnavailable));
    let finding = found(|_, _, process, scrape| {
        *process = Process::Absent;
        scrape.report = None;
    });
    assert_eq!(reason(&finding), ("Trouble", Reason::PodNotReady));
    let finding = found(|_, _, process, scrape| {
        scrape.report = None;
        let trouble = Some("ImagePullBackOff".to_owned());
        *process = Process::Present {
            name: "kt-a-0".to_owned(),
            address: None,
            ready: false,
            stopped: false,
            trouble,
        };
    });
    assert!(
        matches!(finding, Observation::Degraded { message, .. } if message.contains("ImagePullBackOff"))
    );
}

#[test]
fn a_429_says_what_to_do() {
    let finding =
        found(|report, _, _, _| report.connections = vec![socket(ConnectionState::RateLimited)]);
    assert!(
        matches!(finding, Observation::Degraded { message, .. } if message.contains("stop the other process"))
    );
}

#[test]
fn one_bad_attempt_is_forgiven_two_are_not() {
    let failing = |attempts| {
        move |_: &mut Report, _: &mut Secret, _: &mut Process, scrape: &mut Scrape| {
            scrape.failing = Some(Failing {
                since: start().monotonic,
                attempts,
                why: "timed out".to_owned(),
            });
        }
    };
    assert_eq!(reason(&found(failing(1))), ("True", Reason::Streaming));
    assert_eq!(reason(&found(failing(2))), ("Trouble", Reason::PodNotReady));
    let scrape = Scrape {
        report: Some(good().into()),
        at: None,
        lost: Vec::new(),
        failing: Some(Failing {
            since: start().monotonic,
            attempts: 1,
            why: String::new(),
        }),
    };
    assert!(!scrape.answers(later(start(), 11).monotonic));
}

#[test]
fn a_process_that_was_not_asked_is_not_judged() {
    assert_eq!(
        reason(&found(|_, _, _, scrape| scrape.report = None)),
        ("Unasked", Reason::Pending)
    );
}
