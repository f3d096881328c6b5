//! Events for readers: the sign of life, and readers that want no events.

mod stage;

use std::collections::BTreeSet;

use contract::Report;
use serde_json::Value;
use stage::redis_server::{RedisServer, Subscriber};
use stage::{DIRECTORY, Ingestor, assignment, servers, stored_options, token};

const KEY: &str = "ticker:alive:acct-a";

/// The next sign of life on this channel.
async fn alive(messages: &mut Subscriber, channel: &str) -> Value {
    loop {
        let (found, json) = messages.any_message().await;
        if json["event_type"] == "alive" {
            assert_eq!(found, channel);
            return json;
        }
    }
}

#[tokio::test]
async fn an_account_is_alive_every_ten_seconds_also_when_nothing_ticks() {
    let (mut kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    folders.assign(&stored_options(&kite, &redis, &[1, 2]));
    let _ingestor = Ingestor::start(&folders).await;
    let _socket = kite.socket().await;
    let first = alive(&mut messages, "ticker:events").await;
    let second = alive(&mut messages, "ticker:events").await;
    let time = |event: &Value| event["ts"].as_i64().unwrap();
    assert!(time(&second) - time(&first) >= 9, "{first} {second}");
    let members = ["account_id", "is_mock", "live", "needed", "assigned"];
    let expected: [Value; 5] = ["acct-a".into(), false.into(), 1.into(), 1.into(), 2.into()];
    assert_eq!(members.map(|name| second[name].clone()), expected);
    assert_eq!(second["last_tick_ts"], Value::Null, "nothing has ticked");
    // The key holds the same, for less time than three of them take.
    let kept = redis
        .answers(&["GET", KEY], |kept| kept.contains("alive"))
        .await;
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), second);
    let ttl = redis.command(&["TTL", KEY]).await;
    assert!((1..=30).contains(&ttl.trim().parse().unwrap()), "{ttl}");
    let log = redis
        .command(&["XRANGE", "ticker:events:log", "-", "+"])
        .await;
    assert!(log.contains("subscription_created"), "{log}");
    assert!(!log.contains("alive"), "{log}");
}

#[tokio::test]
async fn an_account_of_a_namespace_has_its_own_key() {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.account.namespace = Some("trading".to_owned());
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    let event = alive(&mut messages, "mock:ticker:events").await;
    assert_eq!(event["namespace"], "trading");
    redis
        .answers(&["EXISTS", "mock:ticker:alive:trading:acct-a"], |there| {
            there == "1"
        })
        .await;
}

/// The channels of events on which an instrument was told of, until it was on `channels` of them.
async fn told_of(number: u32, channels: usize, messages: &mut Subscriber) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    while told.len() < channels {
        let (channel, json) = messages.any_message().await;
        let name = &json["metadata"]["tradingsymbol"];
        if json["event_type"] == "subscription_created" {
            assert_eq!(name, &format!("TEST{number}CE"), "on {channel}");
            told.insert(channel);
        }
    }
    told
}

#[tokio::test]
async fn readers_that_want_no_events_get_none_until_they_do() {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    let mut assigned = stored_options(&kite, &redis, &[1]);
    assigned.events = false;
    assigned.quiet_prefixes = vec!["ticker:test".to_owned()];
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    redis
        .answers(&["HLEN", DIRECTORY], |count| count == "1")
        .await;
    redis.answers(&["EXISTS", KEY], |there| there == "1").await;
    let log = redis.command(&["EXISTS", "ticker:events:log"]).await;
    assert_eq!(log.trim(), "0");
    // The readers of the set want them now, with the process running.
    assigned = stored_options(&kite, &redis, &[1, 2]);
    (assigned.generation, assigned.events) = (2, false);
    folders.assign(&assigned);
    let own = BTreeSet::from(["ticker:test:events".to_owned()]);
    assert_eq!(told_of(2, 1, &mut messages).await, own);
    // Everybody does, and the set's readers do not any more.
    assigned = stored_options(&kite, &redis, &[1, 2, 3]);
    assigned.generation = 3;
    assigned.quiet_prefixes = vec!["ticker:test".to_owned()];
    folders.assign(&assigned);
    let everybody = BTreeSet::from(["ticker:events".to_owned()]);
    assert_eq!(told_of(3, 1, &mut messages).await, everybody);
    assigned = stored_options(&kite, &redis, &[1, 2, 3, 4]);
    assigned.generation = 4;
    folders.assign(&assigned);
    let both = own.union(&everybody).cloned().collect();
    assert_eq!(told_of(4, 2, &mut messages).await, both);
}

/// A user that may not write the key of the sign of life: nothing else lacks.
#[tokio::test]
async fn a_key_that_may_not_be_written_costs_only_itself() {
    let (mut kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    redis.command(&narrow_user()).await;
    folders.redis_of(&[("username", "narrow"), ("password", "fake-password")]);
    folders.assign(&stored_options(&kite, &redis, &[1]));
    let ingestor = Ingestor::start(&folders).await;
    let _socket = kite.socket().await;
    alive(&mut messages, "ticker:events").await;
    let told = |report: &Report| {
        let mut remarks = report.redis.remarks.iter();
        remarks.any(|remark| {
            remark.starts_with("the sign of life is not written") && remark.contains("NOPERM")
        })
    };
    ingestor.until("the refusal", told).await;
    ingestor.logged("redis refuses the sign of life").await;
    let metrics = ingestor.get("/metrics").await.1;
    assert!(!metrics.contains("kiteticker_events_refused_total{part=\"alive\"} 0"));
    assert!(
        metrics.contains("kiteticker_events_failures_total 0"),
        "{metrics}"
    );
    alive(&mut messages, "ticker:events").await;
    let names = redis.command(&["CLIENT", "LIST"]).await;
    assert!(names.contains(":directory"), "{names}");
    assert_eq!(redis.command(&["EXISTS", KEY]).await.trim(), "0");
    let field = token(1).0.to_string();
    let row = redis.command(&["HEXISTS", DIRECTORY, &field]).await;
    assert_eq!(row.trim(), "1");
}

fn narrow_user() -> Vec<&'static str> {
    let mut command = vec!["ACL", "SETUSER", "narrow", "reset", "on", ">fake-password"];
    command.extend(["&*", "+@connection", "+publish", "+set", "+hset", "+hget"]);
    command.extend(["+hmget", "+hdel", "+hscan", "+xadd", "~ticker:events:log"]);
    command.extend([
        "~ticker:instruments",
        "~ticker:*:last",
        "~ltp:*",
        "~ticker:*:ltp",
    ]);
    command
}

/// Without any right to the directory readers still know that the account is alive.
#[tokio::test]
async fn a_user_that_may_only_publish_is_alive_too() {
    let (kite, redis, folders): (_, RedisServer, _) = servers().await;
    let mut messages = redis.subscribe().await;
    let rights = [
        "reset",
        "on",
        ">fake-password",
        "&*",
        "+@connection",
        "+publish",
    ];
    let user = [&["ACL", "SETUSER", "narrow"], &rights[..]].concat();
    redis.command(&user).await;
    folders.redis_of(&[("username", "narrow"), ("password", "fake-password")]);
    folders.assign(&stored_options(&kite, &redis, &[1]));
    let _ingestor = Ingestor::start(&folders).await;
    for _ in 0..2 {
        alive(&mut messages, "ticker:events").await;
    }
}
