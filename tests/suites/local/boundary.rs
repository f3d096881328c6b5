//! A move of many instruments between two accounts whose sockets get different ticks: each packet is published by one of
//! them, and which one the exchange's second in it says.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tests::sent_packets::{Content, Counts, Keys, keys, lost, published_by, sent_to};
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

/// So many instruments move.
const INSTRUMENTS: usize = 1_000;

/// How many ticks of a hundred a socket does not get.
const CONFLATED: u8 = 40;

/// The boundary, as the file of the taking account has it.
async fn boundary(local: &Local) -> i64 {
    eventually("a boundary", async || {
        let assignment = local.sealed("second")?.open()?;
        let found = assignment.moves.first().context("no move")?;
        Ok::<_, anyhow::Error>(found.boundary.context("no boundary")?.second)
    })
    .await
}

/// Two accounts with many instruments on the first one, which are recorded from now on and go to the second one.
struct Move {
    set: String,
    redis: RedisServer,
    simulator: Simulator,
    local: Local,
    ticks: Ticks,
    events: Ticks,
}

impl Move {
    async fn begin() -> Result<Self> {
        let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
        simulator
            .control("faults", json!({"conflate": CONFLATED}))
            .await?;
        let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:*:options").await?;
        let events = Ticks::subscribe_to_events(&redis.url(), "*ticker:events").await?;
        let mut local = Local::new(&redis)?;
        for name in ["first", "second"] {
            local.write_account(name, &simulator, "")?;
        }
        let set = Simulator::symbols(INSTRUMENTS, "option").await?;
        // What Greeks rest on would be on both accounts.
        let set = format!("{set}  publish: {{greeks: false}}\n");
        local.write("set.yaml", &format!("{set}  accountRef: {{name: first}}\n"))?;
        local.start()?;
        local.shows("symbols-1", "True", "Streaming").await;
        // Of the burst at the start some may be replaced by newer ones.
        ticks.forget_published().await;
        simulator.control("record", json!({})).await?;
        Ok(Self {
            set,
            redis,
            simulator,
            local,
            ticks,
            events,
        })
    }

    fn go_to_second(&self) -> Result<()> {
        let set = format!("{}  accountRef: {{name: second}}\n", self.set);
        self.local.write("set.yaml", &set)
    }

    /// Waits until the second account has everything, and stops the market. Returns what was sent by API key.
    async fn end(&self, keys: &Keys) -> Result<BTreeMap<String, Counts>> {
        let local = &self.local;
        eventually("the move is over", async || {
            let (first, second) = (local.report("first").await?, local.report("second").await?);
            let over = first.assigned == 0 && second.moves.is_empty();
            ensure!(over, "{} and {:?}", first.assigned, second.moves);
            Ok(())
        })
        .await;
        self.simulator.pause(true).await?;
        sent_to(&self.simulator, keys).await
    }

    /// Waits until everything is published that each of the two should.
    async fn is_published(
        &self,
        sent: &BTreeMap<String, Counts>,
        boundary: i64,
    ) -> Result<[usize; 2]> {
        let of = |account: &str| {
            let key = format!("{account}-fake-key");
            sent.get(&key).with_context(|| format!("nothing for {key}"))
        };
        let (to_first, to_second) = (of("first")?, of("second")?);
        ensure!(to_first != to_second, "both sockets got the same");
        eventually("everything is published", async || {
            let published = ["first", "second"].map(|account| published_by(&self.ticks, account));
            let before = lost(to_first, &published[0], |second| second < boundary);
            let after = lost(to_second, &published[1], |second| second >= boundary);
            if !before.is_empty() || !after.is_empty() {
                bail!("{boundary}: lost {before:?} and {after:?}");
            }
            Ok(())
        })
        .await;
        let before = to_first.keys().filter(|it| it.1 < boundary);
        let after = to_second.keys().filter(|it| it.1 >= boundary);
        Ok([before.count(), after.count()])
    }
}

#[tokio::test]
async fn each_packet_of_a_move_is_published_by_the_account_whose_second_it_is() -> Result<()> {
    let mut going = Move::begin().await?;
    going.go_to_second()?;
    let boundary = boundary(&going.local).await;
    let keys = keys(&going.simulator).await?;
    let sent = going.end(&keys).await?;
    let counts = going.is_published(&sent, boundary).await?;
    ensure!(counts.iter().all(|it| *it > INSTRUMENTS), "{counts:?}");
    let Move { ticks, events, .. } = &going;

    // On a slow machine the giving account may get the boundary late, and says so.
    let said = events.all().into_iter();
    let said = said.filter(|it| it.tick["event_type"] == "overlap");
    let said: Vec<Value> = said.map(|it| it.tick).collect();
    let is_said = |(token, second, ..): &Content| {
        said.iter().any(|overlap| {
            let tokens = overlap["tokens"].as_array().into_iter().flatten();
            let within = Some(*second) <= overlap["to_ts"].as_i64();
            within && tokens.into_iter().any(|it| it.as_u64() == Some(*token))
        })
    };
    let first = published_by(ticks, "first");
    let mut late = first.keys().filter(|(_, second, ..)| *second >= boundary);
    if let Some(unsaid) = late.find(|content| !is_said(content)) {
        bail!("{unsaid:?} is published by the account that gave it away: {boundary}, {said:?}");
    }
    let second = published_by(ticks, "second");
    let early = second.keys().find(|(_, second, ..)| *second < boundary);
    ensure!(early.is_none(), "{early:?} before {boundary}");
    for message in ticks.all() {
        let tick = &message.tick;
        ensure!(tick["handover"].is_null(), "{tick}");
        let early = tick["src"] == "second" && tick["ts"].as_i64() < Some(boundary);
        ensure!(!early, "{boundary}: {tick}");
    }
    ticks.assert_gapless();
    going.local.stop().await
}

/// The process of the taking account is killed while it waits for its first packets: the other one goes on meanwhile.
#[tokio::test]
async fn a_taking_account_that_dies_takes_nothing_with_it() -> Result<()> {
    let mut going = Move::begin().await?;
    let mute = |mute: bool| json!({"api_key": "second-fake-key", "mute": mute});
    going.simulator.control("faults", mute(true)).await?;
    going.go_to_second()?;
    going.simulator.subscribed(2 * INSTRUMENTS as u64).await;
    let mut all = keys(&going.simulator).await?;
    let epoch = going.local.report("second").await?.epoch;
    let pid = going.local.child_of("second")?;
    tests::process::signal(pid, "KILL").await?;
    let local = &going.local;
    eventually("another process", async || {
        let now = local.report("second").await?.epoch;
        ensure!(now != epoch, "still the same");
        Ok(())
    })
    .await;
    going.simulator.control("faults", mute(false)).await?;
    let boundary = boundary(local).await;
    all.extend(keys(&going.simulator).await?);
    let sent = going.end(&all).await?;
    going.is_published(&sent, boundary).await?;
    drop(going.redis);
    going.local.stop().await
}
