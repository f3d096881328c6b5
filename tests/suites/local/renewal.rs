//! Another access token in the middle of the day: a second socket takes over from the one that was opened with the older token,
//! where a connection is free, and each packet is published once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::sent_packets::{Content, Counts, Keys, published_by, sent_to};
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

const INSTRUMENTS: usize = 300;

/// The only connection, by the simulator's number.
async fn only(simulator: &Simulator) -> Result<u64> {
    let open = simulator.connections().await?;
    let [connection] = &open[..] else {
        anyhow::bail!("{open:?}");
    };
    connection["id"].as_u64().context("no number")
}

#[tokio::test]
async fn a_second_socket_takes_over_with_the_newer_token_and_each_packet_comes_once() -> Result<()>
{
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:*:options").await?;
    let events = Ticks::subscribe_to_events(&redis.url(), "*ticker:events").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("main", &simulator, "")?;
    let set = Simulator::symbols(INSTRUMENTS, "option").await?;
    local.write("set.yaml", &format!("{set}  publish: {{greeks: false}}\n"))?;
    local.start()?;
    local.shows("symbols-1", "True", "Streaming").await;
    ticks.forget_published().await;
    let older = only(&simulator).await?;
    simulator.control("record", json!({})).await?;

    local.write_secret("main", "main-fake-token-of-noon")?;
    let newer = eventually("the second socket is alone", async || {
        let id = only(&simulator).await?;
        ensure!(id != older, "it is the first one");
        Ok::<_, anyhow::Error>(id)
    })
    .await;
    let report = local.report("main").await?;
    ensure!(report.connections[0].reconnects == 1, "{report:?}");
    ensure!(report.streaming as usize == INSTRUMENTS, "{report:?}");
    ticks.next(INSTRUMENTS).await;
    simulator.pause(true).await?;

    let names = [(older, "older".to_owned()), (newer, "newer".to_owned())];
    let sent = sent_to(&simulator, &Keys::from(names)).await?;
    let (older, newer) = (&sent["older"], &sent["newer"]);
    eventually("everything is published once", async || {
        is_published_once(older, newer, &published_by(&ticks, "main"))
    })
    .await;
    let kinds = events.all().into_iter();
    let kinds: BTreeSet<String> = kinds
        .filter_map(|it| Some(it.tick["event_type"].as_str()?.to_owned()))
        .collect();
    for alarm in ["disconnected", "gap", "stale"] {
        ensure!(!kinds.contains(alarm), "{kinds:?}");
    }
    local.stop().await
}

/// Both sockets got the same, apart from the answers to the second one's subscription, which repeat what was there before.
fn is_published_once(older: &Counts, newer: &Counts, published: &Counts) -> Result<()> {
    let mut all: BTreeMap<Content, usize> = older.clone();
    for (content, times) in newer {
        let most = all.entry(*content).or_default();
        *most = (*most).max(*times);
    }
    // What was published when the recording began is not in it.
    let begun = older
        .keys()
        .map(|it| it.1)
        .min()
        .context("nothing was sent")?
        + 1;
    let times = |content: &Content| published.get(content).copied().unwrap_or_default();
    let twice = all
        .iter()
        .filter(|(it, most)| it.1 > begun && times(it) > **most);
    let twice: Vec<_> = twice.collect();
    ensure!(twice.is_empty(), "twice: {twice:?}");
    // The first packet of each instrument on the second socket.
    let mut firsts: BTreeMap<u64, i64> = BTreeMap::new();
    for (token, second, ..) in newer.keys() {
        firsts.entry(*token).or_insert(*second);
    }
    let mut missing: Vec<Content> = all.keys().copied().filter(|it| times(it) == 0).collect();
    missing.retain(|it| older.contains_key(it) || firsts.remove(&it.0) != Some(it.1));
    ensure!(missing.is_empty(), "missing: {missing:?}");
    Ok(())
}
