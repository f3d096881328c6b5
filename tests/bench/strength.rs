//! The throughput of one ingest process: 3,000 instruments in full mode, all keys, one subscriber.

#![expect(
    clippy::print_stderr,
    reason = "progress of a program that is read as it runs"
)]

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use kite::{Detail, FrameBuilder, Full, Packet, Packets, Quote, Token};
use tests::process::{processor_ticks, resident_memory};
use tests::{Local, RedisServer, Simulator, Tally};
use tokio::time::Instant;

use crate::figure::Figures;
use crate::source::Source;

/// How long each rate is measured, after it has settled.
const SETTLE: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(5);

/// The rates that are tried, in ticks a second.
const RATES: [u64; 6] = [100_000, 200_000, 400_000, 600_000, 800_000, 1_000_000];

/// The load of a busy account.
const USUAL: u64 = 18_000;

/// Clock ticks of `/proc/PID/stat` a second.
const CLOCK_TICKS: f64 = 100.0;

const INSTRUMENTS: usize = 3_000;

/// What one account may stream, and how much of it is a busy morning.
const WHOLE: usize = 9_000;
const WHOLE_RATE: u64 = 45_000;

/// The parts, or all of them where `names` has none.
pub(crate) async fn measure(figures: &mut Figures, names: &[String]) -> Result<()> {
    let wanted = |part: &str| names.is_empty() || names.iter().any(|name| name == part);
    if wanted("decode") {
        decode(figures);
    }
    if wanted("usual") {
        usual(figures).await?;
    }
    if wanted("whole") {
        whole(figures).await?;
    }
    for depth in [false, true] {
        if wanted("flat-out") {
            flat_out(figures, depth).await?;
        }
    }
    Ok(())
}

struct Bench {
    redis: RedisServer,
    local: Local,
    source: Source,
    _simulator: Simulator,
}

/// What was seen in one window.
struct Sample {
    ticks: f64,
    conflated: u64,
    /// Microseconds of processor a tick.
    ours: f64,
    /// Cores.
    redis: f64,
    ratio: f64,
}

impl Bench {
    async fn start(instruments: usize, depth: bool) -> Result<Self> {
        let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
        let source = Source::start()?;
        let mut local = Local::new(&redis)?;
        local.write_secret("demo", "demo-fake-token")?;
        let (ticker, api) = (source.address(), simulator.address());
        local.write(
            "account.yaml",
            &format!(
                "apiVersion: kiteticker.dev/v1alpha1\nkind: TickerAccount\nmetadata: {{name: demo}}\n\
                 spec:\n  credentialsSecretRef: {{name: demo}}\n  mock: true\n  endpoint:\n    \
                 websocket: ws://{ticker}\n    api: http://{api}\n"
            ),
        )?;
        let set = Simulator::symbols(instruments, "option").await?;
        local.write("set.yaml", &with_depth(&set, depth))?;
        local.start()?;
        Ok(Self {
            redis,
            local,
            source,
            _simulator: simulator,
        })
    }

    async fn sample(&mut self, subscriber: &Tally, rate: u64) -> Result<Sample> {
        self.source.set_rate(rate);
        tokio::time::sleep(SETTLE).await;
        subscriber.reset();
        let child = crate::only_child(&mut self.local)?;
        let conflated = self.local.report("demo").await?.redis.conflated;
        let before = (subscriber.count(), used(child), used(self.redis.pid()));
        let start = Instant::now();
        tokio::time::sleep(WINDOW).await;
        let seconds = start.elapsed().as_secs_f64();
        let after = (subscriber.count(), used(child), used(self.redis.pid()));
        let ticks = (after.0 - before.0) as f64;
        let (ours, redis) = (after.1 - before.1, after.2 - before.2);
        Ok(Sample {
            ticks: ticks / seconds,
            conflated: self.local.report("demo").await?.redis.conflated - conflated,
            ours: ours * 1e6 / ticks,
            redis: redis / seconds,
            ratio: ours / redis,
        })
    }
}

/// Reading the packets of frames, and nothing else.
fn decode(figures: &mut Figures) {
    const PACKETS: u32 = 300;
    const ROUNDS: u32 = 20_000;
    let mut builder = FrameBuilder::default();
    for number in 0..PACKETS {
        let packet = Packet {
            token: Token(number),
            last_price: 5,
            detail: Detail::Full(Quote::default(), Full::default()),
        };
        assert!(builder.push(&packet), "three hundred packets fit a frame");
    }
    let frame = builder.finish();
    let (start, mut sum) = (Instant::now(), 0_u64);
    for _ in 0..ROUNDS {
        for packet in Packets::new(black_box(&frame)).flatten() {
            sum += u64::from(black_box(packet).token.0);
        }
    }
    let nanos = start.elapsed().as_nanos() as f64 / f64::from(PACKETS * ROUNDS);
    assert_eq!(
        sum,
        u64::from(PACKETS * (PACKETS - 1) / 2) * u64::from(ROUNDS)
    );
    figures.add("decode one packet of 184 bytes", nanos, "ns", "<= 15");
}

