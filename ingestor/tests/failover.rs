//! What an operator needs to move the instruments of an account that does not work: for how long its connections are down,
//! what each of them carries, and a connection in standby that finds out when the account works again.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::report::{ConnectionInstruments, ConnectionReport, ConnectionState, FEATURE_STANDBY};
use contract::{Output, Report};
use kite::Command;
use serde_json::Value;
use stage::kite_server::{KiteServer, Seen, frame, full};
use stage::redis_server::Subscriber;
use stage::scene::Scene;
use stage::{ACCESS_TOKEN, Folders, assignment, option, servers, token};

const TODAY: &str = "fake-token-of-today";

/// For so long a connection is down in these tests before it matters.
const A_WHILE_MS: u64 = 1_500;

/// The only connection of a report, if it has just one.
fn only(report: &Report) -> Option<&ConnectionReport> {
    match &report.connections[..] {
        [one] => Some(one),
        _ => None,
    }
}

fn is(state: ConnectionState) -> impl Fn(&Report) -> bool {
    move |report| only(report).is_some_and(|one| one.state == state)
}

fn down(report: &Report) -> Option<u64> {
    only(report)?.down_ms
}

/// An account without instruments that stands by, with yesterday's access token.
async fn in_standby() -> Scene {
    let (kite, redis, folders) = servers().await;
    kite.accept_only(TODAY);
    let mut assigned = assignment(&kite, redis.port());
    assigned.standby = true;
    Scene::between(kite, redis, folders, assigned).await
}

