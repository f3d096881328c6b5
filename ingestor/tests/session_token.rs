//! Two access tokens: that of the Secret, and that of a login.

mod stage;

use contract::TokenSource::{self, Secret, Session};
use contract::report::CredentialsReport;
use contract::{Assignment, Report};
use stage::kite_server::{KiteServer, Seen};
use stage::redis_server::RedisServer;
use stage::{Folders, Ingestor, assignment, is_live, option, servers};

const OLD: &str = "fake-token-of-the-secret";
const NEW: &str = "fake-token-of-the-login";

fn assigned(kite: &KiteServer, redis: &RedisServer, source: TokenSource) -> Assignment {
    let mut assigned = assignment(kite, redis.port());
    assigned.instruments = vec![option(1)];
    assigned.credentials.source = source;
    assigned
}

/// A process whose folder has both tokens, of which Kite accepts one.
async fn started(
    accepted: &str,
    source: TokenSource,
) -> (KiteServer, RedisServer, Folders, Ingestor) {
    let (kite, redis, folders) = servers().await;
    kite.accept_only(accepted);
    folders.tokens_of(OLD, Some((NEW, "uid-1")));
    folders.assign(&assigned(&kite, &redis, source));
    let ingestor = Ingestor::start(&folders).await;
    (kite, redis, folders, ingestor)
}

fn streams_with(source: TokenSource) -> impl Fn(&Report) -> bool {
    move |report| {
        let accepted = report.credentials == CredentialsReport::Accepted;
        is_live(report) && accepted && report.token_source == Some(source)
    }
}

#[tokio::test]
async fn the_token_that_the_assignment_names_is_used() {
    for (accepted, source) in [(NEW, Session), (OLD, Secret)] {
        let (mut kite, _redis, _folders, ingestor) = started(accepted, source).await;
        assert_eq!(kite.seen().await, Seen::Opened);
        ingestor.until("live", streams_with(source)).await;
    }
}

#[tokio::test]
async fn the_other_one_is_tried_at_once_when_kite_refuses_it() {
    let (mut kite, _redis, _folders, ingestor) = started(OLD, Session).await;
    assert_eq!(kite.seen().await, Seen::Refused);
    assert_eq!(kite.seen().await, Seen::Opened);
    ingestor.until("live", streams_with(Secret)).await;
}

/// Each is tried, then the preferred one at growing intervals; a new token is used at once, whichever it is.
#[tokio::test]
async fn two_dead_tokens_are_not_dialled_in_turns() {
    let (mut kite, _redis, folders, ingestor) = started("fake-other", Session).await;
    for _ in 0..3 {
        assert_eq!(kite.seen().await, Seen::Refused);
    }
    let refused = |report: &Report| {
        let waits = matches!(
            &report.credentials,
            CredentialsReport::Refused {
                next_try: Some(_),
                ..
            }
        );
        waits && report.token_source == Some(Session)
    };
    ingestor.until("it waits", refused).await;
    assert!(kite.nothing_seen(), "it waits");
    kite.accept_only("fake-token-of-today");
    folders.tokens_of("fake-token-of-today", Some((NEW, "uid-1")));
    while kite.seen().await != Seen::Opened {}
    ingestor.until("live", streams_with(Secret)).await;
}

/// While the markets rest, a socket that was opened with an older token is opened again, and back ends hear nothing of it.
#[tokio::test]
async fn a_resting_account_opens_its_sockets_again_with_the_newer_token() {
    let (mut kite, redis, folders) = servers().await;
    kite.accept_only(OLD);
    folders.tokens_of(OLD, None);
    let mut assigned = assigned(&kite, &redis, Secret);
    let now = service::clock::Clock::system().wall().as_second();
    let session = |from: i64| contract::SessionSpan(from, from + 60, kite::MarketSession::Open);
    assigned.sessions = vec![contract::ClassSessions {
        class: "NFO".to_owned(),
        previous_day: None,
        // It opens in an hour, and then tomorrow.
        spans: vec![session(now + 3_600), session(now + 90_000)],
    }];
    assigned.instruments[0].class = Some(0);
    folders.assign(&assigned);
    let ingestor = Ingestor::start(&folders).await;
    assert_eq!(kite.seen().await, Seen::Opened);
    ingestor.until("live", streams_with(Secret)).await;
    kite.sees_subscription(&[1]).await;

    kite.accept_only(NEW);
    folders.tokens_of(NEW, None);
    while kite.seen().await != Seen::Opened {}
    kite.sees_subscription(&[1]).await;
    let again = |report: &Report| is_live(report) && report.connections[0].reconnects == 1;
    ingestor.until("it is open again", again).await;
}

#[tokio::test]
async fn another_choice_leaves_open_sockets_alone_and_a_session_of_another_account_is_none() {
    let (mut kite, redis, folders, ingestor) = started(OLD, Secret).await;
    assert_eq!(kite.seen().await, Seen::Opened);
    ingestor.until("live", streams_with(Secret)).await;
    kite.sees_subscription(&[1]).await;
    let mut next = assigned(&kite, &redis, Session);
    next.generation = 2;
    folders.assign(&next);
    let of_session = |report: &Report| report.token_source == Some(Session);
    ingestor.until("the session is chosen", of_session).await;
    folders.tokens_of(OLD, Some((NEW, "uid-of-another")));
    let of_secret = |report: &Report| report.token_source == Some(Secret);
    ingestor.until("it is none", of_secret).await;
    assert!(kite.nothing_seen(), "the socket stays");
    let report = ingestor.report().await;
    assert_eq!(report.connections[0].reconnects, 0);
}
