//! Instruments by whose price the operator chooses others: they are reported, and readers learn of them
//! only while a set selects them too.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::report::ReferencePrice;
use contract::{Report, Row};
use kite::{Command, Detail, Mode, Packet};
use serde_json::Value;
use stage::kite_server::{Seen, frame, full};
use stage::redis_server::{RedisServer, Subscriber};
use stage::scene::Scene;
use stage::{DIRECTORY, assignment, option, servers, stored_options, token, within};
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;

const SYMBOL: &str = "TEST1CE";
const LAST: &str = "ticker:test:last";

/// The same instrument, needed for its price alone.
fn unread(row: &Row) -> Row {
    Row {
        sets: Vec::new(),
        outputs: Vec::new(),
        reference: true,
        ..row.clone()
    }
}

/// A full packet that holds the close of the day before.
fn packet(number: u32, price: i32) -> Packet {
    let mut packet = full(token(number), price);
    if let Detail::Full(quote, _) = &mut packet.detail {
        quote.close = 9_005;
    }
    packet
}

/// What a packet holds in quote mode.
fn quote(number: u32, price: i32) -> Packet {
    let packet = packet(number, price);
    let Detail::Full(quote, _) = packet.detail else {
        unreachable!("it is in full mode");
    };
    Packet {
        detail: Detail::Quote(quote),
        ..packet
    }
}

/// Whether the only reference is the first option, at this price.
fn has_price(report: &Report, price: &str) -> bool {
    let [reference] = &*report.references else {
        return false;
    };
    reference.token == token(1).0 && reference.price.as_deref() == Some(price)
}

/// Whether a message names the first option, in whatever member.
fn names_it(json: &Value) -> bool {
    match json {
        Value::Array(items) => items.iter().any(names_it),
        Value::Object(members) => members.values().any(names_it),
        Value::String(text) => text == SYMBOL,
        other => *other == token(1).0,
    }
}

/// Messages up to the one that fits, which is the last of them.
async fn until(messages: &mut Subscriber, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut seen = Vec::new();
    // Signs of life go on coming.
    let found = async {
        while !seen.last().is_some_and(&fits) {
            seen.push(messages.next().await.1);
        }
    };
    within("the message", found).await;
    seen
}

/// The same, up to the tick of the second option at this price: it arrives after all that was sent before.
async fn until_tick(messages: &mut Subscriber, price: f64) -> Vec<Value> {
    let fits = |json: &Value| json["token"] == token(2).0 && json["price"] == price;
    until(messages, fits).await
}

fn is_event(json: &Value, kind: &str) -> bool {
    json["event_type"] == kind
}

fn none_names_it(messages: &[Value]) {
    let named: Vec<_> = messages.iter().filter(|json| names_it(json)).collect();
    assert!(named.is_empty(), "{named:#?}");
}

/// Neither keys nor directory nor the log of events hold anything of the first option.
async fn holds_nothing_of_it(redis: &RedisServer) {
    let keys = redis.command(&["KEYS", "*"]).await;
    let by_token = format!("ticker:{}:ltp", token(1).0);
    assert!(
        !keys.contains(SYMBOL) && !keys.contains(&by_token),
        "{keys}"
    );
    for hash in [DIRECTORY, LAST] {
        let fields = redis.command(&["HKEYS", hash]).await;
        assert_eq!(fields.trim(), token(2).0.to_string(), "{hash}");
    }
    let log = redis
        .command(&["XRANGE", "ticker:events:log", "-", "+"])
        .await;
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let events: Vec<Value> = events.filter(Value::is_object).collect();
    assert!(!events.is_empty(), "{log}");
    none_names_it(&events);
}

/// Two options, of which the first is needed for its price alone, with a socket on which both ticked.
async fn scene() -> (Scene, Subscriber, UnboundedSender<Message>) {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    let mut assigned = stored_options(&kite, &redis, &[1, 2]);
    assigned.instruments[0] = unread(&assigned.instruments[0]);
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    let socket = scene.live_socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    scene.kite.sees_subscription(&[1, 2]).await;
    socket
        .send(frame(&[packet(1, 10_010), packet(2, 100)]))
        .unwrap();
    let seen = until_tick(&mut messages, 1.0).await;
    assert_eq!(
        seen.last().unwrap()["seq"],
        1,
        "the other one took no number"
    );
    none_names_it(&seen);
    (scene, messages, socket)
}

