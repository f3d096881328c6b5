//! Instruments that move from one account to another, as a reader of Redis sees it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use kite::Detail;
use serde_json::json;
use tests::ticks::Message;
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

use crate::digits::recorded;

const SHARES: [&str; 4] = ["NSE:INFY", "NSE:TCS", "NSE:RELIANCE", "NSE:SBIN"];

/// Writes the set of the shares, which may use these accounts.
fn write_shares(local: &Local, more: &str) -> Result<()> {
    local.write_set("shares", "full", &SHARES, more)
}

fn source(message: &Message) -> &str {
    message.tick["src"].as_str().unwrap_or_default()
}

/// The newest tick of each share is of this account.
async fn all_from(ticks: &Ticks, account: &str) {
    eventually(&format!("all ticks are of {account}"), async || {
        let all = ticks.all();
        let newest: BTreeMap<u64, &str> = all
            .iter()
            .filter_map(|it| Some((it.tick["token"].as_u64()?, source(it))))
            .collect();
        let done = newest.len() == SHARES.len() && newest.values().all(|it| *it == account);
        done.then_some(()).ok_or_else(|| format!("{newest:?}"))
    })
    .await;
}

/// A set that its user gives to another account: the old one goes on until the new one has everything. What a third account
/// gets of the same shares on its own channel tells what there was to publish.
#[tokio::test]
async fn a_set_that_changes_its_account_is_never_without_one() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    simulator.control("record", json!({})).await?;
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:equity").await?;
    let mut local = Local::new(&redis)?;
    for name in ["first", "second", "witness"] {
        local.write_account(name, &simulator, "")?;
    }
    let witness = "  publish: {channelPrefix: witness}\n  accountRef: {name: witness}\n";
    local.write_set("witness", "full", &SHARES, witness)?;
    write_shares(&local, "  accountRef: {name: first}\n")?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;
    local.shows("witness", "True", "Streaming").await;
    all_from(&ticks, "first").await;

    // A gap of a twentieth of a second shows.
    simulator.control("rate", json!({"rate": 20})).await?;
    write_shares(&local, "  accountRef: {name: second}\n")?;
    all_from(&ticks, "second").await;
    simulator.subscribed(2 * SHARES.len() as u64).await;
    simulator.pause(true).await?;
    let sent = volumes_sent(&simulator).await?;
    eventually("whatever was sent is published", async || {
        let published = volumes_published(&ticks.all());
        for (token, sent) in &sent {
            let published = published.get(token).context("nothing of a share")?;
            let began = published.first().context("nothing")?;
            let lost: Vec<&u64> = sent
                .range(began..)
                .filter(|it| !published.contains(it))
                .collect();
            ensure!(lost.is_empty(), "{token}: {lost:?} of {sent:?}");
        }
        Ok(())
    })
    .await;
    let all = ticks.all();
    // Each of these ticks has a second of the exchange, and both images know moves.
    let marked = all.iter().filter(|it| it.tick["handover"] == true).count();
    ensure!(marked == 0, "{marked} ticks that may come twice");
    ticks.assert_gapless();
    local.stop().await
}

/// The volumes of the full packets that the simulator sent, by token: each trade of the day has its own.
async fn volumes_sent(simulator: &Simulator) -> Result<BTreeMap<u64, BTreeSet<u64>>> {
    let sent = recorded(simulator).await?.into_iter();
    let volumes = sent.map(|(token, packets)| {
        let volumes = packets.iter().filter_map(|packet| match &packet.detail {
            Detail::Full(quote, _) => Some(u64::from(quote.volume)),
            _ => None,
        });
        (token, volumes.collect())
    });
    Ok(volumes.collect())
}

fn volumes_published(all: &[Message]) -> BTreeMap<u64, BTreeSet<u64>> {
    let mut volumes: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for message in all {
        let (token, volume) = (&message.tick["token"], &message.tick["volume"]);
        if let (Some(token), Some(volume)) = (token.as_u64(), volume.as_u64()) {
            volumes.entry(token).or_default().insert(volume);
        }
    }
    volumes
}

