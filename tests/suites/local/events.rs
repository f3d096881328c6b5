//! Events are kept off the channels of readers that expect nothing but ticks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use futures::StreamExt;
use serde_json::{Value, json};
use tests::{Local, RedisServer, Simulator, eventually};

/// How many messages of each channel arrived, and the first that is no tick.
#[derive(Clone, Debug, Default)]
struct Heard {
    channels: BTreeMap<String, usize>,
    no_tick: Option<String>,
}

impl Heard {
    fn events(&self) -> Vec<&str> {
        let channels = self.channels.keys().map(String::as_str);
        channels.filter(|name| name.ends_with(":events")).collect()
    }
}

/// A reader that takes every message for a tick.
async fn hear(redis: &RedisServer, pattern: &str) -> Result<Arc<Mutex<Heard>>> {
    let mut subscription = redis::Client::open(redis.url())?.get_async_pubsub().await?;
    subscription.psubscribe(pattern).await?;
    let heard = Arc::new(Mutex::new(Heard::default()));
    let sink = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            let text: String = message.get_payload().unwrap_or_default();
            let json: Value = serde_json::from_str(&text).unwrap_or_default();
            let mut heard = sink.lock().unwrap_or_else(PoisonError::into_inner);
            let channel = message.get_channel_name().to_owned();
            *heard.channels.entry(channel).or_default() += 1;
            if !json["token"].is_u64() {
                heard.no_tick.get_or_insert(text);
            }
        }
    });
    Ok(heard)
}

#[tokio::test]
async fn readers_of_a_whole_pattern_get_ticks_only_until_events_are_wanted() -> Result<()> {
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    // Of a mock account the events have a `mock:` in front.
    let heard = hear(&redis, "*desk:*").await?;
    let everybody = hear(&redis, "*ticker:*").await?;
    let now = |heard: &Mutex<Heard>| heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut local = Local::new(&redis)?;
    let publish =
        |events: bool| format!("  publish: {{channelPrefix: 'desk', events: {events}}}\n");
    local.write_account("demo", &kite, "  events: false\n")?;
    local.write_set("shares", "full", &["NSE:INFY"], &publish(false))?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;
    // A socket that is lost is an event, and so is the next.
    kite.control("connections/drop", json!({})).await?;
    eventually("another socket", async || {
        let report = local.report("demo").await?;
        let reconnects: Vec<u64> = report.connections.iter().map(|it| it.reconnects).collect();
        ensure!(reconnects == [1] && report.streaming == 1, "{reconnects:?}");
        Ok(())
    })
    .await;
    let before = local.report("demo").await?.epoch;
    local.write_set("shares", "full", &["NSE:INFY", "NSE:TCS"], &publish(true))?;
    eventually("the new instrument on the set's channel", async || {
        let heard = now(&heard);
        ensure!(heard.events() == ["mock:desk:events"], "{heard:?}");
        Ok(())
    })
    .await;
    assert_eq!(now(&everybody).no_tick, None);
    local.write_account("demo", &kite, "")?;
    eventually("signs of life for everybody", async || {
        let heard = now(&everybody);
        ensure!(heard.events() == ["mock:ticker:events"], "{heard:?}");
        Ok(())
    })
    .await;
    assert_eq!(
        local.report("demo").await?.epoch,
        before,
        "it was restarted"
    );
    Ok(())
}

/// Before they are wanted, nothing but ticks arrives.
#[tokio::test]
async fn silenced_events_are_not_published_and_not_logged() -> Result<()> {
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    let heard = hear(&redis, "*").await?;
    let mut local = Local::new(&redis)?;
    let publish = "  publish: {channelPrefix: 'desk', events: false}\n";
    local.write_account("demo", &kite, "  events: false\n")?;
    local.write_set("shares", "full", &["NSE:INFY"], publish)?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;
    kite.control("connections/drop", json!({})).await?;
    let mut connection = redis.connection().await?;
    eventually(
        "another socket, and the sign of life of after it",
        async || {
            let report = local.report("demo").await?;
            let reconnects: Vec<u64> = report.connections.iter().map(|it| it.reconnects).collect();
            let alive: Option<String> = redis::cmd("GET")
                .arg("mock:ticker:alive:demo")
                .query_async(&mut connection)
                .await?;
            ensure!(reconnects == [1], "{reconnects:?}");
            ensure!(
                alive.is_some_and(|it| it.contains("\"assigned\":1")),
                "no key"
            );
            Ok(())
        },
    )
    .await;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(
        heard.events().is_empty() && heard.no_tick.is_none(),
        "{heard:?}"
    );
    let log: u64 = redis::cmd("EXISTS")
        .arg("mock:ticker:events:log")
        .query_async(&mut connection)
        .await?;
    assert_eq!(log, 0);
    Ok(())
}