#[tokio::test]
async fn a_reference_is_reported_and_nothing_of_it_is_in_redis() {
    let (mut scene, mut messages, socket) = scene().await;
    let report = scene
        .ingestor
        .until("the price", |report| has_price(report, "100.10"))
        .await;
    let [reference] = &*report.references else {
        unreachable!("it has one");
    };
    let now = reference.exchange_ts.unwrap();
    let expected = ReferencePrice {
        token: token(1).0,
        price: Some("100.10".to_owned()),
        close: Some("90.05".to_owned()),
        age_ms: reference.age_ms,
        exchange_ts: Some(now),
        first: false,
    };
    assert_eq!(*reference, expected);
    assert!(reference.age_ms.is_some() && now > 1_764_570_600, "{now}");
    assert_eq!((report.assigned, report.streaming), (2, 2));
    assert_eq!((report.ticks_total, report.sets[0].assigned), (2, 1));
    let metrics = scene.ingestor.get("/metrics").await.1;
    let subscribed =
        r#"kite_websocket_subscriptions_current{account_id="acct-a",connection_id="0"} 2"#;
    assert!(metrics.contains(subscribed), "{metrics}");
    let counts_one = |text: &str| text.contains(r#""assigned":1,"#);
    scene
        .redis
        .answers(&["GET", "ticker:alive:acct-a"], counts_one)
        .await;

    // A gap is of what readers get.
    let both = [packet(1, 10_010), packet(2, 101)];
    socket.send(frame(&both)).unwrap();
    none_names_it(&until_tick(&mut messages, 1.01).await);
    drop(socket);
    let socket = scene.live_socket().await;
    for price in 102..=103 {
        let both = [packet(1, price), packet(2, price)];
        socket.send(frame(&both)).unwrap();
    }
    let seen = until(&mut messages, |json| is_event(json, "gap")).await;
    assert_eq!(
        seen.last().unwrap()["tokens"],
        Value::from(vec![token(2).0])
    );
    none_names_it(&seen);
    let both = [packet(1, 104), packet(2, 104)];
    socket.send(frame(&both)).unwrap();
    none_names_it(&until_tick(&mut messages, 1.04).await);
    let last = token(2).0.to_string();
    let stored = |text: &str| text.contains(r#""price":1.04,"#);
    scene.redis.answers(&["HGET", LAST, &last], stored).await;
    holds_nothing_of_it(&scene.redis).await;
    scene
        .ingestor
        .until("the newest", |report| has_price(report, "1.04"))
        .await;
    scene.redis.has_refused_nothing().await;
}

#[tokio::test]
async fn readers_get_a_reference_while_a_set_selects_it() {
    let (mut scene, mut messages, socket) = scene().await;
    let field = token(1).0.to_string();

    // A set selects it. Nothing ticks: the market may be closed.
    scene.reassign(|assigned| {
        let other = assigned.instruments[1].clone();
        let row = &mut assigned.instruments[0];
        (row.sets, row.outputs) = (other.sets, other.outputs);
    });
    let seen = until(&mut messages, names_it).await;
    let created = seen.last().unwrap();
    assert!(is_event(created, "subscription_created"), "{created}");
    let listed = |row: &str| row.contains(SYMBOL);
    scene
        .redis
        .answers(&["HGET", DIRECTORY, &field], listed)
        .await;
    let known = |tick: &str| tick.contains(r#""price":100.10,"#);
    scene.redis.answers(&["HGET", LAST, &field], known).await;
    let keys = scene.redis.command(&["EXISTS", "ltp:NFO:TEST1CE"]).await;
    assert_eq!(keys.trim(), "0", "no reader got this price");
    let report = scene.ingestor.report().await;
    assert!(has_price(&report, "100.10"), "{report:#?}");

    // It ticks.
    for price in [10_020, 10_025] {
        let both = [packet(1, price), packet(2, price)];
        socket.send(frame(&both)).unwrap();
    }
    let seen = until_tick(&mut messages, 100.25).await;
    let ticks = seen.iter().filter(|json| json["token"] == token(1).0);
    let ticks: Vec<_> = ticks
        .map(|tick| (&tick["seq"], &tick["price"], &tick["volume_delta"]))
        .collect();
    let expected = [
        (&2.into(), &100.2.into(), &Value::Null),
        (&4.into(), &100.25.into(), &5.into()),
    ];
    assert_eq!(ticks, expected);
    scene
        .redis
        .answers(&["GET", "ltp:NFO:TEST1CE"], |price| price == "100.25")
        .await;

    // The set selects it no longer.
    scene.reassign(|assigned| assigned.instruments[0] = unread(&assigned.instruments[0]));
    let acknowledged = |report: &Report| {
        let applied = report.assignment.as_ref();
        applied.is_some_and(|applied| applied.generation == 3) && has_price(report, "100.25")
    };
    scene.ingestor.until("the change", acknowledged).await;
    socket
        .send(frame(&[packet(1, 10_030), packet(2, 300)]))
        .unwrap();
    none_names_it(&until_tick(&mut messages, 3.0).await);
    scene
        .ingestor
        .until("its price", |report| has_price(report, "100.30"))
        .await;
    assert!(
        scene.kite.nothing_seen(),
        "its subscription was the same all the time"
    );
    let seen = until(&mut messages, names_it).await;
    let deleted = seen.last().unwrap();
    assert!(is_event(deleted, "subscription_deleted"), "{deleted}");
    for hash in [DIRECTORY, LAST] {
        scene
            .redis
            .answers(&["HEXISTS", hash, &field], |there| there == "0")
            .await;
    }
    let report = scene.ingestor.report().await;
    assert!(has_price(&report, "100.30"), "{report:#?}");
}

/// Days may lie between: its newest tick is stored again, and its price with the next one.
#[tokio::test]
async fn a_price_of_before_is_not_that_of_an_instrument_that_is_selected_again() {
    let (kite, redis, folders) = servers().await;
    let mut assigned = stored_options(&kite, &redis, &[1]);
    assigned.instruments[0].reference = true;
    let published = assigned.instruments.clone();
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    let socket = scene.live_socket().await;
    socket.send(frame(&[packet(1, 10_010)])).unwrap();
    let (field, key) = (token(1).0.to_string(), "ltp:NFO:TEST1CE");
    let there = |count: &str| count == "1";
    scene.redis.answers(&["EXISTS", key], there).await;

    scene.reassign(|assigned| assigned.instruments[0] = unread(&assigned.instruments[0]));
    let unread = |report: &Report| report.sets[0].assigned == 0;
    scene.ingestor.until("the change", unread).await;
    scene.redis.command(&["DEL", key, LAST]).await;
    scene.reassign(|assigned| assigned.instruments = published);
    let stored = ["HEXISTS", LAST, &field];
    scene.redis.answers(&stored, there).await;
    let count = scene.redis.command(&["EXISTS", key]).await;
    assert_eq!(count.trim(), "0");
    socket.send(frame(&[packet(1, 10_010)])).unwrap();
    scene.redis.answers(&["EXISTS", key], there).await;
}

/// What a set asks for beyond the price is a change of the mode, not another subscription.
#[tokio::test]
async fn a_reference_stays_subscribed_when_a_set_selects_it_in_another_mode() {
    let mut scene = Scene::with([1, 2], |assigned| {
        assigned.instruments[0] = unread(&assigned.instruments[0]);
        assigned.instruments[0].mode = Mode::Quote;
    })
    .await;
    let socket = scene.live_socket().await;
    assert_eq!(scene.kite.seen().await, Seen::Opened);
    let command = |command| Seen::Command(command);
    let both = vec![token(1), token(2)];
    assert_eq!(scene.kite.seen().await, command(Command::Subscribe(both)));
    let full_mode = Command::SetMode(Mode::Full, vec![token(2)]);
    assert_eq!(scene.kite.seen().await, command(full_mode));

    socket
        .send(frame(&[quote(1, 10_010), packet(2, 100)]))
        .unwrap();
    let first = |report: &Report| has_price(report, "100.10") && report.references[0].first;
    let report = scene.ingestor.until("a first packet", first).await;
    assert_eq!(report.references[0].age_ms, None);
    socket.send(frame(&[quote(1, 10_015)])).unwrap();
    let ticked = |report: &Report| has_price(report, "100.15") && !report.references[0].first;
    let report = scene.ingestor.until("a tick", ticked).await;
    assert!(report.references[0].age_ms.is_some());

    for mode in [Mode::Full, Mode::Quote] {
        scene.reassign(|assigned| {
            let row = &mut assigned.instruments[0];
            *row = Row {
                mode,
                reference: true,
                ..option(1)
            };
            if mode == Mode::Quote {
                *row = unread(row);
            }
        });
        let change = Command::SetMode(mode, vec![token(1)]);
        assert_eq!(scene.kite.seen().await, command(change));
        let report = scene.ingestor.report().await;
        assert!(has_price(&report, "100.15"), "{report:#?}");
        assert_eq!((report.assigned, report.streaming), (2, 2));
        // The answer to the change.
        socket.send(frame(&[packet(1, 10_015)])).unwrap();
    }
}

/// Readers are told of its socket, and of nothing else.
#[tokio::test]
async fn an_account_with_references_alone_publishes_nothing() {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.account.mock = false;
    (assigned.sets, assigned.channels) = (Vec::new(), Vec::new());
    assigned.instruments = vec![unread(&option(1))];
    let mut scene = Scene::between(kite, redis, folders, assigned).await;
    for price in ["1.00", "1.10"] {
        let socket = scene.live_socket().await;
        let number: f64 = price.parse().unwrap();
        for _ in 0..3 {
            let packet = packet(1, (number * 100.0) as i32);
            socket.send(frame(&[packet])).unwrap();
        }
        let report = scene
            .ingestor
            .until("its price", |report| has_price(report, price))
            .await;
        assert_eq!((report.assigned, report.streaming), (1, 1));
        assert_eq!(report.redis.published, 0);
    }
    // A gap would come before the socket ends again.
    let has_ended = |json: &Value| is_event(json, "disconnected");
    let mut seen = until(&mut messages, has_ended).await;
    seen.extend(until(&mut messages, has_ended).await);
    let kinds = seen.iter().filter(|json| !is_event(json, "alive"));
    let kinds: Vec<_> = kinds.map(|json| &json["event_type"]).collect();
    assert_eq!(
        kinds,
        ["connected", "disconnected", "connected", "disconnected"]
    );
    let keys = scene.redis.command(&["KEYS", "*"]).await;
    let mut keys: Vec<_> = keys.lines().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["ticker:alive:acct-a", "ticker:events:log"]);
}
