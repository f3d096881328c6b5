//! Instruments that move between two accounts, whose processes have clocks that are two minutes apart: the exchange's seconds
//! alone decide who publishes a packet.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::report::{FEATURE_MOVES, MoveReport};
use contract::{Assignment, Boundary, Move, MovePart, Report};
use kite::{Detail, Packet};
use serde_json::Value;
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::{RedisServer, Subscriber};
use stage::{Folders, Ingestor, is_live, servers, stored_options, token};
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;

const LAST: &str = "ticker:test:last";

/// One of the two accounts.
struct Side {
    _kite: KiteServer,
    folders: Folders,
    assigned: Assignment,
    ingestor: Ingestor,
    socket: UnboundedSender<Message>,
}

impl Side {
    /// It has options 1 and 2 by a move. Its clock is so many seconds ahead.
    async fn new(name: &str, part: MovePart, ahead: i64, redis: &RedisServer) -> Self {
        let (mut kite, _, folders) = servers().await;
        let mut assigned = stored_options(&kite, redis, &[1, 2]);
        (assigned.account.name, assigned.account.uid) = (name.to_owned(), format!("uid-{name}"));
        let id = "move-1".to_owned();
        let boundary = None;
        assigned.moves.push(Move { id, part, boundary });
        for row in &mut assigned.instruments {
            row.move_at = Some(0);
        }
        folders.assign(&assigned);
        let ingestor = Ingestor::start_ahead(ahead, &folders).await;
        let socket = kite.socket().await;
        ingestor.until("live", is_live).await;
        Self {
            _kite: kite,
            folders,
            assigned,
            ingestor,
            socket,
        }
    }

    async fn bound(&mut self, second: i64) {
        let within_s = 600;
        self.assigned.moves[0].boundary = Some(Boundary { second, within_s });
        self.assigned.generation += 1;
        self.folders.assign(&self.assigned);
        let generation = self.assigned.generation;
        let applied = |report: &Report| {
            let applied = report.assignment.as_ref();
            applied.is_some_and(|it| it.generation == generation)
        };
        self.ingestor.until("the boundary", applied).await;
    }

    /// The move, once it is as wanted.
    async fn until(&self, what: &str, fits: impl Fn(&MoveReport) -> bool) -> MoveReport {
        let fits = |report: &Report| report.moves.first().is_some_and(&fits);
        self.ingestor.until(what, fits).await.moves.remove(0)
    }
}

/// A packet of the exchange's `second`; its number tells it from others.
fn at(option: u32, second: i64, number: i32) -> Packet {
    let mut packet = full(token(option), number);
    if let Detail::Full(_, times) = &mut packet.detail {
        times.exchange_time = u32::try_from(second).unwrap();
        times.last_trade_time = times.exchange_time;
    }
    packet
}

/// Who published which number, in the order of numbers.
async fn ticks(messages: &mut Subscriber, count: usize) -> Vec<(u64, String)> {
    let mut ticks = Vec::new();
    while ticks.len() < count {
        let tick = messages.tick().await;
        let source = tick["src"].as_str().unwrap().to_owned();
        ticks.push((tick["volume"].as_u64().unwrap(), source));
    }
    ticks.sort();
    ticks
}

fn expected(numbers: &[(u64, &str)]) -> Vec<(u64, String)> {
    let numbers = numbers.iter();
    numbers.map(|(at, by)| (*at, (*by).to_owned())).collect()
}

async fn holder(redis: &RedisServer, key: &str, member: &str, wanted: &str) {
    let field = token(1).0.to_string();
    let is_of = |text: &str| {
        let json: Value = serde_json::from_str(text).unwrap_or_default();
        json[member] == wanted
    };
    redis.answers(&["HGET", key, &field], is_of).await;
}

#[tokio::test]
async fn the_exchanges_seconds_divide_the_packets_whatever_the_clocks_say() {
    let redis = RedisServer::start().await;
    let mut messages = redis.subscribe().await;
    let mut gives = Side::new("gives", MovePart::From, 60, &redis).await;
    let mut takes = Side::new("takes", MovePart::To, -60, &redis).await;
    let second = service::clock::Clock::system().wall().as_second();
    let report = takes.ingestor.report().await;
    assert!(report.features.contains(&FEATURE_MOVES.to_owned()));
    let both = |packets: &[Packet]| {
        for side in [&gives, &takes] {
            side.socket.send(frame(packets)).unwrap();
        }
    };

    // It publishes nothing, and tells what it has.
    both(&[at(1, second, 1), at(2, second, 2)]);
    let all = expected(&[(1, "gives"), (2, "gives")]);
    assert_eq!(ticks(&mut messages, 2).await, all);
    let arrived = takes.until("both", |it| it.seen == 2).await;
    assert_eq!((arrived.instruments, arrived.silent), (2, 0));
    assert!(
        arrived.second.is_some_and(|it| it - second < 30),
        "{arrived:?}"
    );
    assert!(!arrived.done);
    holder(&redis, stage::DIRECTORY, "account", "gives").await;

    let boundary = second + 100;
    takes.bound(boundary).await;
    // What another account gives has its entry from then on.
    holder(&redis, stage::DIRECTORY, "account", "takes").await;
    holder(&redis, LAST, "src", "gives").await;
    for row in &mut gives.assigned.instruments {
        row.outputs[0].keep = None;
    }
    gives.bound(boundary).await;
    let both = |packets: &[Packet]| {
        for side in [&gives, &takes] {
            side.socket.send(frame(packets)).unwrap();
        }
    };
    both(&[at(1, boundary - 1, 3), at(2, boundary, 4)]);
    both(&[at(1, boundary, 5), at(2, boundary - 1, 6)]);
    both(&[at(1, boundary + 2, 7), at(2, boundary + 2, 8)]);
    let all = expected(&[
        (3, "gives"),
        (4, "takes"),
        (5, "takes"),
        (6, "gives"),
        (7, "takes"),
        (8, "takes"),
    ]);
    assert_eq!(ticks(&mut messages, 6).await, all);
    gives.until("the end", |it| it.done).await;
    holder(&redis, LAST, "src", "takes").await;
    let entries = redis.command(&["HLEN", stage::DIRECTORY]).await;
    assert_eq!(entries.trim(), "2", "nothing was removed");
}

/// Readers must be told of ticks that they may have twice.
#[tokio::test]
async fn a_boundary_that_comes_late_is_an_overlap_and_no_loss() {
    let redis = RedisServer::start().await;
    let mut gives = Side::new("gives", MovePart::From, 0, &redis).await;
    let mut messages = redis.subscribe().await;
    let second = service::clock::Clock::system().wall().as_second();
    let packets = [at(1, second + 3, 1), at(2, second + 5, 2)];
    gives.socket.send(frame(&packets)).unwrap();
    assert_eq!(ticks(&mut messages, 2).await.len(), 2);
    gives.bound(second + 4).await;
    let overlap = loop {
        let (channel, json) = messages.any_message().await;
        if json["event_type"] == "overlap" && channel == "ticker:test:events" {
            break json;
        }
    };
    let said = [&overlap["from_ts"], &overlap["to_ts"]].map(|it| it.as_i64().unwrap() - second);
    assert_eq!(said, [4, 5]);
    assert_eq!(overlap["tokens"], serde_json::json!([token(2).0]));
}
