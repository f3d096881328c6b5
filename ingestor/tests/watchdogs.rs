//! A mute socket is replaced; a token without packets is subscribed to again.

mod stage;

use std::time::Duration;

use contract::Report;
use contract::report::ConnectionState;
use kite::{Command, Mode};
use stage::kite_server::{KiteServer, Seen, frame, full, heartbeat};
use stage::lateness::Lateness;
use stage::network::{Lost, Network};
use stage::redis_server::RedisServer;
use stage::scene::Scene;
use stage::{ACCESS_TOKEN, Folders, Ingestor, assignment, option, token, within};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// How often the server sends something in these tests.
const BEAT: Duration = Duration::from_millis(100);

/// A socket is silent for five seconds before it is given up; a report is as old as one.
const LEAST_SILENCE: Duration = Duration::from_secs(4);
const MOST_SILENCE: Duration = Duration::from_secs(7);

/// Sends a tick of each number and beat, until the socket or the patience ends.
async fn tick_for(socket: &UnboundedSender<Message>, numbers: &[u32], beats: usize) {
    let mut beat = tokio::time::interval(BEAT);
    for price in 1..=beats as i32 {
        beat.tick().await;
        let packets: Vec<_> = numbers
            .iter()
            .map(|number| full(token(*number), price))
            .collect();
        drop(socket.send(frame(&packets)));
    }
}

#[tokio::test]
async fn a_socket_that_only_beats_is_replaced_and_the_next_one_streams() {
    let mut scene = Scene::of(1..=3).await;
    let first = scene.kite.socket().await;
    // Two of three tick for long enough that their pace is known; the third never does.
    tick_for(&first, &[1, 2], 30).await;
    let lateness = Lateness::start();
    let second = scene.kite.socket().await;
    let report = scene
        .ingestor
        .until("the reason", |report| report.connections[0].reconnects == 1)
        .await;
    assert_eq!(report.connections[0].instruments, 3);
    let log = scene.ingestor.logged("heartbeats but no ticks for ").await;
    let (_, reason) = log.split_once("heartbeats but no ticks for ").unwrap();
    let unticked: u64 = reason.split(' ').next().unwrap().parse().unwrap();
    let late = lateness.total().as_secs();
    assert!((5..=5 + late).contains(&unticked), "{late} s late: {log}");
    second
        .send(frame(&[full(token(1), 7), full(token(2), 7)]))
        .unwrap();
    scene
        .ingestor
        .until("both again", |report| report.streaming == 2)
        .await;
}

/// For one token that ticks rarely, its own interval counts: no socket is replaced between two of
/// its ticks.
#[tokio::test]
async fn a_sparse_token_does_not_make_its_socket_mute() {
    let mut scene = Scene::of([1]).await;
    let socket = scene.kite.socket().await;
    let mut beat = tokio::time::interval(BEAT);
    for number in 0..=120 {
        beat.tick().await;
        // Every three seconds, while the limit is five for whoever ticks all the time.
        let message = if number % 30 == 0 {
            frame(&[full(token(1), 1 + number)])
        } else {
            heartbeat()
        };
        socket.send(message).unwrap();
    }
    for _ in 0..70 {
        beat.tick().await;
        socket.send(heartbeat()).unwrap();
    }
    assert_eq!(scene.ingestor.report().await.connections[0].reconnects, 0);
    assert!(scene.kite.pings() > 0, "an idle connection is pinged");
}

#[tokio::test]
async fn what_does_not_come_is_asked_for_again_and_then_called_silent() {
    let Scene {
        mut kite,
        ingestor,
        redis: _redis,
        folders: _folders,
        ..
    } = Scene::of(1..=2).await;
    let socket = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    let both = vec![token(1), token(2)];
    let subscribed = Seen::Command(Command::Subscribe(both.clone()));
    assert_eq!(kite.seen().await, subscribed);
    let mode = Seen::Command(Command::SetMode(Mode::Full, both));
    assert_eq!(kite.seen().await, mode);
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    // Never the one that arrived; and only twice more.
    for _ in 0..2 {
        let other = vec![token(2)];
        for command in [
            Command::Unsubscribe(other.clone()),
            Command::Subscribe(other.clone()),
            Command::SetMode(Mode::Full, other),
        ] {
            let seen = within("asked again", kite.seen()).await;
            assert_eq!(seen, Seen::Command(command));
        }
    }
    let report = ingestor
        .until("silent", |report| report.sets[0].silent == 1)
        .await;
    assert_eq!(report.silent_samples, [token(2).0]);
    assert_eq!(report.sets[0].streaming, 1);
    assert!(kite.nothing_seen());
}

/// A socket over which nothing arrives is given up, and another one is opened as soon as the
/// network works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_way_to_kite_is_given_up_and_dialled_again() {
    let (network, redis, folders) = (Network::new(), RedisServer::start().await, Folders::new());
    let mut kite = KiteServer::start_at(&network.here()).await;
    folders.credentials_of(ACCESS_TOKEN);
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    let ingestor = Ingestor::start_behind(&network, &folders).await;
    let socket = kite.socket().await;
    let state = |report: &Report| report.connections.first().map(|one| one.state);
    let beating = socket.clone();
    let beats = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(200));
        while beating.send(frame(&[full(token(1), 1)])).is_ok() {
            beat.tick().await;
        }
    });
    ingestor
        .until("ticks", |report| report.streaming == 1)
        .await;
    network.cut(Lost::Everything);
    let (start, lateness) = (Instant::now(), Lateness::start());
    let report = ingestor
        .until("the end", |report| {
            state(report) != Some(ConnectionState::Live)
        })
        .await;
    let (given_up, late) = (start.elapsed(), lateness.total());
    assert!(
        (LEAST_SILENCE..MOST_SILENCE + late).contains(&given_up),
        "{given_up:?}, {late:?}"
    );
    let error = report.connections[0].last_error.clone().unwrap();
    assert!(
        error.contains("no frame and no pong arrived in time"),
        "{error}"
    );
    network.heal();
    let healed = Instant::now();
    let next = kite.socket().await;
    println!(
        "given up after {given_up:?}, open {:?} after the end",
        healed.elapsed()
    );
    next.send(frame(&[full(token(1), 2)])).unwrap();
    ingestor
        .until("ticks again", |report| report.streaming == 1)
        .await;
    // The server finds out too, by what it sends over the old one.
    let gone = async { while kite.seen().await != Seen::Gone {} };
    within("the end of the old socket", gone).await;
    drop(socket);
    within("the end of its ticks", beats).await.unwrap();
    assert_eq!(ingestor.report().await.connections[0].reconnects, 1);
}
