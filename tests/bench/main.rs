//! The figures of docs/performance.md, measured on this machine, on loopback, with the programs of the same
//! build: `make bench`.

mod figure;
mod idle;
mod list;
mod memory;
mod plan;
mod source;
mod strength;

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tests::process::{processor_ticks, resident_memory};
use tests::{Local, RedisServer, Simulator, Tally, condition};
use tokio::time::Instant;

use figure::Figures;

/// How long a rate is measured.
const WINDOW: Duration = Duration::from_secs(20);

/// Clock ticks of `/proc/PID/stat` a second.
const CLOCK_TICKS: f64 = 100.0;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut figures = Figures::default();
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("idle") => idle::measure(&mut figures).await?,
        Some("list") => list::measure(&mut figures)?,
        Some("plan") => plan::measure(&mut figures)?,
        Some("strength") => {
            let parts: Vec<String> = arguments.collect();
            strength::measure(&mut figures, &parts).await?;
        }
        _ => all(&mut figures).await?,
    }
    figures.print();
    Ok(())
}

async fn all(figures: &mut Figures) -> Result<()> {
    first_tick(figures).await?;
    full_account(figures).await?;
    busy_account(figures).await?;
    strength::measure(figures, &[]).await?;
    idle::measure(figures).await?;
    list::measure(figures)?;
    plan::measure(figures)
}

/// From the start of `local` to the first tick in Redis.
async fn first_tick(figures: &mut Figures) -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("indices", "full", &["NSE:NIFTY 50"], "")?;
    let subscriber = Tally::start(redis.address(), "ticker:*")?;
    let start = Instant::now();
    local.start()?;
    subscriber.wait_for(1).await;
    figures.add(
        "local: start to first tick in Redis",
        start.elapsed().as_secs_f64() * 1e3,
        "ms",
        "< 1000",
    );
    Ok(())
}

/// 9,000 instruments in full mode over three connections.
async fn full_account(figures: &mut Figures) -> Result<()> {
    let redis = RedisServer::start().await?;
    let simulator = Simulator::start_with(&["--rate", "1"]).await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write("large.yaml", &Simulator::symbols(9_000, "option").await?)?;
    let subscriber = Tally::start(redis.address(), "ticker:*")?;
    let start = Instant::now();
    local.start()?;
    simulator.subscribed(9_000).await;
    let all = start.elapsed().as_secs_f64();
    figures.add(
        "local: start to 9,000 instruments subscribed in full mode",
        all,
        "s",
        "< 3",
    );
    subscriber.wait_for(50_000).await;
    let child = only_child(&mut local)?;
    let memory = resident_memory(child).unwrap_or_default() as f64 / 1024.0 / 1024.0;
    figures.add(
        "ingestor: resident memory with 9,000 instruments",
        memory,
        "MiB",
        "< 40",
    );
    Ok(())
}

/// 3,000 instruments in full mode, 6 ticks a second each.
async fn busy_account(figures: &mut Figures) -> Result<()> {
    let redis = RedisServer::start().await?;
    let simulator = Simulator::start_with(&["--rate", "6"]).await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write("large.yaml", &Simulator::symbols(3_000, "option").await?)?;
    let subscriber = Tally::start(redis.address(), "ticker:*")?;
    local.start()?;
    simulator.subscribed(3_000).await;
    subscriber.wait_for(30_000).await;
    let (child, server) = (only_child(&mut local)?, redis.pid());

    // The burst of first packets is larger than the limit of unanswered bytes at Redis, so a second
    // packet of an instrument may replace its first. What counts is the time between two pauses.
    let (sent_before, received_before) = settled(&simulator, &subscriber).await?;
    simulator.pause(false).await?;
    subscriber.wait_for(subscriber.count() + 30_000).await;

    subscriber.reset();
    let before = (subscriber.count(), ticks_of(child), ticks_of(server));
    let start = Instant::now();
    tokio::time::sleep(WINDOW).await;
    let seconds = start.elapsed().as_secs_f64();
    let after = (subscriber.count(), ticks_of(child), ticks_of(server));
    let received = (after.0 - before.0) as f64;
    let ours = (after.1 - before.1) / CLOCK_TICKS;
    let redis_time = (after.2 - before.2) / CLOCK_TICKS;
    let latency = subscriber.latencies();

    figures.add(
        "ticks received by a subscriber",
        received / seconds,
        "/s",
        "≈ 18000",
    );
    figures.add("ingestor: processor", ours / seconds, "cores", "< 0.25");
    figures.add(
        "ingestor: processor per tick",
        ours * 1e6 / received,
        "µs",
        "",
    );
    figures.add(
        "ingestor's processor time ÷ redis-server's",
        ours / redis_time,
        "",
        "",
    );
    figures.add(
        "socket to subscriber, p50",
        latency.value_at_quantile(0.5) as f64 / 1e3,
        "ms",
        "",
    );
    figures.add(
        "socket to subscriber, p99",
        latency.value_at_quantile(0.99) as f64 / 1e3,
        "ms",
        "< 5",
    );

    let (sent_after, received_after) = settled(&simulator, &subscriber).await?;
    let lost = (sent_after - sent_before) as f64 - (received_after - received_before) as f64;
    figures.add("ticks lost", lost, "", "0");
    figures.add("ticks missing by seq", subscriber.missing() as f64, "", "0");
    Ok(())
}

/// Stops the market and waits until nothing is under way. Returns packets sent and ticks received.
async fn settled(simulator: &Simulator, subscriber: &Tally) -> Result<(u64, u64)> {
    simulator.pause(true).await?;
    let mut last = (0, 0);
    let settled = condition::eventually("nothing is on its way", async || {
        let statistics = simulator
            .read("stats")
            .await
            .map_err(|error| error.to_string())?;
        let now = (packets(&statistics), subscriber.count());
        let still = std::mem::replace(&mut last, now) == now;
        if still {
            Ok(now)
        } else {
            Err(format!("{now:?}"))
        }
    });
    Ok(settled.await)
}

fn only_child(local: &mut Local) -> Result<u32> {
    let children = local.children()?;
    anyhow::ensure!(
        children.len() == 1,
        "one ingest process expected, found {children:?}"
    );
    Ok(children[0])
}

fn ticks_of(pid: u32) -> f64 {
    processor_ticks(pid).unwrap_or_default() as f64
}

/// Packets that the simulator has written, to every key.
fn packets(statistics: &Value) -> u64 {
    let keys = statistics["api_keys"]
        .as_object()
        .into_iter()
        .flat_map(|keys| keys.values());
    keys.filter_map(|sent| sent["packets"].as_u64()).sum()
}
