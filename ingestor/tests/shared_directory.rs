//! The directory in a real Redis when several accounts stream the same instruments.

mod stage;

use stage::redis_server::{RedisServer, Subscriber};
use stage::{DIRECTORY, Ingestor, servers, stored_options, token, within};

fn field(number: u32) -> String {
    token(number).0.to_string()
}

/// The row of an instrument, once it contains `part`.
async fn row(redis: &RedisServer, number: u32, part: &str) -> String {
    let fits = |row: &str| row.contains(part);
    redis
        .answers(&["HGET", DIRECTORY, &field(number)], fits)
        .await
}

/// Another account writes the row of an instrument, with a channel of its own.
async fn take_row(redis: &RedisServer, number: u32) {
    let row = row(redis, number, "acct-a").await;
    let row = row.replace("acct-a", "acct-b").replace("test", "other");
    redis
        .command(&["HSET", DIRECTORY, &field(number), &row])
        .await;
}

async fn remove_row(redis: &RedisServer, number: u32) {
    redis.command(&["HDEL", DIRECTORY, &field(number)]).await;
}

/// The instruments of the next events of a kind, until that of `last`.
async fn told(messages: &mut Subscriber, kind: &str, last: u32) -> Vec<u64> {
    let mut tokens = Vec::new();
    while tokens.last() != Some(&token(last).0.into()) {
        let (channel, event) = within("an event", messages.any_message()).await;
        if channel == "ticker:events" && event["event_type"] == kind {
            tokens.extend(event["instrument_token"].as_u64());
        }
    }
    tokens
}

#[tokio::test]
async fn an_instrument_that_comes_back_soon_keeps_its_row() {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    let mut assigned = stored_options(&kite, &redis, &[1, 2]);
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    row(&redis, 2, "acct-a").await;

    // It moves to another account. The row of 3 says that this is known.
    assigned.instruments = stored_options(&kite, &redis, &[1, 3]).instruments;
    assigned.generation += 1;
    folders.assign(&assigned);
    row(&redis, 3, "acct-a").await;
    take_row(&redis, 2).await;

    assigned.instruments = stored_options(&kite, &redis, &[2, 3]).instruments;
    assigned.generation += 1;
    folders.assign(&assigned);
    row(&redis, 2, "acct-a").await;
    // 1 left when 2 came back: had the removal of 2 not been called off, it would come first.
    let gone = told(&mut messages, "subscription_deleted", 1).await;
    assert_eq!(gone, [u64::from(token(1).0)]);
    row(&redis, 2, "acct-a").await;
}

#[tokio::test]
async fn who_streams_on_takes_over_the_rows_of_who_left() {
    let (kite, redis, folders) = servers().await;
    let mut messages = redis.subscribe().await;
    folders.assign(&stored_options(&kite, &redis, &[1, 2, 3]));
    let _ingestor = Ingestor::start(&folders).await;
    told(&mut messages, "subscription_created", 3).await;
    take_row(&redis, 2).await;
    // Rows are compared in turn: between the second return of 1 and that of 3 all were.
    for number in [1, 3, 1, 3] {
        remove_row(&redis, number).await;
        row(&redis, number, "acct-a").await;
    }
    row(&redis, 2, "acct-b").await;
    // Its own row, that somebody changed.
    let own = row(&redis, 3, "acct-a").await;
    let changed = own.replace("full", "ltp");
    redis
        .command(&["HSET", DIRECTORY, &field(3), &changed])
        .await;
    row(&redis, 3, "full").await;

    remove_row(&redis, 2).await;
    let now = row(&redis, 2, "acct-a").await;
    assert!(now.contains("\"channel\":\"ticker:test:options\""), "{now}");
    let created = told(&mut messages, "subscription_created", 2).await;
    let expected = [1, 3, 1, 3, 2].map(|number| u64::from(token(number).0));
    assert_eq!(created, expected);
}

/// Somebody flushes Redis, or it evicts keys to make room. Nothing ends a connection then.
#[tokio::test]
async fn rows_that_redis_has_lost_are_written_again() {
    let (kite, redis, folders) = servers().await;
    folders.assign(&stored_options(&kite, &redis, &[1, 2, 3]));
    let _ingestor = Ingestor::start(&folders).await;
    for number in [1, 2, 3] {
        row(&redis, number, "acct-a").await;
    }
    redis.command(&["FLUSHALL"]).await;
    for number in [1, 2, 3] {
        row(&redis, number, "acct-a").await;
    }
}

#[tokio::test]
async fn who_moves_to_another_redis_leaves_the_rows_of_others() {
    let (kite, old, folders) = servers().await;
    let new = RedisServer::start().await;
    let mut assigned = stored_options(&kite, &old, &[1, 2]);
    folders.assign(&assigned);
    let _ingestor = Ingestor::start(&folders).await;
    row(&old, 2, "acct-a").await;
    take_row(&old, 2).await;
    assigned.generation += 1;
    assigned.redis_url = format!("redis://127.0.0.1:{}", new.port());
    folders.assign(&assigned);
    row(&new, 2, "acct-a").await;
    let left = old.answers(&["HVALS", DIRECTORY], |rows| rows.lines().count() == 1);
    assert!(left.await.contains("acct-b"));
}
