//! What is not known changes nothing: neither what streams, nor does it improve a status.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE};
use contract::{Sealed, mount};
use serde_json::{Value, json};
use tests::process::{binary, signal};
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

const INFY: u64 = 408_065;

/// Accounts `a` and `b`, each with its own set.
struct World {
    _redis: RedisServer,
    simulator: Simulator,
    ticks: Ticks,
    local: Local,
}

impl World {
    async fn streaming() -> Result<Self> {
        let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
        let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
        let mut local = Local::new(&redis)?;
        for (account, symbol) in [("a", "NSE:INFY"), ("b", "NSE:TCS")] {
            local.write_account(account, &simulator, "")?;
            write_set(&local, account, &[symbol])?;
        }
        local.start()?;
        local.shows("set-a", "True", "Streaming").await;
        local.shows("set-b", "True", "Streaming").await;
        Ok(Self {
            _redis: redis,
            simulator,
            ticks,
            local,
        })
    }

    /// The assignments of both.
    fn assigned(&self) -> Result<[String; 2]> {
        Ok([
            self.local.sealed("a")?.sha256,
            self.local.sealed("b")?.sha256,
        ])
    }

    /// The sockets at the simulator, by API key.
    async fn sockets(&self) -> Result<BTreeMap<String, Value>> {
        let sockets = self.simulator.connections().await?;
        let by_key = sockets
            .into_iter()
            .map(|socket| (socket["api_key"].to_string(), socket["id"].clone()));
        Ok(by_key.collect())
    }

    /// The process of account `a` runs the stored assignment and streams this many instruments.
    async fn converges(&self, instruments: u32) {
        eventually("what lies there is in force", async || {
            let lies = self.local.sealed("a").map_err(|error| error.to_string())?;
            let report = self.local.report("a").await;
            let report = report.map_err(|error| format!("{error:#}"))?;
            let applied = report.assignment.as_ref().map(|applied| &applied.sha256);
            if applied == Some(&lies.sha256) && report.streaming == instruments {
                Ok(())
            } else {
                Err(format!("{} lies there; {report:#?}", lies.sha256))
            }
        })
        .await;
    }
}

/// The set of an account.
fn write_set(local: &Local, account: &str, symbols: &[&str]) -> Result<()> {
    let name = format!("set-{account}");
    let holder = format!("  accountRef: {{name: {account}}}\n");
    local.write_set(&name, "full", symbols, &holder)
}

#[tokio::test]
async fn without_the_instruments_list_a_restart_changes_nothing() -> Result<()> {
    let mut world = World::streaming().await?;
    let assigned = world.assigned()?;
    world
        .simulator
        .control("faults", json!({"instruments": "html502"}))
        .await?;
    world.local.stop().await?;
    world.ticks.clear();
    world.local.start()?;
    // They stream from the stored assignment; new instruments have to wait.
    world.local.shows("set-a", "True", "Streaming").await;
    world.ticks.tick_of(INFY).await;
    let holder = "  accountRef: {name: a}\n";
    let new = &["NSE:RELIANCE"];
    world.local.write_set("new", "full", new, holder)?;
    world
        .local
        .shows("new", "Unknown", "InstrumentsUnavailable")
        .await;
    assert_eq!(world.assigned()?, assigned);
    world
        .simulator
        .control("faults", json!({"instruments": null}))
        .await?;
    world.local.shows("new", "True", "Streaming").await;
    Ok(())
}

/// The operator cannot know whether they have ended or it is cut off.
#[tokio::test]
async fn processes_that_do_not_answer_lose_nothing_and_are_not_called_ready() -> Result<()> {
    let mut world = World::streaming().await?;
    // Either account may have these.
    world
        .local
        .write_set("any", "full", &["NSE:RELIANCE"], "")?;
    world.local.shows("any", "True", "Streaming").await;
    let (assigned, sockets) = (world.assigned()?, world.sockets().await?);
    let children = world.local.children()?;
    for child in &children {
        signal(*child, "STOP").await?;
    }
    for name in ["a", "b"] {
        world.local.shows(name, "False", "PodNotReady").await;
    }
    for set in ["set-a", "set-b", "any"] {
        world.local.shows(set, "False", "PodNotReady").await;
    }
    assert_eq!(world.assigned()?, assigned);
    for child in &children {
        signal(*child, "CONT").await?;
    }
    for set in ["set-a", "set-b", "any"] {
        world.local.shows(set, "True", "Streaming").await;
    }
    assert_eq!(world.assigned()?, assigned);
    assert_eq!(world.sockets().await?, sockets, "a socket was replaced");
    Ok(())
}

