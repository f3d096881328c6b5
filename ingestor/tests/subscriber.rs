//! The reading side of the link: channels that are subscribed to, and keys that are read, with a real
//! Redis, Sentinel and Cluster.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use redis_link::access::{Access, FILES, ReadFiles};
use redis_link::reader::RedisReader;
use redis_link::rights::reader_rules;
use redis_link::subscriber::{ChannelEvent, Subscriber};
use redis_link::target::Target;
use service::clock::Clock;
use service::tls::Roots;
use stage::redis_cluster::RedisCluster;
use stage::redis_server::{RedisServer, free_port};
use stage::sentinel::Sentinel;
use stage::within;
use tokio::sync::mpsc;

const CHANNEL: &str = "ticker:test:options";
const OTHER: &str = "ticker:other:options";

/// A user who may only read.
const READER: &str = "reader";
const PASSWORD: &str = "fake-password-of-reader";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Subscribed(String),
    Message(String, String),
    Lost(String),
}

impl From<ChannelEvent<'_>> for Seen {
    fn from(event: ChannelEvent<'_>) -> Self {
        match event {
            ChannelEvent::Subscribed { channel } => Self::Subscribed(channel.to_owned()),
            ChannelEvent::Lost { channel } => Self::Lost(channel.to_owned()),
            ChannelEvent::Message { channel, payload } => {
                let payload = String::from_utf8(payload.to_vec()).unwrap();
                Self::Message(channel.to_owned(), payload)
            }
        }
    }
}

/// A subscriber that runs until the test ends.
struct Listening {
    wishes: mpsc::UnboundedSender<(bool, String)>,
    seen: mpsc::UnboundedReceiver<Seen>,
    _task: tokio::task::JoinSet<()>,
}

impl Listening {
    fn to(url: &str, channels: &[&str]) -> Self {
        Self::with(url, channels, anyone())
    }

    fn with(url: &str, channels: &[&str], access: Access) -> Self {
        let target = Target::parse(url).unwrap();
        let mut subscriber = Subscriber::new(target, access, "test:reader".to_owned(), 7);
        let (wishes, mut wished) = mpsc::unbounded_channel::<(bool, String)>();
        let (tell, seen) = mpsc::unbounded_channel();
        for channel in channels {
            subscriber.want(channel);
        }
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move {
            let clock = Clock::system();
            loop {
                let deadline = subscriber.deadline();
                let wish = poll_fn(|cx| {
                    let mut emit = |event: ChannelEvent<'_>| {
                        let _ended = tell.send(event.into());
                    };
                    subscriber.poll(cx, clock.now(), &mut emit);
                    if subscriber.deadline() != deadline {
                        return Poll::Ready(None);
                    }
                    wished.poll_recv(cx)
                });
                let until = async {
                    match deadline {
                        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    wish = wish => match wish {
                        Some((true, channel)) => subscriber.want(&channel),
                        Some((false, channel)) => subscriber.unwant(&channel),
                        None => {}
                    },
                    () = until => {}
                }
            }
        });
        Self {
            wishes,
            seen,
            _task: task,
        }
    }

    async fn next(&mut self) -> Seen {
        let next = within("an event", self.seen.recv()).await;
        next.expect("the subscriber runs")
    }

    async fn subscribed(&mut self, channel: &str) {
        assert_eq!(self.next().await, Seen::Subscribed(channel.to_owned()));
    }

    async fn lost(&mut self, channel: &str) {
        assert_eq!(self.next().await, Seen::Lost(channel.to_owned()));
    }

    async fn hears(&mut self, channel: &str, text: &str) {
        let message = Seen::Message(channel.to_owned(), text.to_owned());
        assert_eq!(self.next().await, message);
    }
}

/// Without a login: the default user of the stage's servers may do everything.
fn anyone() -> Access {
    service::tls::install();
    Access::new(None, Roots::of_machine()).unwrap()
}

fn reader() -> Access {
    service::tls::install();
    let contents = FILES.map(|name| match name {
        "username" => Some(READER.as_bytes().to_vec()),
        "password" => Some(PASSWORD.as_bytes().to_vec()),
        _ => None,
    });
    let read: ReadFiles = Arc::new(move || Ok(contents.clone()));
    Access::new(Some(read), Roots::of_machine()).unwrap()
}

