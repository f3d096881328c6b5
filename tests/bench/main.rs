//! The figures of the README, measured on this machine, on loopback, with the programs of the same
//! build: `make bench`.

mod figure;
mod subscriber;

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tests::process::{processor_ticks, resident_memory};
use tests::{Local, RedisServer, Simulator, condition};
use tokio::time::Instant;

use figure::Figures;
use subscriber::Subscriber;

/// How long a rate is measured.
const WINDOW: Duration = Duration::from_secs(20);

/// Clock ticks of `/proc/PID/stat` a second.
const CLOCK_TICKS: f64 = 100.0;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut figures = Figures::default();
    first_tick(&mut figures).await?;
    full_account(&mut figures).await?;
    busy_account(&mut figures).await?;
    figures.print();
    Ok(())
}

/// From the start of `local` to the first tick in Redis.
async fn first_tick(figures: &mut Figures) -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("indices", "full", &["NSE:NIFTY 50"], "")?;
    let subscriber = Subscriber::start(redis.address(), "ticker:*")?;
    let start = Instant::now();
    local.start()?;
    subscriber.wait_for(1).await;
    figures.add("local: start to first tick in Redis", start.elapsed().as_secs_f64() * 1e3, "ms", "< 1000");
    Ok(())
}

/// 9,000 instruments in full mode over three connections.
async fn full_account(figures: &mut Figures) -> Result<()> {
    let redis = RedisServer::start().await?;
    let simulator = Simulator::start_with(&["--rate", "1"]).await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write("large.yaml", &Simulator::symbols(9_000, "option").await?)?;
    let subscriber = Subscriber::start(redis.address(), "ticker:*")?;
    let start = Instant::now();
    local.start()?;
    simulator.subscribed(9_000).await;
    let all = start.elapsed().as_secs_f64();
    figures.add("local: start to 9,000 instruments subscribed in full mode", all, "s", "< 3");
    subscriber.wait_for(50_000).await;
    let child = only_child(&mut local)?;
    let memory = resident_memory(child).unwrap_or_default() as f64 / 1024.0 / 1024.0;
    figures.add("ingestor: resident memory with 9,000 instruments", memory, "MiB", "< 40");
    Ok(())
}

/// 3,000 instruments in full mode, 6 ticks a second each.
async fn busy_account(figures: &mut Figures) -> Result<()> {
    let redis = RedisServer::start().await?;
    let simulator = Simulator::start_with(&["--rate", "6"]).await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write("large.yaml", &Simulator::symbols(3_000, "option").await?)?;
    let subscriber = Subscriber::start(redis.address(), "ticker:*")?;
    local.start()?;
    simulator.subscribed(3_000).await;
    subscriber.wait_for(30_000).await;
    let (child, server) = (only_child(&mut local)?, redis.pid());

    subscriber.reset_latencies();
    let before = (subscriber.count(), ticks_of(child), ticks_of(server));
    let start = Instant::now();
    tokio::time::sleep(WINDOW).await;
    let seconds = start.elapsed().as_secs_f64();
    let after = (subscriber.count(), ticks_of(child), ticks_of(server));
    let received = (after.0 - before.0) as f64;
    let ours = (after.1 - before.1) / CLOCK_TICKS;
    let redis_time = (after.2 - before.2) / CLOCK_TICKS;
    let latency = subscriber.latencies();

    figures.add("ticks received by a subscriber", received / seconds, "/s", "≈ 18000");
    figures.add("ingestor: processor", ours / seconds, "cores", "< 0.25");
    figures.add("ingestor: processor per tick", ours * 1e6 / received, "µs", "");
    figures.add("ingestor's processor time ÷ redis-server's", ours / redis_time, "", "");
    figures.add("socket to subscriber, p50", latency.value_at_quantile(0.5) as f64 / 1e3, "ms", "");
    figures.add("socket to subscriber, p99", latency.value_at_quantile(0.99) as f64 / 1e3, "ms", "< 5");

    simulator.pause(true).await?;
    let sent = condition::eventually("everything sent has arrived", async || {
        let statistics = simulator.read("stats").await.map_err(|error| error.to_string())?;
        let (sent, received) = (packets(&statistics), subscriber.count());
        if received >= sent { Ok(sent) } else { Err(format!("{received} of {sent}")) }
    })
    .await;
    figures.add("ticks lost", (sent - subscriber.count().min(sent)) as f64, "", "0");
    figures.add("gaps in seq", subscriber.gaps() as f64, "", "0");
    Ok(())
}

fn only_child(local: &mut Local) -> Result<u32> {
    let children = local.children()?;
    anyhow::ensure!(children.len() == 1, "one ingest process expected, found {children:?}");
    Ok(children[0])
}

fn ticks_of(pid: u32) -> f64 {
    processor_ticks(pid).unwrap_or_default() as f64
}

fn packets(statistics: &Value) -> u64 {
    statistics["packets"].as_u64().unwrap_or_else(|| panic!("no packets in {statistics}"))
}