/// Latency and cost at the rate of a busy account, in frames of twenty.
async fn usual(figures: &mut Figures) -> Result<()> {
    let mut bench = Bench::start(INSTRUMENTS, true).await?;
    let subscriber = Tally::start(bench.redis.address(), "ticker:*")?;
    subscriber.wait_for(INSTRUMENTS as u64).await;
    let sample = bench.sample(&subscriber, USUAL).await?;
    let latency = subscriber.latencies();
    let quantile = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
    figures.add(
        "18,000 ticks/s in frames of 20: p50",
        quantile(0.5),
        "ms",
        "<= 0.2",
    );
    figures.add(
        "18,000 ticks/s in frames of 20: p99",
        quantile(0.99),
        "ms",
        "<= 0.5",
    );
    figures.add("the same: processor per tick", sample.ours, "µs", "<= 3.5");
    figures.add("the same: ÷ redis-server's", sample.ratio, "", "");
    figures.add("the same: lost", subscriber.missing() as f64, "", "0");
    Ok(())
}

/// All that one account can stream, for as long as `BENCH_SECONDS` says.
async fn whole(figures: &mut Figures) -> Result<()> {
    let seconds = std::env::var_os("BENCH_SECONDS");
    let seconds = seconds.and_then(|text| text.to_str()?.parse().ok());
    let seconds = seconds.unwrap_or(30);
    let mut bench = Bench::start(WHOLE, true).await?;
    let subscriber = Tally::start(bench.redis.address(), "ticker:*")?;
    subscriber.wait_for(WHOLE as u64).await;
    // The same on each of three connections.
    bench.source.set_rate(WHOLE_RATE / 3);
    tokio::time::sleep(SETTLE).await;
    subscriber.reset();
    let child = crate::only_child(&mut bench.local)?;
    let (start, before) = (Instant::now(), subscriber.count());
    let (mut first, mut most) = (None, 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(WINDOW).await;
        let memory = resident_memory(child).unwrap_or_default();
        first.get_or_insert(memory);
        most = memory.max(most);
    }
    let ticks = (subscriber.count() - before) as f64;
    let latency = subscriber.latencies();
    let lost = subscriber.missing() as f64;
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let mut add = |what: &str, value, unit, goal| {
        figures.add(
            &format!("9,000 instruments for {seconds} s: {what}"),
            value,
            unit,
            goal,
        );
    };
    add(
        "ticks",
        ticks / start.elapsed().as_secs_f64(),
        "/s",
        "≈ 45000",
    );
    add("lost", lost, "", "0");
    add(
        "p99",
        latency.value_at_quantile(0.99) as f64 / 1e3,
        "ms",
        "",
    );
    add(
        "resident at first",
        mib(first.unwrap_or_default()),
        "MiB",
        "< 32",
    );
    add("resident at most", mib(most), "MiB", "< 32");
    Ok(())
}

/// The highest rate without a loss, and the cost per tick at that rate.
async fn flat_out(figures: &mut Figures, depth: bool) -> Result<()> {
    let mut bench = Bench::start(INSTRUMENTS, depth).await?;
    let subscriber = Tally::start_counting(bench.redis.address(), "ticker:*")?;
    subscriber.wait_for(INSTRUMENTS as u64).await;
    let (mut best, mut saturated): (Option<Sample>, f64) = (None, 0.0);
    for rate in RATES {
        let sample = bench.sample(&subscriber, rate).await?;
        saturated = saturated.max(sample.redis);
        eprintln!(
            "{rate} /s: {:.0} /s came, {} conflated, redis-server {:.2} cores, ours {:.2} µs a tick",
            sample.ticks, sample.conflated, sample.redis, sample.ours
        );
        if sample.conflated > 0 || sample.ticks < 0.97 * rate as f64 {
            break;
        }
        best = Some(sample);
    }
    let what = if depth { "with depth" } else { "without depth" };
    let Some(best) = best else {
        figures.add(
            &format!("flat out {what}: none went through whole"),
            0.0,
            "",
            "",
        );
        return Ok(());
    };
    let goal = if depth { "<= 1.6" } else { "<= 0.7" };
    figures.add(
        &format!("flat out {what}: ticks, none lost"),
        best.ticks,
        "/s",
        ">= 800000",
    );
    figures.add(
        &format!("flat out {what}: processor per tick"),
        best.ours,
        "µs",
        goal,
    );
    figures.add(
        &format!("flat out {what}: ÷ redis-server's"),
        best.ratio,
        "",
        "<= 0.7",
    );
    figures.add(
        &format!("flat out {what}: redis-server at the next rate"),
        saturated,
        "cores",
        "",
    );
    Ok(())
}

fn with_depth(set: &str, depth: bool) -> String {
    format!("{}\n  publish: {{depth: {depth}}}\n", set.trim_end())
}

fn used(pid: u32) -> f64 {
    processor_ticks(pid).unwrap_or_default() as f64 / CLOCK_TICKS
}