async fn add_reader(redis: &RedisServer) {
    let password = format!(">{PASSWORD}");
    let rules = reader_rules("ticker");
    let mut command = vec!["ACL", "SETUSER", READER, "on", &password];
    command.extend(rules.iter().map(String::as_str));
    redis.command(&command).await;
}

fn url(redis: &RedisServer) -> String {
    format!("redis://127.0.0.1:{}", redis.port())
}

#[tokio::test]
async fn wanted_channels_are_read_and_others_are_not() {
    let redis = RedisServer::start().await;
    let mut listening = Listening::to(&url(&redis), &[CHANNEL]);
    listening.subscribed(CHANNEL).await;
    redis.command(&["PUBLISH", OTHER, "no"]).await;
    redis.command(&["PUBLISH", CHANNEL, "one"]).await;
    listening.hears(CHANNEL, "one").await;
    listening.wishes.send((true, OTHER.to_owned())).unwrap();
    listening.subscribed(OTHER).await;
    listening.wishes.send((false, CHANNEL.to_owned())).unwrap();
    let nobody = |answer: &str| answer.lines().last() == Some("0");
    redis.answers(&["PUBSUB", "NUMSUB", CHANNEL], nobody).await;
    redis.command(&["PUBLISH", CHANNEL, "two"]).await;
    redis.command(&["PUBLISH", OTHER, "three"]).await;
    listening.hears(OTHER, "three").await;
}

#[tokio::test]
async fn a_server_that_goes_is_a_loss_and_its_return_ends_it() {
    let mut redis = RedisServer::start().await;
    let mut listening = Listening::to(&url(&redis), &[CHANNEL]);
    listening.subscribed(CHANNEL).await;
    redis.kill().await;
    listening.lost(CHANNEL).await;
    redis.restart().await;
    listening.subscribed(CHANNEL).await;
    redis.command(&["PUBLISH", CHANNEL, "again"]).await;
    listening.hears(CHANNEL, "again").await;
}

/// Such as one whose machine has stopped: its connection does not end.
#[tokio::test]
async fn a_server_that_stands_still_is_a_loss() {
    let redis = RedisServer::start().await;
    let mut listening = Listening::to(&url(&redis), &[CHANNEL]);
    listening.subscribed(CHANNEL).await;
    redis.signal("-STOP");
    listening.lost(CHANNEL).await;
    redis.signal("-CONT");
    listening.subscribed(CHANNEL).await;
}

#[tokio::test]
async fn a_subscriber_that_redis_cuts_off_counts_as_a_loss() {
    let redis = RedisServer::start().await;
    let mut listening = Listening::to(&url(&redis), &[CHANNEL]);
    listening.subscribed(CHANNEL).await;
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    listening.lost(CHANNEL).await;
    listening.subscribed(CHANNEL).await;
}

