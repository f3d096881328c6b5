//! A busy account with a fault every twenty seconds: every lost tick is reported, and no memory
//! grows.
//!
//! Runs for two faults, or for `SOAK_SECONDS`; `SOAK_SEED` repeats a run.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::Report;
use contract::report::ConnectionState;
use serde_json::json;
use tests::condition::within;
use tests::process::{resident_memory, signal};
use tests::{Local, RedisServer, Simulator, Tally, eventually};
use tokio::time::Instant;

/// Instruments, and ticks of each in a second: 18,000 together.
const INSTRUMENTS: usize = 3_000;
const RATE: &str = "6";

/// The time between two faults.
const CALM: Duration = Duration::from_secs(20);

/// Everything recovers by itself within this time: after several answers of 429 in a row a dial waits
/// for up to a minute, and that may be refused too.
const RECOVERY: Duration = Duration::from_secs(180);

/// How much memory a run may grow by, once it is warm.
const GROWTH: u64 = 6 * 1024 * 1024;

/// The length of a run without `SOAK_SECONDS`.
const SHORT: u64 = 45;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Redis is stopped (SIGSTOP).
    RedisFrozen,
    /// Redis ends the connection of the ingest process.
    LinksCut,
    /// The sockets are closed.
    SocketsCut,
    /// The sockets are open, but nothing arrives.
    SocketsFrozen,
    /// Heartbeats and no ticks.
    Mute,
    /// The sockets are cut, and two dials are answered with 429.
    TooMany,
    /// The sockets are cut, and three dials are answered with 503.
    Unavailable,
    /// The sockets are cut, and Kite counts them for some seconds more.
    PlacesKept,
    /// The ingest process is stopped (SIGSTOP).
    ProcessFrozen,
}

const FAULTS: [Fault; 9] = [
    Fault::RedisFrozen,
    Fault::SocketsCut,
    Fault::Mute,
    Fault::LinksCut,
    Fault::SocketsFrozen,
    Fault::TooMany,
    Fault::Unavailable,
    Fault::PlacesKept,
    Fault::ProcessFrozen,
];

