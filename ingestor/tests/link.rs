//! The link alone: what becomes of commands when it goes to another Redis.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use ingestor::redis::access::Access;
use ingestor::redis::links::Links;
use ingestor::redis::outbox::Kind;
use ingestor::redis::resp::write_command;
use ingestor::redis::target::Target;
use serde_json::Value;
use service::clock::Clock;
use service::tls::Roots;
use stage::redis_server::RedisServer;
use stage::within;

/// More than the buffers of a loopback connection take.
const TOO_LARGE: usize = 256 * 1024;
const TOO_MANY: u64 = 100;

fn link() -> Links {
    service::tls::install();
    let access = Access::new(None, Roots::of_machine()).unwrap();
    Links::new(access, "kite-ingestor:test".to_owned(), 1)
}

fn go_to(link: &mut Links, redis: &RedisServer) {
    let url = format!("redis://127.0.0.1:{}", redis.port());
    link.set_target(&Target::parse(&url).unwrap());
}

fn publish(link: &mut Links, message: &Value) {
    let message = message.to_string();
    link.push(Kind::Tick, 0, |out| {
        write_command(out, &[b"PUBLISH", b"c", message.as_bytes()]);
    });
}

/// Turns it until `done`.
async fn turn(link: &mut Links, done: impl Fn(&Links) -> bool) {
    let clock = Clock::system();
    let mut alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
    let turning = poll_fn(|cx| {
        loop {
            // A state that was left just now waits for nothing yet.
            while link.poll(cx, clock.now()) && !done(link) {}
            if done(link) {
                return Poll::Ready(());
            }
            let Some(deadline) = link.deadline() else {
                return Poll::Pending;
            };
            alarm.as_mut().reset(deadline.into());
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    });
    within("the link", turning).await;
}

/// Nothing but what is published from now on arrives at `redis`, and everything is counted.
async fn publishes_only_news(link: &mut Links, redis: &RedisServer, before: u64) {
    let mut ticks = redis.subscribe().await;
    turn(link, Links::is_open).await;
    publish(link, &"new".into());
    turn(link, |link| link.counts().published > 0 && link.is_idle()).await;
    assert!(ticks.tick().await == "new", "something old arrived");
    let counts = link.counts();
    assert_eq!((counts.unknown, counts.published), (before, 1));
}

#[tokio::test]
async fn what_an_open_link_has_not_written_is_not_for_another_server() {
    let (old, new) = (RedisServer::start().await, RedisServer::start().await);
    let mut link = link();
    go_to(&mut link, &old);
    turn(&mut link, Links::is_open).await;
    for _ in 0..3 {
        publish(&mut link, &"old".into());
    }
    go_to(&mut link, &new);
    publishes_only_news(&mut link, &new, 3).await;
}

#[tokio::test]
async fn what_a_dead_link_has_left_is_not_for_another_server() {
    let (mut old, new) = (RedisServer::start().await, RedisServer::start().await);
    let mut link = link();
    go_to(&mut link, &old);
    turn(&mut link, Links::is_open).await;
    old.signal("-STOP");
    for _ in 0..TOO_MANY {
        publish(&mut link, &"x".repeat(TOO_LARGE).into());
    }
    turn(&mut link, |_| true).await;
    old.kill().await;
    turn(&mut link, |link| !link.is_open()).await;
    let lost = link.counts().unknown;
    assert!((1..TOO_MANY).contains(&lost), "{lost}: some were written");
    go_to(&mut link, &new);
    publishes_only_news(&mut link, &new, TOO_MANY).await;
}