#[tokio::test]
async fn a_user_who_may_only_read_reads_channels_and_keys() {
    let redis = RedisServer::start().await;
    add_reader(&redis).await;
    let mut listening = Listening::with(&url(&redis), &[CHANNEL], reader());
    listening.subscribed(CHANNEL).await;
    redis.command(&["PUBLISH", CHANNEL, "one"]).await;
    listening.hears(CHANNEL, "one").await;
    redis
        .command(&["HSET", "ticker:instruments", "1", "a", "2", "b"])
        .await;
    redis.command(&["SET", "revoked_jti:7", ""]).await;
    let target = Target::parse(&url(&redis)).unwrap();
    let keys = RedisReader::new(target, reader(), "test:keys".to_owned());
    let (next, mut rows) = keys.hash_page("ticker:instruments", 0, 100).await.unwrap();
    rows.sort();
    let row = |field: &str, value: &str| (field.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!((next, rows), (0, vec![row("1", "a"), row("2", "b")]));
    let fields = ["2", "3"].map(str::to_owned);
    let found = keys.hash_fields("ticker:instruments", &fields).await;
    assert_eq!(found.unwrap(), [Some(b"b".to_vec()), None]);
    assert_eq!(keys.value("ticker:alive:a").await.unwrap(), None);
    let revoked = ["revoked_token:x", "revoked_jti:7"].map(str::to_owned);
    assert!(keys.any_exists(&revoked).await.unwrap());
    assert!(!keys.any_exists(&revoked[..1]).await.unwrap());
    redis.has_refused_nothing().await;
}

#[tokio::test]
async fn a_channel_that_is_refused_comes_when_the_right_is_given() {
    let redis = RedisServer::start().await;
    add_reader(&redis).await;
    redis
        .command(&["ACL", "SETUSER", READER, "resetchannels", "&ticker:other:*"])
        .await;
    let mut listening = Listening::with(&url(&redis), &[CHANNEL, OTHER], reader());
    listening.subscribed(OTHER).await;
    redis
        .command(&["ACL", "SETUSER", READER, "&ticker:*"])
        .await;
    listening.subscribed(CHANNEL).await;
}

#[tokio::test]
async fn keys_are_read_again_after_the_server_was_away() {
    let mut redis = RedisServer::start().await;
    let target = Target::parse(&url(&redis)).unwrap();
    let keys = RedisReader::new(target, anyone(), "test:keys".to_owned());
    assert_eq!(keys.value("ticker:a").await.unwrap(), None);
    redis.kill().await;
    keys.value("ticker:a").await.unwrap_err();
    redis.restart().await;
    assert_eq!(keys.value("ticker:a").await.unwrap(), None);
}

#[tokio::test]
async fn a_failover_of_sentinels_is_followed() {
    let (mut first, second) = (RedisServer::start().await, RedisServer::start().await);
    let port = first.port().to_string();
    second.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let sentinel = Sentinel::of(first.port()).await;
    let nowhere = free_port().await;
    let nodes = format!("127.0.0.1:{nowhere},127.0.0.1:{}", sentinel.port);
    let mut listening = Listening::to(&format!("redis-sentinel://{nodes}/ours"), &[CHANNEL]);
    listening.subscribed(CHANNEL).await;
    let second_port = second.port().to_string();
    let knows = |replicas: &str| replicas.contains(&second_port);
    sentinel
        .answers(&["SENTINEL", "replicas", "ours"], knows)
        .await;
    first.kill().await;
    listening.lost(CHANNEL).await;
    listening.subscribed(CHANNEL).await;
    second.command(&["PUBLISH", CHANNEL, "new"]).await;
    listening.hears(CHANNEL, "new").await;
}

#[tokio::test]
async fn plain_channels_of_a_cluster_outlive_the_node_that_is_read() {
    let mut cluster = RedisCluster::start(3).await;
    let mut listening = Listening::to(&cluster.url(""), &[CHANNEL]);
    listening.subscribed(CHANNEL).await;
    cluster.nodes[2].command(&["PUBLISH", CHANNEL, "one"]).await;
    listening.hears(CHANNEL, "one").await;
    let mut read = None;
    for at in 0..3 {
        let list = cluster.nodes[at].command(&["PUBSUB", "CHANNELS"]).await;
        if list.contains(CHANNEL) {
            read = Some(at);
        }
    }
    let read = read.unwrap();
    cluster.nodes[read].kill().await;
    listening.lost(CHANNEL).await;
    listening.subscribed(CHANNEL).await;
    let other = (read + 1) % 3;
    cluster.nodes[other]
        .command(&["PUBLISH", CHANNEL, "two"])
        .await;
    listening.hears(CHANNEL, "two").await;
}

#[tokio::test]
async fn sharded_channels_are_followed_when_their_slot_moves() {
    let cluster = RedisCluster::start(3).await;
    let mut listening = Listening::to(&cluster.url("/sharded"), &[CHANNEL]);
    listening.subscribed(CHANNEL).await;
    let from = cluster.owner(CHANNEL).await;
    let to = (from + 1) % 3;
    cluster.nodes[from]
        .command(&["SPUBLISH", CHANNEL, "one"])
        .await;
    listening.hears(CHANNEL, "one").await;
    cluster.move_slot(CHANNEL, from, to).await;
    listening.lost(CHANNEL).await;
    listening.subscribed(CHANNEL).await;
    cluster.nodes[to]
        .command(&["SPUBLISH", CHANNEL, "two"])
        .await;
    listening.hears(CHANNEL, "two").await;
}