struct World {
    redis: RedisServer,
    simulator: Simulator,
    local: Local,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_is_reported_and_nothing_grows() -> Result<()> {
    let setting =
        |name: &str| std::env::var_os(name).and_then(|it| it.to_str()?.parse::<u64>().ok());
    let length = Duration::from_secs(setting("SOAK_SECONDS").unwrap_or(SHORT));
    let seed = setting("SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("SOAK_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let redis = RedisServer::start().await?;
    let simulator = Simulator::start_with(&["--rate", RATE]).await?;
    let mut local = Local::new(&redis)?;
    // All places of the key are in use: a connection that holds one too long is refused another
    // one.
    local.write_account("demo", &simulator, "  tokensPerConnection: 1000\n")?;
    let sets = Simulator::symbols(INSTRUMENTS, "option").await?;
    local.write("sets.yaml", &sets)?;
    let tally = Tally::start(redis.address(), "ticker:*")?;
    local.start()?;
    let mut world = World {
        redis,
        simulator,
        local,
    };
    world.recovered().await;
    tally.wait_for(100_000).await;
    let child = world.child()?;
    let mut warm = None;
    let start = Instant::now();
    let mut faults = Vec::new();
    while start.elapsed() < length {
        // Each once before any comes again.
        if faults.is_empty() {
            faults.extend(FAULTS);
            random.shuffle(&mut faults);
        }
        let Some(fault) = faults.pop() else {
            break;
        };
        world
            .happen(fault)
            .await
            .with_context(|| format!("{fault:?}"))?;
        // Load and not a wait: what is lost in this time is counted.
        tokio::time::sleep(CALM).await;
        world.recovered().await;
        let report = world.report().await?;
        println!(
            "{:>5.0} s {fault:?}: {} ticks, {} missing, {} conflated, {} unknown, {} KiB, {} files",
            start.elapsed().as_secs_f64(),
            tally.count(),
            tally.missing(),
            report.redis.conflated,
            report.redis.unknown,
            resident_memory(child).unwrap_or_default() / 1024,
            open_files(child)?,
        );
        // After the first faults every buffer has had its size.
        if warm.is_none() && start.elapsed() > 10 * CALM {
            warm = resident_memory(child);
        }
    }
    world.simulator.pause(true).await?;
    let report = world.settled().await?;
    let redis = &report.redis;
    // A command whose answer was lost may have been carried out.
    let or_unknown = |known: u64| known..=known + redis.unknown;
    eventually("every tick came or was counted", async || {
        let (count, missing) = (tally.count(), tally.missing());
        if or_unknown(redis.published).contains(&count)
            && or_unknown(redis.conflated).contains(&missing)
        {
            Ok(())
        } else {
            Err(format!("{count} came, {missing} are missing, {redis:?}"))
        }
    })
    .await;
    ensure!(world.child()? == child, "the ingest process is another");
    match (warm, resident_memory(child)) {
        (Some(warm), Some(now)) => {
            ensure!(now < warm + GROWTH, "{now} bytes, {warm} when it was warm");
        }
        _ => println!("left out: whether memory grows, in a run as short as this"),
    }
    // Assignment folders, epoll, timers, three sockets, two links, the HTTP server and this test.
    ensure!(
        open_files(child)? < 40,
        "{} files are open",
        open_files(child)?
    );
    Ok(())
}

impl World {
    fn child(&mut self) -> Result<u32> {
        let children = self.local.children()?;
        ensure!(children.len() == 1, "{children:?}");
        Ok(children[0])
    }

    async fn report(&self) -> Result<Report> {
        self.local.report("demo").await
    }

    /// The report when every command was answered.
    async fn settled(&self) -> Result<Report> {
        let mut last = Report::default();
        eventually("the counters stand still", async || {
            let report = self.report().await.map_err(|error| format!("{error:#}"))?;
            let same = report.redis == last.redis && report.ticks_per_second == 0;
            last = report;
            if same {
                Ok(())
            } else {
                Err(format!("{:?}", last.redis))
            }
        })
        .await;
        Ok(last)
    }

    /// All sets stream again.
    async fn recovered(&self) {
        self.until("everything streams", |report| {
            let whole = report.streaming as usize == INSTRUMENTS && report.redis.connected;
            whole && report.ticks_per_second > 0
        })
        .await;
    }

    /// Waits for a matching report.
    async fn until(&self, what: &str, fits: impl Fn(&Report) -> bool) {
        within(RECOVERY, what, async || {
            let report = self.report().await.map_err(|error| format!("{error:#}"))?;
            if fits(&report) {
                Ok(())
            } else {
                Err(format!("{report:?}"))
            }
        })
        .await;
    }

    async fn happen(&mut self, fault: Fault) -> Result<()> {
        let child = self.child()?;
        match fault {
            Fault::RedisFrozen => pause(self.redis.pid(), 3).await,
            Fault::ProcessFrozen => pause(child, 2).await,
            Fault::LinksCut => {
                let mut connection = self.redis.connection().await?;
                let kill = ["KILL", "TYPE", "normal", "SKIPME", "yes"];
                redis::cmd("CLIENT")
                    .arg(&kill)
                    .exec_async(&mut connection)
                    .await?;
                Ok(())
            }
            Fault::SocketsCut => self.cut().await,
            Fault::SocketsFrozen => self.until_given_up("freeze").await,
            Fault::Mute => self.until_given_up("mute").await,
            Fault::TooMany => self.refused(429, 2).await,
            Fault::Unavailable => self.refused(503, 3).await,
            Fault::PlacesKept => {
                let keep = async |seconds: Option<u32>| {
                    let fault = json!({"linger": seconds});
                    self.simulator.control("faults", fault).await
                };
                keep(Some(6)).await?;
                self.cut().await?;
                let refused = |report: &Report| {
                    let mut connections = report.connections.iter();
                    connections.any(|one| one.state == ConnectionState::RateLimited)
                };
                self.until("a dial is refused", refused).await;
                // The end of the fault does not give back what is kept already.
                keep(None).await.map(drop)
            }
        }
    }

    async fn cut(&self) -> Result<()> {
        self.simulator
            .control("connections/drop", json!({}))
            .await
            .map(drop)
    }

    async fn refused(&self, status: u16, count: u32) -> Result<()> {
        let fault = json!({"refuse": status, "count": count});
        self.simulator.control("faults", fault).await?;
        self.cut().await
    }

    /// A fault that lasts until the process has given a socket up because of it. Whether it gets
    /// another one meanwhile is open: the server may hold the place of the old one.
    async fn until_given_up(&self, fault: &str) -> Result<()> {
        let reconnects =
            |report: &Report| report.connections.iter().map(|one| one.reconnects).sum();
        let before: u64 = reconnects(&self.report().await?);
        let given_up = |report: &Report| {
            let mut connections = report.connections.iter();
            connections.any(|one| one.state != ConnectionState::Live) || reconnects(report) > before
        };
        self.simulator
            .control("faults", json!({fault: true}))
            .await?;
        self.until("a socket is given up", given_up).await;
        self.simulator
            .control("faults", json!({fault: false}))
            .await
            .map(drop)
    }
}

/// Stops a process for this long: the time is the fault.
async fn pause(pid: u32, seconds: u64) -> Result<()> {
    signal(pid, "STOP").await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    signal(pid, "CONT").await
}

fn open_files(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}
