use contract::report::{ConnectionReport, ConnectionState, CredentialRemark, RedisReport};
use crds::condition::State;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::*;
use crate::plan::Failing;
use crate::plan::fixture::{later, start};
use crate::plan::readiness::{History, outcome};

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
        last_tick_us: None,
        last_error: None,
    }
}

fn running() -> Process {
    Process::Present {
        name: "kt-a-0".to_owned(),
        address: None,
        ready: true,
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
            immutable: Immutable::No,
        },
    );
    let (mut process, mut scrape) = (running(), Scrape::default());
    scrape.report = Some(good().into());
    change(&mut report, &mut secret, &mut process, &mut scrape);
    let facts = AccountFacts {
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
        egress: false,
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
    let facts = AccountFacts {
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
        egress: false,
        image: None,
    };
    let Observation::Degraded { message, .. } = flow(&facts, start().monotonic) else {
        panic!("must be trouble")
    };
    assert!(message.ends_with("exceeded quota"), "{message}");
}

#[test]
fn sockets_that_have_to_close_are_not_called_closed() {
    let (secret, process) = (Secret::Unknown, running());
    let scrape = Scrape {
        report: Some(good().into()),
        ..Scrape::default()
    };
    let facts = AccountFacts {
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
        egress: false,
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
fn refused_or_missing_credentials() {
    let down = |report: &mut Report| report.connections = vec![socket(ConnectionState::Refused)];
    let finding = found(|report, _, _, _| {
        down(report);
        report.credentials = CredentialsReport::Refused {
            next_try: None,
            remark: None,
        };
    });
    assert_eq!(reason(&finding), ("False", Reason::TokenExpired));
    let files = vec!["api_key".to_owned(), "access_token".to_owned()];
    let missing = CredentialsReport::Missing { files };
    let finding = found(|report, _, _, _| {
        down(report);
        report.credentials = missing.clone();
    });
    assert_eq!(reason(&finding), ("False", Reason::KeyMissing));
    let finding = found(|report, secret, _, _| {
        down(report);
        report.credentials = missing;
        *secret = Secret::Missing;
    });
    assert_eq!(reason(&finding), ("False", Reason::SecretMissing));
}

/// A kubelet keeps what it read of an immutable Secret, whatever is done under its name.
#[test]
fn an_immutable_secret_is_named_before_and_after_its_values_are_old() {
    let make = |secret: &mut Secret, immutable| {
        *secret = Secret::Present {
            version: "1".to_owned(),
            key: None,
            names: vec!["api_key".to_owned(), "access_token".to_owned()],
            immutable,
        };
    };
    let well = found(|_, secret, _, _| make(secret, Immutable::Yes));
    let Observation::Ready {
        warning: Some(warning),
        ..
    } = well
    else {
        panic!("{well:?}")
    };
    assert!(warning.contains("a Secret of another name"), "{warning}");
    let made_anew = found(|_, secret, _, _| make(secret, Immutable::Before));
    assert!(
        matches!(made_anew, Observation::Ready { warning: None, .. }),
        "{made_anew:?}"
    );
    for immutable in [Immutable::Yes, Immutable::Before] {
        let refused = found(|report, secret, _, _| {
            make(secret, immutable);
            report.connections = vec![socket(ConnectionState::Refused)];
            report.credentials = CredentialsReport::Refused {
                next_try: None,
                remark: None,
            };
        });
        let Observation::Failed(Reason::TokenExpired, message) = refused else {
            panic!("{refused:?}")
        };
        assert!(message.contains("a Secret of another name"), "{message}");
    }
}

/// An image from before proxies dials directly, and says nothing of it.
#[test]
fn an_image_that_knows_no_proxy_is_named() {
    let (secret, process) = (Secret::Unknown, running());
    let of = |report: Report, image| {
        let scrape = Scrape {
            report: Some(report.into()),
            ..Scrape::default()
        };
        let facts = AccountFacts {
            secret_name: "kite",
            secret: &secret,
            process: &process,
            report: scrape.report.as_deref(),
            scrape: &scrape,
            assigned: Some(5),
            needed: 1,
            poked: true,
            redis_secret: None,
            unwritten: None,
            egress: true,
            image,
        };
        flow(&facts, start().monotonic)
    };
    let mut old = good();
    old.features.clear();
    let streaming = of(old.clone(), None);
    let Observation::Ready {
        warning: Some(warning),
        ..
    } = streaming
    else {
        panic!("{streaming:?}")
    };
    assert!(warning.contains("the chart's ingestor.image"), "{warning}");
    old.connections = vec![socket(ConnectionState::Waiting)];
    let Observation::Degraded { message, .. } = of(old, Some("mine:1")) else {
        panic!("must be trouble")
    };
    assert!(message.contains("the image mine:1"), "{message}");
    let mut new = good();
    new.features = vec![FEATURE_EGRESS.to_owned()];
    let streaming = of(new, None);
    assert!(
        matches!(streaming, Observation::Ready { warning: None, .. }),
        "{streaming:?}"
    );
}

#[test]
fn what_can_be_seen_in_credentials_is_said_before_and_after_they_are_refused() {
    let message = |credentials: &CredentialsReport| {
        let finding = found(|report, _, _, _| {
            report.connections = vec![socket(ConnectionState::Refused)];
            report.credentials = credentials.clone();
        });
        format!("{finding:?}")
    };
    let (next_try, remark) = (None, Some(CredentialRemark::Base64));
    for credentials in [
        CredentialsReport::Present { remark },
        CredentialsReport::Refused { next_try, remark },
    ] {
        let message = message(&credentials);
        let expected = "Secret kite: a value is base64 once more after it was decoded: encode it once, or use stringData";
        assert!(message.contains(expected), "{message}");
    }
    let remark = Some(CredentialRemark::NeverAccepted);
    let message = message(&CredentialsReport::Refused { next_try, remark });
    assert!(message.contains("request token"), "{message}");
}

#[test]
fn nothing_assigned() {
    let (secret, missing) = (Secret::Unknown, Secret::Missing);
    let (process, scrape) = (Process::Absent, Scrape::default());
    let mut facts = AccountFacts {
        secret_name: "kite",
        secret: &secret,
        process: &process,
        scrape: &scrape,
        report: None,
        assigned: Some(0),
        poked: true,
        redis_secret: None,
        unwritten: None,
        egress: false,
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
        failing: Some(Failing {
            since: start().monotonic,
            attempts: 1,
            why: String::new(),
        }),
    };
    let now = start();
    assert!(!answers(
        &Scrape {
            failing: scrape.failing,
            report: scrape.report,
            at: None,
        },
        later(now, 11).monotonic
    ));
}

#[test]
fn a_process_that_was_not_asked_is_not_judged() {
    assert_eq!(
        reason(&found(|_, _, _, scrape| scrape.report = None)),
        ("Unasked", Reason::Pending)
    );
}

fn trouble() -> Observation {
    Observation::Degraded {
        passing: Reason::Connecting,
        lasting: Reason::PodNotReady,
        message: String::new(),
    }
}

fn condition(state: State, reason: Reason, since: Timestamp) -> Condition {
    Condition {
        type_: "Ready".to_owned(),
        status: state.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message: "as it was".to_owned(),
        observed_generation: Some(1),
        last_transition_time: Time(since),
    }
}

#[test]
fn trouble_is_unknown_for_ten_seconds_and_false_then() {
    let now = start();
    let first = outcome(trouble(), &History::default(), now);
    assert_eq!(
        (first.state, first.reason),
        (State::Unknown, Reason::Connecting)
    );
    let past = History {
        due: first.due,
        ..History::default()
    };
    let almost = outcome(trouble(), &past, later(now, 9));
    assert_eq!((almost.state, almost.due), (State::Unknown, first.due));
    let lasting = outcome(trouble(), &past, later(now, 10));
    assert_eq!(
        (lasting.state, lasting.reason),
        (State::False, Reason::PodNotReady)
    );
    assert_eq!(
        outcome(
            Observation::Ready {
                reason: Reason::Streaming,
                message: String::new(),
                warning: None
            },
            &past,
            now
        )
        .due,
        None
    );
}

#[test]
fn a_restart_of_the_operator_does_not_make_old_trouble_new() {
    let now = start();
    let old = condition(State::False, Reason::PodNotReady, now.wall);
    let past = History {
        ready: Some(&old),
        first: true,
        ..History::default()
    };
    assert_eq!(outcome(trouble(), &past, now).state, State::False);
    let unknown = condition(State::Unknown, Reason::Connecting, now.wall);
    let past = History {
        ready: Some(&unknown),
        first: true,
        ..History::default()
    };
    let known = outcome(trouble(), &past, later(now, 4));
    assert_eq!(known.state, State::Unknown);
    assert_eq!(known.due, Some(later(now, 10).monotonic));
}

#[test]
fn what_was_known_counts_until_the_first_report_but_not_for_ever() {
    let now = start();
    let known = condition(State::True, Reason::Streaming, now.wall);
    let past = History {
        ready: Some(&known),
        generation: Some(1),
        first: true,
        due: None,
        warning: None,
    };
    let known = outcome(Observation::Unasked, &past, now);
    assert_eq!(
        (known.state, known.message.as_str()),
        (State::True, "as it was")
    );
    let past = History {
        due: known.due,
        first: false,
        ..past
    };
    assert_eq!(
        outcome(Observation::Unasked, &past, later(now, 10)).state,
        State::False
    );
    // It speaks of an older spec, or there is nothing.
    let past = History {
        generation: Some(2),
        first: true,
        due: None,
        ..past
    };
    assert_eq!(
        outcome(Observation::Unasked, &past, now).reason,
        Reason::Pending
    );
    assert_eq!(
        outcome(Observation::Unasked, &History::default(), now).state,
        State::Unknown
    );
}