#[tokio::test]
async fn an_assignment_that_is_lost_or_comes_from_a_backup_is_made_anew() -> Result<()> {
    let world = World::streaming().await?;
    let sockets = world.sockets().await?;
    let folder = world.local.assignment_folder("a")?;
    let old = world.local.sealed("a")?;
    write_set(&world.local, "a", &["NSE:INFY", "NSE:RELIANCE"])?;
    world.converges(2).await;

    restore(&folder, &old)?;
    eventually("something newer than the backup", async || {
        let lies = world.local.sealed("a").map_err(|error| error.to_string())?;
        if lies == old {
            Err(lies.sha256)
        } else {
            Ok(())
        }
    })
    .await;
    world.converges(2).await;

    std::fs::remove_dir_all(&folder)?;
    world.converges(2).await;

    // The stored file is damaged; the hash beside it is right.
    std::fs::write(folder.join(ASSIGNMENT_FILE), b"no gzip")?;
    eventually("the damaged file is made anew", async || {
        let opened = world.local.sealed("a").map(|sealed| sealed.open());
        match opened {
            Ok(Ok(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    world.converges(2).await;
    assert_eq!(world.sockets().await?, sockets, "a socket was replaced");
    world.ticks.assert_gapless();
    Ok(())
}

fn restore(folder: &std::path::Path, sealed: &Sealed) -> Result<()> {
    let files = BTreeMap::from([
        (ASSIGNMENT_FILE, sealed.gzip.clone()),
        (SHA256_FILE, sealed.sha256.clone().into_bytes()),
    ]);
    Ok(mount::publish(folder, &files)?)
}

#[tokio::test]
async fn an_account_that_goes_and_comes_again_starts_anew() -> Result<()> {
    let world = World::streaming().await?;
    let neighbour = world.sockets().await?.get("\"b-fake-key\"").cloned();
    world.local.remove("account-a.yaml")?;
    world.local.shows("set-a", "False", "NoAccount").await;
    world.simulator.subscribed(1).await;
    world.local.write_account("a", &world.simulator, "")?;
    world.local.shows("set-a", "True", "Streaming").await;
    world.converges(1).await;
    let now = world.sockets().await?.get("\"b-fake-key\"").cloned();
    assert!(now.is_some() && now == neighbour, "{now:?}");
    Ok(())
}

#[tokio::test]
async fn a_set_that_goes_while_its_account_is_down_is_gone_when_it_is_back() -> Result<()> {
    let mut world = World::streaming().await?;
    let holder = "  accountRef: {name: a}\n";
    let more = &["NSE:RELIANCE", "NSE:SBIN"];
    world.local.write_set("more", "full", more, holder)?;
    world.local.shows("more", "True", "Streaming").await;
    let sockets = world.sockets().await?;
    let children = world.local.children()?;
    for child in &children {
        signal(*child, "STOP").await?;
    }
    world.local.shows("a", "False", "PodNotReady").await;
    world.local.remove("set-more.yaml")?;
    for child in &children {
        signal(*child, "CONT").await?;
    }
    world.converges(1).await;
    world.simulator.subscribed(2).await;
    world.local.shows("set-a", "True", "Streaming").await;
    assert_eq!(world.sockets().await?, sockets, "a socket was replaced");
    Ok(())
}

/// `--once` decides by what this run observes, not by what an earlier run left running.
#[tokio::test]
async fn once_does_not_take_an_earlier_run_for_a_proof() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let local = Local::new(&redis)?;
    local.write_account("a", &simulator, "")?;
    write_set(&local, "a", &["NSE:INFY"])?;
    let good = local.once().await?;
    assert!(good.status.success(), "{good:?}");
    write_set(&local, "a", &["NSE:NO SUCH SHARE"])?;
    let bad = local.once().await?;
    let printed = String::from_utf8(bad.stdout)?;
    assert_eq!(bad.status.code(), Some(1), "{printed}");
    assert!(printed.contains("NothingResolved"), "{printed}");
    Ok(())
}

/// A deleted state folder takes the port file with it, and a process writes that file only once.
#[tokio::test]
async fn a_process_whose_address_is_lost_at_its_start_is_started_again() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("a", &simulator, "")?;
    write_set(&local, "a", &["NSE:INFY"])?;
    // Its first start writes no port file, and ends with its standard input; the second is real.
    let folder = tempfile::tempdir()?;
    let (program, starts) = (folder.path().join("program"), folder.path().join("starts"));
    let script = format!(
        "#!/bin/sh\necho start >> {starts}\n[ $(wc -l < {starts}) = 1 ] && exec cat\nexec {real} \"$@\"\n",
        starts = starts.display(),
        real = binary("kite-ingestor").display(),
    );
    std::fs::write(&program, script)?;
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
    local.use_ingestor(&program)?;
    local.start()?;
    local.shows("set-a", "True", "Streaming").await;
    assert_eq!(std::fs::read_to_string(&starts)?, "start\n".repeat(2));
    let printed = local.printed();
    let why = "the address of the ingest process is not known 10s after its start";
    assert!(printed.contains(why), "{printed}");
    Ok(())
}
