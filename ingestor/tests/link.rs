//! The link alone: what happens to commands when it switches to another Redis.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use redis_link::client::RedisClient;
use redis_link::resp::write_command;
use redis_link::send_queue::CommandKind;
use redis_link::target::Target;
use serde_json::Value;
use service::clock::Clock;
use stage::redis_server::RedisServer;
use stage::{access, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// More than the buffers of a loopback connection take.
const TOO_LARGE: usize = 256 * 1024;
const TOO_MANY: u64 = 100;

/// The buffer that a link reads answers into, in bytes.
const READ_AT_ONCE: usize = 16 * 1024;

fn link() -> RedisClient {
    RedisClient::new(access(), "kite-ingestor:test".to_owned(), 1)
}

fn go_to(link: &mut RedisClient, redis: &RedisServer) {
    let url = format!("redis://127.0.0.1:{}", redis.port());
    link.set_target(&Target::parse(&url).unwrap());
}

fn publish(link: &mut RedisClient, message: &Value) {
    let message = message.to_string();
    link.push(CommandKind::Message, 0, |out| {
        write_command(out, &[b"PUBLISH", b"ticker:c", message.as_bytes()]);
    });
}

/// Polls it until `done`.
async fn turn(link: &mut RedisClient, done: impl Fn(&RedisClient) -> bool) {
    let clock = Clock::system();
    let mut alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
    let turning = poll_fn(|cx| {
        loop {
            // A state that was just left waits for nothing yet.
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
async fn publishes_only_news(link: &mut RedisClient, redis: &RedisServer, before: u64) {
    let mut ticks = redis.subscribe().await;
    turn(link, RedisClient::is_open).await;
    publish(link, &"new".into());
    turn(link, |link| link.counts().published > 0 && link.is_idle()).await;
    assert!(ticks.tick().await == "new", "something old arrived");
    let counts = link.counts();
    assert_eq!((counts.unknown, counts.published), (before, 1));
}

/// Reads one command and says its name.
async fn command(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut words = Vec::new();
    let mut line = String::new();
    stream
        .read_line(&mut line)
        .await
        .ok()
        .filter(|count| *count > 0)?;
    let count: usize = line.trim_end().strip_prefix('*')?.parse().ok()?;
    for _ in 0..2 * count {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        words.push(line.trim_end().to_owned());
    }
    words.get(1).cloned()
}

/// A server that refuses the first link's messages in exactly as many bytes as a link reads at once,
/// and ends it with the last of them; it takes those of the next one.
async fn refusing_once(listener: TcpListener) {
    let refusal = format!("-BUSY {:<56}\r\n", "for a while");
    for refuses in [true, false] {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut refused = 0;
        while let Some(name) = command(&mut stream).await {
            let answer = match name.as_str() {
                "PUBLISH" if refuses => {
                    refused += 1;
                    if refused == READ_AT_ONCE / refusal.len() {
                        stream
                            .write_all(refusal.repeat(refused).as_bytes())
                            .await
                            .unwrap();
                        break;
                    }
                    continue;
                }
                "PUBLISH" => ":0\r\n",
                _ => "+OK\r\n",
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn why_a_link_was_left_is_nothing_against_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(refusing_once(listener));
    let mut link = link();
    link.set_target(&Target::parse(&url).unwrap());
    turn(&mut link, RedisClient::is_open).await;
    for _ in 0..256 {
        publish(&mut link, &"old".into());
    }
    turn(&mut link, |link| link.counts().failed == 256).await;
    turn(&mut link, RedisClient::is_open).await;
    publish(&mut link, &"new".into());
    turn(&mut link, |link| link.counts().published == 1).await;
    let counts = link.counts();
    assert_eq!((counts.reconnects, counts.unknown), (1, 0));
}

/// Some servers say why they take no connection, and close it before they read anything.
#[tokio::test]
async fn what_a_server_says_before_it_closes_is_told() {
    for words in [
        "DENIED Redis is running in protected mode because protected mode is enabled",
        "ERR max number of clients reached",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let said = format!("-{words}\r\n");
                stream.write_all(said.as_bytes()).await.unwrap();
            }
        });
        let mut link = link();
        link.set_target(&Target::parse(&url).unwrap());
        turn(&mut link, |link| {
            let error = link.messages_error(Clock::system().now());
            error.is_some_and(|error| error.contains(words))
        })
        .await;
        server.abort();
    }
}

#[tokio::test]
async fn what_an_open_link_has_not_written_is_not_for_another_server() {
    let (old, new) = (RedisServer::start().await, RedisServer::start().await);
    let mut link = link();
    go_to(&mut link, &old);
    turn(&mut link, RedisClient::is_open).await;
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
    turn(&mut link, RedisClient::is_open).await;
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
