//! The first command of the README, as a new user runs it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tests::condition::within;
use tests::{Program, Ticks, eventually};
use tokio::process::Command;

/// The programs are built first, if necessary.
const BUILDING: Duration = Duration::from_secs(600);

#[tokio::test]
async fn make_demo_shows_ticks_and_ends_whole() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("make");
    command
        .arg("demo")
        .current_dir(root)
        .env_remove("REDIS_URL");
    // A shell has none of these. Build scripts depend on them, so that with them the demo would link
    // the programs again which other tests are starting.
    for (name, _) in std::env::vars_os() {
        let cargo = name.to_str().is_some_and(is_set_by_cargo);
        if cargo {
            command.env_remove(name);
        }
    }
    // Its own state folder, so that a demo of the user does not interfere.
    command
        .env("STATE_DIR", folder.path().join("state"))
        .process_group(0);
    let mut demo = Program::start(&mut command, &folder.path().join("demo.log"))?;
    let _group = Group(demo.pid());
    let line = within(BUILDING, "the line that shows the ticks", async || {
        let log = demo.log();
        assert!(!demo.has_ended(), "the demo ended:\n{log}");
        log.lines()
            .find(|line| line.starts_with("Ticks:"))
            .map(str::to_owned)
            .ok_or(log)
    })
    .await;
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("redis://"))
        .unwrap();
    let ticks = Ticks::subscribe(url, "ticker:*").await?;
    ticks.next(43).await;
    eventually("both sets are ready", async || {
        let log = demo.log();
        let ready = |name: &str| {
            log.lines()
                .any(|line| line.starts_with(name) && line.contains("True    Streaming"))
        };
        if ready("equities") && ready("indices") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    // As Ctrl-C does: to the whole group.
    Command::new("kill")
        .args(["-INT", "--", &format!("-{}", demo.pid())])
        .status()
        .await?;
    demo.ended().await?;
    eventually("the simulator and Redis are gone", async || {
        let simulator = tokio::net::TcpStream::connect("127.0.0.1:7070").await;
        let redis = redis::Client::open(url)?
            .get_multiplexed_async_connection()
            .await;
        if simulator.is_err() && redis.is_err() {
            Ok(())
        } else {
            anyhow::bail!("something listens")
        }
    })
    .await;
    Ok(())
}

/// Whether cargo sets the variable for the tests that it runs.
fn is_set_by_cargo(name: &str) -> bool {
    let prefixes = [
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    name == "CARGO_PRIMARY_PACKAGE" || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Ends a process group at any end of the test.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0);
        // A group that has already ended is fine.
        let _ended = std::process::Command::new("kill")
            .args(["-TERM", "--", &group])
            .output();
    }
}