/// A token that Kite refuses from one moment to the next, with its sockets cut.
#[tokio::test]
async fn what_a_refused_account_lost_is_streamed_by_another_and_does_not_come_back() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:equity").await?;
    let events = Ticks::subscribe_to_events(&redis.url(), "*ticker:events").await?;
    let mut local = Local::new(&redis)?;
    for name in ["first", "second", "third"] {
        local.write_account(name, &simulator, "")?;
    }
    write_shares(&local, "  accountRef: {name: first}\n")?;
    // Each of the others streams something, so that it is known to work.
    for (set, symbol, account) in [
        ("one", "NSE:HDFCBANK", "second"),
        ("two", "NSE:ITC", "third"),
    ] {
        let prefix =
            format!("  publish: {{channelPrefix: {set}}}\n  accountRef: {{name: {account}}}\n");
        local.write_set(set, "full", &[symbol], &prefix)?;
    }
    local.start_with(&["--failover-after", "10s"])?;
    local.shows("shares", "True", "Streaming").await;
    all_from(&ticks, "first").await;
    // It may go anywhere now, and has no cause to.
    write_shares(&local, "")?;

    simulator
        .control("tokens/revoke", json!({"access_token": "first-fake-token"}))
        .await?;
    simulator
        .control("connections/drop", json!({"api_key": "first-fake-key"}))
        .await?;
    local.shows("first", "False", "TokenExpired").await;
    let moved = eventually("another account streams the shares", async || {
        let all = ticks.all();
        let newest = all.last().map(source).unwrap_or_default().to_owned();
        (newest != "first").then_some(newest.clone()).ok_or(newest)
    })
    .await;
    all_from(&ticks, &moved).await;
    local.shows("shares", "True", "Streaming").await;
    eventually("a gap is told", async || {
        let gaps = events.all().into_iter().map(|it| it.tick);
        let mut gaps = gaps.filter(|it| it["event_type"] == "gap" && it["account_id"] == "first");
        let tokens = gaps.next().map(|it| it["tokens"].as_array().map(Vec::len));
        match tokens.flatten() {
            Some(count) if count == SHARES.len() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // It works again, is known to, and gets nothing back.
    local.write_secret("first", "another-fake-token")?;
    local.shows("first", "True", "Idle").await;
    ticks.clear();
    ticks.next(2 * SHARES.len()).await;
    all_from(&ticks, &moved).await;
    local.stop().await
}

/// A second account, and an annotation that spreads the sets of the first one.
#[tokio::test]
async fn an_annotation_spreads_the_sets_of_an_account() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:equity").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("first", &simulator, "")?;
    local.write_set("one", "full", &SHARES[..2], "")?;
    local.write_set("two", "full", &SHARES[2..], "")?;
    local.start()?;
    local.shows("one", "True", "Streaming").await;
    local.shows("two", "True", "Streaming").await;
    local.write_account("second", &simulator, "")?;
    local.shows("second", "True", "Idle").await;
    all_from(&ticks, "first").await;

    let manifest = local.manifests().join("account-first.yaml");
    let text = std::fs::read_to_string(&manifest)?;
    let annotated = text.replace(
        "metadata: {name: first}",
        "metadata: {name: first, annotations: {kiteticker.dev/rebalance: \"the second came\"}}",
    );
    ensure!(annotated != text, "{text}");
    local.write("account-first.yaml", &annotated)?;
    let sources = async || {
        let all = ticks.all();
        let newest: BTreeMap<u64, &str> = all
            .iter()
            .filter_map(|it| Some((it.tick["token"].as_u64()?, source(it))))
            .collect();
        let of = |name| newest.values().filter(|it| **it == name).count();
        let spread = (of("first"), of("second")) == (2, 2);
        spread.then_some(()).ok_or_else(|| format!("{newest:?}"))
    };
    eventually("each account has a set", sources).await;
    let said = "2 instruments move from account first to account second: the annotation kiteticker.dev/rebalance asks for it";
    eventually("the log says why", async || {
        let printed = local.printed();
        printed.contains(said).then_some(()).ok_or(printed)
    })
    .await;
    local.stop().await
}
