//! Operators and ingest processes of different builds work together: the newest assignment version
//! that both know is written.

use std::path::PathBuf;

use anyhow::Result;
use contract::assignment::InvalidAssignment;
use contract::sealed::UnsealError;
use tests::process::{binary, next_binary, signal};
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

const INFY: u64 = 408_065;

/// The program of this build.
fn old(name: &str) -> PathBuf {
    binary(name)
}

/// The program of the build that knows version 2 as well.
fn new(name: &str) -> PathBuf {
    next_binary(name)
}

/// A world in which the set `shares` streams INFY, with one build of the operator and one of the
/// ingest process.
struct World {
    _redis: RedisServer,
    simulator: Simulator,
    ticks: Ticks,
    local: Local,
}

impl World {
    async fn streaming(operator: PathBuf, ingestor: PathBuf) -> Result<Self> {
        let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
        let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
        let mut local = Local::new(&redis)?;
        local.write_account("demo", &simulator, "")?;
        local.write_set("shares", "full", &["NSE:INFY"], "")?;
        local.use_operator(operator);
        local.use_ingestor(&ingestor)?;
        local.start()?;
        local.shows("shares", "True", "Streaming").await;
        Ok(Self {
            _redis: redis,
            simulator,
            ticks,
            local,
        })
    }

    /// Replaces the ingest process by one of another build.
    async fn replace_ingestor(&mut self, ingestor: PathBuf) -> Result<()> {
        let epoch = self.ticks.tick_of(INFY).await.tick["epoch"].clone();
        self.local.use_ingestor(&ingestor)?;
        let [child] = self.local.children()?[..] else {
            panic!("one child expected")
        };
        signal(child, "KILL").await?;
        self.ticks_of_another_process(&epoch).await;
        Ok(())
    }

    /// Replaces the operator by one of another build; its ingest process ends with it.
    async fn replace_operator(&mut self, operator: PathBuf) -> Result<()> {
        let epoch = self.ticks.tick_of(INFY).await.tick["epoch"].clone();
        self.local.stop().await?;
        self.local.use_operator(operator);
        self.local.start()?;
        self.ticks_of_another_process(&epoch).await;
        Ok(())
    }

    async fn ticks_of_another_process(&self, epoch: &serde_json::Value) {
        eventually("a tick of the new process", async || {
            let newest = self.ticks.tick_of(INFY).await;
            if newest.tick["epoch"] == *epoch {
                Err(self.local.printed())
            } else {
                Ok(())
            }
        })
        .await;
    }

    /// The stored assignment has this version, is in force, and can still be changed on the live
    /// socket.
    async fn speaks(&self, expected: u32) -> Result<()> {
        eventually(&format!("version {expected} in force"), async || {
            let (version, sha256) = self.lies_there().map_err(|error| error.to_string())?;
            let report = self.local.report("demo").await;
            let report = report.map_err(|error| format!("{error:#}"))?;
            let applied = report.assignment.as_ref().map(|applied| &applied.sha256);
            if version == expected && applied == Some(&sha256) && report.assignment_error.is_none()
            {
                Ok(())
            } else {
                Err(format!("{version} lies there; {report:#?}"))
            }
        })
        .await;
        self.local.shows("shares", "True", "Streaming").await;
        let socket = self.socket().await?;
        for symbols in [&["NSE:INFY", "NSE:TCS"][..], &["NSE:INFY"]] {
            self.local.write_set("shares", "full", symbols, "")?;
            self.simulator.subscribed(symbols.len() as u64).await;
        }
        assert_eq!(self.socket().await?, socket, "the socket was replaced");
        self.ticks.assert_gapless();
        Ok(())
    }

    /// Version and hash of the assignment. This test is of the old build, which must name a version
    /// that it cannot read.
    fn lies_there(&self) -> Result<(u32, String)> {
        let sealed = self.local.sealed("demo")?;
        let version = match sealed.open() {
            Ok(assignment) => assignment.version,
            Err(UnsealError::Invalid(InvalidAssignment::Version { found })) => found,
            Err(error) => return Err(error.into()),
        };
        Ok((version, sealed.sha256))
    }

    async fn socket(&self) -> Result<serde_json::Value> {
        let connections = self.simulator.connections().await?;
        assert_eq!(connections.len(), 1);
        Ok(connections[0]["id"].clone())
    }

    async fn reads(&self, versions: &[u32]) -> Result<()> {
        let report = self.local.report("demo").await?;
        assert_eq!(report.assignment_versions, versions);
        Ok(())
    }
}

#[tokio::test]
async fn an_old_operator_and_a_new_ingest_process() -> Result<()> {
    let world = World::streaming(old("kite-operator"), new("kite-ingestor")).await?;
    world.reads(&[1, 2]).await?;
    world.speaks(1).await
}

#[tokio::test]
async fn a_new_operator_and_an_old_ingest_process() -> Result<()> {
    let world = World::streaming(new("kite-operator"), old("kite-ingestor")).await?;
    world.reads(&[1]).await?;
    world.speaks(1).await
}

#[tokio::test]
async fn an_ingest_process_that_is_replaced_is_given_what_it_reads() -> Result<()> {
    let mut world = World::streaming(new("kite-operator"), old("kite-ingestor")).await?;
    world.speaks(1).await?;
    world.replace_ingestor(new("kite-ingestor")).await?;
    world.speaks(2).await?;
    // And back: the old build cannot read the stored assignment.
    world.replace_ingestor(old("kite-ingestor")).await?;
    world.speaks(1).await
}

#[tokio::test]
async fn an_operator_that_is_replaced_goes_on_from_what_the_other_build_left() -> Result<()> {
    let mut world = World::streaming(new("kite-operator"), new("kite-ingestor")).await?;
    world.speaks(2).await?;
    world.replace_operator(old("kite-operator")).await?;
    world.speaks(1).await?;
    world.replace_operator(new("kite-operator")).await?;
    world.speaks(2).await
}