#[tokio::test]
async fn a_refused_account_stands_by_and_streams_on_the_same_socket_once_it_is_accepted() {
    let mut scene = in_standby().await;
    assert_eq!(scene.kite.seen().await, Seen::Refused);
    let refused = scene
        .ingestor
        .until("a refusal", is(ConnectionState::Refused));
    let report = refused.await;
    assert!(report.features.contains(&FEATURE_STANDBY.to_owned()));
    let connection = only(&report).unwrap();
    assert_eq!((connection.index, connection.instruments), (0, 0));
    assert!(connection.last_error.as_deref().unwrap().contains("403"));
    let a_while = |report: &Report| down(report) >= Some(A_WHILE_MS);
    scene.ingestor.until("an outage", a_while).await;
    assert!(scene.kite.nothing_seen(), "dialled once");
    let health = scene.ingestor.get("/health").await.1;
    assert!(health.contains("kite refused the credentials"), "{health}");
    assert!(!health.contains("connection 0"), "{health}");

    scene.folders.credentials_of(TODAY);
    let socket = scene.kite.socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    let live = scene.ingestor.until("live", is(ConnectionState::Live));
    assert_eq!(down(&live.await), None);
    // By then a silent socket would have been given up, and commands would have been sent.
    let pinged = |_report: &Report| scene.kite.pings() > 0;
    scene.ingestor.until("a ping", pinged).await;
    assert!(scene.kite.nothing_seen(), "no command and no other socket");
    let health = scene.ingestor.get("/health").await.1;
    assert!(health.contains(r#""status":"ok""#), "{health}");

    // With instruments it does not matter whether it should stand by without any.
    scene.reassign(|assigned| assigned.instruments = vec![option(1)]);
    scene.kite.sees_subscription(&[1]).await;
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    let report = scene
        .ingestor
        .until("ticks", |report| report.streaming == 1)
        .await;
    assert_eq!(only(&report).unwrap().reconnects, 0);
    assert!(scene.kite.nothing_seen(), "the same socket");
}

#[tokio::test]
async fn a_connection_goes_into_standby_and_out_of_it_without_another_dial() {
    let mut scene = Scene::with(1..=2, |assigned| assigned.tokens_per_connection = 1).await;
    let both = |report: &Report| {
        let live = |one: &ConnectionReport| one.state == ConnectionState::Live;
        report.connections.len() == 2 && report.connections.iter().all(live)
    };
    scene.ingestor.until("two sockets", both).await;
    scene.reassign(|assigned| (assigned.standby, assigned.instruments) = (true, Vec::new()));
    // The other one is closed as ever.
    let report = scene
        .ingestor
        .until("one socket", is(ConnectionState::Live))
        .await;
    let connection = only(&report).unwrap();
    assert_eq!((connection.index, connection.instruments), (0, 0));
    assert_eq!((connection.reconnects, connection.down_ms), (0, None));
    let mut seen = Vec::new();
    while !seen.contains(&Seen::CloseFrame) || !seen.contains(&unsubscribed(1)) {
        seen.push(scene.kite.seen().await);
    }
    let opened = seen.iter().filter(|it| **it == Seen::Opened).count();
    assert_eq!(opened, 2, "{seen:?}");

    scene.reassign(|assigned| assigned.standby = false);
    while scene.kite.seen().await != Seen::CloseFrame {}
    let idle = |report: &Report| report.connections.is_empty();
    scene.ingestor.until("no socket", idle).await;
}

fn unsubscribed(number: u32) -> Seen {
    Seen::Command(Command::Unsubscribe(vec![token(number)]))
}

/// The events of sockets and their gaps, up to the third one that ends a socket.
async fn until_three_are_lost(messages: &mut Subscriber) -> Vec<Value> {
    let (mut events, mut lost) = (Vec::new(), 0);
    while lost < 3 {
        let (channel, json) = messages.any_message().await;
        let kind = json["event_type"].as_str().unwrap_or_default();
        if channel == "mock:ticker:events" && ["connected", "disconnected", "gap"].contains(&kind) {
            lost += usize::from(kind == "disconnected");
            events.push(json);
        }
    }
    events
}

/// Takes the next socket, and sends ticks of `number` through it until they are counted, and drops it.
async fn tick_and_lose(scene: &mut Scene, number: u32) {
    let socket = scene.kite.socket().await;
    let before = scene
        .ingestor
        .until("a socket", is(ConnectionState::Live))
        .await;
    // The first one may be a first packet.
    for price in 1..=2 {
        let packet = full(token(number), price);
        socket.send(frame(&[packet])).unwrap();
    }
    let counted = |report: &Report| report.ticks_total == before.ticks_total + 2;
    scene.ingestor.until("ticks", counted).await;
    drop(socket);
    let reconnects = |report: &Report| only(report).map(|one| one.reconnects);
    let lost = |report: &Report| {
        !is(ConnectionState::Live)(report) || reconnects(report) > reconnects(&before)
    };
    scene.ingestor.until("the loss", lost).await;
}

/// Assigns nothing, and to stand by; then this instrument.
async fn leave_for(scene: &mut Scene, number: u32) {
    scene.reassign(|assigned| (assigned.standby, assigned.instruments) = (true, Vec::new()));
    let empty = |report: &Report| report.assigned == 0;
    scene.ingestor.until("standby", empty).await;
    scene.reassign(|assigned| assigned.instruments = vec![option(number)]);
}

/// Instruments that left streamed elsewhere meanwhile: their gap ends when they leave, and what comes to the socket later has
/// none.
#[tokio::test]
async fn a_socket_that_is_lost_in_standby_is_an_event_without_a_gap() {
    let mut scene = Scene::of([1]).await;
    let mut messages = scene.redis.subscribe().await;
    let socket = scene.live_socket().await;
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    socket.send(frame(&[full(token(1), 2)])).unwrap();
    let two = |report: &Report| report.ticks_total == 2;
    scene.ingestor.until("ticks", two).await;
    scene.reassign(|assigned| (assigned.standby, assigned.instruments) = (true, Vec::new()));
    let empty = |report: &Report| report.assigned == 0;
    scene.ingestor.until("standby", empty).await;
    drop(socket);
    let lost = is(ConnectionState::Waiting);
    let report = scene.ingestor.until("the loss", lost).await;
    let reason = only(&report).unwrap().last_error.clone().unwrap();

    scene.reassign(|assigned| assigned.instruments = vec![option(1)]);
    tick_and_lose(&mut scene, 1).await;
    leave_for(&mut scene, 2).await;
    tick_and_lose(&mut scene, 2).await;
    let events = until_three_are_lost(&mut messages).await;
    let first = events
        .iter()
        .position(|it| it["event_type"] == "disconnected");
    let events = &events[first.unwrap()..];
    let kinds: Vec<_> = events.iter().map(|it| &it["event_type"]).collect();
    let (lost, opened) = ("disconnected", "connected");
    assert_eq!(kinds, [lost, opened, lost, "gap", opened, lost]);
    assert_eq!(events[3]["tokens"], Value::from(vec![token(1).0]));
    assert_eq!(events[0]["reason"], reason.as_str());
}

/// Credentials that are missing, refused, and refused by another endpoint are one outage.
#[tokio::test]
async fn an_outage_is_counted_from_the_first_need_until_a_socket_is_up() {
    let (kite, redis, _) = servers().await;
    let other = KiteServer::start().await;
    kite.accept_only(TODAY);
    other.accept_only(TODAY);
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    let mut scene = Scene::between(kite, redis, Folders::new(), assigned).await;
    let mut before = A_WHILE_MS;
    let missing = |report: &Report| down(report) > Some(before);
    let report = scene.ingestor.until("an outage", missing).await;
    assert!(is(ConnectionState::Idle)(&report), "{report:#?}");
    // Not waited for: a new outage would have to grow first.
    let mut still = async |scene: &Scene, generation| {
        let so = |report: &Report| {
            let applied = report.assignment.as_ref().map(|it| it.generation);
            applied == Some(generation) && is(ConnectionState::Refused)(report)
        };
        let report = scene.ingestor.until("a refusal", so).await;
        let longer = down(&report).unwrap();
        assert!(longer >= before, "{before} ms, then {report:#?}");
        before = longer;
    };
    scene.folders.credentials_of(ACCESS_TOKEN);
    still(&scene, 1).await;
    scene.reassign(|assigned| assigned.instruments = vec![option(2), option(3)]);
    still(&scene, 2).await;
    scene.reassign(|assigned| assigned.websocket = other.origin());
    still(&scene, 3).await;
    scene.reassign(|assigned| (assigned.standby, assigned.instruments) = (true, Vec::new()));
    still(&scene, 4).await;

    scene.folders.credentials_of(TODAY);
    let live = scene.ingestor.until("live", is(ConnectionState::Live));
    assert_eq!(down(&live.await), None);
}

#[tokio::test]
async fn the_lists_of_all_connections_add_up_to_the_assignment() {
    let mut scene = Scene::with(1..=5, |assigned| assigned.tokens_per_connection = 3).await;
    let report = scene
        .ingestor
        .until("both", |report| report.connections.len() == 2)
        .await;
    let list = async |scene: &Scene, index: u8| -> ConnectionInstruments {
        let path = format!("/v1/report?connection={index}");
        let (status, text) = scene.ingestor.get(&path).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let lists = [list(&scene, 0).await, list(&scene, 1).await];
    let tokens = |numbers: &[u32]| -> Vec<u32> { numbers.iter().map(|it| token(*it).0).collect() };
    assert_eq!(lists[0].tokens, tokens(&[1, 2, 3]));
    assert_eq!(lists[1].tokens, tokens(&[4, 5]));
    for (index, list) in lists.iter().enumerate() {
        let counted = report.connections[index].instruments as usize;
        assert_eq!(
            (usize::from(list.index), list.tokens.len()),
            (index, counted)
        );
        assert_eq!((&list.epoch, list.generation), (&report.epoch, 1));
    }
    assert_eq!(list(&scene, 2).await.tokens, Vec::<u32>::new());

    // One leaves the first connection, and one that is new takes its place.
    scene.reassign(|assigned| {
        assigned.instruments.remove(0);
        assigned.instruments.push(option(6));
    });
    let second = |report: &Report| report.assignment.as_ref().map(|it| it.generation) == Some(2);
    scene.ingestor.until("the change", second).await;
    let changed = list(&scene, 0).await;
    assert_eq!(
        (changed.generation, changed.tokens),
        (2, tokens(&[2, 3, 6]))
    );
    assert_eq!(list(&scene, 1).await.tokens, tokens(&[4, 5]));

    let (status, text) = scene.ingestor.get("/v1/report?connection=3").await;
    assert_eq!((status, text.as_str()), (404, "there is no connection 3"));
    for wrong in ["x", "-1", "", "1.5"] {
        let path = format!("/v1/report?connection={wrong}");
        let (status, text) = scene.ingestor.get(&path).await;
        assert_eq!((status, text.lines().count()), (400, 1), "{wrong}: {text}");
    }
}

/// Of a lost socket's instrument one output goes to another account and one stays: the readers of the one that leaves get their gap
/// then, and the others when ticks flow again.
#[tokio::test]
async fn readers_of_what_leaves_a_lost_socket_get_their_gap_though_the_instrument_stays() {
    let mut scene = Scene::of([1]).await;
    let socket = scene.live_socket().await;
    scene.reassign(|assigned| {
        assigned.channels = ["moved:options", "own:options"].map(str::to_owned).into();
        let output = assigned.instruments[0].outputs[0];
        let outputs = [0, 1].map(|channel| Output { channel, ..output });
        assigned.instruments[0].outputs = outputs.into();
    });
    let applied = |report: &Report| {
        report
            .assignment
            .as_ref()
            .is_some_and(|it| it.generation == 2)
    };
    scene.ingestor.until("both outputs", applied).await;
    let mut messages = scene.redis.subscribe().await;
    for price in 1..=2 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    let two = |report: &Report| report.ticks_total >= 2;
    scene.ingestor.until("ticks", two).await;
    scene.kite.accept_only("another token");
    drop(socket);
    let refused = is(ConnectionState::Refused);
    scene.ingestor.until("a refusal", refused).await;
    scene.reassign(|assigned| {
        assigned.channels.remove(0);
        assigned.instruments[0].outputs.remove(1);
    });
    let channels = |kind: &'static str| {
        move |(channel, json): &(String, Value)| {
            let is_own = channel != "mock:ticker:events" && json["event_type"] == kind;
            is_own.then(|| channel.clone())
        }
    };
    let gap = channels("gap");
    let first = loop {
        if let Some(channel) = gap(&messages.any_message().await) {
            break channel;
        }
    };
    assert_eq!(first, "mock:moved:events");
    scene.kite.accept_only(ACCESS_TOKEN);
    scene.folders.credentials_of(ACCESS_TOKEN);
    let socket = scene.kite.socket().await;
    for price in 3..=4 {
        socket.send(frame(&[full(token(1), price)])).unwrap();
    }
    let second = loop {
        if let Some(channel) = gap(&messages.any_message().await) {
            break channel;
        }
    };
    assert_eq!(second, "mock:own:events");
}
