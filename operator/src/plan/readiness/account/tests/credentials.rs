//! What is found of an account's Secret, and of what its pod says about it.

use super::*;
use crate::plan::input::MarketNow;
use crate::plan::{TokenAnswer, TokenCheck};

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
            token: None,
            immutable,
            login: None,
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

/// At night a token that has ended hides nothing else that is wrong.
#[test]
fn a_pod_that_is_down_and_a_redis_that_is_gone_are_told_although_the_token_is_dead_too() {
    let secret = Secret::Unknown;
    let token = TokenCheck {
        version: String::new(),
        answer: TokenAnswer::Refused,
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let of = |report: Option<Report>, process: &Process| {
        let scrape = Scrape {
            report: report.map(Into::into),
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
            token: Some(&token),
            needs_token: false,
            account: "a",
            secret_name: "kite",
            secret: &secret,
            process,
            report: scrape.report.as_deref(),
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
        reason(&flow(&facts, start().monotonic))
    };
    let mut lost = good();
    lost.connections[0].state = ConnectionState::Refused;
    lost.streaming = 0;
    let rests = ("True", Reason::MarketClosed);
    assert_eq!(of(Some(lost.clone()), &running()), rests);
    lost.redis.connected = false;
    let unavailable = ("Trouble", Reason::RedisUnavailable);
    assert_eq!(of(Some(lost), &running()), unavailable);
    let down = ("Trouble", Reason::PodNotReady);
    assert_eq!(of(None, &Process::Absent), down);
}

/// An image from before proxies dials directly, and says nothing of it.
#[test]
fn an_image_that_is_too_old_for_its_assignment_is_named() {
    let (secret, process) = (Secret::Unknown, running());
    let of = |report: Report, image| {
        let scrape = Scrape {
            report: Some(report.into()),
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
            assigned: Some(5),
            needed: 1,
            poked: true,
            redis_secret: None,
            unwritten: None,
            standby: false,
            needs: vec![FEATURE_EGRESS, FEATURE_EVENTS, FEATURE_REFERENCES],
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
    assert!(warning.contains("publishes all events"), "{warning}");
    assert!(warning.contains("the money stands still"), "{warning}");
    old.connections = vec![socket(ConnectionState::Waiting)];
    let Observation::Degraded { message, .. } = of(old, Some("mine:1")) else {
        panic!("must be trouble")
    };
    assert!(message.contains("the image mine:1"), "{message}");
    let mut new = good();
    new.features = [FEATURE_EGRESS, FEATURE_EVENTS, FEATURE_REFERENCES]
        .map(str::to_owned)
        .into();
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
        let expected =
            "a value is base64 once more after it was decoded: encode it once, or use stringData";
        assert!(message.contains(expected), "{message}");
        assert_eq!(message.matches("Secret kite").count(), 1, "{message}");
    }
    let remark = Some(CredentialRemark::NeverAccepted);
    let message = message(&CredentialsReport::Refused { next_try, remark });
    // The process may have been started anew since it worked.
    assert!(
        message.contains("if it never worked, it may be a request token"),
        "{message}"
    );
    assert!(!message.contains('?'), "{message}");
}
